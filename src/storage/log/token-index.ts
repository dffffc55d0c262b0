/**
 * The ordered index of one keyspace: entries by (token, key), in memory, off heap.
 *
 * The top 16 bits of the token choose one of 65,536 buckets; a bucket is a small B+tree that
 * grows by splitting. With hashed tokens the buckets fill evenly: up to a million keys they are
 * single pages, so a lookup touches one page and one entry. Order-preserving partitioners put
 * most keys into few buckets, or even on one token; then those trees get higher and everything still
 * takes logarithmic time. A hash table would be a little faster for points and useless for ranges.
 *
 * A page is 64 words: a count, a level, 32-bit prefixes of the tokens (the bits below the
 * bucket's) and, at equal positions, slot numbers. Searching compares prefixes within the
 * page and looks at the entries (slots.ts, key-arena.ts) only when prefixes are equal.
 *
 *     leaf   count 0      next  prefixes[30]               slots[30]
 *     inner  count level  -     prefixes[15] children[15]  slots[15]
 *
 * Position i of an inner page holds a lower bound of child i; the bound of child 0 is ignored, it
 * counts as minus infinity. Entries are updated in place and never removed, therefore a
 * slot that serves as a bound stays what it is.
 */
import { KEY_REFERENCE, Slots, TOKEN_HI, TOKEN_LO } from "./slots.ts";
import { KeyArena } from "./key-arena.ts";
import { KEY_BYTES_MAX } from "./record.ts";

const PAGE_SHIFT = 6;
const PAGE_BYTES = 4 << PAGE_SHIFT;
const COUNT = 0;
const LEVEL = 1;
const NEXT = 2;
const PREFIXES = 3;
const CHILDREN = 18;
const SLOTS = 33;
const LEAF_CAPACITY = 30;
const INNER_CAPACITY = 15;
const HEIGHT_MAX = 16;

export interface TokenIndexOptions {
  /** Size of the pieces in which memory is taken; a power of two, 512 at least. */
  readonly arenaChunkBytes: number;
  /** So many top bits of the token choose the bucket: 1 to 20. Costs 4 bytes per bucket. */
  readonly indexBucketBits: number;
}

export class TokenIndex {
  readonly slots: Slots;
  readonly keys: KeyArena;
  readonly #pagesPerChunkShift: number;
  readonly #pages: Uint32Array[] = [];
  #nextPage = 1;
  /** Root page of each bucket, 0 for an empty one. */
  readonly #roots: Uint32Array;
  readonly #bucketBits: number;
  readonly #bucketShift: number;
  #entryCount = 0;

  // Where the last `find` ended. Positions are those of the path from the root to the leaf.
  #bucket = 0;
  #depth = 0;
  readonly #pathPages = new Uint32Array(HEIGHT_MAX);
  readonly #pathPositions = new Uint32Array(HEIGHT_MAX);
  #isExact = false;

  constructor(options: TokenIndexOptions) {
    this.#bucketBits = options.indexBucketBits;
    this.#bucketShift = 32 - options.indexBucketBits;
    this.#roots = new Uint32Array(2 ** options.indexBucketBits);
    this.slots = new Slots(options.arenaChunkBytes);
    this.keys = new KeyArena(Math.max(options.arenaChunkBytes, KEY_BYTES_MAX));
    this.#pagesPerChunkShift = Math.log2(options.arenaChunkBytes / PAGE_BYTES);
  }

  get entryCount(): number {
    return this.#entryCount;
  }

  get allocatedBytes(): number {
    const pageBytes = this.#pages.length * (PAGE_BYTES << this.#pagesPerChunkShift);
    return pageBytes + this.slots.allocatedBytes + this.keys.allocatedBytes;
  }

