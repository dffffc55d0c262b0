import type { Uint32Source } from "../../util/random.ts";
import type { Partitioner } from "../partitioner.ts";
import { TokenError } from "../token.ts";
import { bigintFromBytes, bytesFromBigint } from "./numeric.ts";
import { middleOf } from "./middle.ts";

/**
 * Keys are their own tokens and sort as bytes, shorter first. There is no width, so no split, no
 * even spacing, no allocation; balancing means moving tokens to midpoints.
 *
 * Source: Cassandra `dht/ByteOrderedPartitioner`.
 */
export class ByteOrderedPartitioner implements Partitioner<Uint8Array> {
  readonly name = "ByteOrderedPartitioner";
  readonly preservesOrder = true;
  /** No bytes: the token of the empty key, before every other. */
  readonly minimum: Uint8Array = new Uint8Array(0);

  compare(a: Uint8Array, b: Uint8Array): number {
    const shared = Math.min(a.length, b.length);
    for (let at = 0; at < shared; at++) {
      const difference = (a[at] ?? 0) - (b[at] ?? 0);
      if (difference !== 0) return difference;
    }
    return a.length - b.length;
  }

  hash(key: Uint8Array): Uint8Array {
    return copyOf(key);
  }

  /** The mean of both as fractions of the same length; half a unit becomes one more byte, 0x80. */
  midpoint(left: Uint8Array, right: Uint8Array): Uint8Array {
    const size = Math.max(left.length, right.length);
    const { middle, hasHalf } = middleOf(
      bigintFromBytes(left) << BigInt(8 * (size - left.length)),
      bigintFromBytes(right) << BigInt(8 * (size - right.length)),
      2n ** BigInt(8 * size),
    );
    const bytes = bytesFromBigint(middle, size);
    return hasHalf ? Uint8Array.of(...bytes, 0x80) : bytes;
  }

  random(rng: Uint32Source): Uint8Array {
    return Uint8Array.from({ length: 16 }, () => rng.uint32() >>> 24);
  }

  /** Hex; an odd number of digits gets a leading zero. */
  parse(text: string): Uint8Array {
    const trimmed = text.trim();
    if (!/^[\da-f]*$/i.test(trimmed)) throw new TokenError(text, "hex digits, such as 6a6f");
    const digits = trimmed.length % 2 === 0 ? trimmed : `0${trimmed}`;
    return Uint8Array.from({ length: digits.length / 2 }, (_, at) =>
      Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16),
    );
  }

  format(token: Uint8Array): string {
    return hexOf(token);
  }

  toBytes(token: Uint8Array): Uint8Array {
    return copyOf(token);
  }

  fromBytes(bytes: Uint8Array): Uint8Array {
    return copyOf(bytes);
  }
}

/** Two lower-case digits per byte. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `slice` would not do: a Buffer's shares its memory. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
