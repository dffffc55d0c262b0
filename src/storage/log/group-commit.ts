/**
 * Group commit: how puts reach the disk, and when they may be acknowledged.
 *
 *     put -> batch buffer --(one write per turn)--> segment file --(one sync at a time)--> device
 *            `memory`                               `interval`                             `fsync`
 *
 * Puts of one turn of the event loop are collected in the batch buffer and written together when the
 * turn ends. Their places in the file are known beforehand, so the index points to them at once, and
 * reads of what is not written yet are served from the buffer.
 *
 * At most one sync runs. Everything written before it starts is acknowledged when it ends; what is
 * written meanwhile belongs to the next. So the device is never idle under load and a sync is shared
 * by as many puts as arrive during the one before: the batch finds its own size.
 *
 * Segments are synced in the order in which they were written, so whatever survives a crash
 * of acknowledged writes is a prefix.
 *
 * When the disk is full the batch stays in memory and is tried again; puts that waited for
 * it are failed (their outcome is unknown: they are visible and will be written when there is
 * space) and new ones refused. After any other failure of a write or a sync the log is read-only for
 * good (storage-error.ts tells why).
 */
import type { Durability } from "../../model/consistency.ts";
import type { Clock, Logger, Timer } from "../../model/deps.ts";
import { must, unreachable } from "../../util/assert.ts";
import { type Disk, DiskError } from "../disk.ts";
import type { PutSink } from "../engine.ts";
import { StorageError } from "../storage-error.ts";
import type { Place } from "./place.ts";
import { leaveMark } from "./failed-sync.ts";
import type { LogEngineOptions } from "./options.ts";
import {
  type ByteBuffer,
  type Entry,
  makeByteBuffer,
  placeSeed,
  recordBytes,
  sealRecord,
  writeRecord,
} from "./record.ts";
import { SEGMENT_HEADER_BYTES, type Segment } from "./segment.ts";
import type { Segments } from "./segments.ts";
import { SinkList } from "../sink-list.ts";

export interface GroupCommitDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly segments: Segments;
}

export class GroupCommit {
  readonly #deps: GroupCommitDeps;
  readonly #options: LogEngineOptions;
  readonly #segments: Segments;

  readonly #batch: ByteBuffer;
  #batchBytes = 0;
  #isTurnEndScheduled = false;
  /** Wait for the batch to be written. */
  readonly #awaitingWrite = new SinkList();
  /** Wait for the batch to be written and then synced. */
  readonly #awaitingWriteAndSync = new SinkList();
  /** Are written (or need nothing written), wait for the next sync. */
  readonly #awaitingSync = new SinkList();
  /** Wait for the sync that runs. */
  readonly #inSync = new SinkList();

  #isSyncing = false;
  #syncTimer: Timer | undefined;
  #retryTimer: Timer | undefined;
  #failure: StorageError | undefined;
  #full: StorageError | undefined;
  #isStopped = false;
  #onSyncEnd: (() => void) | undefined;

  #writtenBytes = 0;
  #writes = 0;
  #syncs = 0;

  constructor(deps: GroupCommitDeps, options: LogEngineOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#segments = deps.segments;
    this.#batch = makeByteBuffer(options.batchBytes);
  }

  /** Why no put can be taken, or undefined. */
  get refusal(): StorageError | undefined {
    return this.#failure ?? this.#full;
  }

  /** Whether the log can never be written again before it is opened anew. */
  get isReadOnly(): boolean {
    return this.#failure !== undefined;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get writes(): number {
    return this.#writes;
  }

  get syncs(): number {
    return this.#syncs;
  }

