/**
 * Positions: the tokens of any partitioner on the ring of 64 bits, for rings that run.
 *
 * A member hashes keys, routes, stores, scans and repairs by two 32-bit halves. With Murmur3 they
 * are the token. Tokens of other partitioners are wider, narrower, or not numbers at all, so there
 * a key has a *position* in their place, of which three things are true:
 *
 *   1. It depends on the key and the partitioner alone. Cells are stored in order of position, so
 *      it must not change when members come and go.
 *   2. It is monotone: a token that is not after another has no later position. Positions keep less
 *      than tokens do; tokens that share one are its *grain*.
 *   3. A token that a member owns is the last of its grain. Then `token <= owned` and
 *      `position <= position of owned` are the same question, and a table built over positions
 *      gives exactly the replicas that comparing tokens would give.
 *
 * Narrow rings (Dynomite, Redis) have a position for each token. Ordered partitioners refuse
 * members' tokens that are longer than what a position can hold, because of 3. Random alone bends
 * 3: its tokens have 127 bits, and ones that other clusters use are not to be refused. There an
 * owned token counts as the last of its grain, so it owns up to 2^63 - 1 tokens of 2^127 more than
 * it says. A key is hit with probability 2^-64 per member's token, and all members agree on it.
 */
import type { Uint32Source } from "../../util/random.ts";

/** Computes the position of keys; reads the result from its fields to allocate nothing per key. */
export interface KeyHasher {
  /** High half of the position of the last key, an int32. */
  readonly hi: number;
  /** Low half of the position of the last key, a uint32. */
  readonly lo: number;
  /** Throws TokenError where the partitioner cannot take such a key. */
  hash(bytes: Uint8Array, start: number, end: number): void;
}

/** Positions from `first` to `last`, both included. */
export interface Stretch {
  readonly first: bigint;
  readonly last: bigint;
}

/** The positions of one partitioner. See the head of this file. */
export interface TokenPositions<T> {
  /** A hasher of its own for each event loop. */
  createHasher(): KeyHasher;
  /** The position of any token, as of a key that has it. */
  positionOf(token: T): bigint;
  /** Throws TokenError unless a member may own the token, see 3. */
  requireOwnable(token: T): void;
  /** A token to own, drawn at random. */
  random(rng: Uint32Source): T;
  /**
   * The token to own at a position or, where narrow tokens have wide grains, the one whose grain it
   * lies in. Undefined for ordered partitioners: what lies between two keys is no number.
   */
  tokenAt(position: bigint): T | undefined;
  /**
   * Where the keys lie that begin with these bytes, ascending; other keys may lie there too. Absent
   * where they may lie anywhere.
   */
  prefixStretches?(prefix: Uint8Array): readonly Stretch[];
}
