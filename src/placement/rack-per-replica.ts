import type { ReplicaPicks } from "./replica-picks.ts";
import type { RingWalk } from "./ring-walk.ts";

/**
 * RackPerReplica, the placement of Dynomite: every rack is a ring of its own that covers the whole
 * range, and a token has one replica in each rack, the owner there. Tokens usually repeat from rack
 * to rack, and need not. Replicas stand in ring order from the token on; where tokens are equal, in
 * order of the members.
 *
 * Owning is "the first token at or after the hash", as in Dynomite's code (its wiki says the
 * opposite, its issue #630 confirms the code).
 */
export function placeRackPerReplica(walk: RingWalk, picks: ReplicaPicks): void {
  for (const member of walk.firstOfRack) picks.add(member, walk.positionOf[member] as number);
  picks.sortByPosition();
}
