/**
 * The record: one version of one cell, as it lies in a segment file. Format version 1, little-endian.
 *
 *      0  u32  checksum of head and key
 *      4  u8   kind: 1 value, 2 tombstone
 *      5  u8   0
 *      6  u16  keyspace
 *      8  u32  key length
 *     12  u32  value length
 *     16  f64  timestamp (microseconds)
 *     24  f64  expiry (milliseconds, 0 = never)
 *     32  u32  writer
 *     36  i32  token, high half
 *     40  u32  token, low half
 *     44  u32  content hash: checksum of value, expiry and kind (content-hash.ts)
 *     48       key, then value
 *
 * Two checksums, so that a damaged value does not take the frame with it: with head and key intact the
 * next record is found and nothing but this one is lost.
 *
 * The checksum of the head is seeded with the segment's nonce and the record's offset. A record is
 * therefore valid in one place only, and when a head is damaged the next one can be searched byte
 * by byte without taking for a record what merely looks like one: bytes of a segment file that
 * somebody stored as a value, or old content of a reused disk block.
 */
import { contentSeed, hashRange, mixWord } from "../content-hash.ts";

export const RECORD_HEAD_BYTES = 48;
/** The longest key the format holds; whatever says more is no record. */
export const KEY_BYTES_MAX: number = 64 * 1024;
const KIND_VALUE = 1;
const KIND_TOMBSTONE = 2;

/** Bytes with the view over the same memory. */
export interface ByteBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export function makeByteBuffer(sizeBytes: number): ByteBuffer {
  const bytes = new Uint8Array(sizeBytes);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** What the index keeps of a record, and `key`. Filled anew for every record, hence mutable. */
export class Entry {
  keyspaceId = 0;
  tokenHi = 0;
  tokenLo = 0;
  key: Uint8Array = new Uint8Array();
  timestamp = 0;
  writer = 0;
  expiresAtMs = 0;
  contentHash = 0;
  isTombstone = false;
  valueBytes = 0;
}

export function recordBytes(keyBytes: number, valueBytes: number): number {
  return RECORD_HEAD_BYTES + keyBytes + valueBytes;
}

/** The seed of the head checksum of a record at this place. */
export function placeSeed(nonce: number, offset: number): number {
  return mixWord(nonce, offset | 0);
}

export function writeRecord(
  target: ByteBuffer,
  at: number,
  entry: Entry,
  value: Uint8Array | undefined,
): void {
  const { view, bytes } = target;
  const key = entry.key;
  view.setUint16(at + 4, entry.isTombstone ? KIND_TOMBSTONE : KIND_VALUE, true);
  view.setUint16(at + 6, entry.keyspaceId, true);
  view.setUint32(at + 8, key.length, true);
  view.setUint32(at + 12, entry.valueBytes, true);
  view.setFloat64(at + 16, entry.timestamp, true);
  view.setFloat64(at + 24, entry.expiresAtMs, true);
  view.setUint32(at + 32, entry.writer, true);
  view.setInt32(at + 36, entry.tokenHi, true);
  view.setUint32(at + 40, entry.tokenLo, true);
  view.setUint32(at + 44, entry.contentHash, true);
  copyBytes(key, bytes, at + RECORD_HEAD_BYTES);
  if (value !== undefined) copyBytes(value, bytes, at + RECORD_HEAD_BYTES + key.length);
}

/** Sets the head's checksum for the place given by `seed`. */
export function sealRecord(target: ByteBuffer, at: number, seed: number): void {
  target.view.setUint32(at, headChecksum(target, at, seed), true);
}

export type RecordCheck =
  | "intact"
  /** Head and key are damaged, or it is no record. */
  | "bad head"
  /** Head and key are intact, the value is damaged. */
  | "bad value"
  /** The bytes end before the record does. */
  | "cut";

/** Checks the record at `at`, of which the bytes before `end` are there. */
export function checkRecord(
  source: ByteBuffer,
  at: number,
  end: number,
  seed: number,
): RecordCheck {
  const head = checkHead(source, at, end, seed);
  if (head !== "intact") return head;
  const valueStart = at + RECORD_HEAD_BYTES + keyBytesOf(source, at);
  const valueEnd = valueStart + valueBytesOf(source, at);
  if (valueEnd > end) return "cut";
  const seedOfValue = contentSeed(isTombstoneOf(source, at), source.view.getFloat64(at + 24, true));
  const hash = hashRange(source.bytes, valueStart, valueEnd, seedOfValue);
  return hash === source.view.getUint32(at + 44, true) ? "intact" : "bad value";
}

/** As checkRecord for head and key only; never "bad value". */
export function checkHead(source: ByteBuffer, at: number, end: number, seed: number): RecordCheck {
  if (at + RECORD_HEAD_BYTES > end) return "cut";
  const kind = source.view.getUint16(at + 4, true);
  if (kind !== KIND_VALUE && kind !== KIND_TOMBSTONE) return "bad head";
  const keyBytes = keyBytesOf(source, at);
  if (keyBytes > KEY_BYTES_MAX) return "bad head";
  if (at + RECORD_HEAD_BYTES + keyBytes > end) return "cut";
  const isIntact = headChecksum(source, at, seed) === source.view.getUint32(at, true);
  return isIntact ? "intact" : "bad head";
}

/** The entry of an intact record. Its key is a view of `source`. */
export function readEntry(source: ByteBuffer, at: number, entry: Entry): void {
  const { view, bytes } = source;
  const keyStart = at + RECORD_HEAD_BYTES;
  entry.isTombstone = isTombstoneOf(source, at);
  entry.keyspaceId = view.getUint16(at + 6, true);
  entry.key = bytes.subarray(keyStart, keyStart + keyBytesOf(source, at));
  entry.valueBytes = valueBytesOf(source, at);
  entry.timestamp = view.getFloat64(at + 16, true);
  entry.expiresAtMs = view.getFloat64(at + 24, true);
  entry.writer = view.getUint32(at + 32, true);
  entry.tokenHi = view.getInt32(at + 36, true);
  entry.tokenLo = view.getUint32(at + 40, true);
  entry.contentHash = view.getUint32(at + 44, true);
}

export function keyBytesOf(source: ByteBuffer, at: number): number {
  return source.view.getUint32(at + 8, true);
}

export function valueBytesOf(source: ByteBuffer, at: number): number {
  return source.view.getUint32(at + 12, true);
}

function isTombstoneOf(source: ByteBuffer, at: number): boolean {
  return source.bytes[at + 4] === KIND_TOMBSTONE;
}

function headChecksum(source: ByteBuffer, at: number, seed: number): number {
  const keyEnd = at + RECORD_HEAD_BYTES + keyBytesOf(source, at);
  return hashRange(source.bytes, at + 4, keyEnd, seed);
}

/** For short runs a loop is faster than `set`, which crosses into the runtime. */
function copyBytes(source: Uint8Array, target: Uint8Array, at: number): void {
  if (source.length > 256) {
    target.set(source, at);
    return;
  }
  for (let index = 0; index < source.length; index++) {
    target[at + index] = source[index] as number;
  }
}
