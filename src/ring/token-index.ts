/**
 * All tokens of a ring in order, and the fast way from any token to the ring token that owns it.
 *
 * A binary search over a quarter of a million tokens misses the cache at every step. Instead the
 * top bits of a token select a bucket, and the bucket says where in the sorted arrays to begin:
 *
 *     buckets   [ 0 | 0 | 2 | 3 | ... | n ]      first index whose token lies in bucket b or later
 *     hi, lo    [ t0  t1 | t2 | t3 ... ]         sorted, int32 and uint32 halves
 *
 * There are at least as many buckets as tokens, so with tokens spread over the ring the forward
 * scan that follows takes a step or two. Tokens crowded into one corner (a 32-bit hash on the
 * 64-bit ring) fill few buckets: inside a full bucket the search is binary first.
 *
 * Sorting uses the buckets too: counting places every token in its bucket in two passes, and what
 * remains is to sort the few tokens of each bucket.
 *
 * Equal tokens are allowed, because in the rack scope they repeat across racks; they stand in
 * order of their owners, and a search finds the first of them.
 */
import { assert } from "../util/assert.ts";
import { compareHalves, tokenHi, tokenLo } from "./token.ts";

const MAX_BUCKET_BITS = 18;
const SCAN_MAX = 8;
const INSERTION_SORT_MAX = 16;

/** The sorted tokens of a ring; immutable. See the head of this file. */
export class TokenIndex {
  /** How many tokens there are, each repeat counted. */
  readonly size: number;
  /** Sorted with `lo`; int32 halves. */
  readonly hi: Int32Array;
  /** The low halves, at the same places; uint32. */
  readonly lo: Uint32Array;
  /** The list that the token at this index came from. */
  readonly owners: Int32Array;
  readonly #shift: number;
  /** One more than there are buckets: the last entry is `size`. */
  readonly #buckets: Int32Array;

  /** `tokenLists[owner]` are the tokens of that owner, in any order. */
  constructor(tokenLists: readonly (readonly bigint[])[]) {
    this.size = tokenLists.reduce((sum, tokens) => sum + tokens.length, 0);
    this.hi = new Int32Array(this.size);
    this.lo = new Uint32Array(this.size);
    this.owners = new Int32Array(this.size);
    const bits = Math.min(MAX_BUCKET_BITS, Math.max(1, Math.ceil(Math.log2(this.size + 1))));
    this.#shift = 32 - bits;
    this.#buckets = new Int32Array(2 ** bits + 1);
    this.#fill(tokenLists);
    this.#sortWithinBuckets();
  }

  /** The index of the first ring token at or after the given one, clockwise. The ring has tokens. */
  successor(hi: number, lo: number): number {
    const bucket = (hi ^ 0x8000_0000) >>> this.#shift;
    let index = this.#buckets[bucket] as number;
    let bound = this.#buckets[bucket + 1] as number;
    while (bound - index > SCAN_MAX) {
      const middle = (index + bound) >>> 1;
      if (this.#isBefore(middle, hi, lo)) index = middle + 1;
      else bound = middle;
    }
    while (index < bound && this.#isBefore(index, hi, lo)) index++;
    return index === this.size ? 0 : index;
  }

  /** True if the token at `index` equals the one before it in the arrays. */
  repeatsPrevious(index: number): boolean {
    if (index === 0) return false;
    return this.hi[index] === this.hi[index - 1] && this.lo[index] === this.lo[index - 1];
  }

  #isBefore(index: number, hi: number, lo: number): boolean {
    const ownHi = this.hi[index] as number;
    return ownHi < hi || (ownHi === hi && (this.lo[index] as number) < lo);
  }

  /** Counts the tokens of each bucket, then puts each token into its bucket. */
  #fill(tokenLists: readonly (readonly bigint[])[]): void {
    const highHalves = tokenLists.map((tokens) => Int32Array.from(tokens, tokenHi));
    const buckets = this.#buckets;
    for (const halves of highHalves) {
      for (const hi of halves) {
        const bucket = (hi ^ 0x8000_0000) >>> this.#shift;
        buckets[bucket + 1] = (buckets[bucket + 1] as number) + 1;
      }
    }
    for (let bucket = 1; bucket < buckets.length; bucket++) {
      buckets[bucket] = (buckets[bucket] as number) + (buckets[bucket - 1] as number);
    }
    const next = buckets.slice();
    for (const [owner, tokens] of tokenLists.entries()) {
      const halves = highHalves[owner] as Int32Array;
      for (let at = 0; at < tokens.length; at++) {
        const hi = halves[at] as number;
        const bucket = (hi ^ 0x8000_0000) >>> this.#shift;
        const index = next[bucket] as number;
        next[bucket] = index + 1;
        this.#put(index, { hi, lo: tokenLo(tokens[at] as bigint), owner });
      }
    }
    assert(buckets.at(-1) === this.size, "every token is in a bucket");
  }

  #sortWithinBuckets(): void {
    for (let bucket = 0; bucket + 1 < this.#buckets.length; bucket++) {
      const start = this.#buckets[bucket] as number;
      const end = this.#buckets[bucket + 1] as number;
      if (end - start > INSERTION_SORT_MAX) this.#sortMany(start, end);
      else if (end - start > 1) this.#sortFew(start, end);
    }
  }

  /** Insertion sort; stable, as the many need to be, so that equal tokens keep their owners' order. */
  #sortFew(start: number, end: number): void {
    for (let index = start + 1; index < end; index++) {
      const entry = this.#entry(index);
      let hole = index;
      for (; hole > start && compareEntries(this.#entry(hole - 1), entry) > 0; hole--) {
        this.#put(hole, this.#entry(hole - 1));
      }
      this.#put(hole, entry);
    }
  }

  #sortMany(start: number, end: number): void {
    const entries = Array.from({ length: end - start }, (_, at) => this.#entry(start + at));
    entries.sort(compareEntries);
    for (const [at, entry] of entries.entries()) this.#put(start + at, entry);
  }

  #entry(index: number): Entry {
    return {
      hi: this.hi[index] as number,
      lo: this.lo[index] as number,
      owner: this.owners[index] as number,
    };
  }

  #put(index: number, entry: Entry): void {
    this.hi[index] = entry.hi;
    this.lo[index] = entry.lo;
    this.owners[index] = entry.owner;
  }
}

interface Entry {
  readonly hi: number;
  readonly lo: number;
  readonly owner: number;
}

function compareEntries(a: Entry, b: Entry): number {
  return compareHalves(a.hi, a.lo, b.hi, b.lo);
}
