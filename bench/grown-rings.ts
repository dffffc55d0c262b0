/** Rings that the benchmarks of allocation and rebalancing grow, member by member. */
import type { AllocationRequest, RingMember } from "../src/ring/allocation/allocation.ts";
import { growRing } from "../src/ring/allocation/growth.ts";
import { MURMUR3_SPACE } from "../src/ring/allocation/token-space.ts";
import { SeededRng, shuffled } from "../src/util/random.ts";

/** Replicas of every token. */
export const RF = 3;

/** Chooses the tokens of one member. */
export type Allocate = (request: AllocationRequest) => bigint[];
export type NewMember = Pick<RingMember, "rack" | "weight">;

/** Members of equal weight, dealt to racks one by one. */
export const dealt = (count: number, racks: number): NewMember[] =>
  Array.from({ length: count }, (_, index) => ({ rack: `r${index % racks}`, weight: 1 }));

/** Members of one rack with weights 1, 2 and 4 in turns. */
export const weighted = (count: number): NewMember[] =>
  Array.from({ length: count }, (_, index) => ({ rack: "r0", weight: [1, 2, 4][index % 3] ?? 1 }));

/** What a ring is grown of. */
export interface Ring {
  readonly tokensPerWeight: number;
  readonly members: readonly NewMember[];
  readonly existing?: readonly RingMember[] | undefined;
}

/** The ring, or undefined where the allocator refuses. */
export function grown(allocate: Allocate, ring: Ring, seed: number): RingMember[] | undefined {
  const rng = new SeededRng(seed);
  try {
    return growRing({ space: MURMUR3_SPACE, allocate, rf: RF, rng, ...ring });
  } catch {
    return undefined;
  }
}

/** The ring after a quarter of its members left at random, the same ones for every allocator. */
export function withoutQuarter(ring: readonly RingMember[], seed: number): RingMember[] {
  const numbers = shuffled(new SeededRng(seed + 1), [...ring.keys()]);
  const gone = new Set(numbers.slice(0, Math.ceil(ring.length / 4)));
  return ring.filter((_, index) => !gone.has(index));
}
