/** Helpers over a source of chance; the source itself comes in through deps. */

/** Anything that yields uniformly distributed unsigned 32-bit integers. */
export interface Uint32Source {
  /** An integer in 0 .. 2^32 - 1. */
  uint32(): number;
}

/** A seeded generator (sfc32): the same seed gives the same sequence on every machine. */
export class SeededRng implements Uint32Source {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 0x1_0000_0000) >>> 0;
    this.#c = 0x9e37_79b9;
    for (let warmUp = 0; warmUp < 12; warmUp++) this.uint32();
  }

  /** The next integer in 0 .. 2^32 - 1. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0;
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }
}

/** A uniformly distributed integer in 0 .. bound - 1, without modulo bias that matters below 2^32. */
export function randomBelow(rng: Uint32Source, bound: number): number {
  return Math.floor((rng.uint32() / 0x1_0000_0000) * bound);
}

/** A uniformly distributed number in [0, 1). */
export function randomFraction(rng: Uint32Source): number {
  return rng.uint32() / 0x1_0000_0000;
}

export function randomChoice<T>(rng: Uint32Source, items: readonly T[]): T | undefined {
  return items[randomBelow(rng, items.length)];
}

/** A new array with the items in random order (Fisher-Yates). */
export function shuffled<T>(rng: Uint32Source, items: readonly T[]): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = randomBelow(rng, last + 1);
    const kept = result[last] as T;
    result[last] = result[other] as T;
    result[other] = kept;
  }
  return result;
}

/** A random UUID (RFC 9562, version 4) from the given source. */
export function randomUuid(rng: Uint32Source): string {
  const words = [rng.uint32(), rng.uint32(), rng.uint32(), rng.uint32()];
  const hex = words.map((word) => word.toString(16).padStart(8, "0")).join("");
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}
