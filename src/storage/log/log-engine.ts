/**
 * The log engine: Bitcask's idea with a ring in it (Sheehy and Smith, "Bitcask: A Log-Structured Hash
 * Table for Fast Key/Value Data", 2010).
 *
 * Values lie in append-only segment files (record.ts, segment.ts), written and synced in groups
 * (group-commit.ts). Where each cell lies, and its version, stands in an index in memory that is ordered
 * by token instead of hashed (token-index.ts, cells.ts). So a put never reads the disk, a get
 * reads it once, and heads, digests and key scans never do. Space taken by overwritten records comes
 * back by merging (merger.ts); the index is written down now and then (snapshot-writer.ts), so that opening
 * replays only the end of the log (recovery.ts). Ranges of cells are dropped by noting how far back the
 * log counts no more for them (drop-map.ts).
 *
 * This file holds the operations; each part explains itself in its own.
 */
import type { Durability } from "../../model/consistency.ts";
import type { Timer } from "../../model/deps.ts";
import { contentHash } from "../content-hash.ts";
import {
  type CellHead,
  type CellWrite,
  CorruptRecordError,
  type EngineStats,
  type PutSink,
  type RangeScan,
  type RecoveryReport,
  type ScanOptions,
  type StorageEngine,
  type StoredCell,
  type TokenSpan,
} from "../engine.ts";
import { StorageError } from "../storage-error.ts";
import type { Cells } from "./cells.ts";
import { DropSweeper } from "./drop-sweeper.ts";
import { DropWriter } from "./drop-writer.ts";
import { GroupCommit } from "./group-commit.ts";
import { LogScan } from "./log-scan.ts";
import { type LogDeps, LogState } from "./log-state.ts";
import { Merger } from "./merger.ts";
import { SnapshotWriter } from "./snapshot-writer.ts";
import { DEFAULT_LOG_OPTIONS, type LogEngineOptions } from "./options.ts";
import { type ByteBuffer, Entry, checkRecord, makeByteBuffer, placeSeed } from "./record.ts";
import { RECORD_HEAD_BYTES, keyBytesOf, valueBytesOf } from "./record.ts";
import { recover } from "./recovery.ts";

const READ_BUFFER_BYTES = 64 * 1024;

export class LogEngine implements StorageEngine {
  readonly name = "log";
  readonly #state: LogState;
  readonly #commit: GroupCommit;
  readonly #drops: DropWriter;
  readonly #sweeper: DropSweeper;
  readonly #merger: Merger;
  readonly #snapshots: SnapshotWriter;
  readonly #entry = new Entry();
  #maintenanceTimer: Timer | undefined;
  /** Whether a snapshot at closing would say nothing new. */
  #isCoveredAtOpen = false;
  readonly #readBuffer = makeByteBuffer(READ_BUFFER_BYTES);
  #phase: "new" | "open" | "closing" | "closed" = "new";

  constructor(deps: LogDeps, options: Partial<LogEngineOptions> = {}) {
    this.#state = new LogState(deps, { ...DEFAULT_LOG_OPTIONS, ...options });
    const { segments } = this.#state;
    this.#commit = new GroupCommit({ ...deps, segments }, this.#state.options);
    this.#drops = new DropWriter(this.#state, this.#commit);
    this.#sweeper = new DropSweeper(deps, this.#state.options);
    this.#merger = new Merger(this.#state, this.#commit, this.#drops);
    this.#snapshots = new SnapshotWriter(this.#state, this.#commit, this.#drops);
  }

