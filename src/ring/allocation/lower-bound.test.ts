import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import type { RingMember } from "./allocation.ts";
import { allocateBalanced } from "./balanced.ts";
import { growRing, spreadOf } from "./growth.ts";
import { growthBound, smallestSpread } from "./lower-bound.suite.ts";
import { MURMUR3_SPACE } from "./token-space.ts";

const member = (id: number, tokens: readonly bigint[]): RingMember => ({
  id: String(id),
  dc: "dc1",
  rack: "r0",
  weight: 1,
  tokens,
});

/** The tokens of a ring of so many positions. */
const grid = (positions: number): bigint[] =>
  Array.from({ length: positions }, (_, index) =>
    BigInt.asIntN(64, (BigInt(index) * 2n ** 64n) / BigInt(positions)),
  );

/** The best spread over all ways to put one token of a new member on free places of the grid. */
function bestAddition(members: readonly RingMember[], places: readonly bigint[], rf: number) {
  const taken = new Set(members.flatMap(({ tokens }) => tokens));
  const spreads = places
    .filter((place) => !taken.has(place))
    .map((place) => spreadOf([...members, member(members.length, [place])], rf));
  return Math.min(...spreads);
}

describe("the bound on one addition", () => {
  it("holds for every addition to small rings, and some addition comes near it", () => {
    const places = grid(48);
    const rng = new SeededRng(11);
    let nearest = Infinity;
    for (let round = 0; round < 60; round++) {
      const rf = 1 + (round % 2);
      const count = 3 + (round % 4);
      const members = Array.from({ length: count }, (_, index) => {
        const at = (index * 7 + (rng.uint32() % 7)) % 48;
        return member(index, [places[at]!]);
      });
      const best = bestAddition(members, places, rf);
      const bound = smallestSpread([...members, member(count, [0n])], rf);
      expect(best).toBeGreaterThanOrEqual(bound - 1e-9);
      nearest = Math.min(nearest, best - bound);
    }
    expect(nearest).toBeLessThan(0.02);
  });

  it("is nothing where every member can be relieved", () => {
    const members = growRing({
      space: MURMUR3_SPACE,
      allocate: allocateBalanced,
      rf: 3,
      tokensPerWeight: 2,
      members: Array.from({ length: 6 }, () => ({ rack: "r0", weight: 1 })),
      rng: new SeededRng(1),
    });
    expect(smallestSpread(members, 3)).toBe(0);
  });
});

describe("the bound on growth", () => {
  it("holds for the best ring of 3 members and the best of 4 that contains it, exhaustively", () => {
    // One token each, RF 1, on a grid: all rings of 3 members (one token is at 0, by symmetry).
    const places = grid(24);
    let best = Infinity;
    for (let second = 1; second < 24; second++) {
      for (let third = second + 1; third < 24; third++) {
        const members = [0, second, third].map((at, index) => member(index, [places[at]!]));
        const larger = Math.max(spreadOf(members, 1), bestAddition(members, places, 1));
        best = Math.min(best, larger);
      }
    }
    const bound = growthBound(3, 1, 1);
    expect(best).toBeGreaterThanOrEqual(bound - 1e-9);
    expect(bound).toBeGreaterThan(0.3 * best);
  });

  it("is about half of 1/k - 1/n", () => {
    expect(growthBound(1000, 4, 3)).toBeCloseTo((1 / 12 - 1 / 1000) / 2, 2);
    expect(growthBound(12, 4, 3)).toBe(0);
  });
});
