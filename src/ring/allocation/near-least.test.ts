import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { finished } from "../../util/stepwise.ts";
import { leastSpread } from "./addition-bound.ts";
import type { RingMember } from "./allocation.ts";
import { consideredRing } from "./balanced.ts";
import { allocateCassandra } from "./cassandra.ts";
import { growRing } from "./growth.ts";
import { nearLeastPositions } from "./near-least.ts";
import type { RingLoads } from "./ring-loads.ts";
import { MURMUR3_SPACE } from "./token-space.ts";

const RF = 3;

interface Shape {
  readonly racks: number;
  readonly count: number;
  readonly tokens: number;
  readonly weights: readonly number[];
}

const newcomerOf = ({ racks, count, weights }: Shape) => ({
  id: "new",
  dc: "dc1",
  rack: `r${count % racks}`,
  weight: weights[count % weights.length] ?? 1,
});

/** A ring as Cassandra allocates it, with a newcomer without tokens. */
function grown(shape: Shape, seed: number): { members: RingMember[]; ring: RingLoads } {
  const { racks, count, tokens, weights } = shape;
  const rng = new SeededRng(seed);
  const members = growRing({
    space: MURMUR3_SPACE,
    allocate: allocateCassandra,
    rf: RF,
    tokensPerWeight: tokens,
    members: Array.from({ length: count }, (_, index) => ({
      rack: `r${index % racks}`,
      weight: weights[index % weights.length] ?? 1,
    })),
    rng,
  });
  const joining = newcomerOf(shape);
  const replication = { kind: "network", rf: { dc1: RF } } as const;
  const request = { space: MURMUR3_SPACE, members, joining, tokenCount: tokens, replication, rng };
  return { members, ring: consideredRing(request, []) };
}

function spreadWith(ring: RingLoads, positions: readonly number[]): number {
  for (const position of positions) ring.insertAt(position, ring.seats.length - 1);
  return ring.spread;
}

const closest = (ring: RingLoads, tokenCount: number, reached: number) =>
  finished(nearLeastPositions(ring, tokenCount, reached));

const TOO_WIDE = 2;
/** What is near, times what the search need not tell apart: a step closer, and the grid of the windows. */
const WITHIN = 1.06 * 1.03 * 1.03;

describe("tokens near the least spread", () => {
  const shapes: readonly Shape[] = [
    { racks: 1, count: 9, tokens: 2, weights: [1] },
    { racks: 1, count: 16, tokens: 4, weights: [1] },
    { racks: 1, count: 12, tokens: 3, weights: [1, 2] },
    { racks: 4, count: 12, tokens: 2, weights: [1] },
    { racks: 5, count: 14, tokens: 2, weights: [1] },
  ];

  it.each(shapes)(
    "come near it: $racks racks, $count members of $tokens tokens, weights $weights",
    (shape) => {
      for (let seed = 1; seed <= 6; seed++) {
        const { members, ring } = grown(shape, seed);
        const positions = closest(ring, shape.tokens, TOO_WIDE);
        expect(positions).toHaveLength(shape.tokens);
        const spread = spreadWith(ring, positions!);
        const last = { ...newcomerOf(shape), tokens: Array<bigint>(shape.tokens).fill(0n) };
        const least = leastSpread([...members, last], RF, spread);
        expect(spread).toBeLessThanOrEqual(WITHIN * least);
      }
    },
  );

  it("leave the ring as it was, and are not sought where it is near already", () => {
    const { ring } = grown(shapes[1]!, 1);
    const before = ring.tokens();
    const positions = closest(ring, 4, TOO_WIDE)!;
    expect(ring.tokens()).toEqual(before);
    const reached = spreadWith(ring, positions);
    expect(closest(grown(shapes[1]!, 1).ring, 4, reached)).toBeUndefined();
  });
});
