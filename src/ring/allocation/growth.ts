/**
 * Rings grown member by member with a strategy, and how even they are: what the allocators are
 * compared with, by tests, benchmarks and `tokens simulate`.
 */
import type { Uint32Source } from "../../util/random.ts";
import { tokenCountForWeight } from "./allocate.ts";
import type { AllocationRequest, RingMember } from "./allocation.ts";
import { fairLoads } from "./fair-loads.ts";
import { ringOfMembers } from "./member-ring.ts";
import { MURMUR3_SPACE, type TokenSpace } from "./token-space.ts";

export interface Growth {
  readonly space: TokenSpace;
  readonly allocate: (request: AllocationRequest) => bigint[];
  readonly rf: number;
  /** Tokens of a member of weight 1; others get them in proportion. */
  readonly tokensPerWeight: number;
  /** The members to add, in this order. */
  readonly members: readonly Pick<RingMember, "rack" | "weight">[];
  /** A ring that exists before. */
  readonly existing?: readonly RingMember[] | undefined;
  readonly rng: Uint32Source;
}

const DC = "dc1";

/** Adds the members one by one, each seeing the tokens of those before it. */
export function growRing(growth: Growth): RingMember[] {
  const ring = [...(growth.existing ?? [])];
  const taken = new Set(ring.map(({ id }) => id));
  let nextId = 0;
  for (const { rack, weight } of growth.members) {
    while (taken.has(String(nextId))) nextId++;
    const joining = { id: String(nextId++), dc: DC, rack, weight };
    const tokens = growth.allocate({
      space: growth.space,
      members: ring,
      joining,
      tokenCount: tokenCountForWeight(growth.tokensPerWeight, weight),
      replication: { kind: "network", rf: { [DC]: growth.rf } },
      rng: growth.rng,
    });
    ring.push({ ...joining, tokens });
  }
  return ring;
}

/** Load per weight of each member of one datacenter, relative to the mean (1 = fair share). */
export function relativeLoads(
  members: readonly RingMember[],
  rf: number,
  space: TokenSpace = MURMUR3_SPACE,
): number[] {
  const { seats, loads, mean } = ringOfMembers(members, rf, space);
  return seats.map(({ weight }, seat) => (loads[seat] ?? 0) / weight / mean);
}

/** Load of each member of one datacenter, relative to the evenest that racks and weights allow (`fair-loads.ts`). */
export function loadsOfFair(
  members: readonly RingMember[],
  rf: number,
  space: TokenSpace = MURMUR3_SPACE,
): number[] {
  const { seats, loads, replicas } = ringOfMembers(members, rf, space);
  return Array.from(fairLoads(seats, replicas), (fair, seat) => (loads[seat] ?? 0) / fair);
}

/** Largest minus smallest relative load. */
export function spreadOf(
  members: readonly RingMember[],
  rf: number,
  space: TokenSpace = MURMUR3_SPACE,
): number {
  const loads = relativeLoads(members, rf, space);
  return Math.max(...loads) - Math.min(...loads);
}
