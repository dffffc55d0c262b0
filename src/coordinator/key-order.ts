/** The order of keys on a ring that keeps one, as scans need it. */
import type { RingPositions, Stretch } from "../placement/ring-positions.ts";
import { MIN_TOKEN, tokenFromHalves } from "../ring/token.ts";

export interface KeyOrder {
  /** Below 0, 0 or above, as the first key lies before, at or after the second. */
  readonly compare: (a: Uint8Array, b: Uint8Array) => number;
  /** True if keys of one token are in order when they sort as bytes. */
  readonly isBytewise: boolean;
  /** Position of a key, counted from 0. Throws TokenError if the partitioner cannot take the key. */
  readonly positionOf: (key: Uint8Array) => bigint;
  /**
   * Where the keys lie that begin with these bytes, in positions counted from 0, ascending. Undefined
   * where they may lie anywhere.
   */
  readonly prefixStretches: (prefix: Uint8Array) => readonly Stretch[] | undefined;
}

/** Undefined where keys are hashed. */
export function keyOrderOf(positions: RingPositions | undefined): KeyOrder | undefined {
  if (positions?.compareKeys === undefined) return undefined;
  const hasher = positions.createHasher();
  return {
    compare: positions.compareKeys,
    isBytewise: positions.sortsBytewise,
    positionOf: (key) => {
      hasher.hash(key, 0, key.length);
      return tokenFromHalves(hasher.hi, hasher.lo) - MIN_TOKEN;
    },
    prefixStretches: (prefix) =>
      positions
        .prefixStretches(prefix)
        ?.map(({ first, last }) => ({ first: first - MIN_TOKEN, last: last - MIN_TOKEN })),
  };
}
