/**
 * The source's half of a stream: one chunk for one request, straight from the engine.
 *
 * A source keeps nothing between requests. It opens a scan where the receiver wants to go on, fills
 * a chunk and closes the scan within one turn, so neither a lost receiver nor a lost frame leaves
 * anything behind, and the engine never has to keep old states for a slow one.
 */
import { FrameError } from "../codec/frames.ts";
import {
  type CellName,
  StreamChunkWriter,
  type StreamLimits,
  type StreamRequest,
  type StreamSpan,
  cellNameBytes,
  decodeStreamRequest,
  streamedCellBytes,
} from "../codec/stream-frames.ts";
import type { ScannedCell, StorageEngine } from "../storage/engine.ts";

/** Limits that hold whatever a request asks for: a chunk is made within one turn of the event loop. */
export const CHUNK_BYTES_MAX: number = 1 << 20;
export const CHUNK_CELLS_MAX = 4096;

/** Cells with values that are read ahead at most: those behind the chunk's end are read in vain. */
const READ_AHEAD_CELLS_MAX = 32;

export type StreamEngine = Pick<StorageEngine, "scan" | "get">;

/**
 * The chunk that answers a stream request.
 *
 * @param body - the request's body, layout stamp included; the stamp is checked by the caller
 * @throws FrameError if the request is malformed
 * @throws CorruptRecordError if a record that belongs into the chunk is damaged: it names the record,
 *   and nothing of the chunk is sent, because a chunk without it would pass for the whole truth
 */
export function readChunk(engine: StreamEngine, keyspaceId: number, body: Buffer): Buffer {
  const request = withinLimits(decodeStreamRequest(body));
  if (request.kind === "cells") return readCells(engine, keyspaceId, request);
  return readSpan(engine, keyspaceId, request);
}

function withinLimits(request: StreamRequest): StreamRequest {
  const maxBytes = Math.min(request.maxBytes, CHUNK_BYTES_MAX);
  const maxCells = Math.min(request.maxCells, CHUNK_CELLS_MAX);
  if (maxBytes < 1 || maxCells < 1) {
    throw new FrameError(`stream request for ${maxCells} cells of ${maxBytes} bytes`);
  }
  return { ...request, maxBytes, maxCells };
}

function readSpan(
  engine: StreamEngine,
  keyspaceId: number,
  request: StreamLimits & { readonly kind: "values" | "heads"; readonly span: StreamSpan },
): Buffer {
  const page = new SpanPage(request);
  const scan = engine.scan(keyspaceId, request.span, { values: request.kind === "values" });
  const take = (cell: ScannedCell): void => page.take(cell);
  try {
    while (!page.isCut) {
      if (scan.next(page.batchCells(), take) === 0) return page.finish(request.span);
    }
    return page.finish(undefined);
  } finally {
    scan.close();
  }
}

/** Cells of a span as far as they go into one chunk. */
class SpanPage {
  readonly #limits: StreamLimits;
  readonly #wantsValues: boolean;
  readonly #writer: StreamChunkWriter;
  #lastHi = 0;
  #lastLo = 0;
  #isCut = false;

  constructor(request: StreamLimits & { readonly kind: "values" | "heads" }) {
    this.#limits = request;
    this.#wantsValues = request.kind === "values";
    this.#writer = new StreamChunkWriter(request.maxBytes);
  }

  /** A cell turned up that is left to the next chunk. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** How many cells to look at next: values are dear to read in vain, heads are not. */
  batchCells(): number {
    const { cellCount, sizeBytes } = this.#writer;
    const left = Math.max(1, this.#limits.maxCells - cellCount + 1);
    if (!this.#wantsValues) return left;
    const meanBytes = sizeBytes / Math.max(1, cellCount);
    const fitting = cellCount === 0 ? 1 : (this.#limits.maxBytes - sizeBytes) / meanBytes;
    return Math.max(1, Math.min(left, READ_AHEAD_CELLS_MAX, Math.floor(fitting)));
  }

  take(cell: ScannedCell): void {
    if (this.#isCut) return;
    const { cellCount, sizeBytes } = this.#writer;
    const isSameToken = cell.tokenHi === this.#lastHi && cell.tokenLo === this.#lastLo;
    const value = this.#wantsValues ? cell.value : undefined;
    const bytes = sizeBytes + streamedCellBytes(cell.key.length, value?.length ?? 0);
    const isOver = bytes > this.#limits.maxBytes;
    if (cellCount > 0 && !isSameToken && (isOver || cellCount >= this.#limits.maxCells)) {
      this.#isCut = true;
      return;
    }
    this.#writer.add(cell, cellCount > 0 && isOver ? undefined : value);
    this.#lastHi = cell.tokenHi;
    this.#lastLo = cell.tokenLo;
  }

  /** `exhausted` is the span if nothing is left of it. */
  finish(exhausted: StreamSpan | undefined): Buffer {
    return this.#writer.finish({
      cursorHi: exhausted?.endHi ?? this.#lastHi,
      cursorLo: exhausted?.endLo ?? this.#lastLo,
      taken: 0,
      isComplete: exhausted !== undefined,
    });
  }
}

function readCells(
  engine: StreamEngine,
  keyspaceId: number,
  request: StreamLimits & { readonly cells: readonly CellName[] },
): Buffer {
  const { cells, maxBytes, maxCells } = request;
  const writer = new StreamChunkWriter(maxBytes);
  let taken = 0;
  for (const name of cells) {
    if (taken >= maxCells) break;
    const { tokenHi, tokenLo, key } = name;
    const cell = engine.get(keyspaceId, tokenHi, tokenLo, key);
    if (cell !== undefined) {
      const bytes = streamedCellBytes(key.length, cell.value?.length ?? 0);
      if (writer.cellCount > 0 && writer.sizeBytes + bytes > maxBytes) break;
      writer.add({ ...cell, tokenHi, tokenLo, key }, cell.value);
    }
    taken++;
  }
  const isComplete = taken === cells.length;
  return writer.finish({ cursorHi: 0, cursorLo: 0, taken, isComplete });
}

/** The names from the first on whose request stays within the limits; at least one. */
export function fittingNames(names: readonly CellName[], limits: StreamLimits): number {
  let sizeBytes = 0;
  let count = 0;
  for (const name of names) {
    sizeBytes += cellNameBytes(name);
    if (count > 0 && (sizeBytes > limits.maxBytes || count >= limits.maxCells)) break;
    count++;
  }
  return count;
}
