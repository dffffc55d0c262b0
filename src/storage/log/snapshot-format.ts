/**
 * The index snapshot file: the index as it was at one place of the log, so that opening need not read
 * the log before that place. Format version 1, little-endian.
 *
 * A file is a sequence of blocks: u32 length of the payload, u32 CRC-32 of the payload, payload. The
 * first byte of a payload tells its kind:
 *
 *     1  begin:   "DYNINDEX", then u32 format version, u32 segment and u32 offset of the place
 *     2  entries: one after the other, each
 *                 u16 keyspace, u8 1 for a tombstone, u8 0, u32 key length, i32 and u32 token,
 *                 f64 timestamp, f64 expiry, u32 writer, u32 content hash, u32 value length,
 *                 u32 segment and u32 offset of the record, key
 *     3  end:     f64 number of entries
 *
 * A file that does not end with an end block and the right number, or has a wrong checksum anywhere,
 * is not used at all: the log is the truth and the snapshot only a short cut.
 */
import { crc32 } from "node:zlib";
import type { DiskFile } from "../disk.ts";
import type { Place } from "./place.ts";
import { type ByteBuffer, type Entry, KEY_BYTES_MAX, makeByteBuffer } from "./record.ts";

export const SNAPSHOT_NAME = "index.snapshot";
export const SNAPSHOT_TEMPORARY_NAME = "index.snapshot.new";

const FORMAT_VERSION = 1;
const MAGIC = Uint8Array.from("DYNINDEX", (letter) => letter.charCodeAt(0));
const BLOCK_HEAD_BYTES = 8;
const ENTRY_HEAD_BYTES = 52;
const BLOCK_BYTES_MAX = 64 * 1024 * 1024;
const BEGIN = 1;
const ENTRIES = 2;
const END = 3;

/** Writes a snapshot file block by block. All methods but the constructor throw DiskError. */
export class SnapshotEncoder {
  readonly #file: DiskFile;
  readonly #blockBytes: number;
  readonly #buffer: ByteBuffer;
  #used = BLOCK_HEAD_BYTES;
  #position = 0;
  #entryCount = 0;

  constructor(file: DiskFile, blockBytes: number) {
    this.#file = file;
    this.#blockBytes = blockBytes;
    this.#buffer = makeByteBuffer(blockBytes + ENTRY_HEAD_BYTES + KEY_BYTES_MAX);
  }

  get writtenBytes(): number {
    return this.#position;
  }

