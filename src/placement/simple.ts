import type { ReplicaPicks } from "./replica-picks.ts";
import type { RingWalk } from "./ring-walk.ts";
import type { ReplicationFactor } from "./strategy.ts";

/**
 * SimpleStrategy: the first distinct members clockwise, whatever their datacenter and rack. The
 * transient replicas are those at position N - T and later, so a ring of fewer members than N
 * loses transient replicas first.
 *
 * Source: Cassandra `locator/SimpleStrategy`; Dynamo paper, section 4.3.
 */
export function placeSimple(walk: RingWalk, picks: ReplicaPicks, factor: ReplicationFactor): void {
  const full = factor.total - factor.transient;
  let member = walk.members.first(0);
  while (member !== -1 && picks.count < factor.total) {
    picks.add(member, walk.positionOf[member] as number);
    member = walk.members.next(member);
  }
  picks.markTransient(0, picks.count - full);
}
