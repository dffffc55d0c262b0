/**
 * Internode frames: what members say to each other on the data path.
 *
 *     u32 length of the rest | u8 type | u8 flags | u16 keyspace | u32 request id | body
 *
 * Integers are little-endian, times are float64. A request's body starts with the layout version of
 * its sender (u32 counter, u32 first half of the hash), so that a replica that lives in another
 * layout can refuse it. Encoders write into space reserved in a peer's output buffer, decoders fill
 * records that their owner reuses, with views of the read buffer: a frame costs no copy but its own
 * bytes. Lengths are checked while decoding, because bytes from the network prove nothing.
 */
import type { CellWrite } from "../model/cell-write.ts";
import type { Durability } from "../model/consistency.ts";

/** Bytes before the body, the length field included. */
export const FRAME_HEADER_BYTES = 12;
/** What a layout stamp takes at the beginning of a request's body. */
export const LAYOUT_BYTES = 8;
const WRITE_FIXED_BYTES = FRAME_HEADER_BYTES + LAYOUT_BYTES + 36;
const READ_FIXED_BYTES = FRAME_HEADER_BYTES + LAYOUT_BYTES + 12;
const READ_OK_FIXED_BYTES = FRAME_HEADER_BYTES + 28;
const NO_VALUE = 0xffff_ffff;

export const FrameType = {
  hello: 1,
  welcome: 2,
  refusal: 3,
  control: 8,
  write: 16,
  writeOk: 17,
  read: 18,
  readOk: 19,
  scan: 20,
  scanOk: 21,
  stream: 22,
  streamOk: 23,
  failure: 31,
} as const;

/** Why a replica did not do what it was asked. */
export const FailureReason = {
  layoutMismatch: 1,
  unknownKeyspace: 2,
  storage: 3,
  corrupt: 4,
  stopping: 5,
  stream: 6,
} as const;
export type FailureReasonCode = (typeof FailureReason)[keyof typeof FailureReason];

const READ_DIGEST = 1;
const FOUND = 1;
const TOMBSTONE = 2;
const HAS_VALUE = 4;

/** A frame that no correct peer sends. The connection it came on is closed. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FrameError";
  }
}

/** The layout version as frames carry it. */
export interface LayoutStamp {
  readonly counter: number;
  /** The first 32 bits of the layout's hash. */
  readonly hash: number;
}

export interface FrameHeader {
  type: number;
  flags: number;
  keyspaceId: number;
  requestId: number;
}

/** What an encoder writes into: `bytes` from `offset` on. */
export interface FrameSpace {
  readonly bytes: Buffer;
  readonly offset: number;
}

/** A write as a replica receives it. */
export interface WriteFrame extends CellWrite {
  readonly durability: Durability;
}

export interface ReadFrame {
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
  readonly isDigest: boolean;
}

/** A replica's answer to a read. A replica that does not hold the cell says `isFound: false`. */
export interface ReadAnswer {
  readonly isFound: boolean;
  readonly isTombstone: boolean;
  readonly timestamp: number;
  readonly writer: number;
  readonly expiresAtMs: number;
  readonly contentHash: number;
  /** Undefined for digests and tombstones. */
  readonly value: Uint8Array | undefined;
}

export type Writable<T> = { -readonly [K in keyof T]: T[K] };

const DURABILITY_CODES: readonly Durability[] = ["fsync", "interval", "memory"];

function putHeader(space: FrameSpace, sizeBytes: number, header: FrameHeader): void {
  const { bytes, offset } = space;
  bytes.writeUInt32LE(sizeBytes - 4, offset);
  bytes[offset + 4] = header.type;
  bytes[offset + 5] = header.flags;
  bytes.writeUInt16LE(header.keyspaceId, offset + 6);
  bytes.writeUInt32LE(header.requestId, offset + 8);
}

export function readHeader(bytes: Buffer, start: number, into: FrameHeader): void {
  into.type = bytes[start + 4] as number;
  into.flags = bytes[start + 5] as number;
  into.keyspaceId = bytes.readUInt16LE(start + 6);
  into.requestId = bytes.readUInt32LE(start + 8);
}

/** Writes the stamp that a request's body begins with. */
export function putLayout(bytes: Buffer, at: number, layout: LayoutStamp): void {
  bytes.writeUInt32LE(layout.counter, at);
  bytes.writeUInt32LE(layout.hash, at + 4);
}

