import { describe, expect, test } from "vitest";
import { parseDocument, parseAllDocuments } from "yaml";
import { parseRingFile } from "../tokens/ring-file.ts";
import { run } from "../tokens/run.suite.ts";

async function out(line: string): Promise<string> {
  const result = await run(line.split(" "));
  expect([result.code, result.err]).toEqual([0, ""]);
  return result.out;
}

test("even tokens for cassandra.yaml, as every guide has them", async () => {
  const text = await out("tokens --nodes 3 --num-tokens 1 --racks 3 --allocator even --seed 1");
  expect(text)
    .toBe(`# 3 members, 1 token each, racks 3, NetworkTopologyStrategy 3, Murmur3Partitioner, even, seed 1
# dc1: members hold 1.000 to 1.000 of a fair share
---
# n1: dc1, rack1
num_tokens: 1
initial_token: -9223372036854775808
---
# n2: dc1, rack2
num_tokens: 1
initial_token: -3074457345618258603
---
# n3: dc1, rack3
num_tokens: 1
initial_token: 3074457345618258602
`);
});

test("datacenters never share an even token", async () => {
  const text = await out(
    "tokens --nodes 2 --num-tokens 2 --rf 2 --dcs 2 --allocator even --json --seed 1",
  );
  const { members } = JSON.parse(text) as { members: { dc: string; tokens: string[] }[] };
  expect(members.map(({ dc, tokens }) => [dc, tokens])).toEqual([
    ["dc1", ["-9223372036854775808", "0"]],
    ["dc1", ["-4611686018427387904", "4611686018427387904"]],
    ["dc2", ["-9223372036854775708", "100"]],
    ["dc2", ["-4611686018427387804", "4611686018427388004"]],
  ]);
});

test("every rack of Dynomite has Dynomite-manager's tokens, for dynomite.yml", async () => {
  const text = await out("tokens --nodes 4 --racks 2 --partitioner dynomite --allocator even");
  const members = parseAllDocuments(text).map((document): unknown => document.toJS());
  expect(members).toEqual(
    ["1383429731", "1383429731", "3530913378", "3530913378"].map((tokens, index) => ({
      dyn_o_mite: { datacenter: "dc1", rack: `rack${(index % 2) + 1}`, tokens },
    })),
  );
});

test("the format of our own members is a configuration that they take", async () => {
  const text = await out(
    "tokens --nodes 1 --rf 1 --num-tokens 2 --allocator even --format dynaring",
  );
  expect(parseDocument(text).toJS()).toEqual({
    dc: "dc1",
    rack: "rack1",
    numTokens: 2,
    initialToken: ["-9223372036854775808", "0"],
  });
});

describe.each(["balanced", "cassandra", "random", "even"])("--allocator %s", (allocator) => {
  test("gives everybody as many tokens as asked for, and no token twice", async () => {
    const line = `tokens --nodes 6 --num-tokens 4 --racks 3 --allocator ${allocator} --seed 7`;
    const ring = parseRingFile(await out(`${line} --format ring`), "tokens");
    const tokens = ring.members.flatMap((member) => member.tokens);
    expect(ring.members.map((member) => member.tokens.length)).toEqual([4, 4, 4, 4, 4, 4]);
    expect(new Set(tokens).size).toBe(24);
    expect(ring.keyspaces[0]?.options).toEqual({ class: "NetworkTopologyStrategy", dc1: "3" });
  });

  test("gives the same for the same seed", async () => {
    const line = `tokens --nodes 3 --num-tokens 4 --allocator ${allocator} --seed`;
    expect(await out(`${line} 7`)).toBe(await out(`${line} 7`));
  });
});

test("the balanced ring is more even than the random one", async () => {
  const spread = async (allocator: string): Promise<number> => {
    const line = `tokens --nodes 6 --racks 3 --allocator ${allocator} --seed 3 --json`;
    const { balance } = JSON.parse(await out(line)) as { balance: { max: number; min: number }[] };
    return balance[0]!.max - balance[0]!.min;
  };
  expect(await spread("balanced")).toBeLessThan(0.05);
  expect(await spread("random")).toBeGreaterThan(0.1);
});

test.each(["random", "byteordered", "orderpreserving", "collatingorderpreserving", "redis"])(
  "tokens of the %s partitioner can be drawn and read back",
  async (partitioner) => {
    const line = `tokens --nodes 3 --num-tokens 2 --allocator random --partitioner ${partitioner}`;
    const ring = parseRingFile(await out(`${line} --format ring --seed 2`), "tokens");
    expect(ring.members.map((member) => member.tokens.length)).toEqual([2, 2, 2]);
  },
);

test.each([
  ["tokens", "--nodes"],
  ["tokens --nodes 0", "0"],
  ["tokens --nodes 2", "2 members per datacenter cannot hold RF 3"],
  ["tokens --nodes 3 --racks 4", "--racks 4"],
  ["tokens --nodes 3 --racks 2,2", "--nodes says 3"],
  ["tokens --nodes 3 --racks two", "--racks two"],
  ["tokens --nodes 3 --allocator best", "balanced, cassandra, random, even"],
  ["tokens --nodes 4 --racks 2 --allocator cassandra", "2 racks and RF 3"],
  ["tokens --nodes 3 --partitioner byteordered", "--allocator random"],
  ["tokens --nodes 3 --partitioner byteordered --allocator even", "--allocator random"],
  ["tokens --nodes 3 --num-tokens 6000 --allocator even", "1536"],
  ["tokens --nodes 5000 --num-tokens 100 --allocator even --partitioner redis", "16384"],
])("'%s' is a usage error", async (line, shown) => {
  const { code, out: text, err } = await run(line.split(" "));
  expect([code, text]).toEqual([1, ""]);
  expect(err).toContain(shown);
});
