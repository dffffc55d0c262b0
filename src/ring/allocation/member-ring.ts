/** Members of one datacenter as seats of a ring, and the ring of their tokens. */
import type { RingMember } from "./allocation.ts";
import { RingLoads, type PlacedToken, type RingSeat } from "./ring-loads.ts";
import { placedTokens } from "./ring-position.ts";
import { MURMUR3_SPACE, type TokenSpace } from "./token-space.ts";

/** A seat for each member, in their order; racks are numbered as they come. */
export function seatsOf(members: readonly Pick<RingMember, "rack" | "weight">[]): RingSeat[] {
  const racks = [...new Set(members.map(({ rack }) => rack))];
  return members.map(({ rack, weight }) => ({ rack: racks.indexOf(rack), weight }));
}

/** The ring of these tokens. */
export function ringOf(
  seats: readonly RingSeat[],
  rf: number,
  tokens: readonly PlacedToken[],
): RingLoads {
  const ring = new RingLoads(seats, rf, tokens.length);
  ring.load(tokens);
  return ring;
}

/** The ring that these members have. */
export function ringOfMembers(
  members: readonly RingMember[],
  rf: number,
  space: TokenSpace = MURMUR3_SPACE,
): RingLoads {
  return ringOf(seatsOf(members), rf, placedTokens(space, members));
}
