/**
 * Bodies of stream frames: cells of a range on their way from one member to another, in chunks.
 *
 * The receiver pulls. A request names what is still to come, so the source keeps no state: a span of
 * the ring, whose start moves on as chunks arrive, or a list of cells by key.
 *
 *     request   u32 counter, u32 hash of the layout | u8 kind | u32 bytes max | u32 cells max |
 *               span:  i32 start hi | u32 start lo | i32 end hi | u32 end lo
 *               cells: u32 count | count times (i32 hi | u32 lo | u32 key bytes | key)
 *     chunk     u32 CRC-32 of the rest | u8 flags | i32 cursor hi | u32 cursor lo | u32 taken |
 *               u32 count | count times (u8 flags | i32 hi | u32 lo | f64 timestamp | u32 writer |
 *               f64 expiry | u32 content hash | u32 key bytes | u32 value bytes | key | value)
 *
 * A chunk of a span holds everything up to its cursor; the next request starts there. Cells of one
 * token are never parted between chunks, for a cursor is a token. Where they are too many for one
 * chunk, values are withheld: such a cell has the marks of neither a value nor a tombstone, and is
 * asked for by its key. Cells without a value are also what a request for heads gets.
 *
 * The checksum covers the whole chunk and is checked before anything of it is believed. Lengths are
 * checked all the same, because a checksum says nothing of who made it.
 */
import type { CellWrite } from "../model/cell-write.ts";
import { crc32 } from "./crc32.ts";
import { FrameError, LAYOUT_BYTES, type LayoutStamp, type Writable, putLayout } from "./frames.ts";

/** The range (start, end] in token order; start == end is the whole ring; start > end wraps. */
export interface StreamSpan {
  readonly startHi: number;
  readonly startLo: number;
  readonly endHi: number;
  readonly endLo: number;
}

/** A cell by name. */
export interface CellName {
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
}

export interface StreamLimits {
  /** Of the chunk; a single cell may be over it, and the heads of the cells of one token. */
  readonly maxBytes: number;
  /** Of the chunk; the cells of one token may be over it. */
  readonly maxCells: number;
}

/** What a receiver asks for: cells of a span with or without values, or the cells with these keys. */
export type StreamRequest =
  | ({ readonly kind: "values" | "heads"; readonly span: StreamSpan } & StreamLimits)
  | ({ readonly kind: "cells"; readonly cells: readonly CellName[] } & StreamLimits);

/** A cell of a chunk. Records and views are lent until the visit returns. */
export interface StreamedCell extends CellWrite {
  /** `value` is undefined for tombstones, and where it is not in this chunk. */
  readonly isTombstone: boolean;
  readonly contentHash: number;
}

/** Where a chunk ends. */
export interface ChunkEnd {
  /** For spans: everything up to this token, inclusive, is in the chunk. */
  readonly cursorHi: number;
  readonly cursorLo: number;
  /** For lists: how many of the cells asked for, from the first on, were looked up. */
  readonly taken: number;
  /** Nothing comes after this chunk. */
  readonly isComplete: boolean;
}

const BLANK: StreamedCell = {
  keyspaceId: 0,
  tokenHi: 0,
  tokenLo: 0,
  key: new Uint8Array(),
  value: undefined,
  timestamp: 0,
  writer: 0,
  expiresAtMs: 0,
  isTombstone: false,
  contentHash: 0,
};

const KINDS: readonly (StreamRequest["kind"] | undefined)[] = [
  undefined,
  "heads",
  "values",
  "cells",
];
const REQUEST_FIXED_BYTES = LAYOUT_BYTES + 9;
const SPAN_BYTES = 16;
const NAME_FIXED_BYTES = 12;
const CHUNK_FIXED_BYTES = 21;
const CELL_FIXED_BYTES = 41;

/** Where a chunk says how many cells it has: after checksum, flags, cursor and what was taken. */
const COUNT_AT = CHUNK_FIXED_BYTES - 4;

const COMPLETE = 1;
const TOMBSTONE = 1;
const HAS_VALUE = 2;

export function encodeStreamRequest(request: StreamRequest, layout: LayoutStamp): Buffer {
  const body = Buffer.allocUnsafe(REQUEST_FIXED_BYTES + requestRestBytes(request));
  putLayout(body, 0, layout);
  body[LAYOUT_BYTES] = KINDS.indexOf(request.kind);
  body.writeUInt32LE(request.maxBytes, LAYOUT_BYTES + 1);
  body.writeUInt32LE(request.maxCells, LAYOUT_BYTES + 5);
  if (request.kind === "cells") putNames(body, request.cells);
  else putSpan(body, request.span);
  return body;
}

