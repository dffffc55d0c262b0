/**
 * The arithmetic of the two rings on which tokens can be allocated: Murmur3's signed 64-bit ring and
 * the Random partitioner's 0 .. 2^127. The ordered partitioners have no notion of size, so nothing
 * can be allocated on them (Cassandra refuses it too).
 *
 * Everything here is exact and follows Cassandra 5.0 (`Murmur3Partitioner`, `RandomPartitioner`):
 * `sizeBetween` is a double because the allocators compare doubles; `midpoint` and `split` work on
 * integers, and `split` takes its ratio as the decimal text of the double, so the same tokens come
 * out bit for bit.
 */
import type { Uint32Source } from "../../util/random.ts";
import { assert } from "../../util/assert.ts";

/** A ring of integer tokens. */
export interface TokenSpace {
  /** For messages. */
  readonly name: string;
  /** The lowest position; for Murmur3 it is reserved (no key ever gets it). */
  readonly minimum: bigint;
  /** The highest token that may be owned. */
  readonly maximum: bigint;
  /** Number of positions, used as the width of the whole ring. */
  readonly width: bigint;
  /** Share of the ring in (left, right], in (0, 1]. The same token twice means the whole ring. */
  sizeBetween(left: bigint, right: bigint): number;
  /** The token half-way from `left` clockwise to `right`. */
  midpoint(left: bigint, right: bigint): bigint;
  /** The token at `ratio` (0 .. 1) of the way from left to right, as Cassandra's `split`. */
  split(left: bigint, right: bigint, ratio: number): bigint;
  /** The next token after this one, wrapping at the end. */
  next(token: bigint): bigint;
  /** A uniformly random token that may be owned. */
  random(rng: Uint32Source): bigint;
  /** True for tokens that may be owned by a member. */
  isValid(token: bigint): boolean;
}

const MURMUR3_MIN = -(2n ** 63n);
const MURMUR3_MAX = 2n ** 63n - 1n;
const RANDOM_WIDTH = 2n ** 127n;
const TWO_POW_MINUS_64 = 2 ** -64;
const TWO_POW_MINUS_127 = 2 ** -127;

/** The Murmur3 partitioner's ring: -2^63 .. 2^63-1. */
export const MURMUR3_SPACE: TokenSpace = {
  name: "murmur3",
  minimum: MURMUR3_MIN,
  maximum: MURMUR3_MAX,
  width: 2n ** 64n,

  sizeBetween(left, right) {
    const share = Number(BigInt.asIntN(64, right - left)) * TWO_POW_MINUS_64;
    return share > 0 ? share : share + 1;
  },

  midpoint(left, right) {
    if (left < right) return (left + right) >> 1n;
    const middle = (2n ** 64n - 1n + left + right) >> 1n;
    return middle > MURMUR3_MAX ? MURMUR3_MIN + (middle - MURMUR3_MAX) : middle;
  },

  split(left, right, ratio) {
    if (left < right) return scaleAndAdd(right - left, ratio, left);
    const token = scaleAndAdd(2n ** 64n - 1n + right - left, ratio, left);
    return token > MURMUR3_MAX ? MURMUR3_MIN + (token - MURMUR3_MAX) : token;
  },

  next(token) {
    return BigInt.asIntN(64, token + 1n);
  },

  random(rng) {
    const token = BigInt.asIntN(64, (BigInt(rng.uint32()) << 32n) | BigInt(rng.uint32()));
    return token === MURMUR3_MIN ? MURMUR3_MAX : token;
  },

  isValid(token) {
    return token >= MURMUR3_MIN && token <= MURMUR3_MAX;
  },
};

/** The Random (MD5) partitioner's ring: 0 .. 2^127. */
export const RANDOM_SPACE: TokenSpace = {
  name: "random",
  minimum: 0n,
  maximum: RANDOM_WIDTH,
  width: RANDOM_WIDTH,

  sizeBetween(left, right) {
    const share = Number(right - left) * TWO_POW_MINUS_127;
    return share > 0 ? share : share + 1;
  },

  midpoint(left, right) {
    const from = left < 0n ? 0n : left;
    const to = right < 0n ? 0n : right;
    if (from < to) return (from + to) >> 1n;
    return (((RANDOM_WIDTH + to - from) >> 1n) + from) % RANDOM_WIDTH;
  },

  split(left, right, ratio) {
    const from = left < 0n ? 0n : left;
    const to = right < 0n ? 0n : right;
    if (from < to) return scaleAndAdd(to - from, ratio, from);
    return scaleAndAdd(RANDOM_WIDTH + to - from, ratio, from) % RANDOM_WIDTH;
  },

  next(token) {
    return token >= RANDOM_WIDTH ? 0n : token + 1n;
  },

  random(rng) {
    let token = 0n;
    for (let word = 0; word < 4; word++) token = (token << 32n) | BigInt(rng.uint32());
    return token >> 1n;
  },

  isValid(token) {
    return token >= 0n && token <= RANDOM_WIDTH;
  },
};

/** trunc(range * ratio + start), with the ratio read as the decimal text of the double. */
function scaleAndAdd(range: bigint, ratio: number, start: bigint): bigint {
  const { digits, scale } = exactDecimal(ratio);
  // BigInt division truncates towards zero, which is what BigDecimal.toBigInteger does.
  return (range * digits + start * scale) / scale;
}

/** `value` as digits / scale, from its shortest round-trip decimal text. */
function exactDecimal(value: number): { digits: bigint; scale: bigint } {
  assert(value >= 0 && value <= 1, () => `split ratio ${value} is not in 0 .. 1`);
  const [mantissa = "0", exponent = "0"] = String(value).split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  const places = fraction.length - Number(exponent);
  return { digits: BigInt(whole + fraction), scale: 10n ** BigInt(places) };
}
