/**
 * Any ring as a 64-bit ring, so that placement, ownership and movement work for every partitioner.
 *
 * Placement depends on the order of the tokens alone, and ownership on their distances. So each token
 * that somebody owns gets a position in int64:
 *
 *   Murmur3                      the token itself;
 *   other hash partitioners      the token scaled to the width of 64 bits, so that shares stay;
 *   ordered partitioners         its rank, evenly spaced. Their rings have no widths: shares that
 *                                are computed of such positions mean nothing (`hasShares`).
 *
 * Only owned tokens get positions. The token of a key is first moved to the owned token that ends its
 * range, which is exact where scaling would round.
 */
import { must } from "../util/assert.ts";
import type { HashPartitioner, Partitioner } from "../ring/partitioner.ts";
import { MAX_TOKEN, MIN_TOKEN } from "../ring/token.ts";

const WIDTH = 2n ** 64n;

/** True of partitioners whose rings have a width, so that shares have a meaning. */
export function isHashPartitioner<T>(
  partitioner: Partitioner<T>,
): partitioner is Partitioner<T> & HashPartitioner {
  return !partitioner.preservesOrder;
}

export class RingEmbedding<T> {
  readonly #partitioner: Partitioner<T>;
  /** Distinct, in ring order. */
  readonly #tokens: readonly T[];
  readonly #positions: readonly bigint[];

  /** @param tokens - all that are owned; repeats are allowed. */
  constructor(partitioner: Partitioner<T>, tokens: readonly T[]) {
    this.#partitioner = partitioner;
    const sorted = tokens.toSorted((a, b) => partitioner.compare(a, b));
    this.#tokens = sorted.filter(
      (token, index) => index === 0 || partitioner.compare(sorted[index - 1] as T, token) !== 0,
    );
    this.#positions = distinct(positions(partitioner, this.#tokens));
  }

  /** True if widths between positions are shares of the data. */
  get hasShares(): boolean {
    return isHashPartitioner(this.#partitioner);
  }

  /** The position of an owned token. */
  positionOf(token: T): bigint {
    return this.positionOfRange(token);
  }

  /** The position of the owned token that ends the range of this one. The ring must have tokens. */
  positionOfRange(token: T): bigint {
    const index = this.#successor(token);
    return must(this.#positions[index], "a ring with tokens");
  }

  /** The owned token at a position. */
  tokenAt(position: bigint): T {
    let low = 0;
    let high = this.#positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (must(this.#positions[middle], "within the list") < position) low = middle + 1;
      else high = middle;
    }
    return must(this.#tokens[low], "a position of this ring");
  }

  /** Index of the first owned token that is not before this one; around the end, the first. */
  #successor(token: T): number {
    let low = 0;
    let high = this.#tokens.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#partitioner.compare(this.#tokens[middle] as T, token) < 0) low = middle + 1;
      else high = middle;
    }
    return low === this.#tokens.length ? 0 : low;
  }
}

function positions<T>(partitioner: Partitioner<T>, tokens: readonly T[]): readonly bigint[] {
  if (!isHashPartitioner(partitioner)) {
    const step = WIDTH / BigInt(tokens.length + 1);
    return tokens.map((_token, rank) => MIN_TOKEN + step * BigInt(rank + 1));
  }
  const { minimum, maximum } = partitioner as HashPartitioner;
  // Murmur3 begins at the reserved minimum, Random one below its first token: both are bounds only.
  const isWhole = maximum - minimum + 1n === WIDTH;
  if (isWhole) return tokens as readonly unknown[] as readonly bigint[];
  const first = minimum < 0n ? 0n : minimum;
  const width = maximum - first + (maximum % 2n === 0n ? 0n : 1n);
  return (tokens as readonly unknown[] as readonly bigint[]).map(
    (token) => MIN_TOKEN + (((token < first ? first : token) - first) * WIDTH) / width,
  );
}

/** Rounding may give neighbours one position, or one beyond the last: they keep their order. */
function distinct(sorted: readonly bigint[]): readonly bigint[] {
  const result = [...sorted];
  let lowest = MIN_TOKEN;
  for (const [index, position] of result.entries()) {
    if (position < lowest) result[index] = lowest;
    lowest = (result[index] ?? lowest) + 1n;
  }
  let highest = MAX_TOKEN;
  for (let index = result.length - 1; index >= 0 && (result[index] ?? 0n) > highest; index--) {
    result[index] = highest;
    highest -= 1n;
  }
  return result;
}
