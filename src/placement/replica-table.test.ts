import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_TOKEN, MIN_TOKEN, tokenFromHalves, tokenHi, tokenLo } from "../ring/token.ts";
import { SeededRng } from "../util/random.ts";
import { naivePlacement } from "./naive-placement.suite.ts";
import { buildReplicaTable } from "./replica-table.ts";
import { factor, network, oldNetwork, replicasAt, ring, simple } from "./small-rings.suite.ts";
import type { Replication } from "./strategy.ts";

describe("a replica table", () => {
  const three = ring([[0n], [100n], [200n]]);

  it("gives a member the range from its predecessor, exclusive, to its own token, inclusive", () => {
    const primaryOf = (token: bigint): number | undefined => replicasAt(three, simple(1), token)[0];
    expect([1n, 100n, 101n, 200n].map(primaryOf)).toEqual([1, 1, 2, 2]);
  });

  it("gives what lies above the highest token to the lowest", () => {
    const primaryOf = (token: bigint): number | undefined => replicasAt(three, simple(1), token)[0];
    expect([201n, MAX_TOKEN, MIN_TOKEN, -1n, 0n].map(primaryOf)).toEqual([0, 0, 0, 0, 0]);
  });

  it("gives an empty set in a ring without members and in one without tokens", () => {
    for (const members of [[], ring([[], []])]) {
      const table = buildReplicaTable({ members, replication: simple(3) });
      expect(table.lookup(0, 0)).toEqual({ id: 0, members: [], transient: undefined });
      expect(table.sets).toHaveLength(1);
      expect(table.setIdOf(0, 0)).toBe(0);
      expect(table.ranges()).toEqual([]);
    }
  });

  it("gives the whole ring to a single token", () => {
    const table = buildReplicaTable({ members: ring([[7n]]), replication: simple(3) });
    expect(table.lookup(0, 7)).toBe(table.lookup(-1, 0));
    expect(table.ranges()).toEqual([
      { startHi: 0, startLo: 7, endHi: 0, endLo: 7, replicas: table.sets[0] },
    ]);
  });

  it("never makes a member without tokens a replica", () => {
    const members = ring([[0n], [], [200n]]);
    expect(replicasAt(members, simple(3), 5n)).toEqual([2, 0]);
    expect(replicasAt(members, network({ "1": factor(3) }), 5n)).toEqual([2, 0]);
  });

  it("interns sets: the same members in the same order are the same object", () => {
    const members = ring([
      [0n, 300n],
      [100n, 400n],
      [200n, 500n],
    ]);
    const table = buildReplicaTable({ members, replication: simple(2) });
    expect(table.sets).toHaveLength(3);
    expect(table.lookup(0, 50)).toBe(table.lookup(0, 350));
    expect(table.sets.map(({ id }) => id)).toEqual([0, 1, 2]);
    expect(table.sets).toContain(table.lookup(0, 350));
    expect(table.set(table.setIdOf(0, 350))).toBe(table.lookup(0, 50));
    expect(table.setCount).toBe(3);
  });

  it("keeps apart thousands of sets, as one member after another is the first of its set", () => {
    const count = 5000;
    const members = ring(Array.from({ length: count }, (_, member) => [BigInt(member)]));
    const table = buildReplicaTable({ members, replication: simple(3) });
    expect(table.setCount).toBe(count);
    expect(table.sets.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, id) => id));
    const found = Array.from({ length: count }, (_, token) => table.lookup(0, token).members);
    expect(found).toEqual(
      Array.from({ length: count }, (_, at) => [at, (at + 1) % count, (at + 2) % count]),
    );
  });

  it("lists its ranges in ring order, the wrapping one first", () => {
    const table = buildReplicaTable({ members: three, replication: simple(1) });
    const ranges = table
      .ranges()
      .map((range) => [
        tokenFromHalves(range.startHi, range.startLo),
        tokenFromHalves(range.endHi, range.endLo),
        range.replicas.members[0],
      ]);
    expect(ranges).toEqual([
      [200n, 0n, 0],
      [0n, 100n, 1],
      [100n, 200n, 2],
    ]);
  });
});

