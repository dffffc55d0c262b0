import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigError, type ConfigProblem } from "../node/options.ts";
import { type ConfigSources, flagName, loadConfig, settableRows, variableName } from "./config.ts";
import { CliError } from "./exit-codes.ts";

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dynaring-test-"));
  file = join(directory, "node.yaml");
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function load(yaml: string | undefined, sources: Partial<ConfigSources> = {}) {
  if (yaml !== undefined) writeFileSync(file, yaml);
  return loadConfig({
    file: yaml === undefined ? undefined : file,
    env: {},
    flags: {},
    ...sources,
  });
}

function failureOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

function problemsOf(action: () => unknown): readonly ConfigProblem[] {
  const error = failureOf(action);
  return error instanceof ConfigError ? error.problems : [];
}

test("names of flags and variables follow from the path", () => {
  expect(flagName("requestTimeoutMs.read")).toBe("--request-timeout-ms-read");
  expect(variableName("requestTimeoutMs.read")).toBe("DYNARING_REQUEST_TIMEOUT_MS_READ");
  expect(flagName("dc")).toBe("--dc");
  expect(new Set(settableRows().map(({ path }) => flagName(path))).size).toBe(
    settableRows().length,
  );
});

test("a file says what it says, the rest are defaults", () => {
  const { options } = load("dc: eu\ninternode:\n  port: 7000\ngossipIntervalMs: 2s\n");
  expect(options).toMatchObject({
    dc: "eu",
    internode: { host: "127.0.0.1", port: 7000 },
    gossipIntervalMs: 2000,
  });
});

test.each(["", "# nothing\n", "---\n"])("the empty file %j is a configuration", (yaml) => {
  expect(load(yaml).options.dc).toBe("dc1");
});

test("flags win over the environment, the environment over the file", () => {
  const yaml = "dc: file\nrack: file\nclusterName: file\n";
  const { options } = load(yaml, {
    env: { DYNARING_DC: "env", DYNARING_RACK: "env" },
    flags: { dc: "flag" },
  });
  expect([options.dc, options.rack, options.clusterName]).toEqual(["flag", "env", "file"]);
});

test("texts from outside become numbers, lists, durations and sizes", () => {
  const { options } = load(undefined, {
    env: { DYNARING_SEEDS: "a:1, b:2", DYNARING_LIMITS_VALUE_BYTES: "1MiB" },
    flags: {
      respPort: "1",
      weight: "1.5",
      requestTimeoutMsRead: "250ms",
      numTokens: "2",
      initialToken: "-9223372036854775808,9223372036854775807",
    },
  });
  expect(options).toMatchObject({
    seeds: ["a:1", "b:2"],
    limits: { valueBytes: 1_048_576 },
    resp: { host: "127.0.0.1", port: 1 },
    weight: 1.5,
    requestTimeoutMs: { read: 250 },
    initialToken: ["-9223372036854775808", "9223372036854775807"],
  });
});

test("tokens need no quotes in a file and lose no digits", () => {
  const { options } = load("numTokens: 2\ninitialToken: [-9223372036854775807, 5]\n");
  expect(options.initialToken).toEqual(["-9223372036854775807", "5"]);
});

test("every problem names the place that it came from", () => {
  const problems = problemsOf(() =>
    load("weight: heavy\nnumTokens: 16\n", {
      env: { DYNARING_INTERNODE_PORT: "many" },
      flags: { numTokens: "0" },
    }),
  );
  expect(problems.map(({ path, value, source }) => [path, value, source])).toEqual([
    ["weight", '"heavy"', file],
    ["internode.port", '"many"', "environment variable DYNARING_INTERNODE_PORT"],
    ["numTokens", "0", "flag --num-tokens"],
  ]);
});

test("a key that is misspelled in the file is an error", () => {
  expect(problemsOf(() => load("internode: { prot: 1 }\n"))).toMatchObject([
    { path: "internode.prot", source: file },
  ]);
});

test.each(["a: b: c", "dc: a\ndc: b\n", "[", "\tdc: a"])("%j is no YAML", (yaml) => {
  expect(failureOf(() => load(yaml))).toMatchObject({ exit: "usage" });
});

test("a file that cannot be read is a usage error that names it", () => {
  const error = failureOf(() => loadConfig({ file, env: {}, flags: {} }));
  expect(error).toBeInstanceOf(CliError);
  expect(error).toMatchObject({ exit: "usage", detail: { file } });
});

test("variables that look like ours and name no option are reported", () => {
  const env = { DYNARING_URL: "x", DYNARING_INTERNODE_PROT: "1", PATH: "/bin" };
  expect(load(undefined, { env }).unknownVariables).toEqual(["DYNARING_INTERNODE_PROT"]);
});