/** Whether a request was made under the layout version given. */
export function isSameLayout(bytes: Buffer, start: number, layout: LayoutStamp): boolean {
  const at = start + FRAME_HEADER_BYTES;
  return bytes.readUInt32LE(at) === layout.counter && bytes.readUInt32LE(at + 4) === layout.hash;
}

export function writeFrameBytes(write: CellWrite): number {
  return WRITE_FIXED_BYTES + write.key.length + (write.value?.length ?? 0);
}

export interface RequestStamp {
  readonly requestId: number;
  readonly layout: LayoutStamp;
}

/** Encodes a write request; `space` holds exactly `writeFrameBytes(write)`. */
export function encodeWrite(
  space: FrameSpace,
  write: CellWrite,
  durability: Durability,
  stamp: RequestStamp,
): void {
  const { bytes, offset } = space;
  const sizeBytes = writeFrameBytes(write);
  putHeader(space, sizeBytes, {
    type: FrameType.write,
    flags: DURABILITY_CODES.indexOf(durability),
    keyspaceId: write.keyspaceId,
    requestId: stamp.requestId,
  });
  let at = offset + FRAME_HEADER_BYTES;
  putLayout(bytes, at, stamp.layout);
  at += LAYOUT_BYTES;
  bytes.writeInt32LE(write.tokenHi, at);
  bytes.writeUInt32LE(write.tokenLo, at + 4);
  bytes.writeDoubleLE(write.timestamp, at + 8);
  bytes.writeUInt32LE(write.writer, at + 16);
  bytes.writeDoubleLE(write.expiresAtMs, at + 20);
  bytes.writeUInt32LE(write.key.length, at + 28);
  bytes.writeUInt32LE(write.value === undefined ? NO_VALUE : write.value.length, at + 32);
  bytes.set(write.key, at + 36);
  if (write.value !== undefined) bytes.set(write.value, at + 36 + write.key.length);
}

/** Decodes a write request that spans [start, end); key and value are views of `bytes`. */
export function decodeWrite(
  bytes: Buffer,
  start: number,
  end: number,
  into: Writable<WriteFrame>,
): void {
  if (end - start < WRITE_FIXED_BYTES) throw new FrameError("write frame is too short");
  const at = start + FRAME_HEADER_BYTES + LAYOUT_BYTES;
  const keyBytes = bytes.readUInt32LE(at + 28);
  const valueBytes = bytes.readUInt32LE(at + 32);
  const hasValue = valueBytes !== NO_VALUE;
  const keyEnd = at + 36 + keyBytes;
  const valueEnd = keyEnd + (hasValue ? valueBytes : 0);
  if (valueEnd !== end) {
    throw new FrameError(
      `write frame of ${end - start} bytes announces a key of ${keyBytes} and a value of ${valueBytes}`,
    );
  }
  const durability = DURABILITY_CODES[bytes[start + 5] as number];
  if (durability === undefined) throw new FrameError("write frame with unknown durability");
  into.keyspaceId = bytes.readUInt16LE(start + 6);
  into.tokenHi = bytes.readInt32LE(at);
  into.tokenLo = bytes.readUInt32LE(at + 4);
  into.timestamp = bytes.readDoubleLE(at + 8);
  into.writer = bytes.readUInt32LE(at + 16);
  into.expiresAtMs = bytes.readDoubleLE(at + 20);
  into.key = bytes.subarray(at + 36, keyEnd);
  into.value = hasValue ? bytes.subarray(keyEnd, valueEnd) : undefined;
  into.durability = durability;
}

export function readFrameBytes(key: Uint8Array): number {
  return READ_FIXED_BYTES + key.length;
}

/** Encodes a read request; `space` holds exactly `readFrameBytes(read.key)`. */
export function encodeRead(
  space: FrameSpace,
  read: ReadFrame,
  keyspaceId: number,
  stamp: RequestStamp,
): void {
  const { bytes, offset } = space;
  putHeader(space, readFrameBytes(read.key), {
    type: FrameType.read,
    flags: read.isDigest ? READ_DIGEST : 0,
    keyspaceId,
    requestId: stamp.requestId,
  });
  let at = offset + FRAME_HEADER_BYTES;
  putLayout(bytes, at, stamp.layout);
  at += LAYOUT_BYTES;
  bytes.writeInt32LE(read.tokenHi, at);
  bytes.writeUInt32LE(read.tokenLo, at + 4);
  bytes.writeUInt32LE(read.key.length, at + 8);
  bytes.set(read.key, at + 12);
}

