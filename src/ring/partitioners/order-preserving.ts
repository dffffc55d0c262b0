import { type Uint32Source, randomBelow } from "../../util/random.ts";
import type { Partitioner } from "../partitioner.ts";
import { TokenError } from "../token.ts";
import { hexOf } from "./byte-ordered.ts";
import { middleOf } from "./middle.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const RANDOM_LENGTH = 16;
const UNIT_BITS = 16;
const HALF_UNIT = 0x8000;

/**
 * Keys are UTF-8 text and sort as Java compares strings, by UTF-16 code units. A key that is not
 * valid UTF-8 is taken as its hex digits.
 *
 * Source: Cassandra `dht/OrderPreservingPartitioner`.
 */
export class OrderPreservingPartitioner implements Partitioner<string> {
  readonly name = "OrderPreservingPartitioner";
  readonly preservesOrder = true;
  /** The empty text: the token of the empty key, before every other. */
  readonly minimum = "";

  compare(a: string, b: string): number {
    if (a === b) return 0;
    return a < b ? -1 : 1;
  }

  hash(key: Uint8Array): string {
    return decodeUtf8(key) ?? hexOf(key);
  }

  /** As with bytes, in units of 16 bits; half a unit becomes one more unit, 0x8000. */
  midpoint(left: string, right: string): string {
    const size = Math.max(left.length, right.length);
    const unit = 2n ** BigInt(UNIT_BITS * size);
    const { middle, hasHalf } = middleOf(numerator(left, size), numerator(right, size), unit);
    const units = Array.from({ length: size }, (_, at) =>
      Number((middle >> BigInt(UNIT_BITS * (size - 1 - at))) & 0xffffn),
    );
    return String.fromCharCode(...units, ...(hasHalf ? [HALF_UNIT] : []));
  }

  random(rng: Uint32Source): string {
    return randomLetters(rng);
  }

  /** Any text without a comma: lists of tokens are separated by commas. */
  parse(text: string): string {
    return refuseComma(text);
  }

  format(token: string): string {
    return token;
  }

  toBytes(token: string): Uint8Array {
    return new TextEncoder().encode(token);
  }

  fromBytes(bytes: Uint8Array): string {
    return requireUtf8(bytes);
  }
}

/** 16 random letters and digits. */
export function randomLetters(rng: Uint32Source): string {
  return Array.from(
    { length: RANDOM_LENGTH },
    () => LETTERS[randomBelow(rng, LETTERS.length)],
  ).join("");
}

/** The text as it is; throws TokenError if it could not stand in a list of tokens. */
export function refuseComma(text: string): string {
  if (text.includes(",")) throw new TokenError(text, "text without a comma");
  return text;
}

/** The text that the bytes encode; throws TokenError if they encode none. */
export function requireUtf8(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new TokenError(hexOf(bytes), "bytes of valid UTF-8");
  return text;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function numerator(text: string, size: number): bigint {
  let value = 0n;
  for (let at = 0; at < size; at++) {
    const unit = at < text.length ? text.charCodeAt(at) : 0;
    value = (value << BigInt(UNIT_BITS)) | BigInt(unit);
  }
  return value;
}
