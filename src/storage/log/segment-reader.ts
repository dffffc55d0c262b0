/**
 * Reads a segment from front to back, for replay and merge, in pieces of bounded size.
 *
 * Damage is stepped over where that is safe. If the head of a record is intact its length is
 * known, and the next record follows. If not, the next place is searched at which an intact head
 * stands; since heads are valid in their own place only (record.ts), that is a record.
 */
import {
  type ByteBuffer,
  RECORD_HEAD_BYTES,
  checkHead,
  checkRecord,
  keyBytesOf,
  KEY_BYTES_MAX,
  makeByteBuffer,
  placeSeed,
  recordBytes,
  valueBytesOf,
} from "./record.ts";
import type { Segment } from "./segment.ts";

/** What `next` found: a record, damaged bytes that were stepped over, or the end. */
export type Finding = "record" | "damage" | "end";

export class SegmentReader {
  readonly #segment: Segment;
  readonly #endOffset: number;
  #window: ByteBuffer;
  #windowOffset = 0;
  #windowBytes = 0;

  /** Where the record or the damage begins that `next` found. */
  offset: number;
  lengthBytes = 0;

  constructor(segment: Segment, range: { from: number; to: number }, chunkBytes: number) {
    this.#segment = segment;
    this.#endOffset = range.to;
    this.offset = range.from;
    this.#window = makeByteBuffer(Math.max(chunkBytes, RECORD_HEAD_BYTES + KEY_BYTES_MAX));
  }

  /** The bytes around the record found, valid until the next `next`. */
  get source(): ByteBuffer {
    return this.#window;
  }

  /** The position of the record found in `source`. */
  get position(): number {
    return this.offset - this.#windowOffset;
  }

  next(): Finding {
    this.offset += this.lengthBytes;
    this.lengthBytes = 0;
    if (this.offset >= this.#endOffset) return "end";
    if (!this.#isHeadAt(this.offset)) {
      this.lengthBytes = this.#nextHead(this.offset + 1) - this.offset;
      return "damage";
    }
    const keyBytes = keyBytesOf(this.#window, this.position);
    const lengthBytes = recordBytes(keyBytes, valueBytesOf(this.#window, this.position));
    if (this.offset + lengthBytes > this.#endOffset) {
      this.lengthBytes = this.#endOffset - this.offset;
      return "damage";
    }
    this.lengthBytes = lengthBytes;
    this.#load(this.offset, lengthBytes);
    const end = this.position + lengthBytes;
    const check = checkRecord(this.#window, this.position, end, this.#seed(this.offset));
    return check === "intact" ? "record" : "damage";
  }

  #isHeadAt(offset: number): boolean {
    this.#load(offset, RECORD_HEAD_BYTES + KEY_BYTES_MAX);
    const at = offset - this.#windowOffset;
    return checkHead(this.#window, at, this.#windowBytes, this.#seed(offset)) === "intact";
  }

  #nextHead(from: number): number {
    for (let offset = from; offset < this.#endOffset; offset++) {
      if (this.#isHeadAt(offset)) return offset;
    }
    return this.#endOffset;
  }

  #seed(offset: number): number {
    return placeSeed(this.#segment.nonce, offset);
  }

  /** Makes sure that the window holds `lengthBytes` at `offset`, or all there is. */
  #load(offset: number, lengthBytes: number): void {
    const end = Math.min(offset + lengthBytes, this.#endOffset);
    const isLoaded = offset >= this.#windowOffset && end <= this.#windowOffset + this.#windowBytes;
    if (isLoaded) return;
    if (lengthBytes > this.#window.bytes.length) this.#window = makeByteBuffer(lengthBytes);
    const wanted = Math.min(this.#window.bytes.length, this.#endOffset - offset);
    this.#windowOffset = offset;
    this.#windowBytes = this.#segment.file.read(this.#window.bytes, 0, wanted, offset);
  }
}
