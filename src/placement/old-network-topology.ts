import type { ReplicaPicks } from "./replica-picks.ts";
import type { RingWalk } from "./ring-walk.ts";
import type { ReplicationFactor } from "./strategy.ts";

/**
 * OldNetworkTopologyStrategy: the primary; the next member in another datacenter and the next one
 * in another rack of the primary's, in the order they come; then whoever follows the primary.
 *
 * Source: Cassandra 3.11 `locator/OldNetworkTopologyStrategy`; removed in 4.0 (CASSANDRA-13990).
 */
export function placeOldNetworkTopology(
  walk: RingWalk,
  picks: ReplicaPicks,
  factor: ReplicationFactor,
): void {
  const primary = walk.members.first(0);
  pick(walk, picks, primary);
  const further = [firstElsewhere(walk), firstInOtherRack(walk, primary)];
  further.sort((a, b) => (walk.positionOf[a] ?? -1) - (walk.positionOf[b] ?? -1));
  for (const member of further) {
    if (member !== -1 && picks.count < factor.total) pick(walk, picks, member);
  }
  let member = walk.members.first(0);
  while (member !== -1 && picks.count < factor.total) {
    if (!picks.has(member)) pick(walk, picks, member);
    member = walk.members.next(member);
  }
}

function pick(walk: RingWalk, picks: ReplicaPicks, member: number): void {
  picks.add(member, walk.positionOf[member] as number);
}

/** The first member of the second datacenter ahead, or -1. */
function firstElsewhere(walk: RingWalk): number {
  const other = walk.datacentersAhead.next(walk.datacentersAhead.first(0));
  return other === -1 ? -1 : walk.membersByDatacenter.first(other);
}

/** The first member of the second rack ahead in the primary's datacenter, or -1. */
function firstInOtherRack(walk: RingWalk, primary: number): number {
  const rack = walk.racksByDatacenter.next(walk.rackOf[primary] as number);
  return rack === -1 ? -1 : (walk.firstOfRack[rack] as number);
}
