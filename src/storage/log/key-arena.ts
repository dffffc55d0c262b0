/**
 * The key bytes of the index, off heap, appended to chunks that are never moved. A key is known by
 * its reference (its position in units of 8 bytes), so 32 bits reach 32 GiB of keys. The caller
 * keeps the length.
 *
 * Keys stay in memory so that equality is decided by the bytes themselves, never by a hash, and so
 * that scans and merges need not read the log.
 */
const UNIT_SHIFT = 3;

export class KeyArena {
  readonly #chunkShift: number;
  readonly #chunkBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #used: number;

  /** `chunkBytes` is a power of two and no smaller than the longest key. */
  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
    this.#chunkShift = Math.log2(chunkBytes) - UNIT_SHIFT;
    this.#used = chunkBytes;
  }

  get allocatedBytes(): number {
    return this.#chunks.length * this.#chunkBytes;
  }

  /** Copies the key in; returns its reference. */
  add(key: Uint8Array): number {
    // An empty key takes a unit too, because a reference to the end would lie in no chunk.
    if (this.#used + Math.max(1, key.length) > this.#chunkBytes) {
      this.#chunks.push(new Uint8Array(this.#chunkBytes));
      this.#used = 0;
    }
    const index = this.#chunks.length - 1;
    const start = this.#used;
    const chunk = this.#chunks[index] as Uint8Array;
    for (let at = 0; at < key.length; at++) chunk[start + at] = key[at] as number;
    this.#used = (start + Math.max(1, key.length) + 7) & ~7;
    return index * 2 ** this.#chunkShift + (start >>> UNIT_SHIFT);
  }

  /** A view of the key. It never changes. */
  view(reference: number, keyBytes: number): Uint8Array {
    const start = this.#start(reference);
    return this.#chunk(reference).subarray(start, start + keyBytes);
  }

  /** Negative, 0 or positive as the stored key sorts before, with or after `key`, bytewise. */
  compare(reference: number, keyBytes: number, key: Uint8Array): number {
    const chunk = this.#chunk(reference);
    const start = this.#start(reference);
    const common = Math.min(keyBytes, key.length);
    for (let at = 0; at < common; at++) {
      const difference = (chunk[start + at] as number) - (key[at] as number);
      if (difference !== 0) return difference;
    }
    return keyBytes - key.length;
  }

  #chunk(reference: number): Uint8Array {
    return this.#chunks[reference >>> this.#chunkShift] as Uint8Array;
  }

  #start(reference: number): number {
    return (reference & ((1 << this.#chunkShift) - 1)) << UNIT_SHIFT;
  }
}