  /** The end of the log, batch included. */
  get end(): Place {
    const active = this.#segments.active;
    return { segmentId: active.id, offset: active.writtenBytes + this.#batchBytes };
  }

  /**
   * Appends a record; returns its offset in the active segment. Throws StorageError if
   * there is no room for it; then nothing has happened.
   */
  append(entry: Entry, value: Uint8Array | undefined): number {
    if (this.#failure !== undefined) throw this.#failure;
    const lengthBytes = recordBytes(entry.key.length, entry.valueBytes);
    this.#makeRoom(lengthBytes);
    const active = this.#segments.active;
    if (lengthBytes > this.#batch.bytes.length) return this.#writeLarge(entry, value);
    const at = this.#batchBytes;
    const offset = active.writtenBytes + at;
    writeRecord(this.#batch, at, entry, value);
    sealRecord(this.#batch, at, placeSeed(active.nonce, offset));
    this.#batchBytes = at + lengthBytes;
    this.#scheduleTurnEnd();
    return offset;
  }

  /** Tells `sink` when everything appended so far has reached `durability`. */
  acknowledge(durability: Durability, sink: PutSink): void {
    switch (durability) {
      case "memory":
        sink.stored();
        return;
      case "interval":
        this.#awaitingWrite.push(sink);
        break;
      case "fsync":
        this.#awaitingWriteAndSync.push(sink);
        break;
      default:
        unreachable(durability);
    }
    this.#scheduleTurnEnd();
  }

  /** Where in `batch` the record at this place is; -1 if it is in the file. */
  positionInBatch(segmentId: number, offset: number): number {
    const active = this.#segments.active;
    if (segmentId !== active.id || offset < active.writtenBytes) return -1;
    return offset - active.writtenBytes;
  }

  get batch(): ByteBuffer {
    return this.#batch;
  }

  /** Writes and syncs what is pending, then calls `done`; no put may follow. */
  stop(done: () => void): void {
    this.#isStopped = true;
    this.#syncTimer?.cancel();
    this.#retryTimer?.cancel();
    // A sync that still runs must end first, because the files are going to be closed.
    const finish = (): void => {
      if (this.#isSyncing) this.#onSyncEnd = done;
      else done();
    };
    this.acknowledge("fsync", { stored: finish, putFailed: finish });
  }

  /** A sync of the log or its directory failed, here or elsewhere: nothing can be promised any more. */
  failSync(error: Error): void {
    this.#becomeReadOnly("sync", error);
    leaveMark(this.#deps.disk);
  }

  #scheduleTurnEnd(): void {
    if (this.#isTurnEndScheduled) return;
    this.#isTurnEndScheduled = true;
    this.#deps.clock.defer(this.#onTurnEnd);
  }

  readonly #onTurnEnd = (): void => {
    this.#isTurnEndScheduled = false;
    const refusal = this.refusal;
    if (refusal !== undefined) {
      this.#failWaiting(refusal);
      return;
    }
    if (!this.#writeBatch()) return;
    this.#awaitingWrite.settle(undefined);
    this.#startSync();
    this.#armSyncTimer();
  };

  /** Makes sure that the batch or, for large records, the segment has room. */
  #makeRoom(lengthBytes: number): void {
    const offset = this.#segments.active.writtenBytes + this.#batchBytes;
    const isSegmentFull = offset + lengthBytes > this.#options.segmentBytes;
    const needsSegment = isSegmentFull && offset > SEGMENT_HEADER_BYTES;
    const isBatchFull = this.#batchBytes + lengthBytes > this.#batch.bytes.length;
    if (!needsSegment && !isBatchFull) return;
    if (!this.#writeBatch()) throw must(this.refusal, "a failed write leaves a reason");
    if (!needsSegment) return;
    try {
      this.#segments.create();
    } catch (error) {
      this.#noteFailure(error);
      throw must(this.refusal, "a failed write leaves a reason");
    }
  }

  #writeLarge(entry: Entry, value: Uint8Array | undefined): number {
    const active = this.#segments.active;
    const offset = active.writtenBytes;
    const buffer = makeByteBuffer(recordBytes(entry.key.length, entry.valueBytes));
    writeRecord(buffer, 0, entry, value);
    sealRecord(buffer, 0, placeSeed(active.nonce, offset));
    if (!this.#write(active, buffer.bytes)) {
      throw must(this.refusal, "a failed write leaves a reason");
    }
    this.#scheduleTurnEnd();
    return offset;
  }

  /** False if it failed; then the waiting puts have been told. */
  #writeBatch(): boolean {
    if (this.#batchBytes > 0) {
      const bytes = this.#batch.bytes.subarray(0, this.#batchBytes);
      if (!this.#write(this.#segments.active, bytes)) return false;
      this.#batchBytes = 0;
    }
    this.#awaitingSync.takeFrom(this.#awaitingWriteAndSync);
    return true;
  }

  #write(segment: Segment, bytes: Uint8Array): boolean {
    try {
      segment.file.write(bytes, segment.writtenBytes);
    } catch (error) {
      this.#noteFailure(error);
      return false;
    }
    segment.writtenBytes += bytes.length;
    segment.isDirty = true;
    this.#writtenBytes += bytes.length;
    this.#writes++;
    return true;
  }

  #noteFailure(error: unknown): void {
    if (error instanceof DiskError && error.code === "FULL") {
      this.#noteFull(error);
    } else {
      this.#becomeReadOnly("write", error);
    }
    // Told at the end of the turn, because this may run inside a put.
    this.#scheduleTurnEnd();
  }

  #noteFull(cause: DiskError): void {
    if (this.#full === undefined) {
      this.#full = new StorageError("FULL", `the disk is full: ${cause.message}`, { cause });
      this.#deps.logger.error("storage.disk_full", { error: cause.message });
    }
    this.#armRetryTimer();
  }

  #becomeReadOnly(action: string, cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= new StorageError(
      "READ_ONLY",
      `the store is read-only since a ${action} failed: ${reason}`,
      { cause },
    );
    this.#deps.logger.error("storage.read_only", { action, error: reason });
  }

  #failWaiting(error: StorageError): void {
    this.#awaitingWrite.settle(error);
    this.#awaitingWriteAndSync.settle(error);
    // While the disk is full, what is written already can still be synced.
    if (this.#failure === undefined) this.#startSync();
    else this.#awaitingSync.settle(error);
  }

  #armRetryTimer(): void {
    if (this.#retryTimer !== undefined || this.#isStopped) return;
    this.#retryTimer = this.#deps.clock.setTimer(this.#options.fullRetryMs, () => {
      this.#retryTimer = undefined;
      if (this.#failure !== undefined || !this.#writeBatch()) return;
      this.#full = undefined;
      this.#deps.logger.info("storage.disk_has_space_again");
      this.#scheduleTurnEnd();
    });
  }

