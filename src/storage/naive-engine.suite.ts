/** The dumb second implementation of a store, for tests of what stands on one. */
import type { Clock } from "../model/deps.ts";
import { compareHeads } from "../versions/compare.ts";
import { contentHash } from "./content-hash.ts";
import type {
  CellHead,
  CellWrite,
  EngineStats,
  PutSink,
  RangeScan,
  ScannedCell,
  SpanMeasure,
  StorageEngine,
  StoredCell,
  TokenSpan,
} from "./engine.ts";

export interface Row extends StoredCell {
  readonly keyspaceId: number;
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
}

/** One Map, rows copied, and a copy of it as of the last sync. */
export class NaiveEngine implements StorageEngine {
  readonly name = "naive";
  readonly cells: Map<string, Row>;
  #durable: ReadonlyMap<string, Row>;
  readonly #clock: Pick<Clock, "setTimer"> | undefined;
  /** Acknowledgements of puts are kept back while true. */
  holdsAcks = false;
  readonly held: PutSink[] = [];
  /** What the next puts fail with, if anything. */
  putError: Error | undefined;
  syncError: Error | undefined;
  scanError: Error | undefined;
  putCount = 0;
  syncCount = 0;

  /** With a clock, a sync takes time. */
  constructor(clock?: Pick<Clock, "setTimer">, durable: ReadonlyMap<string, Row> = new Map()) {
    this.#clock = clock;
    this.#durable = durable;
    this.cells = new Map(durable);
  }

  open(): Promise<never> {
    return Promise.reject(new Error("not needed"));
  }

  put(write: CellWrite, _durability: unknown, sink: PutSink): void {
    this.putCount++;
    if (this.putError !== undefined) return sink.putFailed(this.putError);
    const value = write.value === undefined ? undefined : new Uint8Array(write.value);
    const { keyspaceId, tokenHi, tokenLo, timestamp, writer, expiresAtMs } = write;
    const row: Row = {
      keyspaceId,
      tokenHi,
      tokenLo,
      timestamp,
      writer,
      expiresAtMs,
      value,
      key: new Uint8Array(write.key),
      isTombstone: value === undefined,
      contentHash: contentHash(value, expiresAtMs),
      valueBytes: value?.length ?? 0,
    };
    const known = this.cells.get(idOf(keyspaceId, write.key));
    if (known === undefined || compareHeads(row, known) > 0) {
      this.cells.set(idOf(keyspaceId, write.key), row);
    }
    if (this.holdsAcks) this.held.push(sink);
    else sink.stored();
  }

  get(keyspaceId: number, _hi: number, _lo: number, key: Uint8Array): StoredCell | undefined {
    if (this.scanError !== undefined) throw this.scanError;
    return this.cells.get(idOf(keyspaceId, key));
  }

  head(keyspaceId: number, _hi: number, _lo: number, key: Uint8Array): CellHead | undefined {
    return this.cells.get(idOf(keyspaceId, key));
  }

  scan(keyspaceId: number, span: TokenSpan, options: { readonly values: boolean }): RangeScan {
    const rows = this.rows(keyspaceId, span);
    let at = 0;
    return {
      next: (limit: number, visit: (cell: ScannedCell) => void): number => {
        if (this.scanError !== undefined && options.values) throw this.scanError;
        const page = rows.slice(at, at + limit);
        at += page.length;
        for (const row of page) visit({ ...row, value: options.values ? row.value : undefined });
        return page.length;
      },
      measure: (limit: number): SpanMeasure => {
        const page = rows.slice(at, at + limit);
        at += page.length;
        const bytes = page.reduce((sum, { key, valueBytes }) => sum + key.length + valueBytes, 0);
        return { cells: page.length, bytes };
      },
      close() {},
    };
  }

  drop(keyspaceId: number, span: TokenSpan, sink: PutSink): void {
    if (this.putError !== undefined) return sink.putFailed(this.putError);
    for (const { key } of this.rows(keyspaceId, span)) this.cells.delete(idOf(keyspaceId, key));
    sink.stored();
  }

  sync(): Promise<void> {
    this.syncCount++;
    if (this.syncError !== undefined) return Promise.reject(this.syncError);
    const synced = new Map(this.cells);
    return new Promise((resolve) => {
      const done = (): void => {
        this.#durable = synced;
        resolve();
      };
      if (this.#clock === undefined) done();
      else this.#clock.setTimer(7, done);
    });
  }

  /** What the disk holds after a power failure: what was not synced is gone. */
  afterCrash(): NaiveEngine {
    return new NaiveEngine(this.#clock, this.#durable);
  }

  stats(): EngineStats {
    const none = { tombstones: 0, liveBytes: 0, diskBytes: 0, corruptRecords: 0, details: {} };
    return { cells: this.cells.size, ...none };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The rows of a span in its order. */
  rows(keyspaceId: number, span: TokenSpan): Row[] {
    const start = wide(span.startHi, span.startLo);
    const length = BigInt.asUintN(64, wide(span.endHi, span.endLo) - start) || 2n ** 64n;
    const distance = (row: Row): bigint =>
      BigInt.asUintN(64, wide(row.tokenHi, row.tokenLo) - start - 1n);
    return [...this.cells.values()]
      .filter((row) => row.keyspaceId === keyspaceId && distance(row) < length)
      .sort((a, b) => Number(distance(a) - distance(b)) || compareKeys(a.key, b.key));
  }

  /** Everything in it, for comparing. */
  content(): string[] {
    return [...this.cells.values()].map(describeRow).sort();
  }
}

export function describeRow(row: Omit<Row, "contentHash" | "valueBytes">): string {
  const value = row.isTombstone ? "deleted" : Buffer.from(row.value ?? []).toString("hex");
  const key = Buffer.from(row.key).toString("hex");
  const { keyspaceId, tokenHi, tokenLo, timestamp, writer, expiresAtMs } = row;
  return [keyspaceId, tokenHi, tokenLo, key, timestamp, writer, expiresAtMs, value].join(" ");
}

export const noSink: PutSink = {
  stored: () => {},
  putFailed: (error) => {
    throw error;
  },
};

function wide(hi: number, lo: number): bigint {
  return (BigInt(hi) << 32n) + BigInt(lo);
}

function idOf(keyspaceId: number, key: Uint8Array): string {
  return `${keyspaceId}/${Buffer.from(key).toString("hex")}`;
}

function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}
