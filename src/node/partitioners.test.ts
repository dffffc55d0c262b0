/** Rings of every partitioner, and ranges of keys where it keeps them in order. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../test/support/condition.ts";
import { createRingPositions } from "../placement/ring-positions.ts";
import type { Partitioner } from "../ring/partitioner.ts";
import { createPartitioner } from "../ring/partitioners/by-name.ts";
import { type DynaringNode, createNode } from "./create-node.ts";
import type { KeyspaceClient, RangeOptions } from "./keyspace-client.ts";
import type { NodeOptionsInput } from "./options.ts";
import { type TestCluster, createTestCluster } from "./test-cluster.ts";

const HASHED = [
  "Murmur3Partitioner",
  "RandomPartitioner",
  "DynomitePartitioner(fnv1a_64)",
  "RedisSlotPartitioner",
];
/** The tokens of each member; most keys of these tests begin with k. */
const ORDERED_TOKENS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  ByteOrderedPartitioner: [["6b32", "61"], ["6b35", "7a"], ["6b37", "00ff"], ["6b34"]],
  OrderPreservingPartitioner: [["k2", "a"], ["k5", "z"], ["k7", "Z"], ["k4"]],
  CollatingOrderPreservingPartitioner: [["k2", "a"], ["k5", "z"], ["k7", "c0"], ["k4"]],
};
const ORDERED = Object.keys(ORDERED_TOKENS);

let cluster: TestCluster | undefined;
const extra: DynaringNode[] = [];
afterEach(async () => {
  for (const node of extra.splice(0)) await node.stop();
  await cluster?.stop();
  cluster = undefined;
});

function optionsOf(partitioner: string, index: number): NodeOptionsInput {
  const initialToken = ORDERED_TOKENS[partitioner]?.[index];
  if (initialToken === undefined) return { partitioner, numTokens: 4 };
  return { partitioner, numTokens: initialToken.length, initialToken };
}

async function ringOf(partitioner: string, replicationFactor: number): Promise<TestCluster> {
  cluster = await createTestCluster(3, {
    node: (index) => optionsOf(partitioner, index),
    keyspace: { replicationFactor },
  });
  return cluster;
}

/** The ids of the members that SimpleStrategy chooses, by comparing whole tokens. */
function naiveReplicas<T>(
  partitioner: Partitioner<T>,
  node: DynaringNode,
  key: Uint8Array,
): string[] {
  const owned = node.admin
    .status()
    .members.flatMap(({ id, tokens }) =>
      tokens.map((token) => ({ id, token: partitioner.parse(token) })),
    )
    .toSorted((a, b) => partitioner.compare(a.token, b.token));
  const token = partitioner.hash(key);
  const first = owned.findIndex((one) => partitioner.compare(token, one.token) <= 0);
  const from = Math.max(first, 0);
  const ids = [...owned.slice(from), ...owned.slice(0, from)].map(({ id }) => id);
  return [...new Set(ids)].slice(0, 2);
}

function expectPlaced(partitioner: string, node: DynaringNode, keys: readonly string[]): void {
  for (const text of keys) {
    const key = Buffer.from(text);
    const { replicas } = node.admin.endpoints("default", key);
    const naive = naiveReplicas(createPartitioner(partitioner) as Partitioner<unknown>, node, key);
    expect({ text, ids: replicas.map(({ id }) => id) }).toEqual({ text, ids: naive });
  }
}

async function expectAll(node: DynaringNode, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const found = await node.keyspace("default").get(key, { consistency: "ALL" });
    expect(Buffer.from(found?.value ?? []).toString()).toBe(`value of ${key}`);
  }
}

async function scanned(keyspace: KeyspaceClient, pageSize: number): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of keyspace.keys({ pageSize })) keys.push(Buffer.from(key).toString());
  return keys;
}

function settled(nodes: readonly DynaringNode[]): Promise<void> {
  return until("one layout is in use", () =>
    nodes.every(({ admin }) => admin.topology().versions.length === 1),
  );
}