/** Throws FrameError if the body is malformed. Keys are views of it. */
export function decodeStreamRequest(body: Buffer): StreamRequest {
  if (body.length < REQUEST_FIXED_BYTES) throw new FrameError("stream request is too short");
  const kind = KINDS[body[LAYOUT_BYTES] as number];
  if (kind === undefined) {
    throw new FrameError(`stream request of unknown kind ${body[LAYOUT_BYTES]}`);
  }
  const maxBytes = body.readUInt32LE(LAYOUT_BYTES + 1);
  const maxCells = body.readUInt32LE(LAYOUT_BYTES + 5);
  if (kind === "cells") return { kind, cells: readNames(body), maxBytes, maxCells };
  return { kind, span: readSpan(body), maxBytes, maxCells };
}

/** Bytes that a cell takes in a chunk. */
export function streamedCellBytes(keyBytes: number, valueBytes: number): number {
  return CELL_FIXED_BYTES + keyBytes + valueBytes;
}

/** Bytes that a cell's name takes in a request. */
export function cellNameBytes(name: CellName): number {
  return NAME_FIXED_BYTES + name.key.length;
}

/** Builds one chunk, cell by cell. */
export class StreamChunkWriter {
  #bytes: Buffer;
  #view: DataView;
  #sizeBytes = CHUNK_FIXED_BYTES;
  #cellCount = 0;

  /** @param expectedBytes - what the chunk will about take */
  constructor(expectedBytes: number) {
    this.#bytes = Buffer.allocUnsafe(Math.max(expectedBytes, CHUNK_FIXED_BYTES));
    this.#view = viewOf(this.#bytes);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get cellCount(): number {
    return this.#cellCount;
  }