  begin(covered: Place): void {
    const { bytes, view } = this.#buffer;
    bytes[this.#used++] = BEGIN;
    for (const letter of MAGIC) bytes[this.#used++] = letter;
    for (const word of [FORMAT_VERSION, covered.segmentId, covered.offset]) {
      view.setUint32(this.#used, word, true);
      this.#used += 4;
    }
    this.#writeBlock();
  }

  add(entry: Entry, place: Place): void {
    const { bytes, view } = this.#buffer;
    if (this.#used === BLOCK_HEAD_BYTES) bytes[this.#used++] = ENTRIES;
    const at = this.#used;
    view.setUint16(at, entry.keyspaceId, true);
    view.setUint16(at + 2, entry.isTombstone ? 1 : 0, true);
    view.setUint32(at + 4, entry.key.length, true);
    view.setInt32(at + 8, entry.tokenHi, true);
    view.setUint32(at + 12, entry.tokenLo, true);
    view.setFloat64(at + 16, entry.timestamp, true);
    view.setFloat64(at + 24, entry.expiresAtMs, true);
    view.setUint32(at + 32, entry.writer, true);
    view.setUint32(at + 36, entry.contentHash, true);
    view.setUint32(at + 40, entry.valueBytes, true);
    view.setUint32(at + 44, place.segmentId, true);
    view.setUint32(at + 48, place.offset, true);
    bytes.set(entry.key, at + ENTRY_HEAD_BYTES);
    this.#used = at + ENTRY_HEAD_BYTES + entry.key.length;
    this.#entryCount++;
    if (this.#used >= this.#blockBytes) this.#writeBlock();
  }

  end(): void {
    if (this.#used > BLOCK_HEAD_BYTES) this.#writeBlock();
    this.#buffer.bytes[this.#used] = END;
    this.#buffer.view.setFloat64(this.#used + 1, this.#entryCount, true);
    this.#used += 9;
    this.#writeBlock();
  }

  #writeBlock(): void {
    const { bytes, view } = this.#buffer;
    view.setUint32(0, this.#used - BLOCK_HEAD_BYTES, true);
    view.setUint32(4, crc32(bytes.subarray(BLOCK_HEAD_BYTES, this.#used)), true);
    this.#file.write(bytes.subarray(0, this.#used), this.#position);
    this.#position += this.#used;
    this.#used = BLOCK_HEAD_BYTES;
  }
}

/** Takes the entries of a snapshot one by one; `entry` and its key are lent until the next. */
export type TakeEntry = (entry: Entry, place: Place) => void;

/** Reads a snapshot file block by block. */
export class SnapshotDecoder {
  readonly #file: DiskFile;
  readonly #sizeBytes: number;
  #position = 0;
  #entryCount = 0;

  constructor(file: DiskFile) {
    this.#file = file;
    this.#sizeBytes = file.sizeBytes();
  }

  /** The place the snapshot stands for, or undefined if the file is damaged or of another format. */
  begin(): Place | undefined {
    const block = this.#readBlock();
    if (block === undefined || block.bytes.length !== 1 + MAGIC.length + 12) return undefined;
    const isOurs =
      block.bytes[0] === BEGIN &&
      MAGIC.every((letter, index) => block.bytes[1 + index] === letter) &&
      block.view.getUint32(9, true) === FORMAT_VERSION;
    if (!isOurs) return undefined;
    return { segmentId: block.view.getUint32(13, true), offset: block.view.getUint32(17, true) };
  }

  /** Reads one block: "more" may follow, or it was the right "end", or the file is "damaged". */
  next(take: TakeEntry): "more" | "end" | "damaged" {
    const block = this.#readBlock();
    if (block === undefined) return "damaged";
    if (block.bytes[0] === END) {
      const isRight =
        block.bytes.length === 9 && block.view.getFloat64(1, true) === this.#entryCount;
      return isRight ? "end" : "damaged";
    }
    if (block.bytes[0] !== ENTRIES) return "damaged";
    for (let at = 1; at < block.bytes.length;) {
      at = decodeEntry(block, at, take);
      this.#entryCount++;
    }
    return "more";
  }

  #readBlock(): ByteBuffer | undefined {
    const head = makeByteBuffer(BLOCK_HEAD_BYTES);
    if (this.#file.read(head.bytes, 0, BLOCK_HEAD_BYTES, this.#position) < BLOCK_HEAD_BYTES) {
      return undefined;
    }
    const lengthBytes = head.view.getUint32(0, true);
    const left = this.#sizeBytes - this.#position - BLOCK_HEAD_BYTES;
    if (lengthBytes === 0 || lengthBytes > Math.min(left, BLOCK_BYTES_MAX)) return undefined;
    const block = makeByteBuffer(lengthBytes);
    this.#file.read(block.bytes, 0, lengthBytes, this.#position + BLOCK_HEAD_BYTES);
    this.#position += BLOCK_HEAD_BYTES + lengthBytes;
    return crc32(block.bytes) === head.view.getUint32(4, true) ? block : undefined;
  }
}

/** Returns the position behind the entry. */
function decodeEntry(block: ByteBuffer, at: number, take: TakeEntry): number {
  const { bytes, view } = block;
  const keyStart = at + ENTRY_HEAD_BYTES;
  const keyEnd = keyStart + view.getUint32(at + 4, true);
  const entry: Entry = {
    keyspaceId: view.getUint16(at, true),
    isTombstone: view.getUint16(at + 2, true) === 1,
    tokenHi: view.getInt32(at + 8, true),
    tokenLo: view.getUint32(at + 12, true),
    timestamp: view.getFloat64(at + 16, true),
    expiresAtMs: view.getFloat64(at + 24, true),
    writer: view.getUint32(at + 32, true),
    contentHash: view.getUint32(at + 36, true),
    valueBytes: view.getUint32(at + 40, true),
    key: bytes.subarray(keyStart, keyEnd),
  };
  take(entry, {
    segmentId: view.getUint32(at + 44, true),
    offset: view.getUint32(at + 48, true),
  });
  return keyEnd;
}