describe.each([...HASHED, ...ORDERED])("a ring of %s", (partitioner) => {
  const keys = Array.from({ length: 240 }, (_, at) => `k${(at * 7919) % 1000}${at % 3 ? "x" : ""}`);
  const all = [...keys, "", "a", "zz", "Z", "kk and much more that is the same 1", "é"];

  it("keeps, finds and walks what it is given, while members come and go", async () => {
    const { nodes, keyspace, node } = await ringOf(partitioner, 2);
    for (const key of all) await keyspace.put(key, `value of ${key}`);
    expectPlaced(partitioner, nodes[1]!, all);
    expect((await scanned(keyspace, 7)).toSorted()).toEqual([...new Set(all)].toSorted());
    expect(await keyspace.count()).toBe(new Set(all).size);

    const joining = createNode({
      clusterName: "test",
      seeds: [node.address],
      durability: "memory",
      gossipIntervalMs: 100,
      internode: { port: 0 },
      ...optionsOf(partitioner, 3),
    });
    extra.push(joining);
    await joining.start();
    await settled([...nodes, joining]);
    expect(joining.admin.info().storage.keys).toBeGreaterThan(0);
    expectPlaced(partitioner, joining, all);
    await expectAll(joining, all);

    await node.admin.stage({ kind: "leave", member: nodes[1]!.address });
    const { hash } = await node.admin.plan();
    await node.admin.commit(hash);
    await settled([node, joining]);
    await until("it is gone", () => node.admin.status().members.length === 3);
    expectPlaced(partitioner, joining, all);
    await expectAll(node, all);
    expect((await scanned(joining.keyspace("default"), 50)).toSorted()).toEqual(
      [...new Set(all)].toSorted(),
    );
  });

  it("shows its tokens as people know them", async () => {
    const { node } = await ringOf(partitioner, 2);
    const parse = createPartitioner(partitioner) as Partitioner<unknown>;
    const { tokens, status } = node.admin.ring("default");
    expect(status.partitioner).toBe(partitioner);
    const sorted = tokens
      .map(({ token }) => parse.parse(token))
      .toSorted((a, b) => parse.compare(a, b));
    expect(tokens.map(({ token }) => token)).toEqual(sorted.map((token) => parse.format(token)));
    const ranges = node.admin.describeRing("default");
    expect(ranges.map(({ endToken }) => endToken)).toEqual(tokens.map(({ token }) => token));
    const { token } = node.admin.endpoints("default", Buffer.from("key"));
    expect(token).toBe(parse.format(parse.hash(Buffer.from("key"))));
    const hasWidths = HASHED.includes(partitioner);
    const sum = status.members.reduce((total, { ownership = 0 }) => total + ownership, 0);
    expect(sum).toBeCloseTo(hasWidths ? 1 : 0, 9);
    expect(status.effectiveOwnership === undefined).toBe(!hasWidths);
  });
});

describe.each(ORDERED)("ranges of %s", (partitioner) => {
  const { compareKeys } = createRingPositions(createPartitioner(partitioner));
  const texts = fc.oneof(
    fc.string({ unit: fc.constantFrom("k", "2", "5", "z", "A", "é", "!"), maxLength: 4 }),
    // These share a token of the ring.
    fc.integer({ min: 0, max: 999 }).map((number) => `kkkk:user:${number}`),
  );
  const ranges: fc.Arbitrary<RangeOptions> = fc.record(
    {
      from: texts,
      to: texts,
      prefix: fc.oneof(texts, fc.constantFrom("k", "kkkk:user:1", "kkkk")),
      limit: fc.integer({ min: 0, max: 30 }),
      pageSize: fc.integer({ min: 1, max: 40 }),
      values: fc.boolean(),
    },
    { requiredKeys: [] },
  );

  function expected(
    model: ReadonlyMap<string, string>,
    { from = "", to, prefix = "", limit = 1e9, values = true }: RangeOptions,
  ): unknown[] {
    const inRange = (key: string): boolean =>
      compareKeys!(Buffer.from(key), Buffer.from(from)) >= 0 &&
      (to === undefined || compareKeys!(Buffer.from(key), Buffer.from(to)) < 0) &&
      key.startsWith(String(prefix));
    return [...model]
      .filter(([key]) => inRange(key))
      .toSorted(([a], [b]) => compareKeys!(Buffer.from(a), Buffer.from(b)))
      .slice(0, limit)
      .map(([key, value]) => [key, values ? value : undefined]);
  }

  async function actual(keyspace: KeyspaceClient, range: RangeOptions): Promise<unknown[]> {
    const entries: unknown[] = [];
    for await (const { key, value } of keyspace.getRange(range)) {
      entries.push([Buffer.from(key).toString(), value && Buffer.from(value).toString()]);
    }
    return entries;
  }

  it("are those of a sorted map, also with a member down, from any member", async () => {
    const { nodes, keyspace } = await ringOf(partitioner, 3);
    const model = new Map<string, string>();
    const put = async (key: string, value: string): Promise<void> => {
      await keyspace.put(key, value);
      model.set(key, value);
    };
    const some = fc.sample(texts, { numRuns: 250, seed: 5 });
    for (const key of some) await put(key, `first ${key}`);
    await nodes[2]!.stop();
    for (const key of some.slice(0, 60)) await put(key, `second ${key}`);
    for (const key of some.slice(60, 100)) {
      await keyspace.delete(key);
      model.delete(key);
    }
    for (const key of fc.sample(texts, { numRuns: 60, seed: 6 })) await put(key, `third ${key}`);

    await fc.assert(
      fc.asyncProperty(ranges, fc.constantFrom(0, 1), async (range, at) => {
        const seen = await actual(nodes[at]!.keyspace("default"), range);
        expect(seen).toEqual(expected(model, range));
      }),
      { numRuns: 150, examples: [[{}, 0]] },
    );
    const inOrder = (expected(model, {}) as [string][]).map(([key]) => key);
    for (const pageSize of [1, 10, 1000]) {
      expect(await scanned(nodes[1]!.keyspace("default"), pageSize)).toEqual(inOrder);
    }
    expect(await keyspace.count()).toBe(model.size);
  });
});