  /** Appends a cell; its value is left out if it is undefined. */
  add(cell: Omit<StreamedCell, "value" | "keyspaceId">, value: Uint8Array | undefined): void {
    const { key } = cell;
    const valueBytes = value?.length ?? 0;
    const at = this.#sizeBytes;
    this.#sizeBytes += streamedCellBytes(key.length, valueBytes);
    if (this.#sizeBytes > this.#bytes.length) this.#grow(at);
    const view = this.#view;
    const flags = (cell.isTombstone ? TOMBSTONE : 0) | (value === undefined ? 0 : HAS_VALUE);
    view.setUint8(at, flags);
    view.setInt32(at + 1, cell.tokenHi, true);
    view.setUint32(at + 5, cell.tokenLo, true);
    view.setFloat64(at + 9, cell.timestamp, true);
    view.setUint32(at + 17, cell.writer, true);
    view.setFloat64(at + 21, cell.expiresAtMs, true);
    view.setUint32(at + 29, cell.contentHash, true);
    view.setUint32(at + 33, key.length, true);
    view.setUint32(at + 37, valueBytes, true);
    this.#bytes.set(key, at + CELL_FIXED_BYTES);
    if (value !== undefined) this.#bytes.set(value, at + CELL_FIXED_BYTES + key.length);
    this.#cellCount++;
  }

  /** The chunk's bytes; the writer is used up. */
  finish(end: ChunkEnd): Buffer {
    const view = this.#view;
    view.setUint8(4, end.isComplete ? COMPLETE : 0);
    view.setInt32(5, end.cursorHi, true);
    view.setUint32(9, end.cursorLo, true);
    view.setUint32(13, end.taken, true);
    view.setUint32(17, this.#cellCount, true);
    view.setUint32(0, crc32(this.#bytes, 4, this.#sizeBytes), true);
    return this.#bytes.subarray(0, this.#sizeBytes);
  }

  #grow(usedBytes: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#sizeBytes));
    this.#bytes.copy(larger, 0, 0, usedBytes);
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

/** A chunk that has been checked from end to end. */
export class StreamChunk implements ChunkEnd {
  readonly cursorHi: number;
  readonly cursorLo: number;
  readonly taken: number;
  readonly isComplete: boolean;
  readonly cellCount: number;
  readonly #keyspaceId: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;

  /**
   * Keeps a view of `body`.
   *
   * @param keyspaceId - what was asked for: chunks do not say it
   * @throws FrameError if the chunk is damaged or malformed
   */
  constructor(body: Buffer, keyspaceId: number) {
    this.#keyspaceId = keyspaceId;
    if (body.length < CHUNK_FIXED_BYTES) {
      throw new FrameError(`stream chunk of ${body.length} bytes is too short`);
    }
    this.#bytes = body;
    const view = viewOf(body);
    this.#view = view;
    const announced = view.getUint32(0, true);
    const found = crc32(body, 4, body.length);
    if (announced !== found) {
      throw new FrameError(
        `stream chunk of ${body.length} bytes is damaged: its checksum is ${found}, not ${announced}`,
      );
    }
    this.isComplete = (view.getUint8(4) & COMPLETE) !== 0;
    this.cursorHi = view.getInt32(5, true);
    this.cursorLo = view.getUint32(9, true);
    this.taken = view.getUint32(13, true);
    this.cellCount = view.getUint32(17, true);
    this.#checkLengths();
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  /** Calls `visit` for each cell in order, with one record that is filled anew. */
  visit(visit: (cell: StreamedCell) => void): void {
    const bytes = this.#bytes;
    const view = this.#view;
    const cell: Writable<StreamedCell> = { ...BLANK, keyspaceId: this.#keyspaceId };
    let at = CHUNK_FIXED_BYTES;
    for (let index = 0; index < this.cellCount; index++) {
      const flags = view.getUint8(at);
      const keyEnd = at + CELL_FIXED_BYTES + view.getUint32(at + 33, true);
      const valueEnd = keyEnd + view.getUint32(at + 37, true);
      cell.tokenHi = view.getInt32(at + 1, true);
      cell.tokenLo = view.getUint32(at + 5, true);
      cell.timestamp = view.getFloat64(at + 9, true);
      cell.writer = view.getUint32(at + 17, true);
      cell.expiresAtMs = view.getFloat64(at + 21, true);
      cell.contentHash = view.getUint32(at + 29, true);
      cell.isTombstone = (flags & TOMBSTONE) !== 0;
      cell.key = bytes.subarray(at + CELL_FIXED_BYTES, keyEnd);
      cell.value = (flags & HAS_VALUE) === 0 ? undefined : bytes.subarray(keyEnd, valueEnd);
      visit(cell);
      at = valueEnd;
    }
  }

  #checkLengths(): void {
    const { length } = this.#bytes;
    let at = CHUNK_FIXED_BYTES;
    for (let index = 0; index < this.cellCount; index++) {
      if (at + CELL_FIXED_BYTES > length) {
        throw new FrameError(`stream chunk announces ${this.cellCount} cells and holds ${index}`);
      }
      const flags = this.#view.getUint8(at);
      const keyBytes = this.#view.getUint32(at + 33, true);
      const valueBytes = this.#view.getUint32(at + 37, true);
      const isPossible =
        flags < (TOMBSTONE | HAS_VALUE) && (flags === HAS_VALUE || valueBytes === 0);
      if (!isPossible) throw new FrameError(`stream chunk with a cell of flags ${flags}`);
      at += streamedCellBytes(keyBytes, valueBytes);
    }
    if (at !== length) {
      throw new FrameError(`stream chunk of ${length} bytes announces ${at} bytes of cells`);
    }
  }
}

function requestRestBytes(request: StreamRequest): number {
  if (request.kind !== "cells") return SPAN_BYTES;
  let sizeBytes = 4;
  for (const name of request.cells) sizeBytes += cellNameBytes(name);
  return sizeBytes;
}

function putSpan(body: Buffer, span: StreamSpan): void {
  body.writeInt32LE(span.startHi, REQUEST_FIXED_BYTES);
  body.writeUInt32LE(span.startLo, REQUEST_FIXED_BYTES + 4);
  body.writeInt32LE(span.endHi, REQUEST_FIXED_BYTES + 8);
  body.writeUInt32LE(span.endLo, REQUEST_FIXED_BYTES + 12);
}

function readSpan(body: Buffer): StreamSpan {
  if (body.length !== REQUEST_FIXED_BYTES + SPAN_BYTES) {
    throw new FrameError(`stream request for a span has ${body.length} bytes`);
  }
  return {
    startHi: body.readInt32LE(REQUEST_FIXED_BYTES),
    startLo: body.readUInt32LE(REQUEST_FIXED_BYTES + 4),
    endHi: body.readInt32LE(REQUEST_FIXED_BYTES + 8),
    endLo: body.readUInt32LE(REQUEST_FIXED_BYTES + 12),
  };
}

function putNames(body: Buffer, names: readonly CellName[]): void {
  let at = REQUEST_FIXED_BYTES;
  at = body.writeUInt32LE(names.length, at);
  for (const { tokenHi, tokenLo, key } of names) {
    at = body.writeInt32LE(tokenHi, at);
    at = body.writeUInt32LE(tokenLo, at);
    at = body.writeUInt32LE(key.length, at);
    body.set(key, at);
    at += key.length;
  }
}

function readNames(body: Buffer): CellName[] {
  if (body.length < REQUEST_FIXED_BYTES + 4) throw new FrameError("stream request is too short");
  const count = body.readUInt32LE(REQUEST_FIXED_BYTES);
  const names: CellName[] = [];
  let at = REQUEST_FIXED_BYTES + 4;
  while (names.length < count) {
    if (at + NAME_FIXED_BYTES > body.length) {
      throw new FrameError(`stream request announces ${count} cells and names ${names.length}`);
    }
    const keyEnd = at + NAME_FIXED_BYTES + body.readUInt32LE(at + 8);
    if (keyEnd > body.length) throw new FrameError("stream request with a key that is cut off");
    names.push({
      tokenHi: body.readInt32LE(at),
      tokenLo: body.readUInt32LE(at + 4),
      key: body.subarray(at + NAME_FIXED_BYTES, keyEnd),
    });
    at = keyEnd;
  }
  if (at !== body.length) {
    throw new FrameError(`stream request of ${body.length} bytes announces ${at}`);
  }
  return names;
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** How many cells a chunk of this member's own making has. */
export function chunkCellCount(chunk: Buffer): number {
  return chunk.readUInt32LE(COUNT_AT);
}
