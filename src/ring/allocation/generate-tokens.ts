/**
 * Tokens for a whole new ring, computed without one: what `tools/bin/generatetokens` does (Cassandra
 * 4.1 and 5.0, `OfflineTokenAllocator`), for any strategy. Members are dealt round-robin over the racks
 * and added one by one, each seeing the tokens of those before it.
 */
import type { Uint32Source } from "../../util/random.ts";
import { AllocationError, type AllocationRequest, type RingMember } from "./allocation.ts";
import { allocateCassandra } from "./cassandra.ts";
import type { TokenSpace } from "./token-space.ts";

/** The ring to generate tokens for, as the options of Cassandra's `generatetokens` describe it. */
export interface OfflineRing {
  /** The ring of the partitioner (`--partitioner`). */
  readonly space: TokenSpace;
  /** The replication factor of the one datacenter (`--rf`); at most the number of members. */
  readonly rf: number;
  /** Tokens of each member (`--tokens`). */
  readonly tokenCount: number;
  /** How many members each rack gets. */
  readonly membersPerRack: readonly number[];
  /** Where strategies that draw tokens draw from; unused by those that compute them. */
  readonly rng: Uint32Source;
  /** The strategy; Cassandra's own by default. */
  readonly allocate?: ((request: AllocationRequest) => bigint[]) | undefined;
}

const DC = "dc1";

/**
 * @returns the members "0", "1", ... with racks "0", "1", ... and ascending tokens.
 * @throws AllocationError REPLICATION when there are fewer members than replicas.
 */
export function generateTokens(ring: OfflineRing): RingMember[] {
  const racks = dealOverRacks(ring.membersPerRack);
  if (racks.length < ring.rf) {
    throw new AllocationError("REPLICATION", `${racks.length} members cannot hold RF ${ring.rf}`);
  }
  const allocate = ring.allocate ?? allocateCassandra;
  const members: RingMember[] = [];
  for (const [index, rack] of racks.entries()) {
    const joining = { id: String(index), dc: DC, rack: String(rack), weight: 1 };
    const tokens = allocate({
      space: ring.space,
      members,
      joining,
      tokenCount: ring.tokenCount,
      replication: { kind: "network", rf: { [DC]: ring.rf } },
      rng: ring.rng,
    });
    members.push({ ...joining, tokens });
  }
  return members;
}

/** The rack of each member: one to every rack that still has room, in turn. */
export function dealOverRacks(membersPerRack: readonly number[]): number[] {
  const rounds = Math.max(0, ...membersPerRack);
  return Array.from({ length: rounds }, (_, round) =>
    membersPerRack.flatMap((count, rack) => (round < count ? [rack] : [])),
  ).flat();
}
