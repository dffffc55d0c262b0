import { afterEach, describe, expect, it } from "vitest";
import type { NodeOptionsInput } from "./options.ts";
import { type TestCluster, createTestCluster } from "./test-cluster.ts";

const ORDERED_TOKENS: Readonly<Record<string, readonly string[]>> = {
  ByteOrderedPartitioner: ["6b32", "6b35", "7a", "6b37"],
  OrderPreservingPartitioner: ["k2", "k5", "z", "k7"],
  CollatingOrderPreservingPartitioner: ["k2", "k5", "z", "k7"],
};
const HASHED = [
  "Murmur3Partitioner",
  "RandomPartitioner",
  "DynomitePartitioner(fnv1a_64)",
  "RedisSlotPartitioner",
];

let cluster: TestCluster | undefined;
afterEach(() => cluster?.stop());

function optionsOf(partitioner: string, index: number): NodeOptionsInput {
  const token = ORDERED_TOKENS[partitioner]?.[index];
  return {
    partitioner,
    ...(token === undefined ? { numTokens: 4 } : { numTokens: 1, initialToken: [token] }),
  };
}

describe.each([...HASHED, ...Object.keys(ORDERED_TOKENS)])("a ring of %s", (partitioner) => {
  it("keeps and finds what it is given", async () => {
    cluster = await createTestCluster(3, {
      node: (index) => optionsOf(partitioner, index),
      keyspace: { replicationFactor: 2 },
    });
    const keys = Array.from({ length: 300 }, (_, at) => `k${at}`);
    for (const key of keys) await cluster.keyspace.put(key, `value of ${key}`);
    for (const key of keys) {
      const found = await cluster.nodes[1]!.keyspace("default").get(key);
      expect(Buffer.from(found!.value).toString()).toBe(`value of ${key}`);
    }
    const scanned: string[] = [];
    for await (const key of cluster.keyspace.keys({ pageSize: 7 }))
      scanned.push(Buffer.from(key).toString());
    expect(scanned.toSorted()).toEqual(keys.toSorted());
  });
});
