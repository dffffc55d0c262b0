import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import type { RingMember } from "./allocation.ts";
import { allocateCassandra } from "./cassandra.ts";
import { growRing, relativeLoads } from "./growth.ts";
import { rebalanceTokens } from "./rebalance.ts";
import { RingLoads } from "./ring-loads.ts";
import { positionOf } from "./ring-position.ts";
import { MURMUR3_SPACE } from "./token-space.ts";

const cassandraRing = (count: number, tokensPerWeight: number): RingMember[] =>
  growRing({
    space: MURMUR3_SPACE,
    allocate: allocateCassandra,
    rf: 3,
    tokensPerWeight,
    members: Array.from({ length: count }, () => ({ rack: "r0", weight: 1 })),
    rng: new SeededRng(1),
  });

const rebalance = (members: readonly RingMember[], overrides = {}) =>
  rebalanceTokens({ space: MURMUR3_SPACE, members, rf: 3, tolerance: 0.01, ...overrides });

/** The share of the ring for which a member is a replica in `after` and was not in `before`. */
function movedShare(
  before: readonly RingMember[],
  after: readonly RingMember[],
  rf: number,
): number {
  const racks = [...new Set(before.map(({ rack }) => rack))];
  const seats = before.map(({ rack, weight }) => ({ rack: racks.indexOf(rack), weight }));
  const rings = [before, after].map((members) => {
    const tokens = members.flatMap((member, seat) =>
      member.tokens.map((token) => ({ position: positionOf(MURMUR3_SPACE, token), seat })),
    );
    const ring = new RingLoads(seats, rf, tokens.length);
    ring.load(tokens);
    return ring;
  });
  const cuts = rings.flatMap((ring) => ring.tokens().map(({ position }) => position));
  const sorted = [...new Set(cuts)].toSorted((a, b) => a - b);
  let moved = 0;
  for (const [index, end] of sorted.entries()) {
    const [was, is] = rings.map((ring) => ring.replicasAt(ring.indexOf(end) % ring.count));
    const size = index === 0 ? end + 1 - sorted.at(-1)! : end - sorted[index - 1]!;
    moved += size * is!.filter((seat) => !was!.includes(seat)).length;
  }
  return moved;
}

describe("a ring that is rebalanced", () => {
  it.each([
    [12, 4],
    [24, 8],
    [24, 16],
  ])(
    "of %d members with %d tokens is within one percent, for little more than the minimum",
    (count, tokens) => {
      const members = cassandraRing(count, tokens);
      const result = rebalance(members);
      const loads = relativeLoads(result.members, 3);
      expect(Math.max(...loads)).toBeLessThan(1.01);
      expect(Math.min(...loads)).toBeGreaterThan(0.99);
      expect(result.moved).toBeLessThan(1.1 * result.minimum);
    },
  );

  it("says truly how much data moves", () => {
    const members = cassandraRing(12, 4);
    const result = rebalance(members);
    expect(movedShare(members, result.members, 3)).toBeCloseTo(result.moved, 9);
  });

  it("stays within its budget, and gets better all the same", () => {
    const members = cassandraRing(24, 8);
    const budget = rebalance(members).moved / 2;
    const result = rebalance(members, { budget });
    expect(result.moved).toBeLessThanOrEqual(budget + 1e-9);
    const sumOfSquares = (list: readonly RingMember[]): number =>
      relativeLoads(list, 3).reduce((sum, load) => sum + (load - 1) ** 2, 0);
    expect(sumOfSquares(result.members)).toBeLessThan(sumOfSquares(members));
  });

  it("moves nothing when it is balanced, and lists exactly the tokens that moved", () => {
    const balanced = rebalance(cassandraRing(12, 8)).members;
    expect(rebalance(balanced)).toMatchObject({
      moves: [],
      moved: 0,
      minimum: expect.closeTo(0, 12),
    });
    const members = cassandraRing(12, 4);
    const { moves, members: after } = rebalance(members);
    const owned = (list: readonly RingMember[]): Set<bigint> =>
      new Set(list.flatMap(({ tokens }) => tokens));
    const kept = owned(after);
    const gone = [...owned(members)].filter((token) => !kept.has(token));
    expect(new Set(moves.map(({ from }) => from))).toEqual(new Set(gone));
  });

  it("keeps loads, movement and order true for any racks, weights and RF", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ rack: fc.nat(2), weight: fc.integer({ min: 1, max: 3 }) }), {
          minLength: 2,
          maxLength: 8,
        }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(),
        (seats, rf, seed) => {
          const rng = new SeededRng(seed);
          const members = seats.map(({ rack, weight }, index) => ({
            id: String(index),
            dc: "dc1",
            rack: String(rack),
            weight,
            tokens: Array.from({ length: 4 }, () => MURMUR3_SPACE.random(rng)),
          }));
          const result = rebalance(members, { rf, tolerance: 0.05 });
          expect(movedShare(members, result.members, rf)).toBeCloseTo(result.moved, 6);
          const off = (list: readonly RingMember[]): number =>
            relativeLoads(list, rf).reduce(
              (sum, load) => sum + Math.max(0, Math.abs(load - 1) - 0.05),
              0,
            );
          expect(off(result.members)).toBeLessThanOrEqual(off(members) + 1e-6);
        },
      ),
      { numRuns: 60 },
    );
  });
});