it("builds and finds its way in a table of 1000 members with 256 tokens each", () => {
  const rng = new SeededRng(3);
  const members = Array.from({ length: 1000 }, (_, member) => ({
    dc: "dc1",
    rack: `r${member % 3}`,
    tokens: Array.from({ length: 256 }, () => tokenFromHalves(rng.uint32() | 0, rng.uint32())),
  }));
  const table = buildReplicaTable({ members, replication: network({ dc1: factor(3) }) });
  const sorted = members
    .flatMap(({ tokens }, member) => tokens.map((token) => ({ token, member })))
    .sort((a, b) => (a.token < b.token ? -1 : 1));
  for (let index = 1; index < sorted.length; index += 97) {
    const { token, member } = sorted[index]!;
    const after = sorted[index - 1]!.token + 1n;
    expect(table.lookup(tokenHi(token), tokenLo(token)).members[0]).toBe(member);
    expect(table.lookup(tokenHi(after), tokenLo(after)).members[0]).toBe(member);
  }
});

const topology = fc
  .array(
    fc.record({
      dc: fc.constantFrom("dc1", "dc2", "dc3"),
      rack: fc.constantFrom("r1", "r2", "r3", "r4"),
      tokenCount: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .chain((members) =>
    fc.record({
      members: fc.constant(members),
      seed: fc.integer({ min: 0, max: 1_000_000 }),
      // Small spans crowd the tokens, large ones spread them over the ring.
      span: fc.constantFrom(7, 32, 64),
    }),
  )
  .map(({ members, seed, span }) => {
    const rng = new SeededRng(seed);
    const taken = new Set<bigint>();
    return members.map(({ dc, rack, tokenCount }) => ({
      dc,
      rack,
      tokens: Array.from({ length: tokenCount }, () => {
        for (;;) {
          const token = BigInt.asIntN(span, tokenFromHalves(rng.uint32() | 0, rng.uint32()));
          if (!taken.has(token)) {
            taken.add(token);
            return token;
          }
        }
      }),
    }));
  });

const factors = fc.dictionary(
  fc.constantFrom("dc1", "dc2", "dc3", "dc4"),
  fc
    .record({ total: fc.integer({ min: 1, max: 6 }), transient: fc.integer({ min: 0, max: 5 }) })
    .map(({ total, transient }) => ({ total, transient: Math.min(transient, total - 1) })),
);

describe("on random topologies", () => {
  it("places as a naive walk along the ring does", () => {
    const replication = fc.oneof(
      fc.integer({ min: 1, max: 6 }).map((total) => simple(total)),
      factors.map((by) => network(by, "current")),
      factors.map((by) => network(by, "older")),
      fc.integer({ min: 1, max: 6 }).map(oldNetwork),
      fc.constant<Replication>({ kind: "rack-per-replica" }),
    );
    fc.assert(
      fc.property(
        topology,
        replication,
        fc.bigInt(MIN_TOKEN, MAX_TOKEN),
        (members, chosen, any) => {
          const table = buildReplicaTable({ members, replication: chosen });
          const tokens = members.flatMap((member) => member.tokens);
          for (const token of [
            any,
            ...tokens,
            ...tokens.map((own) => BigInt.asIntN(64, own + 1n)),
          ]) {
            const set = table.lookup(tokenHi(token), tokenLo(token));
            expect(set.members).toEqual(naivePlacement(members, chosen, token).map(({ at }) => at));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("marks the same replicas transient as the naive walk", () => {
    fc.assert(
      fc.property(topology, factors, (members, by) => {
        const replication = network(by);
        const table = buildReplicaTable({ members, replication });
        for (const token of members.flatMap((member) => member.tokens)) {
          const { transient } = table.lookup(tokenHi(token), tokenLo(token));
          const expected = naivePlacement(members, replication, token).map((r) => r.isTransient);
          expect(transient ?? expected.map(() => false)).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("covers the ring with ranges that agree with lookups", () => {
    fc.assert(
      fc.property(topology, (members) => {
        const table = buildReplicaTable({ members, replication: simple(3) });
        const ranges = table.ranges();
        expect(ranges).toHaveLength(members.flatMap((member) => member.tokens).length);
        for (const [index, range] of ranges.entries()) {
          expect(table.lookup(range.endHi, range.endLo)).toBe(range.replicas);
          const previous = ranges.at(index - 1)!;
          expect([range.startHi, range.startLo]).toEqual([previous.endHi, previous.endLo]);
        }
      }),
      { numRuns: 200 },
    );
  });
});
