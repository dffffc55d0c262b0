/** Values for the tests of this layer. */
import fc from "fast-check";
import type { KeyspaceDefinition } from "../model/admin-api.ts";
import { compareLayoutVersions } from "../model/layout-version.ts";
import type { Genesis } from "./commit.ts";
import { type Layout, type LayoutMember, requireSameCluster } from "./layout.ts";

export const CLUSTER_ID = "c0000000-0000-4000-8000-000000000000";

export function memberId(number: number): string {
  return `a0000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

export function member(number: number, fields: Partial<LayoutMember> = {}): LayoutMember {
  return {
    id: memberId(number),
    address: `10.0.0.1:${7000 + number}`,
    respAddress: undefined,
    httpAddress: undefined,
    dc: "dc1",
    rack: "r1",
    weight: 1,
    tokens: [String(number * 100)],
    ...fields,
  };
}

export function keyspace(
  name: string,
  fields: Partial<KeyspaceDefinition> = {},
): KeyspaceDefinition {
  return {
    name,
    replication: { class: "SimpleStrategy", options: { replication_factor: "3" } },
    readConsistency: "QUORUM",
    writeConsistency: "QUORUM",
    durability: "fsync",
    ...fields,
  };
}

export function start(...members: LayoutMember[]): Genesis {
  return {
    clusterId: CLUSTER_ID,
    clusterName: "test",
    partitioner: "Murmur3Partitioner",
    members,
  };
}

const names = fc
  .string({ minLength: 1, maxLength: 10, unit: "grapheme-ascii" })
  .filter((name) => name !== "__proto__");

/** A member of any form; distinct numbers give distinct ids, addresses and tokens. */
export function anyMember(number: number): fc.Arbitrary<LayoutMember> {
  return fc.record({
    id: fc.constant(memberId(number)),
    address: fc.constantFrom(`10.0.0.${number}:7400`, `[::${number}]:7400`, `host-${number}:1`),
    respAddress: fc.constantFrom(undefined, `10.0.0.${number}:6379`),
    httpAddress: fc.constantFrom(undefined, `10.0.0.${number}:8080`),
    dc: names,
    rack: names,
    weight: fc.double({ min: 0.001, max: 1e6, noNaN: true }),
    tokens: fc
      .uniqueArray(fc.bigInt({ min: -(2n ** 55n), max: 2n ** 55n - 1n }), {
        minLength: 1,
        maxLength: 8,
      })
      .map((tokens) => tokens.map((token) => String(token * 128n + BigInt(number)))),
  });
}

/** A keyspace of any form with a name made from the number. */
export function anyKeyspace(number: number): fc.Arbitrary<KeyspaceDefinition> {
  return fc.record({
    name: fc.constant(`keyspace_${number}`),
    replication: fc.record({
      class: fc.constantFrom("SimpleStrategy", "NetworkTopologyStrategy"),
      options: fc.dictionary(names, fc.constantFrom("1", "3/1"), { noNullPrototype: true }),
    }),
    readConsistency: fc.constantFrom("ONE", "LOCAL_QUORUM"),
    writeConsistency: fc.constantFrom("ANY", "ALL"),
    durability: fc.constantFrom("fsync", "interval", "memory"),
  });
}

/** Which one of two layouts of a ring everybody ends with, in whatever order they meet. */
export function winnerOf(a: Layout, b: Layout): Layout {
  requireSameCluster(a, b);
  return compareLayoutVersions(a.version, b.version) >= 0 ? a : b;
}
