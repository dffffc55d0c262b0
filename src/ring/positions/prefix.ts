/**
 * Positions of the partitioners whose tokens sort as bytes: their first eight bytes, as a number.
 *
 * Plain bytes padded with zeros would not do: `m` and `m` followed by a zero byte would share a
 * position, so that a member could not own up to `m` and no further. Hence digits to base 257, in
 * which 0 means that the token has ended. Seven of them and a coarse eighth fit into 64 bits:
 *
 *     position = (((d0 * 257 + d1) * 257 ... + d6) * 248 + e) - 2^63       257^7 * 248 < 2^64
 *
 *     d    0 after the end, else byte + 1
 *     e    0 if there is no eighth byte, else 1 + floor(byte * 247 / 256)
 *
 * A token of at most seven bytes is alone in its grain, so a member may own it. Longer ones share
 * theirs with others and are refused: keys that agree in their first seven bytes cannot be split.
 *
 * OrderPreserving sorts text by UTF-16 code units. Encoding each unit for itself, as UTF-8 would
 * encode a character of that number (CESU-8), keeps their order in bytes; ASCII stays as it is.
 */
import type { Uint32Source } from "../../util/random.ts";
import { hexOf } from "../partitioners/byte-ordered.ts";
import type { OrderPreservingPartitioner } from "../partitioners/order-preserving.ts";
import { TokenError, tokenFromHalves } from "../token.ts";
import type { KeyHasher, Stretch, TokenPositions } from "./token-positions.ts";
import { Word64 } from "./word64.ts";

const OWNABLE_BYTES_MAX = 7;
const BASE = 257;
const LAST_BASE = 248;
/** Sorts behind whatever may follow a prefix, as far as a position tells. */
const LAST_BYTES: readonly number[] = Array.from({ length: OWNABLE_BYTES_MAX + 1 }, () => 0xff);
const WHY = "a running ring tells keys apart by their first seven bytes";

/** Positions of ByteOrderedPartitioner. */
export class ByteOrderedPositions implements TokenPositions<Uint8Array> {
  readonly #hasher: PrefixHasher = new PrefixHasher();

  createHasher(): KeyHasher {
    return new PrefixHasher();
  }

  positionOf(token: Uint8Array): bigint {
    return this.#hasher.positionOf(token);
  }

  requireOwnable(token: Uint8Array): void {
    if (token.length <= OWNABLE_BYTES_MAX) return;
    throw new TokenError(hexOf(token), `at most ${2 * OWNABLE_BYTES_MAX} hex digits: ${WHY}`);
  }

  random(rng: Uint32Source): Uint8Array {
    return Uint8Array.from({ length: OWNABLE_BYTES_MAX }, () => rng.uint32() >>> 24);
  }

  tokenAt(): undefined {
    return undefined;
  }

  prefixStretches(prefix: Uint8Array): readonly Stretch[] {
    return [stretchOf(this.#hasher, prefix)];
  }
}

/** Positions of OrderPreservingPartitioner. */
export class OrderPreservingPositions implements TokenPositions<string> {
  readonly #partitioner: OrderPreservingPartitioner;
  readonly #hasher: PrefixHasher = new PrefixHasher();

  constructor(partitioner: OrderPreservingPartitioner) {
    this.#partitioner = partitioner;
  }

  createHasher(): KeyHasher {
    return new TextHasher(this.#partitioner);
  }

  positionOf(token: string): bigint {
    return this.#hasher.positionOf(unitBytes(token));
  }

  requireOwnable(token: string): void {
    if (unitBytes(token).length <= OWNABLE_BYTES_MAX) return;
    throw new TokenError(token, `at most ${OWNABLE_BYTES_MAX} bytes of text: ${WHY}`);
  }

  random(rng: Uint32Source): string {
    return this.#partitioner.random(rng).slice(0, OWNABLE_BYTES_MAX);
  }

  tokenAt(): undefined {
    return undefined;
  }

  /** Keys of valid UTF-8 lie together, and the others, which have hex digits for a token. */
  prefixStretches(prefix: Uint8Array): readonly Stretch[] {
    const whole = wholeCharacters(prefix);
    return [whole, new TextEncoder().encode(hexOf(prefix))]
      .map((start) => stretchOf(this.#hasher, start))
      .toSorted((a, b) => (a.first < b.first ? -1 : 1));
  }
}

function stretchOf(hasher: PrefixHasher, prefix: Uint8Array): Stretch {
  const last = Uint8Array.of(...prefix.subarray(0, OWNABLE_BYTES_MAX + 1), ...LAST_BYTES);
  return { first: hasher.positionOf(prefix), last: hasher.positionOf(last) };
}

/**
 * The longest beginning that is valid UTF-8, each code unit as `unitBytes` has it: the bytes may end
 * within a character, or hold what no text begins with.
 */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let end = Math.min(bytes.length, 4 * OWNABLE_BYTES_MAX); end > 0; end--) {
    try {
      return unitBytes(decoder.decode(bytes.subarray(0, end)));
    } catch {
      continue;
    }
  }
  return new Uint8Array();
}

class PrefixHasher implements KeyHasher {
  hi = 0;
  lo = 0;
  readonly #word: Word64 = new Word64();

  hash(bytes: Uint8Array, start: number, end: number): void {
    const word = this.#word;
    word.clear();
    for (let at = start; at < start + OWNABLE_BYTES_MAX; at++) {
      word.timesPlus(BASE, at < end ? (bytes[at] as number) + 1 : 0);
    }
    const last = start + OWNABLE_BYTES_MAX;
    const isLonger = last < end;
    word.timesPlus(
      LAST_BASE,
      isLonger ? 1 + (((bytes[last] as number) * (LAST_BASE - 1)) >> 8) : 0,
    );
    this.hi = word.hi ^ 0x8000_0000;
    this.lo = word.lo;
  }

  positionOf(bytes: Uint8Array): bigint {
    this.hash(bytes, 0, bytes.length);
    return tokenFromHalves(this.hi, this.lo);
  }
}

/** Keys are decoded whole, because one that is not UTF-8 has its hex digits for a token. */
class TextHasher implements KeyHasher {
  hi = 0;
  lo = 0;
  readonly #partitioner: OrderPreservingPartitioner;
  readonly #hasher: PrefixHasher = new PrefixHasher();

  constructor(partitioner: OrderPreservingPartitioner) {
    this.#partitioner = partitioner;
  }

  hash(bytes: Uint8Array, start: number, end: number): void {
    const prefix = unitBytes(this.#partitioner.hash(bytes.subarray(start, end)));
    this.#hasher.hash(prefix, 0, prefix.length);
    this.hi = this.#hasher.hi;
    this.lo = this.#hasher.lo;
  }
}

/** Each code unit as UTF-8 would encode that number; stops when a position needs no more. */
function unitBytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (let at = 0; at < text.length && bytes.length <= OWNABLE_BYTES_MAX; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) bytes.push(unit);
    else if (unit < 0x800) bytes.push(0xc0 | (unit >> 6), 0x80 | (unit & 63));
    else bytes.push(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 63), 0x80 | (unit & 63));
  }
  return Uint8Array.from(bytes);
}
