/**
 * The order in which replicas are asked.
 *
 * `orderByProximity` is the static order of the snitches that know the topology: oneself, then the
 * own datacenter, then racks of the own rack's *name* - also in other datacenters, where it means
 * nothing, as in Cassandra. Otherwise the order of placement stays.
 *
 * `orderByScore` lays measured latencies over it, with a threshold: while no replica is much worse
 * than its place, the static order stays, because flapping between replicas costs warm caches.
 *
 * Source: Cassandra `locator/NetworkTopologyProximity`, `locator/DynamicEndpointSnitch`.
 */
import type { Location } from "./location.ts";

/** A member whose location is known. */
export interface LocatedMember extends Location {
  readonly id: string;
}

/** A sorted copy, the closest first. */
export function orderByProximity<T extends LocatedMember>(
  self: LocatedMember,
  members: readonly T[],
): readonly T[] {
  return members.toSorted((a, b) => distance(self, a) - distance(self, b));
}

function distance(self: LocatedMember, member: LocatedMember): number {
  if (member.id === self.id) return 0;
  return (member.dc === self.dc ? 1 : 3) + (member.rack === self.rack ? 0 : 1);
}

/**
 * The given order, or the order by score if some member's score exceeds the score that belongs to
 * its place by more than `badnessThreshold` (1 is twice the score; 0 sorts always). Lower scores
 * are better; a member without a score counts as 0.
 */
export function orderByScore<T extends { readonly id: string }>(
  members: readonly T[],
  scores: ReadonlyMap<string, number>,
  badnessThreshold: number,
): readonly T[] {
  const scoreOf = (member: T): number => scores.get(member.id) ?? 0;
  const sorted = members.toSorted((a, b) => scoreOf(a) - scoreOf(b));
  if (badnessThreshold === 0) return sorted;
  const isBad = members.some((member, place) => {
    const rightful = sorted[place];
    return rightful !== undefined && scoreOf(member) > (1 + badnessThreshold) * scoreOf(rightful);
  });
  return isBad ? sorted : members;
}