  /**
   * The slot of the entry, or 0. Either way the cursor stands on the first entry at or after it, and
   * `insert` may follow.
   */
  find(tokenHi: number, tokenLo: number, key: Uint8Array): number {
    const hi = (tokenHi ^ 0x8000_0000) >>> 0;
    this.#bucket = hi >>> this.#bucketShift;
    this.#depth = 0;
    this.#isExact = false;
    const target = { hi, lo: tokenLo, key };
    let page = this.#roots[this.#bucket] as number;
    while (page !== 0) {
      const words = this.#chunk(page);
      const base = this.#base(page);
      const position = this.#lowerBound(words, base, target);
      this.#pathPages[this.#depth] = page;
      if (words[base + LEVEL] === 0) {
        this.#pathPositions[this.#depth++] = position;
        return this.#isExact ? (words[base + SLOTS + position] as number) : 0;
      }
      const child = this.#isExact || position === 0 ? position : position - 1;
      this.#pathPositions[this.#depth++] = child;
      page = words[base + CHILDREN + child] as number;
    }
    return 0;
  }

  /** Enters a new slot where the last `find`, which found nothing, ended. */
  insert(slot: number): void {
    this.#entryCount++;
    if (this.#depth === 0) {
      const root = this.#allocatePage(0);
      this.#roots[this.#bucket] = root;
      this.#pathPages[0] = root;
      this.#pathPositions[0] = 0;
      this.#depth = 1;
    }
    this.#insertAt(this.#depth - 1, slot, 0);
  }

  /** The slot under the cursor, or 0 behind the last entry. */
  cursorSlot(): number {
    for (;;) {
      if (this.#depth > 0) {
        const leaf = this.#pathPages[this.#depth - 1] as number;
        const position = this.#pathPositions[this.#depth - 1] as number;
        const words = this.#chunk(leaf);
        const base = this.#base(leaf);
        if (position < (words[base + COUNT] as number)) {
          return words[base + SLOTS + position] as number;
        }
        this.#pathPages[this.#depth - 1] = words[base + NEXT] as number;
        this.#pathPositions[this.#depth - 1] = 0;
        if ((words[base + NEXT] as number) !== 0) continue;
      }
      if (!this.#enterNextBucket()) return 0;
    }
  }

  /** Moves the cursor on by one entry. After this only the cursor may be used, not `insert`. */
  advance(): void {
    const last = this.#depth - 1;
    this.#pathPositions[last] = (this.#pathPositions[last] as number) + 1;
  }

  #enterNextBucket(): boolean {
    this.#depth = 0;
    while (this.#bucket < this.#roots.length - 1) {
      let page = this.#roots[++this.#bucket] as number;
      if (page === 0) continue;
      while (this.#chunk(page)[this.#base(page) + LEVEL] !== 0) {
        page = this.#chunk(page)[this.#base(page) + CHILDREN] as number;
      }
      this.#pathPages[0] = page;
      this.#pathPositions[0] = 0;
      this.#depth = 1;
      return true;
    }
    return false;
  }

