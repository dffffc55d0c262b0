/**
 * Which tokens a member gives up when it is to have fewer: one after the other the one without which
 * the loads of all members, relative to their capacity, lie closest together. On the way the member
 * itself should hold so much per token as in the end: else it would first give up its largest ranges,
 * and be left with the smallest.
 *
 * Greedy, and good enough: what is left is a choice among the member's own tokens, whose gaps differ, so
 * a member with many tokens always has some whose loss comes close to what it should give up.
 */
import { assert } from "../../util/assert.ts";
import { compareTokens, type AllocationRequest } from "./allocation.ts";
import { consideredRing } from "./balanced.ts";
import type { RingLoads } from "./ring-loads.ts";
import { positionOf } from "./ring-position.ts";

/** Tokens of a member of which some have to go. */
export interface TokenSurplus {
  /** All that it has. */
  readonly tokens: readonly bigint[];
  /** Those that go first, as long as there are any. */
  readonly expendable: readonly bigint[];
}

/**
 * `request.tokenCount` of the member's tokens, ascending.
 *
 * @param request - the member as `joining`, the others as `members`.
 */
export function fewerTokens(request: AllocationRequest, surplus: TokenSurplus): bigint[] {
  const ring = consideredRing({ ...request, tokenCount: 0 }, surplus.tokens);
  const kept = new Set(surplus.tokens);
  const expendable = new Set(surplus.expendable.filter((token) => kept.has(token)));
  while (kept.size > request.tokenCount) {
    const choice = expendable.size > 0 ? expendable : kept;
    const fairShare = (kept.size - 1) / request.tokenCount;
    const places = [...choice].map((token) => ({
      token,
      position: positionOf(request.space, token),
    }));
    const token = leastMissed(ring, places, fairShare);
    ring.removeAt(indexOfLast(ring, positionOf(request.space, token)));
    kept.delete(token);
    expendable.delete(token);
  }
  return [...kept].toSorted(compareTokens);
}

/** The token without which the loads are most even. There is at least one. */
function leastMissed(
  ring: RingLoads,
  places: readonly { readonly token: bigint; readonly position: number }[],
  fairShare: number,
): bigint {
  let best = places[0]?.token ?? 0n;
  let bestUnevenness = Infinity;
  for (const { token, position } of places) {
    ring.removeAt(indexOfLast(ring, position));
    const unevenness = unevennessOf(ring, fairShare);
    ring.insertAt(position, ring.seats.length - 1);
    if (unevenness >= bestUnevenness) continue;
    best = token;
    bestUnevenness = unevenness;
  }
  return best;
}

/** The index of the last seat's token at a position, which another may share. */
function indexOfLast(ring: RingLoads, position: number): number {
  let index = ring.indexOf(position);
  while (index < ring.count && ring.ownerAt(index) !== ring.seats.length - 1) index++;
  assert(index < ring.count, "a token of the member is in the ring");
  return index;
}

/** @param fairShare - how many times its fair load the last seat should have. */
function unevennessOf(ring: RingLoads, fairShare: number): number {
  return ring.seats.reduce((sum, { weight }, seat) => {
    const wanted = seat === ring.seats.length - 1 ? ring.mean * fairShare : ring.mean;
    const excess = (ring.loads[seat] ?? 0) / weight - wanted;
    return sum + excess * excess;
  }, 0);
}
