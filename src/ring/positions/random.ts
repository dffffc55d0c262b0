import type { Uint32Source } from "../../util/random.ts";
import { Md5 } from "../md5.ts";
import type { RandomPartitioner } from "../partitioners/random.ts";
import { MAX_TOKEN, MIN_TOKEN } from "../token.ts";
import type { KeyHasher, TokenPositions } from "./token-positions.ts";

const GRAIN_BITS = 63n;
const GRAIN = 2n ** GRAIN_BITS;

/**
 * Grains of 2^63 tokens, each ending at a multiple of 2^63, because the usual tokens are such
 * multiples: `i * 2^127 / n` where n is a power of two. Token 0 is a grain of its own, together with
 * the empty key's -1; at the other end two grains share the last position. Where a member's token is
 * no multiple it counts as the next one; see the head of `token-positions.ts`.
 */
export class RandomPositions implements TokenPositions<bigint> {
  readonly #partitioner: RandomPartitioner;

  constructor(partitioner: RandomPartitioner) {
    this.#partitioner = partitioner;
  }

  createHasher(): KeyHasher {
    return new RandomHasher();
  }

  positionOf(token: bigint): bigint {
    if (token <= 0n) return MIN_TOKEN;
    const position = MIN_TOKEN + ((token + GRAIN - 1n) >> GRAIN_BITS);
    return position > MAX_TOKEN ? MAX_TOKEN : position;
  }

  requireOwnable(): void {
    // Every token counts as the last of its grain.
  }

  random(rng: Uint32Source): bigint {
    return this.#partitioner.random(rng);
  }

  tokenAt(position: bigint): bigint {
    return (position - MIN_TOKEN) << GRAIN_BITS;
  }
}

/** The same from the digest in halves, without a BigInt per key. */
export class RandomHasher implements KeyHasher {
  hi = 0;
  lo = 0;
  readonly #md5: Md5 = new Md5();

  hash(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) {
      this.#setTo(0, 0);
      return;
    }
    this.place(this.#md5.digest(bytes.subarray(start, end)));
  }

  /** The position of a key with this digest. */
  place(digest: Uint8Array): void {
    const view = new DataView(digest.buffer, digest.byteOffset, 16);
    let [w0, w1, w2, w3] = [0, 4, 8, 12].map((at) => view.getUint32(at)) as Words;
    if (w0 >= 0x8000_0000) [w0, w1, w2, w3] = negated(w0, w1, w2, w3);
    this.#setFrom(w0, w1, w2, w3);
  }

  /** The absolute value, 0 .. 2^127, to the number of its grain. */
  #setFrom(w0: number, w1: number, w2: number, w3: number): void {
    const hi = ((w0 << 1) | (w1 >>> 31)) >>> 0;
    const lo = ((w1 << 1) | (w2 >>> 31)) >>> 0;
    const isMultiple = (w2 & 0x7fff_ffff) === 0 && w3 === 0;
    const isLast = w0 >= 0x8000_0000 || (hi === 0xffff_ffff && lo === 0xffff_ffff);
    if (isLast) this.#setTo(0xffff_ffff, 0xffff_ffff);
    else if (isMultiple) this.#setTo(hi, lo);
    else this.#setTo(lo === 0xffff_ffff ? hi + 1 : hi, (lo + 1) >>> 0);
  }

  #setTo(hi: number, lo: number): void {
    this.hi = hi ^ 0x8000_0000;
    this.lo = lo;
  }
}

type Words = [number, number, number, number];

/** Two's complement: all bits turned, plus one, which goes on while it meets zeros. */
function negated(w0: number, w1: number, w2: number, w3: number): Words {
  const n2 = w3 === 0 ? -w2 : ~w2;
  const n1 = w3 === 0 && w2 === 0 ? -w1 : ~w1;
  const n0 = w3 === 0 && w2 === 0 && w1 === 0 ? -w0 : ~w0;
  return [n0 >>> 0, n1 >>> 0, n2 >>> 0, -w3 >>> 0];
}