  #armSyncTimer(): void {
    if (this.#syncTimer !== undefined || this.#isStopped || !this.#isDirty()) return;
    this.#syncTimer = this.#deps.clock.setTimer(this.#options.syncIntervalMs, () => {
      this.#syncTimer = undefined;
      if (this.refusal === undefined && this.#isDirty()) this.acknowledge("fsync", NOBODY);
    });
  }

  #isDirty(): boolean {
    if (this.#segments.hasUnsyncedNames) return true;
    for (const segment of this.#segments.all()) if (segment.isDirty) return true;
    return false;
  }

  #startSync(): void {
    if (this.#isSyncing || this.#awaitingSync.count === 0) return;
    this.#inSync.takeFrom(this.#awaitingSync);
    const dirty = [...this.#segments.all()].filter((segment) => segment.isDirty);
    for (const segment of dirty) segment.isDirty = false;
    this.#isSyncing = true;
    this.#syncFrom(dirty, 0);
  }

  #syncFrom(dirty: readonly Segment[], position: number): void {
    const goOn = (error: Error | undefined): void => {
      if (error === undefined) this.#syncFrom(dirty, position + 1);
      else this.#endSync(error);
    };
    const segment = dirty[position];
    if (segment !== undefined) {
      this.#syncs++;
      segment.file.sync(goOn);
    } else if (this.#segments.hasUnsyncedNames) {
      this.#segments.syncNames(goOn);
    } else {
      this.#endSync(undefined);
    }
  }

  #endSync(error: Error | undefined): void {
    if (error !== undefined) this.failSync(error);
    this.#isSyncing = false;
    this.#inSync.settle(this.#failure);
    if (this.#failure === undefined) this.#startSync();
    else this.#failWaiting(this.#failure);
    if (!this.#isSyncing) this.#onSyncEnd?.();
  }
}

const NOBODY: PutSink = { stored: () => {}, putFailed: () => {} };
