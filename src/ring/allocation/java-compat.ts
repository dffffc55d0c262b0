/**
 * Two classes of the Java library whose exact behaviour shows in Cassandra's tokens: `java.util.Random`
 * decides the first members' splits, and `java.util.PriorityQueue` decides between candidates of equal
 * worth. A heap or a generator that is merely as good would give other tokens.
 */
import { assert, must } from "../../util/assert.ts";

const MULTIPLIER = 0x5deece66dn;
const MASK_48 = (1n << 48n) - 1n;

/** `java.util.Random`: a 48-bit linear congruential generator. */
export class JavaRandom {
  #state: bigint;

  constructor(seed: bigint) {
    this.#state = (seed ^ MULTIPLIER) & MASK_48;
  }

  /** A double in [0, 1) from 53 bits. */
  nextDouble(): number {
    const high = this.#next(26);
    const low = this.#next(27);
    return (high * 2 ** 27 + low) * 2 ** -53;
  }

  #next(bits: number): number {
    this.#state = (this.#state * MULTIPLIER + 0xbn) & MASK_48;
    return Number(this.#state >> BigInt(48 - bits));
  }
}

/** An item and its worth. */
export interface Weighted<T> {
  readonly weight: number;
  readonly value: T;
}

/**
 * `java.util.PriorityQueue` ordered so that the greatest weight comes out first. Sifts up while
 * strictly better than the parent; sifts down to the better child, the left one when equal.
 */
export class JavaMaxQueue<T> {
  readonly #heap: Weighted<T>[] = [];

  get size(): number {
    return this.#heap.length;
  }

  peek(): Weighted<T> | undefined {
    return this.#heap[0];
  }

  add(item: Weighted<T>): void {
    let hole = this.#heap.length;
    this.#heap.push(item);
    while (hole > 0) {
      const parent = (hole - 1) >>> 1;
      const above = this.#at(parent);
      if (item.weight <= above.weight) break;
      this.#heap[hole] = above;
      hole = parent;
    }
    this.#heap[hole] = item;
  }

  /** Takes the best item. The queue must not be empty. */
  remove(): Weighted<T> {
    const best = this.#at(0);
    const last = must(this.#heap.pop(), "an item to remove");
    if (this.#heap.length > 0) this.#siftDown(last);
    return best;
  }

  #siftDown(item: Weighted<T>): void {
    const size = this.#heap.length;
    let hole = 0;
    while (hole < size >>> 1) {
      const left = 2 * hole + 1;
      const right = left + 1;
      const isRightBetter = right < size && this.#at(right).weight > this.#at(left).weight;
      const child = isRightBetter ? right : left;
      if (item.weight >= this.#at(child).weight) break;
      this.#heap[hole] = this.#at(child);
      hole = child;
    }
    this.#heap[hole] = item;
  }

  #at(index: number): Weighted<T> {
    const item = this.#heap[index];
    assert(item !== undefined, "heap index in range");
    return item;
  }
}
