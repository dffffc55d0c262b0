/**
 * Between exact tokens and positions on the ring as fractions in [0, 1). A double holds 53 bits of a
 * position; tokens that differ by less share a position, which changes no balance that anybody could
 * measure. The tokens handed out are exact integers again.
 */
import { compareTokens } from "./allocation.ts";
import type { PlacedToken } from "./ring-loads.ts";
import type { TokenSpace } from "./token-space.ts";

const STEPS = 2 ** 53;

/** The position of a token: 0 at the lowest token. */
export function positionOf(space: TokenSpace, token: bigint): number {
  const position = Number(token - space.minimum) / Number(space.width);
  // Rounding to 53 bits may carry a token at the very end of the ring to 1.
  return Math.min(position, 1 - 1 / STEPS);
}

/** The first token at a position. */
export function tokenAt(space: TokenSpace, position: number): bigint {
  const step = BigInt(Math.floor(position * STEPS));
  const token = space.minimum + (step * space.width) / BigInt(STEPS);
  // The lowest token of the Murmur3 ring is reserved.
  return token === space.minimum ? space.next(token) : token;
}

/**
 * All tokens of the members, each with its member's index as seat, in ring order: also where two
 * share a position, because who comes first decides who is a replica.
 */
export function placedTokens(
  space: TokenSpace,
  members: readonly { readonly tokens: readonly bigint[] }[],
): PlacedToken[] {
  return members
    .flatMap(({ tokens }, seat) => tokens.map((token) => ({ token, seat })))
    .toSorted((a, b) => compareTokens(a.token, b.token))
    .map(({ token, seat }) => ({ position: positionOf(space, token), seat }));
}
