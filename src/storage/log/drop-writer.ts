/**
 * Puts the drops on stable storage: all of them, in a new file that takes the place of the old one.
 *
 *     new file -> sync -> rename -> sync of log and directory -> acknowledged
 *
 * Drops of one turn of the event loop share one file, and what arrives while one is written shares
 * the next. The directory is synced through the group commit, so that one that fails, whoever asked
 * for it, fails the drops too.
 *
 * If the file cannot be written the drops stay noted in memory, and go with the next attempt: that of
 * another drop, a merge or a snapshot.
 */
import { DiskError, type DiskFile } from "../disk.ts";
import type { PutSink } from "../engine.ts";
import { SinkList } from "../sink-list.ts";
import { StorageError } from "../storage-error.ts";
import { DROPS_NAME, DROPS_TEMPORARY_NAME, encodeDrops } from "./drop-format.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { LogState } from "./log-state.ts";

export class DropWriter {
  readonly #state: LogState;
  readonly #commit: GroupCommit;
  /** Wait for the next file. */
  readonly #awaiting = new SinkList();
  /** Wait for the one that is being written. */
  readonly #inWrite = new SinkList();
  /** Whether there are drops that no file holds. */
  #isDirty = false;
  #isScheduled = false;
  #isWriting = false;

  constructor(state: LogState, commit: GroupCommit) {
    this.#state = state;
    this.#commit = commit;
  }

  /** Something was added to the drops. */
  noteDrop(): void {
    this.#isDirty = true;
  }

  /** Tells `sink` when all drops so far are on stable storage; at once if they are. */
  acknowledge(sink: PutSink): void {
    if (!this.#isDirty && !this.#isWriting) {
      sink.stored();
      return;
    }
    this.#awaiting.push(sink);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isWriting) return;
    this.#isScheduled = true;
    this.#state.deps.clock.defer(() => {
      this.#isScheduled = false;
      this.#write();
    });
  }

  #write(): void {
    this.#isWriting = true;
    this.#isDirty = false;
    this.#inWrite.takeFrom(this.#awaiting);
    const { disk } = this.#state.deps;
    this.#guarded(() => {
      disk.remove(DROPS_TEMPORARY_NAME);
      const file = disk.open(DROPS_TEMPORARY_NAME);
      this.#guarded(() => file.write(encodeDrops(this.#state.dropped), 0), file);
      if (this.#isWriting) file.sync((error) => this.#onSynced(file, error));
    });
  }

  #onSynced(file: DiskFile, error: Error | undefined): void {
    file.close();
    if (error !== undefined) {
      this.#commit.failSync(error);
      this.#end(this.#commit.refusal ?? error);
      return;
    }
    this.#guarded(() => {
      this.#state.deps.disk.rename(DROPS_TEMPORARY_NAME, DROPS_NAME);
      this.#state.segments.noteNames();
      this.#commit.acknowledge("fsync", {
        stored: () => this.#end(undefined),
        putFailed: (failure) => this.#end(failure),
      });
    });
  }

  #end(error: Error | undefined): void {
    this.#isWriting = false;
    if (error !== undefined) this.#isDirty = true;
    this.#inWrite.settle(error);
    if (this.#awaiting.count === 0) return;
    // They came while it was written, and wanted nothing that it does not hold.
    if (!this.#isDirty && !this.#isWriting) this.#awaiting.settle(undefined);
    else this.#schedule();
  }

  /** Runs `action`; if the disk refuses, closes `file` and ends the attempt. */
  #guarded(action: () => void, file?: DiskFile): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      file?.close();
      if (error.code !== "FULL") this.#commit.failSync(error);
      const full = new StorageError("FULL", `the disk is full: ${error.message}`, { cause: error });
      this.#end(error.code === "FULL" ? full : (this.#commit.refusal ?? error));
    }
  }
}
