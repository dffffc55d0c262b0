/**
 * One LMDB transaction at a time, one sync at a time: group-commit.ts of the log engine, over a
 * library that does the writing in a thread of its own.
 *
 * Puts of a turn of the event loop are committed together; what arrives while a commit runs goes into
 * the next. A commit makes a transaction visible and hands it to the operating system
 * (`interval`); a sync puts all commits before it on the device (`fsync`). LMDB keeps the last synced
 * state intact until the next one is, so a power failure leads back to a whole, older state, never
 * to a torn one. The price is that every commit is flushed, whether somebody waits for that or not.
 */
import type { Durability } from "../../model/consistency.ts";
import type { Clock, Logger, Timer } from "../../model/deps.ts";
import { unreachable } from "../../util/assert.ts";
import type { PutSink } from "../engine.ts";
import { SinkList } from "../sink-list.ts";
import { StorageError } from "../storage-error.ts";

export interface TurnCommitDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Commits what was collected. If that fails, it stays collected. `done` is not called inside. */
  readonly commit: (done: (error: Error | undefined) => void) => void;
  readonly sync: (done: (error: Error | undefined) => void) => void;
}

export interface TurnCommitOptions {
  readonly syncIntervalMs: number;
  readonly fullRetryMs: number;
}

export class TurnCommit {
  readonly #deps: TurnCommitDeps;
  readonly #options: TurnCommitOptions;
  readonly #awaitingWrite = new SinkList();
  readonly #awaitingWriteAndSync = new SinkList();
  /** The same two for the commit that runs. */
  readonly #inCommit = new SinkList();
  readonly #inCommitBeforeSync = new SinkList();
  readonly #awaitingSync = new SinkList();
  readonly #inSync = new SinkList();
  #isTurnEndScheduled = false;
  #isCommitting = false;
  /** Whether something arrived while a commit ran. */
  #isCommitWanted = false;
  #isSyncing = false;
  #isDirty = false;
  #isStopped = false;
  #failure: StorageError | undefined;
  #full: StorageError | undefined;
  #syncTimer: Timer | undefined;
  #retryTimer: Timer | undefined;
  #onIdle: (() => void) | undefined;
  #syncs = 0;

  constructor(deps: TurnCommitDeps, options: TurnCommitOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get refusal(): StorageError | undefined {
    return this.#failure ?? this.#full;
  }

  get syncs(): number {
    return this.#syncs;
  }

  /** Tells `sink` when everything collected so far has reached `durability`. */
  acknowledge(durability: Durability, sink: PutSink): void {
    switch (durability) {
      case "memory":
        sink.stored();
        break;
      case "interval":
        this.#awaitingWrite.push(sink);
        break;
      case "fsync":
        this.#awaitingWriteAndSync.push(sink);
        break;
      default:
        unreachable(durability);
    }
    if (this.#isTurnEndScheduled) return;
    this.#isTurnEndScheduled = true;
    this.#deps.clock.defer(this.#onTurnEnd);
  }

  /** Commits and syncs what is pending, then calls `done`; no put may follow. */
  stop(done: () => void): void {
    this.#isStopped = true;
    this.#syncTimer?.cancel();
    this.#retryTimer?.cancel();
    const finish = (): void => {
      this.#onIdle = done;
      this.#tellIfIdle();
    };
    this.acknowledge("fsync", { stored: finish, putFailed: finish });
  }

  readonly #onTurnEnd = (): void => {
    this.#isTurnEndScheduled = false;
    if (this.refusal === undefined) this.#startCommit();
    else this.#failWaiting(this.refusal);
  };

  #startCommit(): void {
    if (this.#isCommitting) {
      this.#isCommitWanted = true;
      return;
    }
    this.#isCommitting = true;
    this.#isCommitWanted = false;
    this.#inCommit.takeFrom(this.#awaitingWrite);
    this.#inCommitBeforeSync.takeFrom(this.#awaitingWriteAndSync);
    this.#deps.commit((error) => {
      this.#isCommitting = false;
      if (error === undefined) this.#commitSucceeded();
      else this.#noteFailure(error);
      this.#tellIfIdle();
    });
  }

  #commitSucceeded(): void {
    this.#full = undefined;
    this.#isDirty = true;
    this.#awaitingSync.takeFrom(this.#inCommitBeforeSync);
    this.#inCommit.settle(undefined);
    this.#startSync();
    this.#armSyncTimer();
    if (this.#isCommitWanted) this.#startCommit();
  }

  #failWaiting(error: StorageError): void {
    for (const sinks of [
      this.#inCommit,
      this.#inCommitBeforeSync,
      this.#awaitingWrite,
      this.#awaitingWriteAndSync,
    ]) {
      sinks.settle(error);
    }
  }

  #startSync(): void {
    if (this.#isSyncing || this.#awaitingSync.count === 0) return;
    this.#inSync.takeFrom(this.#awaitingSync);
    this.#isSyncing = true;
    this.#isDirty = false;
    this.#syncs++;
    this.#deps.sync((error) => {
      if (error !== undefined) this.#becomeReadOnly("sync", error);
      this.#isSyncing = false;
      this.#inSync.settle(this.#failure);
      if (this.#failure === undefined) this.#startSync();
      else this.#awaitingSync.settle(this.#failure);
      this.#tellIfIdle();
    });
  }

  #tellIfIdle(): void {
    if (!this.#isSyncing && !this.#isCommitting) this.#onIdle?.();
  }

  #armSyncTimer(): void {
    if (this.#syncTimer !== undefined || this.#isStopped || !this.#isDirty) return;
    this.#syncTimer = this.#deps.clock.setTimer(this.#options.syncIntervalMs, () => {
      this.#syncTimer = undefined;
      if (this.#isDirty) this.acknowledge("fsync", NOBODY);
    });
  }

  #noteFailure(cause: Error): void {
    if (/no space|ENOSPC|MAP_FULL/i.test(cause.message)) this.#noteFull(cause);
    else this.#becomeReadOnly("write", cause);
    if (this.refusal !== undefined) this.#failWaiting(this.refusal);
  }

  #noteFull(cause: Error): void {
    const error = cause.message;
    if (this.#full === undefined) this.#deps.logger.error("storage.disk_full", { error });
    this.#full = new StorageError("FULL", `the disk is full: ${error}`, { cause });
    if (this.#isStopped) return;
    this.#retryTimer ??= this.#deps.clock.setTimer(this.#options.fullRetryMs, () => {
      this.#retryTimer = undefined;
      if (this.#failure === undefined) this.#startCommit();
    });
  }

  #becomeReadOnly(action: string, cause: Error): void {
    const reason = cause.message;
    this.#failure ??= new StorageError(
      "READ_ONLY",
      `the store is read-only since a ${action} failed: ${reason}`,
      { cause },
    );
    this.#deps.logger.error("storage.read_only", { action, error: reason });
  }
}

const NOBODY: PutSink = { stored: () => {}, putFailed: () => {} };
