import { expect, test } from "vitest";
import { buildProgram } from "./program.ts";
import { cliReference, configReference, metricsReference } from "./reference.suite.ts";

const DIRECTORY = "../../docs/reference";

test("docs/reference/config.md is the option table", async () => {
  await expect(configReference()).toMatchFileSnapshot(`${DIRECTORY}/config.md`);
});

test("docs/reference/metrics.md is the metrics table", async () => {
  await expect(metricsReference()).toMatchFileSnapshot(`${DIRECTORY}/metrics.md`);
});

test("docs/reference/cli.md is the command table", async () => {
  const program = buildProgram({
    env: {},
    isTerminal: false,
    fetch: globalThis.fetch,
    write: () => {},
    writeError: () => {},
  });
  await expect(cliReference(program)).toMatchFileSnapshot(`${DIRECTORY}/cli.md`);
});
