import { expect, test } from "vitest";
import { CliError } from "../exit-codes.ts";
import { parseRingFile } from "./ring-file.ts";

const GOOD = `
partitioner: Murmur3Partitioner
members:
  - name: a
    address: 10.0.0.1
    dc: dc1
    rack: r1
    weight: 1.5
    tokens: [-9223372036854775808, 9223372036854775807]
  - { name: b, dc: dc1, rack: r2, tokens: ["7"] }
keyspaces:
  - name: shop
    replication: { class: NetworkTopologyStrategy, dc1: 2 }
`;

test("a ring file is read with tokens to the last digit", () => {
  const ring = parseRingFile(GOOD, "ring.yaml");
  expect(ring.partitioner.name).toBe("Murmur3Partitioner");
  expect(ring.members).toEqual([
    {
      name: "a",
      address: "10.0.0.1",
      dc: "dc1",
      rack: "r1",
      weight: 1.5,
      tokens: [-(2n ** 63n), 2n ** 63n - 1n],
    },
    { name: "b", dc: "dc1", rack: "r2", weight: 1, tokens: [7n] },
  ]);
  expect(ring.keyspaces).toMatchObject([
    { name: "shop", replication: { kind: "network-topology" } },
  ]);
});

test("JSON is a ring file too", () => {
  const json = '{"members": [{"name": "a", "dc": "d", "rack": "r", "tokens": [1, "2"]}]}';
  expect(parseRingFile(json, "ring.json").members[0]?.tokens).toEqual([1n, 2n]);
});

test("tokens of the byte-ordered ring are text, even if they look like numbers", () => {
  const yaml =
    "partitioner: ByteOrderedPartitioner\nmembers: [{name: a, dc: d, rack: r, tokens: [0010]}]";
  expect(parseRingFile(yaml, "r").members[0]?.tokens).toEqual([Uint8Array.of(0, 16)]);
});

test("on a ring per rack tokens repeat from rack to rack", () => {
  const yaml = (rack: string): string =>
    "partitioner: DynomitePartitioner\nmembers:\n" +
    `- {name: a, dc: d, rack: r1, tokens: [1]}\n- {name: b, dc: d, rack: ${rack}, tokens: [1]}\n`;
  expect(parseRingFile(yaml("r2"), "r").members).toHaveLength(2);
  expect(() => parseRingFile(yaml("r1"), "r")).toThrow(CliError);
});

function problemsOf(yaml: string): unknown {
  try {
    parseRingFile(yaml, "ring.yaml");
  } catch (error) {
    if (error instanceof CliError) return error.detail["problems"];
    throw error;
  }
  return [];
}

test.each([
  [
    "members:\n- name: a\n  dc: d\n  rack: r\n  tokens: [1, x]\n",
    { path: "members[0].tokens[1]", line: 5, value: '"x"' },
  ],
  [
    "members:\n- {name: a, dc: d, rack: r, tokens: [9223372036854775808]}\n",
    { path: "members[0].tokens[0]", line: 2, value: '"9223372036854775808"' },
  ],
  [
    "members:\n- {name: a, dc: d, rack: r, tokens: [1]}\n- {name: b, dc: d, rack: r,\n  tokens: [1]}",
    { path: "members[1].tokens[0]", line: 4, value: '"1"' },
  ],
  [
    "members:\n- {name: a, dc: d, rack: r, tokens: []}\n- {name: a, dc: d, rack: r, tokens: []}",
    { path: "members[1].name", line: 3, value: '"a"' },
  ],
  [
    "members:\n- {name: a b, dc: d, rack: r, tokens: []}",
    { path: "members[0].name", line: 2, value: '"a b"' },
  ],
  [
    "members:\n- {name: a, rack: r, tokens: []}",
    { path: "members[0].dc", line: 2, value: "missing" },
  ],
  [
    "members:\n- {name: a, dc: d, rack: r, weight: 0, tokens: []}",
    { path: "members[0].weight", line: 2, value: '"0"' },
  ],
  [
    "members:\n- {name: a, dc: d, rack: r, tokens: [], colour: red}",
    { path: "members[0].colour", line: 2, value: '"red"' },
  ],
  ["ring: {}\nmembers:\n- {name: a, dc: d, rack: r, tokens: []}", { path: "ring", line: 1 }],
  [
    "partitioner: Md5\nmembers:\n- {name: a, dc: d, rack: r, tokens: []}",
    { path: "partitioner", line: 1, value: '"Md5"' },
  ],
  ["members: []", { path: "members", line: 1, value: "[]" }],
  ["", { path: "the file", value: "missing" }],
  [
    "members:\n- {name: a, dc: d, rack: r, tokens: []}\n" +
      "keyspaces:\n- {name: k, replication: {class: NetworkTopologyStrategy, d2: 3}}",
    { path: "keyspaces[0].replication.d2", line: 4, value: '"3"' },
  ],
  [
    "members:\n- {name: a, dc: d, rack: r, tokens: []}\nkeyspaces:\n- {name: k, replication: {d: 3}}",
    { path: "keyspaces[0].replication.class", line: 4, value: "empty" },
  ],
])("a bad ring file is refused with place, line and value: %j", (yaml, problem) => {
  expect(problemsOf(yaml)).toMatchObject([problem]);
});

test("all problems are reported at once", () => {
  const yaml = "members:\n- {name: '', dc: d, tokens: 5}\n";
  expect(problemsOf(yaml)).toMatchObject([
    { path: "members[0].name" },
    { path: "members[0].rack" },
    { path: "members[0].tokens" },
  ]);
});

test("what is no YAML is refused", () => {
  expect(() => parseRingFile("members: [", "ring.yaml")).toThrow(/ring\.yaml is no valid YAML/);
});

test("aliases that would blow a file up are refused", () => {
  expect(() => parseRingFile("a: &a [1]\nb: *a\nmembers: *a", "ring.yaml")).toThrow(/aliases/);
});
