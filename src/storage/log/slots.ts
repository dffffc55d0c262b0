/**
 * The entries of the index, off the JavaScript heap: 64 bytes each, one cache line, in chunks of
 * typed arrays that are never moved. An entry is known by its slot number; 0 means "none".
 *
 * A million objects would cost the garbage collector more than all reads together; here it sees a
 * handful of array buffers.
 */

/** Positions of the 64-bit fields, in 8-byte units. */
export const TIMESTAMP = 0;
export const EXPIRES_AT = 1;
/** The sequence number of the put that made this state: what scans compare (index-scan.ts). */
export const BIRTH = 2;

/** Positions of the 32-bit fields, in 4-byte units. */
export const TOKEN_HI = 6; // Biased: the sign bit is flipped, so that unsigned order is token order.
export const TOKEN_LO = 7;
export const WRITER = 8;
export const CONTENT_HASH = 9;
export const VALUE_BYTES = 10;
/** Key length in the low 24 bits, marks above. */
export const KEY_BYTES = 11;
export const KEY_REFERENCE = 12;
export const SEGMENT = 13;
export const OFFSET = 14;
/** The slot that keeps the state before this one, as long as an open scan may ask for it. */
export const OLDER = 15;

const SLOT_BYTES = 64;
const WORDS_SHIFT = 4;
const DOUBLES_SHIFT = 3;
const KEY_LENGTH_MASK = 0xff_ffff;
const TOMBSTONE_BIT = 1 << 24;
const DROPPED_BIT = 1 << 25;

export class Slots {
  readonly #shift: number;
  readonly #mask: number;
  readonly #words: Uint32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  /** Slots are handed out in order; freed ones form a list through OLDER. */
  #next = 1;
  #firstFree = 0;

  /** `chunkBytes` is a power of two of at least 64. */
  constructor(chunkBytes: number) {
    this.#shift = Math.log2(chunkBytes / SLOT_BYTES);
    this.#mask = (1 << this.#shift) - 1;
  }

  get allocatedBytes(): number {
    return this.#words.length * (SLOT_BYTES << this.#shift);
  }

  allocate(): number {
    const free = this.#firstFree;
    if (free !== 0) {
      this.#firstFree = this.word(free, OLDER);
      return free;
    }
    const slot = this.#next++;
    if (slot >>> this.#shift >= this.#words.length) {
      const chunk = new ArrayBuffer(SLOT_BYTES << this.#shift);
      this.#words.push(new Uint32Array(chunk));
      this.#doubles.push(new Float64Array(chunk));
    }
    return slot;
  }

  free(slot: number): void {
    this.setWord(slot, OLDER, this.#firstFree);
    this.#firstFree = slot;
  }

  copy(from: number, to: number): void {
    const source = this.#words[from >>> this.#shift] as Uint32Array;
    const target = this.#words[to >>> this.#shift] as Uint32Array;
    const sourceBase = (from & this.#mask) << WORDS_SHIFT;
    const targetBase = (to & this.#mask) << WORDS_SHIFT;
    for (let word = 0; word < 1 << WORDS_SHIFT; word++) {
      target[targetBase + word] = source[sourceBase + word] as number;
    }
  }

  word(slot: number, field: number): number {
    const chunk = this.#words[slot >>> this.#shift] as Uint32Array;
    return chunk[((slot & this.#mask) << WORDS_SHIFT) + field] as number;
  }

  setWord(slot: number, field: number, value: number): void {
    const chunk = this.#words[slot >>> this.#shift] as Uint32Array;
    chunk[((slot & this.#mask) << WORDS_SHIFT) + field] = value;
  }

  double(slot: number, field: number): number {
    const chunk = this.#doubles[slot >>> this.#shift] as Float64Array;
    return chunk[((slot & this.#mask) << DOUBLES_SHIFT) + field] as number;
  }

  setDouble(slot: number, field: number, value: number): void {
    const chunk = this.#doubles[slot >>> this.#shift] as Float64Array;
    chunk[((slot & this.#mask) << DOUBLES_SHIFT) + field] = value;
  }

  keyBytes(slot: number): number {
    return this.word(slot, KEY_BYTES) & KEY_LENGTH_MASK;
  }

  isTombstone(slot: number): boolean {
    return (this.word(slot, KEY_BYTES) & TOMBSTONE_BIT) !== 0;
  }

  isDropped(slot: number): boolean {
    return (this.word(slot, KEY_BYTES) & DROPPED_BIT) !== 0;
  }

  markDropped(slot: number): void {
    this.setWord(slot, KEY_BYTES, this.word(slot, KEY_BYTES) | DROPPED_BIT);
  }

  /** Also takes the mark of a dropped cell away. */
  setKeyBytes(slot: number, keyBytes: number, isTombstone: boolean): void {
    this.setWord(slot, KEY_BYTES, isTombstone ? keyBytes | TOMBSTONE_BIT : keyBytes);
  }
}
