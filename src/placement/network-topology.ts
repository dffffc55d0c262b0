/**
 * NetworkTopologyStrategy: so many replicas in each datacenter, on different racks where possible.
 *
 * Going clockwise, a member is taken if its rack is new in its datacenter. A datacenter with fewer
 * racks than replicas must use racks again: `RF - racks` times a member of a used rack is taken
 * where it stands. That is the order since Cassandra 3.2 (CASSANDRA-10200). The older order, which
 * the Java, Node.js and Go drivers still compute, takes new racks first and returns to the members
 * it passed only when every rack was met. Both choose the same set with the same first member.
 *
 * The result interleaves the datacenters in ring order. Transient are the last T of a datacenter;
 * a datacenter with fewer members than replicas gives up transient ones first.
 *
 * Source: Cassandra `locator/NetworkTopologyStrategy.calculateNaturalReplicas`.
 */
import type { ReplicaPicks } from "./replica-picks.ts";
import type { RingWalk } from "./ring-walk.ts";
import type { NetworkTopologyReplication, ReplicationFactor } from "./strategy.ts";

/** Picks the replicas of the token that the walk stands at. */
export function placeNetworkTopology(
  walk: RingWalk,
  picks: ReplicaPicks,
  replication: NetworkTopologyReplication,
): void {
  for (const [datacenter, { name, memberCount }] of walk.datacenters.entries()) {
    const factor = replication.factors.get(name);
    if (factor === undefined) continue;
    const from = picks.count;
    if (replication.order === "current") pickInRingOrder(walk, picks, datacenter, factor);
    else pickNewRacksFirst(walk, picks, datacenter, factor);
    const missing = Math.max(0, factor.total - memberCount);
    picks.markTransient(from, Math.max(0, factor.transient - missing));
  }
  picks.sortByPosition();
}

/**
 * While repeats are left, every member is taken: its rack is new, or it is a repeat. Without
 * repeats only new racks count, and the list of racks ahead leads to them without a search.
 */
function pickInRingOrder(
  walk: RingWalk,
  picks: ReplicaPicks,
  datacenter: number,
  factor: ReplicationFactor,
): void {
  const from = picks.count;
  let repeats = factor.total - (walk.datacenters[datacenter]?.rackCount ?? 0);
  let member = walk.membersByDatacenter.first(datacenter);
  while (repeats > 0 && member !== -1 && picks.count - from < factor.total) {
    const rack = walk.rackOf[member] as number;
    if (walk.firstOfRack[rack] !== member) repeats--;
    picks.add(member, walk.positionOf[member] as number);
    member = walk.membersByDatacenter.next(member);
  }
  addNewRacks(walk, picks, { datacenter, from, total: factor.total });
}

/** Adds the first member of each rack ahead that was not picked since `from`, up to `total`. */
function addNewRacks(
  walk: RingWalk,
  picks: ReplicaPicks,
  limits: { readonly datacenter: number; readonly from: number; readonly total: number },
): void {
  const { datacenter, from, total } = limits;
  let rack = walk.racksByDatacenter.first(datacenter);
  while (rack !== -1 && picks.count - from < total) {
    const member = walk.firstOfRack[rack] as number;
    if (!picks.has(member, from)) picks.add(member, walk.positionOf[member] as number);
    rack = walk.racksByDatacenter.next(rack);
  }
}

/** The members passed over stand where the last new rack was found: there they were taken up. */
function pickNewRacksFirst(
  walk: RingWalk,
  picks: ReplicaPicks,
  datacenter: number,
  factor: ReplicationFactor,
): void {
  const from = picks.count;
  addNewRacks(walk, picks, { datacenter, from, total: factor.total });
  const lastNewRack = picks.positionOfLast();
  let member = walk.membersByDatacenter.first(datacenter);
  while (member !== -1 && picks.count - from < factor.total) {
    const position = walk.positionOf[member] as number;
    const isPicked = walk.firstOfRack[walk.rackOf[member] as number] === member;
    if (!isPicked) picks.add(member, Math.max(position, lastNewRack));
    member = walk.membersByDatacenter.next(member);
  }
}
