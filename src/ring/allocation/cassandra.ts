/**
 * Which ring Cassandra balances when a member joins, and with which allocator (`TokenAllocation`,
 * CASSANDRA-15600, 4.0 to 5.0).
 *
 *   SimpleStrategy          all members             RF replicas   every member for itself
 *   RF <= 1                 the datacenter          1 replica
 *   racks == RF             the member's own rack   1 replica     (each rack holds the ring once)
 *   racks > RF              the datacenter          RF replicas   grouped by rack
 *   racks == 1              the datacenter          RF replicas   every member for itself
 *   1 < racks < RF          refused
 *
 * `racks` counts the racks of the datacenter when the member's rack is among them, else it is 1: the
 * first member of a new rack is placed as if racks did not exist. Kept, because this is a port; our
 * own `balanced` allocator does better.
 */
import {
  AllocationError,
  compareTokens,
  type AllocationRequest,
  type RingMember,
} from "./allocation.ts";
import { allocateNoReplication } from "./cassandra-no-replication.ts";
import { allocateReplicationAware } from "./cassandra-replication-aware.ts";

interface ConsideredRing {
  readonly members: readonly RingMember[];
  readonly replicas: number;
  readonly groupOf: (member: Pick<RingMember, "id" | "rack">) => string;
}

/**
 * The tokens Cassandra would choose, ascending.
 *
 * @throws AllocationError RACKS_BELOW_RF when 1 < racks < RF; TOKEN_TAKEN when a chosen token is owned
 *   inside the considered ring (another member is allocating at the same time).
 */
export function allocateCassandra(request: AllocationRequest): bigint[] {
  const ring = consideredRing(request);
  const allocate = ring.replicas === 1 ? allocateNoReplication : allocateReplicationAware;
  const tokens = allocate({
    space: request.space,
    units: ring.members.map((member) => ({ tokens: member.tokens, group: ring.groupOf(member) })),
    replicas: ring.replicas,
    newGroup: ring.groupOf(request.joining),
    tokenCount: request.tokenCount,
    firstToken: () => request.space.random(request.rng),
  });
  return avoidTaken(request, ring, tokens);
}

function consideredRing(request: AllocationRequest): ConsideredRing {
  const { joining, replication } = request;
  const members = request.members.filter(({ tokens }) => tokens.length > 0);
  const byMember = (member: Pick<RingMember, "id">): string => member.id;
  if (replication.kind === "simple") {
    return { members, replicas: replication.rf, groupOf: byMember };
  }
  const inDc = members.filter((member) => member.dc === joining.dc);
  const rf = replication.rf[joining.dc] ?? 0;
  if (rf <= 1) return { members: inDc, replicas: 1, groupOf: byMember };
  const racks = new Set(inDc.map((member) => member.rack));
  const rackCount = racks.has(joining.rack) ? racks.size : 1;
  if (rackCount === rf) {
    const inRack = inDc.filter((member) => member.rack === joining.rack);
    return { members: inRack, replicas: 1, groupOf: byMember };
  }
  if (rackCount > rf) return { members: inDc, replicas: rf, groupOf: (member) => member.rack };
  if (rackCount === 1) return { members: inDc, replicas: rf, groupOf: byMember };
  throw new AllocationError(
    "RACKS_BELOW_RF",
    `Cassandra's allocator cannot place a member in '${joining.dc}': it has ${rackCount} racks and ` +
      `RF ${rf}; it needs 1 rack, or at least ${rf}. The 'balanced' strategy takes any number.`,
  );
}

/** Moves tokens that somebody outside the considered ring owns to the next free place. */
function avoidTaken(
  request: AllocationRequest,
  ring: ConsideredRing,
  tokens: readonly bigint[],
): bigint[] {
  const considered = new Set(ring.members.flatMap((member) => member.tokens));
  const taken = new Set(request.members.flatMap((member) => member.tokens));
  const free = tokens.map((chosen) => {
    let token = chosen;
    while (taken.has(token)) {
      if (considered.has(token)) {
        throw new AllocationError(
          "TOKEN_TAKEN",
          `token ${token} is owned already; is another member allocating at the same time?`,
        );
      }
      token = request.space.next(token);
    }
    return token;
  });
  return free.toSorted(compareTokens);
}