  async open(): Promise<RecoveryReport> {
    const report = await recover(this.#state);
    this.#state.scans.onClosed(this.#onScanClosed);
    this.#phase = "open";
    this.#isCoveredAtOpen = report.fromSnapshot && report.recordsReplayed === 0;
    this.#scheduleMaintenance();
    this.#state.deps.logger.info("storage.opened", { engine: this.name, ...report });
    return report;
  }

  put(write: CellWrite, durability: Durability, sink: PutSink): void {
    const refusal = this.#refusal(write);
    if (refusal !== undefined) {
      sink.putFailed(refusal);
      return;
    }
    const entry = this.#describe(write);
    const cells = this.#state.cellsForWriting(write.keyspaceId);
    const slot = cells.index.find(write.tokenHi, write.tokenLo, write.key);
    // A put that loses is acknowledged all the same, but not before the winner is as durable.
    if (cells.compare(entry, slot) > 0) {
      try {
        const offset = this.#commit.append(entry, write.value);
        const segmentId = this.#state.segments.active.id;
        this.#state.enter(cells, slot, entry, { segmentId, offset });
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        sink.putFailed(error);
        return;
      }
    }
    this.#commit.acknowledge(durability, sink);
  }

  get(
    keyspaceId: number,
    tokenHi: number,
    tokenLo: number,
    key: Uint8Array,
  ): StoredCell | undefined {
    const cells = this.#state.cells(keyspaceId);
    const slot = cells?.find(tokenHi, tokenLo, key) ?? 0;
    if (cells === undefined || slot === 0) return undefined;
    return cells.cell(slot, this.#readValue(cells, slot));
  }

  head(
    keyspaceId: number,
    tokenHi: number,
    tokenLo: number,
    key: Uint8Array,
  ): CellHead | undefined {
    const cells = this.#state.cells(keyspaceId);
    const slot = cells?.find(tokenHi, tokenLo, key) ?? 0;
    return cells === undefined || slot === 0 ? undefined : cells.head(slot);
  }

  scan(keyspaceId: number, span: TokenSpan, options: ScanOptions): RangeScan {
    const { scans } = this.#state;
    const sequence = scans.open();
    const deps = {
      cells: this.#state.cellsForWriting(keyspaceId),
      readValue: this.#readValue,
      onClose: () => scans.close(sequence),
    };
    return new LogScan(deps, { ...options, span, sequence });
  }

  drop(keyspaceId: number, span: TokenSpan, sink: PutSink): void {
    const refusal = this.#phaseRefusal() ?? this.#commit.refusal;
    if (refusal !== undefined) {
      sink.putFailed(refusal);
      return;
    }
    const cells = this.#state.cells(keyspaceId);
    if (cells === undefined) {
      this.#drops.acknowledge(sink);
      return;
    }
    const before = this.#commit.end;
    this.#state.dropped.add(keyspaceId, span, before);
    this.#drops.noteDrop();
    const birth = this.#state.scans.advance();
    this.#sweeper.start(cells, { span, before, birth }, () => this.#drops.acknowledge(sink));
  }

  async sync(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#commit.acknowledge("fsync", { stored: resolve, putFailed: reject });
    });
  }

  stats(): EngineStats {
    let [cells, tombstones, liveBytes, indexBytes, keptStates] = [0, 0, 0, 0, 0];
    for (const [, keyspace] of this.#state.keyspaces()) {
      cells += keyspace.count;
      tombstones += keyspace.tombstones;
      liveBytes += keyspace.liveBytes;
      indexBytes += keyspace.index.allocatedBytes;
      keptStates += keyspace.keptStates;
    }
    const { segments, scans, corruptRecords } = this.#state;
    return {
      cells,
      tombstones,
      liveBytes,
      diskBytes: segments.diskBytes(),
      corruptRecords,
      details: {
        segments: segments.count,
        indexBytes,
        openScans: scans.openCount,
        keptStates,
        writes: this.#commit.writes,
        writtenBytes: this.#commit.writtenBytes,
        syncs: this.#commit.syncs,
        mergedBytes: this.#merger.mergedBytes,
        removedSegments: this.#merger.removedSegments,
        snapshots: this.#snapshots.snapshots,
      },
    };
  }

