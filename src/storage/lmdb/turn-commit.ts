/**
 * One LMDB transaction per turn of the event loop, one sync at a time: group-commit.ts of the log
 * engine, over a library that does the writing.
 *
 * A commit makes a transaction visible and hands it to the operating system (`interval`); a sync puts
 * all commits before it on the device (`fsync`). LMDB keeps the last synced state intact until
 * the next one is, so a power failure leads back to a whole, older state, never to a torn one.
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
  /** Writes what was collected; throws if it cannot, and keeps it. */
  readonly commit: () => void;
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
  readonly #awaitingSync = new SinkList();
  readonly #inSync = new SinkList();
  #isTurnEndScheduled = false;
  #isSyncing = false;
  #isDirty = false;
  #isStopped = false;
  #failure: StorageError | undefined;
  #full: StorageError | undefined;
  #syncTimer: Timer | undefined;
  #retryTimer: Timer | undefined;
  #onSyncEnd: (() => void) | undefined;
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

  /** Commits at once. False if it failed. */
  commitNow(): boolean {
    if (this.#failure !== undefined) return false;
    try {
      this.#deps.commit();
    } catch (error) {
      this.#noteFailure(error);
      return false;
    }
    this.#full = undefined;
    this.#isDirty = true;
    this.#awaitingSync.takeFrom(this.#awaitingWriteAndSync);
    return true;
  }

  /** Commits and syncs what is pending, then calls `done`; no put may follow. */
  stop(done: () => void): void {
    this.#isStopped = true;
    this.#syncTimer?.cancel();
    this.#retryTimer?.cancel();
    const finish = (): void => {
      if (this.#isSyncing) this.#onSyncEnd = done;
      else done();
    };
    this.acknowledge("fsync", { stored: finish, putFailed: finish });
  }

  readonly #onTurnEnd = (): void => {
    this.#isTurnEndScheduled = false;
    if (this.refusal !== undefined || !this.commitNow()) {
      const error = this.refusal;
      this.#awaitingWrite.settle(error);
      this.#awaitingWriteAndSync.settle(error);
      return;
    }
    this.#awaitingWrite.settle(undefined);
    this.#startSync();
    this.#armSyncTimer();
  };

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
      if (!this.#isSyncing) this.#onSyncEnd?.();
    });
  }

  #armSyncTimer(): void {
    if (this.#syncTimer !== undefined || this.#isStopped || !this.#isDirty) return;
    this.#syncTimer = this.#deps.clock.setTimer(this.#options.syncIntervalMs, () => {
      this.#syncTimer = undefined;
      if (this.#isDirty) this.acknowledge("fsync", NOBODY);
    });
  }

  #noteFailure(cause: unknown): void {
    const text = cause instanceof Error ? cause.message : String(cause);
    if (!/no space|ENOSPC|MAP_FULL/i.test(text)) {
      this.#becomeReadOnly("write", cause);
      return;
    }
    if (this.#full === undefined) this.#deps.logger.error("storage.disk_full", { error: text });
    this.#full = new StorageError("FULL", `the disk is full: ${text}`, { cause });
    if (this.#isStopped) return;
    this.#retryTimer ??= this.#deps.clock.setTimer(this.#options.fullRetryMs, () => {
      this.#retryTimer = undefined;
      this.commitNow();
    });
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
}

const NOBODY: PutSink = { stored: () => {}, putFailed: () => {} };
