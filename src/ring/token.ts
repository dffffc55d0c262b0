/**
 * Tokens of the 64-bit ring in their three forms: a pair of halves (hot paths), a bigint (planning
 * and admin), decimal text (configuration, `nodetool`, gossip).
 *
 * The halves are an int32 `hi` and a uint32 `lo`, the form in which typed arrays hold and compare
 * them. The ring is the whole of int64; -2^63, the minimum, belongs to no key but the empty one.
 *
 * Source: Cassandra `dht/Murmur3Partitioner`.
 */

/** -2^63: bounds the ring, is the token of the empty key only. */
export const MIN_TOKEN: bigint = -(2n ** 63n);
/** 2^63 - 1. */
export const MAX_TOKEN: bigint = 2n ** 63n - 1n;

const MASK_32 = 0xffff_ffffn;

/** A token, or a list of them, that somebody gave and that cannot be used. */
export class TokenError extends Error {
  /** What was given. */
  readonly value: string;
  /** What would have been right. */
  readonly expected: string;

  constructor(value: string, expected: string) {
    super(`invalid token ${JSON.stringify(value)}: expected ${expected}`);
    this.name = "TokenError";
    this.value = value;
    this.expected = expected;
  }
}

/** The high half, an int32. */
export function tokenHi(token: bigint): number {
  return Number(token >> 32n);
}

/** The low half, a uint32. */
export function tokenLo(token: bigint): number {
  return Number(token & MASK_32);
}

/** The token of these halves; `lo` may be given signed. */
export function tokenFromHalves(hi: number, lo: number): bigint {
  return (BigInt(hi) << 32n) | BigInt(lo >>> 0);
}

/** Reads decimal text; throws TokenError unless it is an integer within int64. */
export function parseToken(text: string): bigint {
  const trimmed = text.trim();
  if (!/^-?\d{1,20}$/.test(trimmed)) {
    throw new TokenError(text, "a decimal integer, such as -3074457345618258603");
  }
  const token = BigInt(trimmed);
  if (token < MIN_TOKEN || token > MAX_TOKEN) {
    throw new TokenError(text, `an integer from ${MIN_TOKEN} to ${MAX_TOKEN}`);
  }
  return token;
}

/** Decimal text, as Cassandra prints tokens. */
export function formatToken(hi: number, lo: number): string {
  return tokenFromHalves(hi, lo).toString();
}

/** Negative, zero or positive, as the first token lies before, at or after the second. */
export function compareHalves(aHi: number, aLo: number, bHi: number, bLo: number): number {
  return aHi === bHi ? aLo - bLo : aHi - bHi;
}
