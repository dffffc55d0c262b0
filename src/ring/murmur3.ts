/**
 * The hash of Cassandra's Murmur3Partitioner: from key bytes to a 64-bit token as two halves.
 *
 * MurmurHash3 x64 128-bit with seed 0; the token is the first word, read as signed. Two rules of
 * the partitioner come on top, so that a range `(minimum, x]` holds every key up to x:
 *
 * - a hash equal to the minimum, -2^63, becomes the maximum, 2^63 - 1;
 * - the empty key has the minimum token, and nothing else has it.
 *
 * One instance serves one event loop: it owns a small memory and its results are overwritten by
 * the next `hash`. Tokens travel as (int32 high, uint32 low) pairs; BigInt is for the edges.
 *
 * Source: Cassandra `dht/Murmur3Partitioner.getToken`, `utils/MurmurHash.hash3_x64_128`.
 */
import { murmur3Halves } from "./murmur3-halves.ts";
import { createWasmMurmur3 } from "./murmur3-wasm.ts";

/** Computes the two raw words of the hash. */
export interface Murmur3Engine {
  /**
   * Begins with h1 low, h1 high, h2 low, h2 high of the last `hash`; may be longer, and the array
   * itself may be replaced.
   */
  readonly words: Int32Array;
  /** Hashes `bytes[start..end)` into `words`. */
  hash(bytes: Uint8Array, start: number, end: number): void;
}

const MINIMUM_HI = -0x8000_0000;
const MAXIMUM_HI = 0x7fff_ffff;
const MAXIMUM_LO = 0xffff_ffff;

/** Hashes keys to tokens; reads the result from its own fields to allocate nothing per key. */
export class Murmur3 {
  /** High half of the token of the last key, an int32. */
  hi = 0;
  /** Low half of the token of the last key, a uint32. */
  lo = 0;
  readonly #engine: Murmur3Engine;

  /** By default the fastest engine that this host allows. */
  constructor(engine: Murmur3Engine = createWasmMurmur3() ?? createHalvesMurmur3()) {
    this.#engine = engine;
  }

  /** Hashes `bytes[start..end)` and leaves token and raw words in the fields. */
  hash(bytes: Uint8Array, start: number, end: number): void {
    this.#engine.hash(bytes, start, end);
    const words = this.#engine.words;
    this.hi = words[1] as number;
    this.lo = (words[0] as number) >>> 0;
    if (this.hi === MINIMUM_HI && this.lo === 0) {
      this.hi = MAXIMUM_HI;
      this.lo = MAXIMUM_LO;
    }
    if (start === end) {
      this.hi = MINIMUM_HI;
      this.lo = 0;
    }
  }

  /** The raw first word, before the partitioner's rules: high half, int32. */
  get h1Hi(): number {
    return this.#engine.words[1] as number;
  }

  /** The raw first word: low half, uint32. */
  get h1Lo(): number {
    return (this.#engine.words[0] as number) >>> 0;
  }

  /** The raw second word: high half, int32. */
  get h2Hi(): number {
    return this.#engine.words[3] as number;
  }

  /** The raw second word: low half, uint32. */
  get h2Lo(): number {
    return (this.#engine.words[2] as number) >>> 0;
  }
}

/** The engine that runs everywhere. */
export function createHalvesMurmur3(): Murmur3Engine {
  const words = new Int32Array(4);
  return { words, hash: (bytes, start, end) => murmur3Halves(bytes, start, end, words) };
}