export function decodeRead(
  bytes: Buffer,
  start: number,
  end: number,
  into: Writable<ReadFrame>,
): void {
  if (end - start < READ_FIXED_BYTES) throw new FrameError("read frame is too short");
  const at = start + FRAME_HEADER_BYTES + LAYOUT_BYTES;
  const keyBytes = bytes.readUInt32LE(at + 8);
  if (at + 12 + keyBytes !== end) {
    throw new FrameError(`read frame of ${end - start} bytes announces a key of ${keyBytes}`);
  }
  into.tokenHi = bytes.readInt32LE(at);
  into.tokenLo = bytes.readUInt32LE(at + 4);
  into.key = bytes.subarray(at + 12, end);
  into.isDigest = ((bytes[start + 5] as number) & READ_DIGEST) !== 0;
}

export function readAnswerBytes(answer: ReadAnswer): number {
  return READ_OK_FIXED_BYTES + (answer.value?.length ?? 0);
}

/** Encodes the answer to a read; `space` holds exactly `readAnswerBytes(answer)`. */
export function encodeReadAnswer(space: FrameSpace, answer: ReadAnswer, requestId: number): void {
  const { bytes, offset } = space;
  const flags =
    (answer.isFound ? FOUND : 0) |
    (answer.isTombstone ? TOMBSTONE : 0) |
    (answer.value === undefined ? 0 : HAS_VALUE);
  putHeader(space, readAnswerBytes(answer), {
    type: FrameType.readOk,
    flags,
    keyspaceId: 0,
    requestId,
  });
  const at = offset + FRAME_HEADER_BYTES;
  bytes.writeDoubleLE(answer.timestamp, at);
  bytes.writeUInt32LE(answer.writer, at + 8);
  bytes.writeDoubleLE(answer.expiresAtMs, at + 12);
  bytes.writeUInt32LE(answer.contentHash, at + 20);
  bytes.writeUInt32LE(answer.value?.length ?? 0, at + 24);
  if (answer.value !== undefined) bytes.set(answer.value, at + 28);
}

export function decodeReadAnswer(
  bytes: Buffer,
  start: number,
  end: number,
  into: Writable<ReadAnswer>,
): void {
  if (end - start < READ_OK_FIXED_BYTES) throw new FrameError("read answer is too short");
  const at = start + FRAME_HEADER_BYTES;
  const flags = bytes[start + 5] as number;
  const valueBytes = bytes.readUInt32LE(at + 24);
  if (at + 28 + valueBytes !== end) {
    throw new FrameError(
      `read answer of ${end - start} bytes announces a value of ${valueBytes} bytes`,
    );
  }
  into.isFound = (flags & FOUND) !== 0;
  into.isTombstone = (flags & TOMBSTONE) !== 0;
  into.timestamp = bytes.readDoubleLE(at);
  into.writer = bytes.readUInt32LE(at + 8);
  into.expiresAtMs = bytes.readDoubleLE(at + 12);
  into.contentHash = bytes.readUInt32LE(at + 20);
  into.value = (flags & HAS_VALUE) === 0 ? undefined : bytes.subarray(at + 28, end);
}

/** Encodes the acknowledgement of a write; `space` holds exactly FRAME_HEADER_BYTES. */
export function encodeWriteOk(space: FrameSpace, requestId: number): void {
  putHeader(space, FRAME_HEADER_BYTES, {
    type: FrameType.writeOk,
    flags: 0,
    keyspaceId: 0,
    requestId,
  });
}

/** Encodes a frame whose body is opaque bytes: control messages, failures, scans, handshakes. */
export function encodeOpaque(space: FrameSpace, header: FrameHeader, body: Uint8Array): void {
  putHeader(space, FRAME_HEADER_BYTES + body.length, header);
  space.bytes.set(body, space.offset + FRAME_HEADER_BYTES);
}

/** The body of a frame that spans [start, end), as a view. */
export function bodyOf(bytes: Buffer, start: number, end: number): Buffer {
  return bytes.subarray(start + FRAME_HEADER_BYTES, end);
}