  /** The first position whose entry is not below the target; says in #isExact if it is equal. */
  #lowerBound(words: Uint32Array, base: number, target: Target): number {
    const prefix = this.#prefixOf(target.hi, target.lo);
    let low = 0;
    let high = words[base + COUNT] as number;
    this.#isExact = false;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = words[base + PREFIXES + middle] as number;
      let order = other - prefix;
      if (order === 0) order = this.#compare(words[base + SLOTS + middle] as number, target);
      if (order < 0) {
        low = middle + 1;
      } else {
        high = middle;
        if (order === 0) this.#isExact = true;
      }
    }
    return low;
  }

  #compare(slot: number, target: Target): number {
    const hiOrder = this.slots.word(slot, TOKEN_HI) - target.hi;
    if (hiOrder !== 0) return hiOrder;
    const loOrder = this.slots.word(slot, TOKEN_LO) - target.lo;
    if (loOrder !== 0) return loOrder;
    const reference = this.slots.word(slot, KEY_REFERENCE);
    return this.keys.compare(reference, this.slots.keyBytes(slot), target.key);
  }

  /** Enters (slot, child) into the page at `depth` of the path, splitting upwards where it is full. */
  #insertAt(depth: number, slot: number, child: number): void {
    const page = this.#pathPages[depth] as number;
    const base = this.#base(page);
    const words = this.#chunk(page);
    const isLeaf = words[base + LEVEL] === 0;
    const count = words[base + COUNT] as number;
    // A new child stands behind the one that was split.
    const position = (this.#pathPositions[depth] as number) + (isLeaf ? 0 : 1);
    if (count < (isLeaf ? LEAF_CAPACITY : INNER_CAPACITY)) {
      this.#insertInto(page, position, { slot, child });
      return;
    }
    // Entries that arrive in order would leave every page half full if the split were in the middle.
    const splitAt = position === count ? count : count >>> 1;
    const right = this.#split(page, splitAt);
    if (position >= splitAt) this.#insertInto(right, position - splitAt, { slot, child });
    else this.#insertInto(page, position, { slot, child });
    this.#linkIntoParent(depth, page, right);
  }

  #linkIntoParent(depth: number, left: number, right: number): void {
    const rightSlot = this.#chunk(right)[this.#base(right) + SLOTS] as number;
    if (depth > 0) {
      this.#insertAt(depth - 1, rightSlot, right);
      return;
    }
    const level = this.#chunk(left)[this.#base(left) + LEVEL] as number;
    const root = this.#allocatePage(level + 1);
    const leftSlot = this.#chunk(left)[this.#base(left) + SLOTS] as number;
    this.#insertInto(root, 0, { slot: leftSlot, child: left });
    this.#insertInto(root, 1, { slot: rightSlot, child: right });
    this.#roots[this.#bucket] = root;
  }

  #insertInto(page: number, position: number, entry: PageEntry): void {
    const words = this.#chunk(page);
    const base = this.#base(page);
    const count = words[base + COUNT] as number;
    const isInner = words[base + LEVEL] !== 0;
    for (let at = base + count; at > base + position; at--) {
      words[at + PREFIXES] = words[at + PREFIXES - 1] as number;
      words[at + SLOTS] = words[at + SLOTS - 1] as number;
      if (isInner) words[at + CHILDREN] = words[at + CHILDREN - 1] as number;
    }
    const hi = this.slots.word(entry.slot, TOKEN_HI);
    words[base + PREFIXES + position] = this.#prefixOf(hi, this.slots.word(entry.slot, TOKEN_LO));
    words[base + SLOTS + position] = entry.slot;
    if (isInner) words[base + CHILDREN + position] = entry.child;
    words[base + COUNT] = count + 1;
  }

  /** Moves what stands at `splitAt` and behind into a new page; returns that page. */
  #split(page: number, splitAt: number): number {
    const level = this.#chunk(page)[this.#base(page) + LEVEL] as number;
    const right = this.#allocatePage(level);
    const from = this.#chunk(page);
    const fromBase = this.#base(page);
    const to = this.#chunk(right);
    const toBase = this.#base(right);
    const count = from[fromBase + COUNT] as number;
    for (let at = splitAt; at < count; at++) {
      const target = toBase + at - splitAt;
      to[target + PREFIXES] = from[fromBase + PREFIXES + at] as number;
      to[target + SLOTS] = from[fromBase + SLOTS + at] as number;
      if (level > 0) to[target + CHILDREN] = from[fromBase + CHILDREN + at] as number;
    }
    to[toBase + COUNT] = count - splitAt;
    from[fromBase + COUNT] = splitAt;
    to[toBase + NEXT] = from[fromBase + NEXT] as number;
    from[fromBase + NEXT] = right;
    return right;
  }

  #allocatePage(level: number): number {
    const page = this.#nextPage++;
    if (page >>> this.#pagesPerChunkShift >= this.#pages.length) {
      this.#pages.push(new Uint32Array(1 << (this.#pagesPerChunkShift + PAGE_SHIFT)));
    }
    this.#chunk(page)[this.#base(page) + LEVEL] = level;
    return page;
  }

  /** The 32 bits of the token that follow the bucket's. */
  #prefixOf(biasedHi: number, lo: number): number {
    return ((biasedHi << this.#bucketBits) | (lo >>> this.#bucketShift)) >>> 0;
  }

  #chunk(page: number): Uint32Array {
    return this.#pages[page >>> this.#pagesPerChunkShift] as Uint32Array;
  }

  #base(page: number): number {
    return (page & ((1 << this.#pagesPerChunkShift) - 1)) << PAGE_SHIFT;
  }
}

interface Target {
  /** Biased as in the slots. */
  readonly hi: number;
  readonly lo: number;
  readonly key: Uint8Array;
}

interface PageEntry {
  readonly slot: number;
  /** The page below, for entries of inner pages. */
  readonly child: number;
}
