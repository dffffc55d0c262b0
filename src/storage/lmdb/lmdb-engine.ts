/**
 * The LMDB engine: cells in a B+tree on disk, for data larger than memory.
 *
 * LMDB is a copy-on-write tree in a memory map: reads are cheap, snapshots free, a crash leads back to
 * the last synced state; small random commits are dear. So puts are collected and committed in
 * one transaction after another (turn-commit.ts), by a thread of the library; until a put is
 * committed, reads and scans find it in the collection. Drops go the same way, in steps
 * (lmdb-drop.ts). Counts for `stats` are kept in the same
 * transactions as the cells.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { type Database, type RootDatabase, open as openLmdb } from "lmdb";
import type { Durability } from "../../model/consistency.ts";
import type { Clock, Logger } from "../../model/deps.ts";
import { must } from "../../util/assert.ts";
import { contentHash } from "../content-hash.ts";
import {
  type CellHead,
  type CellWrite,
  CorruptRecordError,
  type EngineStats,
  type PutSink,
  type RangeScan,
  type ScanOptions,
  type RecoveryReport,
  type StorageEngine,
  type StoredCell,
  type TokenSpan,
} from "../engine.ts";
import { compareCells } from "../merge-order.ts";
import { StorageError } from "../storage-error.ts";
import {
  COLLISIONS_MAX,
  type CellAddress,
  asBuffer,
  decodeHead,
  decodeValue,
  encodeKey,
  encodeValue,
  isLongKey,
  isValueOf,
} from "./lmdb-format.ts";
import { LmdbDrop } from "./lmdb-drop.ts";
import {
  LmdbScan,
  cellBytes,
  type StoredEntry,
  type UncommittedEntry,
  stretchesOf,
} from "./lmdb-scan.ts";
import { TurnCommit } from "./turn-commit.ts";

export interface LmdbEngineDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LmdbEngineOptions {
  /** The directory of the database; created if it is not there. */
  readonly directory: string;
  /** With durability `interval`: the longest time between a commit and the sync after it. */
  readonly syncIntervalMs: number;
  /** How often a commit is tried again while the disk is full. */
  readonly fullRetryMs: number;
  /** Keys and values that may wait for a commit to begin; beyond that puts fail with BUSY. */
  readonly collectedBytesMax: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
}

const DEFAULTS = {
  syncIntervalMs: 1000,
  fullRetryMs: 1000,
  collectedBytesMax: 64 * 1024 * 1024,
  keyBytesMax: 64 * 1024,
  valueBytesMax: 16 * 1024 * 1024,
};

const DATA_FILE = "data.mdb";
const COUNTS_KEY = Buffer.from("counts");
/** What the package has and its types lack. */
type Root = RootDatabase<Buffer, Buffer> & {
  sync(callback: (error?: Error | null) => void): void;
  /** Lets the next read see what was committed last. */
  resetReadTxn(): void;
};

interface Counts {
  cells: number;
  tombstones: number;
  liveBytes: number;
}

export class LmdbEngine implements StorageEngine {
  readonly name = "lmdb";
  readonly #deps: LmdbEngineDeps;
  readonly #options: LmdbEngineOptions;
  readonly #commit: TurnCommit;
  #root: Root | undefined;
  #cells: Database<Buffer, Buffer> | undefined;
  /** Puts and removals for the next transaction, by their LMDB key as a latin1 string. */
  #collected = new Map<string, UncommittedEntry>();
  /** Those of the transaction that is being committed. */
  #committing = new Map<string, UncommittedEntry>();
  /** Under way, the oldest first. */
  #drops: readonly LmdbDrop[] = [];
  #onDropsEnd: (() => void) | undefined;
  #collectedBytes = 0;
  #counts: Counts = { cells: 0, tombstones: 0, liveBytes: 0 };
  #openScans = 0;
  #commits = 0;
  #corruptRecords = 0;
  #phase: "new" | "open" | "closing" | "closed" = "new";

