import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { compareTokens, type AllocationRequest, type RingMember } from "./allocation.ts";
import { allocateBalanced } from "./balanced.ts";
import { fewerTokens } from "./fewer-tokens.ts";
import { growRing, relativeLoads, spreadOf } from "./growth.ts";
import { MURMUR3_SPACE } from "./token-space.ts";

function ringOf(memberCount: number, tokensPerWeight: number, seed = 1): RingMember[] {
  const members = Array.from({ length: memberCount }, () => ({ rack: "r0", weight: 1 }));
  const rng = new SeededRng(seed);
  return growRing({
    space: MURMUR3_SPACE,
    allocate: allocateBalanced,
    rf: 3,
    tokensPerWeight,
    members,
    rng,
  });
}

function requestFor(
  ring: readonly RingMember[],
  tokenCount: number,
  weight = 1,
): AllocationRequest {
  const [{ tokens: _, ...joining }, ...members] = ring as [RingMember, ...RingMember[]];
  const rng = new SeededRng(7);
  const replication = { kind: "network" as const, rf: { [joining.dc]: 3 } };
  const space = MURMUR3_SPACE;
  return { space, members, joining: { ...joining, weight }, tokenCount, replication, rng };
}

describe("a member that gives up tokens", () => {
  it("keeps as many as asked for, of its own, expendable ones first to go", () => {
    const ring = ringOf(6, 8);
    const own = ring[0]?.tokens ?? [];
    fc.assert(
      fc.property(fc.subarray([...own]), fc.integer({ min: 1, max: 8 }), (expendable, count) => {
        const kept = fewerTokens(requestFor(ring, count), { tokens: own, expendable });
        expect(kept).toHaveLength(count);
        expect(kept).toEqual(kept.toSorted(compareTokens));
        for (const token of kept) expect(own).toContain(token);
        const hard = own.filter((token) => !expendable.includes(token));
        expect(kept.filter((token) => hard.includes(token))).toHaveLength(
          Math.min(hard.length, count),
        );
      }),
      { numRuns: 20 },
    );
  });

  it("holds about half as much with half the weight and half the tokens", () => {
    const ring = ringOf(9, 16);
    const request = requestFor(ring, 8, 0.5);
    const tokens = fewerTokens(request, { tokens: ring[0]?.tokens ?? [], expendable: [] });
    const [first, ...others] = ring as [RingMember, ...RingMember[]];
    const loads = relativeLoads([{ ...first, weight: 0.5, tokens }, ...others], 3);
    expect(loads[0]).toBeGreaterThan(0.8);
    expect(loads[0]).toBeLessThan(1.2);
  });
});

describe("a member that gets more tokens", () => {
  it("keeps what it has, and the ring is about as even as with tokens chosen at once", () => {
    const ring = ringOf(6, 8);
    const [first, ...others] = ring as [RingMember, ...RingMember[]];
    const kept = first.tokens;
    const added = allocateBalanced(requestFor(ring, 8), kept);
    expect(added).toHaveLength(8);
    expect(new Set([...others.flatMap(({ tokens }) => tokens), ...kept, ...added]).size).toBe(56);
    const loads = relativeLoads([{ ...first, tokens: [...kept, ...added] }, ...others], 3);
    expect(Math.max(...loads)).toBeLessThan(1.6);
    const heavy = allocateBalanced(requestFor(ring, 8, 2), kept);
    const twice = [{ ...first, weight: 2, tokens: [...kept, ...heavy] }, ...others];
    expect(spreadOf(twice, 3)).toBeLessThan(0.3);
  });
});