  async close(): Promise<void> {
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    this.#maintenanceTimer?.cancel();
    this.#merger.stop();
    this.#snapshots.cancel();
    await new Promise<void>((resolve) => this.#sweeper.whenIdle(resolve));
    await this.#writeLastSnapshot();
    await new Promise<void>((resolve) => {
      this.#drops.acknowledge({ stored: resolve, putFailed: () => resolve() });
    });
    await new Promise<void>((resolve) => {
      this.#commit.stop(resolve);
    });
    this.#phase = "closed";
    this.#state.segments.closeAll();
  }

  /** So that the next opening is fast. Failing at it is no failure of closing. */
  async #writeLastSnapshot(): Promise<void> {
    // Writes what is pending first, so that it is known whether there is anything new.
    await this.sync().catch(() => undefined);
    const isCovered = this.#isCoveredAtOpen || this.#snapshots.snapshots > 0;
    if (isCovered && this.#snapshots.uncoveredLogBytes === 0) return;
    if (this.#commit.refusal !== undefined) return;
    await new Promise<void>((resolve) => {
      this.#snapshots.start({ isUrgent: true, done: () => resolve() });
    });
  }

  #scheduleMaintenance(): void {
    const { clock } = this.#state.deps;
    const { maintenanceMs, snapshotLogBytes } = this.#state.options;
    this.#maintenanceTimer = clock.setTimer(maintenanceMs, () => {
      this.#merger.consider();
      const isDue = this.#snapshots.uncoveredLogBytes >= snapshotLogBytes;
      if (isDue && !this.#snapshots.isRunning && this.#commit.refusal === undefined) {
        this.#snapshots.start({ isUrgent: false, done: () => {} });
      }
      this.#scheduleMaintenance();
    });
  }

  #phaseRefusal(): StorageError | undefined {
    if (this.#phase === "open") return undefined;
    return new StorageError("CLOSED", `the store is not open, it is ${this.#phase}`);
  }

  #refusal(write: CellWrite): StorageError | undefined {
    const notOpen = this.#phaseRefusal();
    if (notOpen !== undefined) return notOpen;
    const { keyBytesMax, valueBytesMax } = this.#state.options;
    const valueBytes = write.value?.length ?? 0;
    if (write.key.length > keyBytesMax) {
      const text = `the key has ${write.key.length} bytes, at most ${keyBytesMax} are possible`;
      return new StorageError("TOO_LARGE", text);
    }
    if (valueBytes > valueBytesMax) {
      const text = `the value has ${valueBytes} bytes, at most ${valueBytesMax} are possible`;
      return new StorageError("TOO_LARGE", text);
    }
    return this.#commit.refusal;
  }

  #describe(write: CellWrite): Entry {
    const entry = this.#entry;
    entry.keyspaceId = write.keyspaceId;
    entry.tokenHi = write.tokenHi;
    entry.tokenLo = write.tokenLo;
    entry.key = write.key;
    entry.timestamp = write.timestamp;
    entry.writer = write.writer;
    entry.expiresAtMs = write.expiresAtMs;
    entry.isTombstone = write.value === undefined;
    entry.valueBytes = write.value?.length ?? 0;
    entry.contentHash = contentHash(write.value, write.expiresAtMs);
    return entry;
  }

  /** The value that a slot points to; undefined for a tombstone. Throws CorruptRecordError. */
  readonly #readValue = (cells: Cells, slot: number): Uint8Array | undefined => {
    if (cells.index.slots.isTombstone(slot)) return undefined;
    const segmentId = cells.segmentId(slot);
    const offset = cells.offset(slot);
    const lengthBytes = cells.recordBytes(slot);
    const inBatch = this.#commit.positionInBatch(segmentId, offset);
    if (inBatch >= 0) return valueAt(this.#commit.batch, inBatch);
    const segment = this.#state.segments.get(segmentId);
    const buffer =
      lengthBytes <= READ_BUFFER_BYTES ? this.#readBuffer : makeByteBuffer(lengthBytes);
    const read = segment.file.read(buffer.bytes, 0, lengthBytes, offset);
    const check = checkRecord(buffer, 0, read, placeSeed(segment.nonce, offset));
    if (check === "intact") return valueAt(buffer, 0);
    this.#state.corruptRecords++;
    const fields = { file: segment.name, offset, lengthBytes, reason: check };
    this.#state.deps.logger.error("storage.corrupt_record", fields);
    throw new CorruptRecordError(segment.name, offset, check);
  };

  readonly #onScanClosed = (): void => {
    for (const [, cells] of this.#state.keyspaces()) cells.releaseKept();
    if (this.#phase === "open") this.#merger.removeRetired();
  };
}

function valueAt(source: ByteBuffer, at: number): Uint8Array {
  const start = at + RECORD_HEAD_BYTES + keyBytesOf(source, at);
  return source.bytes.subarray(start, start + valueBytesOf(source, at));
}
