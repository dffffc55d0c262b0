/** What rings of integers share: reading numbers, exact shares, and a plain ring 0 .. width - 1. */
import { assert } from "../../util/assert.ts";
import { AllocationError } from "../allocation/allocation.ts";
import { TokenError } from "../token.ts";

/** Reads a decimal integer within the bounds; throws TokenError. */
export function parseInteger(text: string, minimum: bigint, maximum: bigint): bigint {
  const expected = `a decimal integer from ${minimum} to ${maximum}`;
  const trimmed = text.trim();
  if (!/^-?\d{1,40}$/.test(trimmed)) throw new TokenError(text, expected);
  const token = BigInt(trimmed);
  if (token < minimum || token > maximum) throw new TokenError(text, expected);
  return token;
}

/** Throws AllocationError unless so many members can have a token each. */
export function requireCount(count: number, maximum: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= maximum) return;
  throw new AllocationError("TOKEN_COUNT", `a ring has 1 .. ${maximum} tokens, not ${count}`);
}

/** The unsigned big-endian number. */
export function bigintFromBytes(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

/** The last `size` bytes of a number, big-endian. */
export function bytesFromBigint(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) =>
    Number((value >> BigInt(8 * (size - 1 - at))) & 255n),
  );
}

/** The share of each token on a ring of this width, rounded last of all. */
export function exactOwnership(
  tokens: Iterable<bigint>,
  width: bigint,
  round: (share: number) => number = (share) => share,
): ReadonlyMap<bigint, number> {
  const sorted = Array.from(new Set(tokens)).sort((a, b) => (a < b ? -1 : 1));
  if (sorted.length === 0) throw new TokenError("", "a ring with at least one token");
  const shares = new Map<bigint, number>();
  for (const [index, token] of sorted.entries()) {
    const previous = sorted.at(index - 1) ?? token;
    const size = token === previous ? width : (token - previous + width) % width;
    shares.set(token, round(Number(size) / Number(width)));
  }
  return shares;
}

/** The arithmetic of a ring of the integers 0 .. width - 1. */
export class PlainRing {
  readonly width: bigint;

  constructor(width: bigint) {
    this.width = width;
  }

  /** Steps from `left` clockwise to `right`; the whole ring if they are equal. */
  distance(left: bigint, right: bigint): bigint {
    const steps = (right - left + this.width) % this.width;
    return steps === 0n ? this.width : steps;
  }

  midpoint(left: bigint, right: bigint): bigint {
    return (left + this.distance(left, right) / 2n) % this.width;
  }

  /** Rings of this kind are below 2^33 wide, so the product is exact enough to be truncated. */
  split(left: bigint, right: bigint, ratio: number): bigint {
    assert(ratio >= 0 && ratio <= 1, () => `split ratio ${ratio} is not in 0 .. 1`);
    const steps = Math.trunc(Number(this.distance(left, right)) * ratio);
    return (left + BigInt(steps)) % this.width;
  }

  size(left: bigint, right: bigint): number {
    return Number(this.distance(left, right)) / Number(this.width);
  }
}