it("a range of keys that are hashed is refused with the reason", async () => {
  const { keyspace } = await ringOf("Murmur3Partitioner", 1);
  await expect(keyspace.getRange({ prefix: "k" }).next()).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining(
      "partitioner is 'Murmur3Partitioner', expected an ordered one",
    ),
  });
});

it("a key that the partitioner cannot take is a wrong argument", async () => {
  const { keyspace } = await ringOf("CollatingOrderPreservingPartitioner", 1);
  const key = Buffer.from([0x6b, 0xff]);
  const refusal = { code: "INVALID_ARGUMENT", message: expect.stringContaining("valid UTF-8") };
  await expect(keyspace.put(key, "v")).rejects.toMatchObject(refusal);
  await expect(keyspace.get(key)).rejects.toMatchObject(refusal);
  await expect(keyspace.getRange({ from: key }).next()).rejects.toMatchObject(refusal);
});

it("a member with another partitioner is told so, and the ring goes on without it", async () => {
  const { node, keyspace } = await ringOf("ByteOrderedPartitioner", 2);
  const stranger = createNode({
    clusterName: "test",
    seeds: [node.address],
    internode: { port: 0 },
    gossipIntervalMs: 100,
  });
  extra.push(stranger);
  await expect(stranger.start()).rejects.toThrow(
    /uses the partitioner ByteOrderedPartitioner and this one Murmur3Partitioner/,
  );
  await keyspace.put("k", "v");
  expect(node.admin.status().members).toHaveLength(3);
});

describe("on a ring of an ordered partitioner", () => {
  it("tokens are named or drawn, and what would need widths is refused", async () => {
    const { node } = await ringOf("ByteOrderedPartitioner", 2);
    const member = node.address;
    const refusal = { code: "CHANGE_REFUSED", message: expect.stringContaining("no widths") };
    const resize = node.admin.stage({ kind: "num-tokens", member, numTokens: 5 });
    await expect(resize).rejects.toMatchObject(refusal);
    const weigh = node.admin.stage({ kind: "weight", member, weight: 3 });
    await expect(weigh).rejects.toMatchObject(refusal);
    await node.admin.stage({ kind: "move", member, tokens: ["6b33", "6B"] });
    const { warnings, members } = await node.admin.plan();
    expect(warnings.map(({ code }) => code)).toContain("NO_WIDTHS");
    expect(members[0]!.ownershipAfter).toBeUndefined();
    const taken = node.admin.stage({ kind: "move", member, tokens: ["7a", "62"] });
    await expect(taken).rejects.toThrow(/token 7a is owned by member/);
    const long = node.admin.stage({ kind: "move", member, tokens: ["6b32333435363738"] });
    await expect(long).rejects.toThrow(/at most 14 hex digits/);
  });

  it("a member that draws its tokens joins", async () => {
    const { node } = await ringOf("OrderPreservingPartitioner", 2);
    const joining = createNode({
      clusterName: "test",
      partitioner: "orderpreserving",
      allocator: "random",
      numTokens: 5,
      seeds: [node.address],
      internode: { port: 0 },
      gossipIntervalMs: 100,
    });
    extra.push(joining);
    await joining.start();
    expect(joining.admin.info().member.tokens).toHaveLength(5);
  });
});