  constructor(
    deps: LmdbEngineDeps,
    options: Partial<LmdbEngineOptions> & Pick<LmdbEngineOptions, "directory">,
  ) {
    this.#deps = deps;
    this.#options = { ...DEFAULTS, ...options };
    this.#commit = new TurnCommit(
      {
        ...deps,
        commit: (done) => this.#commitCollected(done),
        sync: (done) => this.#sync(done),
      },
      this.#options,
    );
  }

  open(): Promise<RecoveryReport> {
    const path = this.#options.directory;
    const encodings = { encoding: "binary", keyEncoding: "binary", cache: false } as const;
    // The directory is a directory, even if its name has a dot in it.
    const root = openLmdb<Buffer, Buffer>({ path, noSubdir: false, maxDbs: 4, ...encodings });
    this.#root = root as Root;
    this.#cells = this.#root.openDB<Buffer, Buffer>({ name: "cells-1", ...encodings });
    const counts = this.#root.get(COUNTS_KEY);
    if (counts !== undefined) this.#counts = JSON.parse(counts.toString()) as Counts;
    this.#phase = "open";
    const report = {
      cells: this.#counts.cells,
      recordsReplayed: 0,
      bytesDropped: 0,
      fromSnapshot: false,
    };
    this.#deps.logger.info("storage.opened", { engine: this.name, ...report });
    return Promise.resolve(report);
  }

  put(write: CellWrite, durability: Durability, sink: PutSink): void {
    const refusal = this.#refusal(write);
    if (refusal !== undefined) {
      sink.putFailed(refusal);
      return;
    }
    const { key, found } = this.#find(write);
    const hash = contentHash(write.value, write.expiresAtMs);
    const isTombstone = write.value === undefined;
    const present = found === undefined ? undefined : decodeHead(found);
    const ranked = { ...write, isTombstone, contentHash: hash };
    if (present === undefined || compareCells(ranked, present) > 0) {
      const replaced = this.#held(key);
      if (replaced !== undefined) this.#count({ key, value: replaced }, -1);
      const entry = { key, value: encodeValue(write, hash) };
      this.#collect(entry);
      this.#count(entry, 1);
      for (const drop of this.#drops) drop.notePut(key);
    }
    this.#commit.acknowledge(durability, sink);
  }

  get(
    keyspaceId: number,
    tokenHi: number,
    tokenLo: number,
    key: Uint8Array,
  ): StoredCell | undefined {
    const { found } = this.#find({ keyspaceId, tokenHi, tokenLo, key });
    return found === undefined ? undefined : this.#checked(found);
  }

  head(
    keyspaceId: number,
    tokenHi: number,
    tokenLo: number,
    key: Uint8Array,
  ): CellHead | undefined {
    const { found } = this.#find({ keyspaceId, tokenHi, tokenLo, key });
    return found === undefined ? undefined : decodeHead(found);
  }

  scan(keyspaceId: number, span: TokenSpan, options: ScanOptions): RangeScan {
    return this.#scan(keyspaceId, span, options);
  }

  drop(keyspaceId: number, span: TokenSpan, sink: PutSink): void {
    const refusal = this.#phaseRefusal() ?? this.#commit.refusal;
    if (refusal !== undefined) {
      sink.putFailed(refusal);
      return;
    }
    const drop = new LmdbDrop(
      {
        entries: this.#scan(keyspaceId, span, { values: false }),
        remove: (entry) => {
          this.#collect({ key: entry.key, value: undefined });
          this.#count(entry, -1);
        },
        commit: (done) => {
          const putFailed: PutSink["putFailed"] = done;
          this.#commit.acknowledge("interval", { stored: () => done(undefined), putFailed });
        },
        onEnd: (error) => {
          this.#drops = this.#drops.filter((other) => other !== drop);
          if (error === undefined) this.#commit.acknowledge("fsync", sink);
          else sink.putFailed(error);
          if (this.#drops.length === 0) this.#onDropsEnd?.();
        },
      },
      stretchesOf(keyspaceId, span),
    );
    this.#drops = [...this.#drops, drop];
    drop.start();
  }

  async sync(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#commit.acknowledge("fsync", { stored: resolve, putFailed: reject });
    });
  }

  stats(): EngineStats {
    return {
      ...this.#counts,
      diskBytes: statSync(join(this.#options.directory, DATA_FILE)).size,
      corruptRecords: this.#corruptRecords,
      details: {
        commits: this.#commits,
        syncs: this.#commit.syncs,
        openScans: this.#openScans,
        collectedBytes: this.#collectedBytes,
      },
    };
  }

  async close(): Promise<void> {
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    if (this.#drops.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onDropsEnd = resolve;
      });
    }
    await new Promise<void>((resolve) => {
      this.#commit.stop(resolve);
    });
    this.#phase = "closed";
    await this.#opened().close();
  }

  #scan(keyspaceId: number, span: TokenSpan, options: ScanOptions): LmdbScan {
    this.#openScans++;
    const hiding = this.#drops.map((drop) => drop.hidesNow());
    const deps = {
      cells: this.#cellsDatabase(),
      // The snapshot of LMDB has the committed ones only, and may or may not have those under way.
      uncommitted: new Map([...this.#committing, ...this.#collected]).values(),
      isHidden: (key: Buffer) => hiding.some((hides) => hides(key)),
      check: this.#checked,
      onClose: () => this.#openScans--,
    };
    return new LmdbScan(deps, { ...options, keyspaceId, span });
  }

  #phaseRefusal(): StorageError | undefined {
    if (this.#phase === "open") return undefined;
    return new StorageError("CLOSED", `the store is not open, it is ${this.#phase}`);
  }

  #refusal(write: CellWrite): StorageError | undefined {
    const notOpen = this.#phaseRefusal();
    if (notOpen !== undefined) return notOpen;
    const { keyBytesMax, valueBytesMax } = this.#options;
    const valueBytes = write.value?.length ?? 0;
    if (write.key.length > keyBytesMax) {
      const text = `the key has ${write.key.length} bytes, at most ${keyBytesMax} are possible`;
      return new StorageError("TOO_LARGE", text);
    }
    if (valueBytes > valueBytesMax) {
      const text = `the value has ${valueBytes} bytes, at most ${valueBytesMax} are possible`;
      return new StorageError("TOO_LARGE", text);
    }
    if (this.#collectedBytes > this.#options.collectedBytesMax) {
      const text = `${this.#collectedBytes} bytes wait to be committed`;
      return new StorageError("BUSY", text);
    }
    return this.#commit.refusal;
  }

  /** The LMDB key under which the cell is or would be, and what stands there. */
  #find(address: CellAddress): { key: Buffer; found: Buffer | undefined } {
    const attempts = isLongKey(address.key) ? COLLISIONS_MAX : 1;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const key = encodeKey(address, attempt);
      const found = this.#lookUp(key);
      if (found === undefined || isValueOf(found, address.key)) return { key, found };
    }
    throw new Error(`more than ${COLLISIONS_MAX} long keys with one beginning and one hash`);
  }

  #lookUp(key: Buffer): Buffer | undefined {
    return this.#drops.some((drop) => drop.hides(key)) ? undefined : this.#held(key);
  }

  /** What stands under the key, and be it dropped but not removed yet. */
  #held(key: Buffer): Buffer | undefined {
    if (this.#collected.size + this.#committing.size > 0) {
      const name = key.toString("latin1");
      const waiting = this.#collected.get(name) ?? this.#committing.get(name);
      if (waiting !== undefined) return waiting.value;
    }
    const found = this.#cellsDatabase().getBinaryFast(key);
    return found === undefined ? undefined : asBuffer(found);
  }

  #collect(entry: UncommittedEntry): void {
    this.#collected.set(entry.key.toString("latin1"), entry);
    this.#collectedBytes += entry.key.length + (entry.value?.length ?? 0);
  }

  /** Enters a cell into the counts, or takes it out. */
  #count(entry: StoredEntry, sign: 1 | -1): void {
    const counts = this.#counts;
    counts.cells += sign;
    counts.liveBytes += sign * cellBytes(entry);
    if (decodeHead(entry.value).isTombstone) counts.tombstones += sign;
  }

  #commitCollected(done: (error: Error | undefined) => void): void {
    const root = this.#opened();
    const cells = this.#cellsDatabase();
    this.#committing = this.#collected;
    this.#collected = new Map();
    this.#collectedBytes = 0;
    // Everything put in one turn of the event loop becomes one transaction.
    let lastPut: Promise<boolean> | undefined;
    for (const { key, value } of this.#committing.values()) {
      lastPut = value === undefined ? cells.remove(key) : cells.put(key, value);
    }
    const countsPut = root.put(COUNTS_KEY, Buffer.from(JSON.stringify(this.#counts)));
    Promise.all([lastPut, countsPut]).then(
      () => {
        root.resetReadTxn();
        this.#commits++;
        this.#committing = new Map();
        done(undefined);
      },
      (error: unknown) => {
        this.#collected = new Map([...this.#committing, ...this.#collected]);
        this.#committing = new Map();
        done(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #sync(done: (error: Error | undefined) => void): void {
    const root = this.#opened();
    const failed = (error: unknown): void => done(error instanceof Error ? error : undefined);
    // The library flushes by itself but does not say if that fails; the second call does.
    root.flushed.then(() => root.sync((error) => done(error ?? undefined)), failed);
  }

  /** LMDB has no checksums; the content hash tells whether the value is what was put. */
  readonly #checked = (encoded: Buffer): StoredCell => {
    const head = decodeHead(encoded);
    const value = decodeValue(encoded);
    if (contentHash(value, head.expiresAtMs) === head.contentHash) return { ...head, value };
    this.#corruptRecords++;
    this.#deps.logger.error("storage.corrupt_record", { file: DATA_FILE });
    throw new CorruptRecordError(DATA_FILE, 0, "the content hash does not match");
  };

  #opened(): Root {
    return must(this.#root, "the store is open");
  }

  #cellsDatabase(): Database<Buffer, Buffer> {
    return must(this.#cells, "the store is open");
  }
}
