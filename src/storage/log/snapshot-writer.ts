/**
 * Writes index snapshots while the engine works.
 *
 * A snapshot stands for one place of the log: the end at its beginning. It is written in steps,
 * through a scan, which shows the index as of that moment however long it takes and keeps the
 * segments it points to from being removed. Before it takes the place of the one before, by an atomic
 * rename, the log is synced: a snapshot must not know of records that a crash could take away,
 * because it would hide the older records of the same cells, which the crash could not. For the same
 * reason the drops whose cells it leaves out are stored first.
 *
 * A merge may move records meanwhile. Then the snapshot names the old place; the copy lies in the log
 * behind the snapshot's place, where replay finds it.
 *
 * A snapshot that cannot be written (full disk) is given up; the one before stays good.
 */
import type { Timer } from "../../model/deps.ts";
import { DiskError, type DiskFile } from "../disk.ts";
import type { Cells } from "./cells.ts";
import { renameSynced } from "./directory-sync.ts";
import type { DropWriter } from "./drop-writer.ts";
import type { GroupCommit } from "./group-commit.ts";
import { LogScan } from "./log-scan.ts";
import type { LogState } from "./log-state.ts";
import { Entry } from "./record.ts";
import { SNAPSHOT_NAME, SNAPSHOT_TEMPORARY_NAME, SnapshotEncoder } from "./snapshot-format.ts";

const ENTRIES_PER_STEP = 2000;
const WHOLE_RING = { startHi: 0, startLo: 0, endHi: 0, endLo: 0 };

interface SnapshotOptions {
  /** Without pauses between the steps. */
  readonly isUrgent: boolean;
  /** Called once; without error when the snapshot is in force. */
  readonly done: (error: Error | undefined) => void;
}

export class SnapshotWriter {
  readonly #state: LogState;
  readonly #commit: GroupCommit;
  readonly #drops: DropWriter;
  #run: SnapshotRun | undefined;
  /** `writtenBytes` of the log when the last snapshot in force began. */
  #coveredLogBytes = 0;
  #snapshots = 0;

  constructor(state: LogState, commit: GroupCommit, drops: DropWriter) {
    this.#state = state;
    this.#commit = commit;
    this.#drops = drops;
  }

  /** Snapshots written since the engine was opened. */
  get snapshots(): number {
    return this.#snapshots;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /** Log that was written since the last snapshot began. */
  get uncoveredLogBytes(): number {
    return this.#commit.writtenBytes - this.#coveredLogBytes;
  }

  start(options: SnapshotOptions): void {
    const logBytes = this.#commit.writtenBytes;
    const done = (error: Error | undefined): void => {
      this.#run = undefined;
      if (error === undefined) {
        this.#snapshots++;
        this.#coveredLogBytes = logBytes;
      } else {
        this.#state.deps.logger.warn("storage.snapshot_given_up", { error: error.message });
      }
      options.done(error);
    };
    const parts = { state: this.#state, commit: this.#commit, drops: this.#drops };
    const run = new SnapshotRun(parts, { ...options, done });
    this.#run = run;
    run.start();
  }

  /** Gives up the one that is being written, if any. */
  cancel(): void {
    this.#run?.end(new Error("cancelled"));
  }
}

interface SnapshotParts {
  readonly state: LogState;
  readonly commit: GroupCommit;
  readonly drops: DropWriter;
}

class SnapshotRun {
  readonly #state: LogState;
  readonly #commit: GroupCommit;
  readonly #drops: DropWriter;
  readonly #options: SnapshotOptions;
  readonly #sequence: number;
  readonly #keyspaces: (readonly [number, Cells])[];
  readonly #entry = new Entry();
  #file: DiskFile | undefined;
  #encoder: SnapshotEncoder | undefined;
  #scan: LogScan | undefined;
  #pause: Timer | undefined;
  #isEnded = false;

  constructor({ state, commit, drops }: SnapshotParts, options: SnapshotOptions) {
    this.#state = state;
    this.#commit = commit;
    this.#drops = drops;
    this.#options = options;
    this.#sequence = state.scans.open();
    this.#keyspaces = [...state.keyspaces()];
  }

  start(): void {
    const { disk } = this.#state.deps;
    this.#guarded(() => {
      disk.remove(SNAPSHOT_TEMPORARY_NAME);
      this.#file = disk.open(SNAPSHOT_TEMPORARY_NAME);
      this.#encoder = new SnapshotEncoder(this.#file, this.#state.options.snapshotStepBytes);
      this.#encoder.begin(this.#commit.end);
      this.#step();
    });
  }

  /** Finishes with or without error; later calls do nothing. */
  end(error: Error | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#pause?.cancel();
    this.#file?.close();
    this.#state.scans.close(this.#sequence);
    this.#options.done(error);
  }

  #step(): void {
    const keyspace = this.#keyspaces[0];
    if (keyspace === undefined) {
      this.#encoder?.end();
      const putFailed = (error: Error): void => this.end(error);
      this.#commit.acknowledge("fsync", {
        stored: () => this.#drops.acknowledge({ stored: () => this.#syncFile(), putFailed }),
        putFailed,
      });
      return;
    }
    const [keyspaceId, cells] = keyspace;
    this.#scan ??= new LogScan(
      { cells, readValue: () => undefined, onClose: () => {} },
      { span: WHOLE_RING, values: false, sequence: this.#sequence },
    );
    const count = this.#scan.nextStates(ENTRIES_PER_STEP, (slot) => {
      const entry = this.#entry;
      cells.describe(slot, entry);
      entry.keyspaceId = keyspaceId;
      const place = { segmentId: cells.segmentId(slot), offset: cells.offset(slot) };
      this.#encoder?.add(entry, place);
    });
    if (count === 0) {
      this.#keyspaces.shift();
      this.#scan = undefined;
    }
    this.#afterPause(() => this.#step());
  }

  #afterPause(next: () => void): void {
    const { clock } = this.#state.deps;
    const guarded = (): void => {
      if (!this.#isEnded) this.#guarded(next);
    };
    if (this.#options.isUrgent) clock.defer(guarded);
    else this.#pause = clock.setTimer(this.#state.options.mergePauseMs, guarded);
  }

  /** The file's content, then its name, then the name's place in the directory. */
  #syncFile(): void {
    if (this.#isEnded) return;
    const { disk } = this.#state.deps;
    this.#guarded(() =>
      this.#file?.sync((syncError) => {
        if (syncError !== undefined) this.end(syncError);
        if (this.#isEnded) return;
        this.#guarded(() => {
          renameSynced(disk, SNAPSHOT_TEMPORARY_NAME, SNAPSHOT_NAME, (error) => {
            // New segments stand in the same directory, so this concerns the log too.
            if (error !== undefined) this.#commit.failSync(error);
            this.end(error);
          });
        });
      }),
    );
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.end(error);
    }
  }
}
