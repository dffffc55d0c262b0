import { expect, test } from "vitest";
import { optionRows } from "./options-table.ts";
import { ConfigError, type ConfigProblem, parseNodeOptions, withValueAt } from "./options.ts";

function problemsOf(input: unknown, source?: string): readonly ConfigProblem[] {
  try {
    parseNodeOptions(input, source);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("no options at all give a member in memory that listens on loopback only", () => {
  const options = parseNodeOptions({});
  expect(options).toMatchObject({
    clusterName: "dynaring",
    internode: { host: "127.0.0.1", port: 7400 },
    numTokens: 16,
    requestTimeoutMs: { read: 5000, write: 2000 },
    limits: { keyBytes: 65_536, valueBytes: 16_777_216 },
  });
  expect([options.dataDirectory, options.resp, options.http]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("a front end appears with its section and takes the defaults for the rest", () => {
  expect(parseNodeOptions({ http: {}, resp: { port: 1 } })).toMatchObject({
    http: { host: "127.0.0.1", port: 8400 },
    resp: { host: "127.0.0.1", port: 1, maxConnections: 10_000 },
  });
});

test("durations and sizes may be written with units", () => {
  const options = parseNodeOptions({
    gossipIntervalMs: "2s",
    requestTimeoutMs: { read: "250ms" },
    limits: { valueBytes: "1MiB" },
  });
  expect(options.gossipIntervalMs).toBe(2000);
  expect(options.requestTimeoutMs).toEqual({ read: 250, write: 2000 });
  expect(options.limits.valueBytes).toBe(1_048_576);
});

test("all problems are reported at once, with value, source and what would be right", () => {
  const problems = problemsOf(
    { internode: { port: 70_000 }, engine: "rocks", gossipIntervalMs: "soon", seeds: ["a"] },
    "node.yaml",
  );
  expect(problems).toEqual([
    {
      path: "seeds",
      value: '["a"]',
      expected: "a list of host:port",
      source: "node.yaml",
    },
    {
      path: "internode.port",
      value: "70000",
      expected: "a whole number from 0 to 65535",
      source: "node.yaml",
    },
    { path: "engine", value: '"rocks"', expected: "one of log, lmdb", source: "node.yaml" },
    {
      path: "gossipIntervalMs",
      value: '"soon"',
      expected: 'a whole number of milliseconds, or text like "500ms" or "10s", from 10 to 60000',
      source: "node.yaml",
    },
  ]);
});

test.each([
  [{ colour: 1 }, "colour"],
  [{ internode: { prot: 1 } }, "internode.prot"],
])("an unknown key is an error: %j", (input, path) => {
  const [problem] = problemsOf(input);
  expect(problem).toMatchObject({ path, value: "1" });
  expect(problem?.expected).toContain("no such option");
});

test.each([
  [{ initialToken: ["1", "2"] }, "initialToken"],
  [{ initialToken: ["1", "1"], numTokens: 2 }, "initialToken"],
  [{ engine: "lmdb" }, "engine"],
  [{ limits: { inFlightBytes: "1MiB" } }, "limits.inFlightBytes"],
  [{ limits: { peerQueueBytes: "1MiB" } }, "limits.peerQueueBytes"],
  [{ resp: { port: 7400 } }, "resp.port"],
  [{ resp: { port: 1 }, http: { port: 1 } }, "http.port"],
])("options that contradict each other are refused: %j", (input, path) => {
  expect(problemsOf(input).map((problem) => problem.path)).toEqual([path]);
});

test("several front ends may all ask for any free port", () => {
  const any = { port: 0 };
  expect(problemsOf({ internode: any, resp: any, http: any })).toEqual([]);
});

test.each([[null], [5], ["text"], [[]]])("%j is no configuration", (input) => {
  expect(problemsOf(input)).toHaveLength(1);
});

test.each(["127.0.0.1:7401", "db-1.example.com:1", "[::1]:7401"])("%s is an address", (address) => {
  expect(parseNodeOptions({ seeds: [address] }).seeds).toEqual([address]);
});

test.each(["127.0.0.1", "::1:7401", "a b:1", "host:port"])("%s is no address", (address) => {
  expect(problemsOf({ seeds: [address] })).toHaveLength(1);
});

test("every option says what it means and what is right", () => {
  const silent = optionRows().filter(
    ({ expected, description }) => expected === "" || !description.endsWith("."),
  );
  expect(silent).toEqual([]);
});

test("every default passes its own rule", () => {
  let input: unknown = {};
  for (const { path, kind, defaultValue } of optionRows()) {
    if (kind === "section" || defaultValue === undefined) continue;
    input = withValueAt(input, path.split("."), defaultValue);
  }
  expect(parseNodeOptions(input)).toEqual(parseNodeOptions({ resp: {}, http: {} }));
});
