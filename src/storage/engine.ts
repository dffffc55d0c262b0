/**
 * What a replica needs of its store. Engines order cells by the token of their key, so that a token
 * range is one sequential scan, and merge by version, so that puts may arrive in any order and twice.
 *
 * A token is given as two 32-bit halves: `tokenHi` signed, `tokenLo` unsigned (order: hi, then lo).
 */
import type { CellWrite } from "../model/cell-write.ts";
import type { Durability } from "../model/consistency.ts";

export type { CellWrite };

/** The version of a stored cell, without its value. */
export interface CellHead {
  readonly timestamp: number;
  readonly writer: number;
  readonly expiresAtMs: number;
  readonly isTombstone: boolean;
  /** 32-bit hash over value, expiry and tombstone mark: equal version and hash means equal cell. */
  readonly contentHash: number;
  readonly valueBytes: number;
}

/** A stored cell with its value. The value's bytes are lent until the next call to the engine. */
export interface StoredCell extends CellHead {
  /** Undefined for a tombstone. */
  readonly value: Uint8Array | undefined;
}

/** A cell as a scan yields it. */
export interface ScannedCell extends CellHead {
  readonly tokenHi: number;
  readonly tokenLo: number;
  /** Lent until the next call to the same scan. */
  readonly key: Uint8Array;
  /** Absent when values were not asked for, and for tombstones. */
  readonly value: Uint8Array | undefined;
}

/** Takes the outcome of one put or drop. Exactly one method is called, exactly once. */
export interface PutSink {
  /**
   * The write, or a newer version of its cell, is stored at the durability asked for; a drop is on
   * stable storage.
   */
  stored(): void;
  putFailed(error: Error): void;
}

/** The range (start, end] in token order; start == end is the whole ring; start > end wraps. */
export interface TokenSpan {
  readonly startHi: number;
  readonly startLo: number;
  readonly endHi: number;
  readonly endLo: number;
}

/** As far as this, cells of one token are in the byte order of their keys. */
export const ORDERED_KEY_BYTES = 1900;

/**
 * A scan over the cells that were there when it was opened, in token order along the span; those of
 * one token in the byte order of the first ORDERED_KEY_BYTES of their keys.
 */
export interface RangeScan {
  /**
   * Calls `visit` for up to `limit` cells; returns how many it visited: 0 when the scan is at its
   * end. `visit` must not call the engine.
   */
  next(limit: number, visit: (cell: ScannedCell) => void): number;
  /**
   * Counts up to `limit` cells instead of showing them; fewer when it comes to its end. Reads no
   * values where the engine can do without.
   */
  measure(limit: number): SpanMeasure;
  close(): void;
}

export interface ScanOptions {
  readonly values: boolean;
  /** Of the first token behind the span's start, the cells whose keys sort before are passed over. */
  readonly startKey?: Uint8Array | undefined;
}

export interface EngineStats {
  /** Cells held, tombstones included. */
  readonly cells: number;
  readonly tombstones: number;
  /** Bytes of keys and values of the newest versions. */
  readonly liveBytes: number;
  readonly diskBytes: number;
  /** Records found damaged since the engine was opened (recovery included). */
  readonly corruptRecords: number;
  /** Engine-specific figures, e.g. segments, syncs, merged bytes. */
  readonly details: Readonly<Record<string, number>>;
}

/** What a span holds. */
export interface SpanMeasure {
  /** Cells, tombstones included. */
  readonly cells: number;
  /** Bytes of their keys and values. */
  readonly bytes: number;
}

/** What opening found. */
export interface RecoveryReport {
  readonly cells: number;
  readonly recordsReplayed: number;
  /** Torn or damaged bytes that were dropped, with file and offset in the log events. */
  readonly bytesDropped: number;
  readonly fromSnapshot: boolean;
}

/** A stored record whose checksum does not match. It is reported and never served. */
export class CorruptRecordError extends Error {
  readonly file: string;
  readonly offset: number;

  constructor(file: string, offset: number, reason: string) {
    super(`corrupt record in ${file} at byte ${offset}: ${reason}`);
    this.name = "CorruptRecordError";
    this.file = file;
    this.offset = offset;
  }
}

export interface StorageEngine {
  readonly name: string;
  open(): Promise<RecoveryReport>;
  /**
   * Merges a cell: the newest version wins (timestamp, then writer, then tombstone over value, then
   * the greater content hash). Visible to `get` at once; `sink` hears when it is stored.
   */
  put(write: CellWrite, durability: Durability, sink: PutSink): void;
  /** Throws CorruptRecordError if the record is damaged. */
  get(
    keyspaceId: number,
    tokenHi: number,
    tokenLo: number,
    key: Uint8Array,
  ): StoredCell | undefined;
  /** As `get`, without reading the value. */
  head(keyspaceId: number, tokenHi: number, tokenLo: number, key: Uint8Array): CellHead | undefined;
  scan(keyspaceId: number, span: TokenSpan, options: ScanOptions): RangeScan;
  /**
   * Forgets every cell of the keyspace whose token is in the span and that is in the engine now. No
   * tombstones are left: a later put of such a cell is stored again, even with an older version.
   * Scans opened before go on showing what they showed.
   *
   * Gone for `get`, `head` and new scans at once; `sink` hears when a crash cannot bring the cells
   * back. A crash before that, or a drop that failed after it began, leaves each cell either way.
   * `stats` counts the cells down until then.
   */
  drop(keyspaceId: number, span: TokenSpan, sink: PutSink): void;
  /** Resolves when everything put before is on stable storage. */
  sync(): Promise<void>;
  stats(): EngineStats;
  /** Finishes pending puts and releases everything. */
  close(): Promise<void>;
}
