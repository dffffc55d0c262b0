import fc from "fast-check";
import { expect, test } from "vitest";
import { tokenHi, tokenLo } from "../ring/token.ts";
import { availabilityOf } from "./availability.ts";
import type { MovementMember, MovementRing } from "./movement.ts";
import { buildReplicaTable } from "./replica-table.ts";
import type { Replication } from "./strategy.ts";

function networkTopology(total: number): Replication {
  const factors = new Map(["d0", "d1"].map((dc) => [dc, { total, transient: 0 }]));
  return { kind: "network-topology", factors, order: "current" };
}

function simple(total: number): Replication {
  return { kind: "simple", factor: { total, transient: 0 } };
}

function ringOf(count: number, replication: Replication): MovementRing {
  const members = Array.from({ length: count }, (_, index) => ({
    id: `n${index}`,
    dc: "d0",
    rack: `r${index % 3}`,
    weight: 1,
    tokens: [BigInt(index)],
  }));
  return { members, replication };
}

test("with one token each, members share ranges with two neighbours on either side", () => {
  expect(availabilityOf(ringOf(6, simple(3)))).toEqual({
    neighbours: 4,
    pairs: 15,
    fatalPairs: 12,
    fatalRacks: [],
  });
});

test("with five replicas no two losses take a quorum, with two every loss does", () => {
  expect(availabilityOf(ringOf(6, simple(5))).fatalPairs).toBe(0);
  expect(availabilityOf(ringOf(6, simple(2))).fatalPairs).toBe(15);
});

test("a rack with two of three replicas takes the quorum with it", () => {
  const { members } = ringOf(3, simple(3));
  const inOneRack = members.map((member, index) => ({ ...member, rack: index < 2 ? "r0" : "r1" }));
  const ring = { members: inOneRack, replication: simple(3) };
  expect(availabilityOf(ring).fatalRacks).toEqual([{ dc: "d0", rack: "r0" }]);
});

test("an empty ring loses nothing", () => {
  const ring = { members: [], replication: simple(3) };
  expect(availabilityOf(ring)).toEqual({ neighbours: 0, pairs: 0, fatalPairs: 0, fatalRacks: [] });
});

const members: fc.Arbitrary<MovementMember[]> = fc
  .array(fc.tuple(fc.nat(1), fc.nat(2), fc.nat(2)), { minLength: 2, maxLength: 7 })
  .map((places) =>
    places.map(([dc, rack, count], index) => ({
      id: `n${index}`,
      dc: `d${dc}`,
      rack: `r${rack}`,
      weight: 1,
      tokens: Array.from({ length: count }, (_, turn) => BigInt((index * 37 + turn * 101) % 211)),
    })),
  );

/** Asks every token of a small ring whether these losses leave a majority of each group. */
function breaks(ring: MovementRing, isLost: (member: number) => boolean, byDc: boolean): boolean {
  const table = buildReplicaTable(ring);
  for (let token = 0n; token < 211n; token++) {
    const { members: replicas } = table.lookup(tokenHi(token), tokenLo(token));
    for (const dc of byDc ? ["d0", "d1"] : [undefined]) {
      const group = replicas.filter((index) => dc === undefined || ring.members[index]?.dc === dc);
      const left = group.filter((index) => !isLost(index));
      if (group.length > 0 && left.length <= group.length / 2) return true;
    }
  }
  return false;
}

test("pairs and racks that are fatal are those for which trying finds a range without a majority", () => {
  fc.assert(
    fc.property(members, fc.integer({ min: 1, max: 4 }), fc.boolean(), (list, rf, byDc) => {
      const ring = { members: list, replication: byDc ? networkTopology(rf) : simple(rf) };
      const owners = [...list.keys()].filter((index) => list[index]!.tokens.length > 0);
      const pairs = owners.flatMap((a) => owners.filter((b) => b > a).map((b) => [a, b]));
      const fatal = pairs.filter((pair) => breaks(ring, (index) => pair.includes(index), byDc));
      const racks = new Set(list.map(({ dc, rack }) => `${dc} ${rack}`));
      const fatalRacks = [...racks].filter((name) =>
        breaks(ring, (index) => `${list[index]!.dc} ${list[index]!.rack}` === name, byDc),
      );
      const found = availabilityOf(ring);
      expect([found.pairs, found.fatalPairs]).toEqual([pairs.length, fatal.length]);
      expect(found.fatalRacks.map(({ dc, rack }) => `${dc} ${rack}`)).toEqual(fatalRacks.sort());
    }),
    { numRuns: 60 },
  );
});
