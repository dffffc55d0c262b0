/**
 * Frames whose bodies are packed with msgpack: control messages, and scans.
 *
 * A scan asks a replica for a page of its cells in token order, without values; on a ring that keeps
 * keys in order also for a range of keys, in key order, with values if they are wanted. A page is
 * hundreds of cells, so the packing does not show; the frames of single reads and writes are in
 * frames.ts.
 */
import { pack, unpack } from "msgpackr";
import { FrameError, type LayoutStamp } from "./frames.ts";

export interface ScanQuery {
  readonly startHi: number;
  readonly startLo: number;
  readonly endHi: number;
  readonly endLo: number;
  readonly limit: number;
  /** Asks for cells in the order of keys. */
  readonly keys?: ScanKeys | undefined;
}

/** Which keys of a span, in their order. */
export interface ScanKeys {
  /** Not before this one. */
  readonly from?: Uint8Array | undefined;
  /** `from` itself was in the page before. */
  readonly isAfter: boolean;
  /** Before this one. */
  readonly to?: Uint8Array | undefined;
  /** What they begin with. */
  readonly prefix?: Uint8Array | undefined;
  readonly values: boolean;
}

/** One cell of a page: token halves, key, version, expiry (0 = never), tombstone mark, hash. */
export interface PageCell {
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
  readonly timestamp: number;
  readonly writer: number;
  readonly expiresAtMs: number;
  readonly isTombstone: boolean;
  readonly contentHash: number;
  /** Only where values were asked for. */
  readonly value?: Uint8Array | undefined;
}

export interface ScanAnswer {
  readonly cells: readonly PageCell[];
  /**
   * The span is exhausted; otherwise it is complete up to the token of the last cell, and in the
   * order of keys up to its key.
   */
  readonly isComplete: boolean;
  /** In the order of keys, if it is complete up to another key than the last cell's. */
  readonly last?: Uint8Array | undefined;
}

const LAYOUT_BYTES = 8;

export function encodeScanQuery(query: ScanQuery, layout: LayoutStamp): Buffer {
  const { startHi, startLo, endHi, endLo, limit, keys } = query;
  const packed = pack([
    [startHi, startLo, endHi, endLo, limit],
    ...(keys === undefined ? [] : packedKeys(keys)),
  ]);
  const body = Buffer.allocUnsafe(LAYOUT_BYTES + packed.length);
  body.writeUInt32LE(layout.counter, 0);
  body.writeUInt32LE(layout.hash, 4);
  packed.copy(body, LAYOUT_BYTES);
  return body;
}

function packedKeys({ from, isAfter, to, prefix, values }: ScanKeys): unknown[] {
  return [from ?? null, isAfter, to ?? null, prefix ?? null, values];
}

export function decodeScanQuery(body: Buffer): ScanQuery {
  const [numbers, ...keys] = unpackArray(body.subarray(LAYOUT_BYTES));
  if (
    !Array.isArray(numbers) ||
    numbers.length !== 5 ||
    !numbers.every((value) => Number.isInteger(value))
  ) {
    throw new FrameError("malformed scan query");
  }
  const [startHi, startLo, endHi, endLo, limit] = numbers as [
    number,
    number,
    number,
    number,
    number,
  ];
  const span = { startHi, startLo, endHi, endLo, limit };
  return keys.length === 0 ? span : { ...span, keys: toScanKeys(keys) };
}

function toScanKeys([from, isAfter, to, prefix, values]: unknown[]): ScanKeys {
  if (typeof isAfter !== "boolean" || typeof values !== "boolean") {
    throw new FrameError("malformed keys of a scan query");
  }
  return { from: toBound(from), isAfter, to: toBound(to), prefix: toBound(prefix), values };
}

function toBound(key: unknown): Uint8Array | undefined {
  if (key === null) return undefined;
  if (key instanceof Uint8Array) return key;
  throw new FrameError("malformed bound of a scan query");
}

export function encodeScanAnswer(answer: ScanAnswer): Buffer {
  const cells = answer.cells.map((cell) => [
    cell.tokenHi,
    cell.tokenLo,
    cell.key,
    cell.timestamp,
    cell.writer,
    cell.expiresAtMs,
    cell.isTombstone,
    cell.contentHash,
    ...(cell.value === undefined ? [] : [cell.value]),
  ]);
  return pack([answer.isComplete, cells, ...(answer.last === undefined ? [] : [answer.last])]);
}

/** The cells are copies: they may be kept. */
export function decodeScanAnswer(body: Buffer): ScanAnswer {
  const [isComplete, cells, last] = unpackArray(body);
  if (
    typeof isComplete !== "boolean" ||
    !Array.isArray(cells) ||
    !(last === undefined || last instanceof Uint8Array)
  ) {
    throw new FrameError("malformed scan answer");
  }
  return {
    isComplete,
    cells: cells.map(toPageCell),
    last: last === undefined ? undefined : new Uint8Array(last),
  };
}

function toPageCell(fields: unknown): PageCell {
  if (!Array.isArray(fields)) throw new FrameError("malformed cell in a scan answer");
  const [tokenHi, tokenLo, key, timestamp, writer, expiresAtMs, isTombstone, contentHash, value] =
    fields as unknown[];
  const numbers = [tokenHi, tokenLo, timestamp, writer, expiresAtMs, contentHash];
  if (
    !numbers.every((value) => typeof value === "number") ||
    !(key instanceof Uint8Array) ||
    typeof isTombstone !== "boolean" ||
    !(value === undefined || value instanceof Uint8Array)
  ) {
    throw new FrameError("malformed cell in a scan answer");
  }
  return {
    tokenHi: tokenHi as number,
    tokenLo: tokenLo as number,
    // What was unpacked is a view of the read buffer, and the page outlives that.
    key: new Uint8Array(key),
    timestamp: timestamp as number,
    writer: writer as number,
    expiresAtMs: expiresAtMs as number,
    isTombstone,
    contentHash: contentHash as number,
    ...(value !== undefined && { value: new Uint8Array(value) }),
  };
}

/** Packs a control message: plain data of strings, numbers, arrays and objects. */
export function encodeControl(message: unknown): Uint8Array {
  return pack(message);
}

/** Unpacks a control message, whose shape its receiver has to check. Throws FrameError. */
export function decodeControl(body: Buffer): unknown {
  try {
    return unpack(body);
  } catch (cause) {
    throw new FrameError(`malformed control message: ${String(cause)}`);
  }
}

function unpackArray(body: Buffer): unknown[] {
  const unpacked = decodeControl(body);
  if (!Array.isArray(unpacked)) throw new FrameError("expected an array");
  return unpacked;
}
