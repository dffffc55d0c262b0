import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { leastSpread } from "./addition-bound.ts";
import { allocateTokens } from "./allocate.ts";
import { compareTokens, type AllocationRequest, type RingMember } from "./allocation.ts";
import { allocateBalanced } from "./balanced.ts";
import { allocateCassandra } from "./cassandra.ts";
import { growRing, spreadOf, type Growth } from "./growth.ts";
import { MURMUR3_SPACE, RANDOM_SPACE } from "./token-space.ts";

const grow = (overrides: Partial<Growth>): RingMember[] =>
  growRing({
    space: MURMUR3_SPACE,
    allocate: allocateBalanced,
    rf: 3,
    tokensPerWeight: 8,
    members: Array.from({ length: 12 }, () => ({ rack: "r0", weight: 1 })),
    rng: new SeededRng(7),
    ...overrides,
  });

const dealt = (count: number, racks: number) =>
  Array.from({ length: count }, (_, index) => ({ rack: `r${index % racks}`, weight: 1 }));

const byChance = (request: AllocationRequest): bigint[] =>
  allocateTokens({ kind: "random" }, request);

/** The mean square of the gaps between tokens over the square of their mean: 1 if all are alike, 2 by chance. */
function unevennessOfGaps(ring: readonly RingMember[]): number {
  const tokens = ring.flatMap((member) => member.tokens).toSorted(compareTokens);
  const gaps = tokens.map((token, index) =>
    MURMUR3_SPACE.sizeBetween(tokens.at(index - 1)!, token),
  );
  const mean = gaps.reduce((sum, gap) => sum + gap) / gaps.length;
  return gaps.reduce((sum, gap) => sum + (gap / mean) ** 2, 0) / gaps.length;
}

describe("the balanced allocator", () => {
  it("is at least a quarter closer than Cassandra's, for one rack", () => {
    for (const count of [6, 12]) {
      const members = dealt(count, 1);
      const ring = { members, tokensPerWeight: 4 };
      const theirs = spreadOf(grow({ ...ring, allocate: allocateCassandra }), 3);
      expect(spreadOf(grow(ring), 3)).toBeLessThan(0.75 * theirs);
    }
  });

  it("balances members of weight 1, 2 and 4 with tokens in proportion", () => {
    const members = Array.from({ length: 9 }, (_, index) => ({
      rack: "r0",
      weight: [1, 2, 4][index % 3]!,
    }));
    expect(spreadOf(grow({ members, tokensPerWeight: 4 }), 3)).toBeLessThan(0.1);
  });

  it("mixes the first members so well that the next ones of any weight fit in", () => {
    for (const tokensPerWeight of [8, 16]) {
      const members = [1, 2, 4, 1, 2, 4].map((weight) => ({ rack: "r0", weight }));
      expect(spreadOf(grow({ members, tokensPerWeight }), 3)).toBeLessThan(0.04);
    }
  });

  it("prepares for the sixth member in four racks", () => {
    for (const tokensPerWeight of [8, 16, 32]) {
      expect(spreadOf(grow({ members: dealt(6, 4), tokensPerWeight }), 3)).toBeLessThan(0.2);
    }
  });

  it("spends tokens that it can spare on even gaps, for the members to come", () => {
    const ring = grow({ members: dealt(12, 4), tokensPerWeight: 16 });
    expect(unevennessOfGaps(ring)).toBeLessThan(1.43);
    expect(spreadOf(ring, 3)).toBeLessThan(0.06);
  });

  it("comes near the least spread at each addition of a member of few tokens", () => {
    const ring = grow({ members: dealt(20, 1), tokensPerWeight: 4 });
    for (let count = 12; count <= 20; count++) {
      const members = ring.slice(0, count);
      const spread = spreadOf(members, 3);
      expect(spread).toBeLessThanOrEqual(1.13 * leastSpread(members, 3, spread));
    }
  });

  it.each([2, 3, 4, 5])("is far closer than chance for %d racks", (racks) => {
    const ring = { members: dealt(2 * racks, racks), tokensPerWeight: 4 };
    const chance = spreadOf(grow({ ...ring, allocate: byChance }), 3);
    expect(spreadOf(grow(ring), 3)).toBeLessThan(0.4 * chance);
  });

  it("repairs the balance after members were removed", () => {
    const ring = grow({ members: dealt(9, 1), tokensPerWeight: 4 });
    const rest = ring.filter((_, index) => ![2, 5].includes(index));
    const refilled = grow({ members: dealt(2, 1), tokensPerWeight: 4, existing: rest });
    expect(spreadOf(refilled, 3)).toBeLessThan(0.15);
  });

  it("gives free tokens for any racks, RF, weights and ring", () => {
    fc.assert(
      fc.property(
        fc.record({
          racks: fc.array(fc.nat(3), { minLength: 1, maxLength: 6 }),
          rf: fc.integer({ min: 1, max: 5 }),
          tokensPerWeight: fc.integer({ min: 1, max: 5 }),
          seed: fc.nat(),
          isRandom: fc.boolean(),
        }),
        ({ racks, rf, tokensPerWeight, seed, isRandom }) => {
          const space = isRandom ? RANDOM_SPACE : MURMUR3_SPACE;
          const members = racks.map((rack, index) => ({
            rack: `r${rack}`,
            weight: 1 + (index % 2),
          }));
          const rng = new SeededRng(seed);
          const ring = grow({ space, members, rf, tokensPerWeight, rng });
          const tokens = ring.flatMap((member) => member.tokens);
          expect(new Set(tokens).size).toBe(tokens.length);
          expect(tokens.every((token) => space.isValid(token))).toBe(true);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("keeps clear of tokens that lie too close to be told apart", () => {
    const crowd = ["a", "b", "c", "d"].map((id, index) => ({
      id,
      dc: "dc1",
      rack: "r0",
      weight: 1,
      tokens: [0n, 2n ** 61n, -(2n ** 61n)].map((token) => token + BigInt(index)),
    }));
    const members = dealt(3, 1);
    const ring = grow({ members, existing: crowd, tokensPerWeight: 4 });
    const tokens = ring.flatMap((member) => member.tokens);
    expect(new Set(tokens).size).toBe(4 * 3 + 3 * 4);
    expect(spreadOf(ring, 3)).toBeLessThan(spreadOf(crowd, 3));
  });

  it("gives the same tokens for the same seed", () => {
    const rings = [1, 2].map(() =>
      grow({ members: dealt(5, 1), tokensPerWeight: 2, rng: new SeededRng(3) }),
    );
    expect(rings[0]).toEqual(rings[1]);
  });

  it("steps over tokens of another datacenter", () => {
    const joining = { id: "x", dc: "dc1", rack: "r0", weight: 1 };
    const request = {
      space: MURMUR3_SPACE,
      joining,
      tokenCount: 2,
      replication: { kind: "network", rf: { dc1: 3, dc2: 3 } } as const,
    };
    const alone = allocateBalanced({ ...request, members: [], rng: new SeededRng(3) });
    const remote = { ...joining, id: "y", dc: "dc2", tokens: alone };
    const beside = allocateBalanced({ ...request, members: [remote], rng: new SeededRng(3) });
    expect(beside).toEqual(alone.map((token) => token + 1n));
  });
});
