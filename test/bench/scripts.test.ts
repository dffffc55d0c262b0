import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);

it.each([
  ["allocation", /one member to 1000 x 16 tokens: \d+ ms/],
  ["rebalance", /44 rows, 0 MISSED/],
  ["resp", /parser: \d+ ns[^]*writer: \d+ ns[^]*(shared buffer|redis-benchmark is not installed)/],
  ["stream", /compare with an equal store +\d/],
])(
  "the small run of bench/%s.bench.ts prints its table",
  async (name, expected) => {
    const script = ["--import", "tsx", `bench/${name}.bench.ts`];
    const { stdout } = await run(process.execPath, script);
    expect(stdout).toMatch(expected);
  },
  60_000,
);
