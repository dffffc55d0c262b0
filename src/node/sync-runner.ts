/**
 * Keeps one sync going for the newest layout: begins it when the layout gives this member something,
 * ends it when another layout comes, takes over what is done already, and tells when it is through.
 *
 * Beginning and ending wait for disk and network, so they stand in one queue; what counts is always the
 * history that is in use when a turn comes.
 */
import type { Ask } from "../codec/ask.ts";
import { type LeftProgress, RangeSync, type RangeSyncState } from "../healing/range-sync.ts";
import { dutyIdentity } from "../healing/sync-progress.ts";
import type { TaskHandle, TaskRegister } from "../healing/tasks.ts";
import { type LayoutHistory, dutiesOf, headOf } from "../layout/history.ts";
import type { Layout } from "../layout/layout.ts";
import type { SyncDuty } from "../layout/transition.ts";
import type { Clock, Logger } from "../model/deps.ts";
import type { Disk } from "../storage/disk.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { asRecord } from "../util/untrusted.ts";
import { loadDocument, saveDocument } from "./documents.ts";
import type { LayoutKeeper } from "./layout-keeper.ts";

const DOCUMENT = "sync.json";

/** What every sync of a member needs, whatever it is for. */
export interface SyncDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly engine: StorageEngine;
  readonly tasks: TaskRegister;
  readonly ask: Ask;
  readonly isAlive: (memberId: string) => boolean;
  readonly nameOf: (memberId: string) => string;
  readonly observe: (timestamp: number) => void;
}

export interface SyncRunnerDeps extends SyncDeps {
  readonly disk: Disk;
  readonly keeper: LayoutKeeper;
}

export interface SyncOptions {
  readonly streamBytesPerSecond: number;
}

/** One sync with its task. */
export class SyncTask {
  readonly sync: RangeSync;
  readonly task: TaskHandle;

  constructor(
    deps: SyncDeps & { readonly onProgress: (state: RangeSyncState) => void },
    options: SyncOptions,
    about: { kind: "sync" | "rebuild"; subject: string; title: string; total: number },
  ) {
    this.sync = new RangeSync(
      { ...deps, onProgress: () => this.#tell(deps.onProgress) },
      { bytesPerSecond: options.streamBytesPerSecond },
    );
    this.task = deps.tasks.open(
      { ...about, unit: "ranges" },
      {
        progress: () => {
          const { bytes, share } = this.sync.state();
          return { bytes, share };
        },
        pause: () => this.sync.pause(),
        resume: () => Promise.resolve(this.sync.resume()),
        cancel: () => this.sync.cancel(),
      },
    );
  }

  #tell(onProgress: (state: RangeSyncState) => void): void {
    const state = this.sync.state();
    const { phase, reason, rangesDone: done, rangesTotal: total, bytes, share } = state;
    const isActive = phase === "running" || phase === "paused";
    this.task.update({ ...(isActive && { state: phase }), done, total, bytes, share });
    if (phase === "waiting") this.task.wait(reason ?? "nobody can be asked");
    else if (phase === "failed") this.task.fail(reason ?? "unknown");
    else if (phase === "cancelled") this.task.cancelled();
    else if (phase === "done") this.task.finish();
    onProgress(state);
  }
}

interface Running {
  readonly layout: Layout;
  readonly job: SyncTask;
}

export class SyncRunner {
  readonly #deps: SyncRunnerDeps;
  readonly #options: SyncOptions;
  #memberId = "";
  #running: Running | undefined;
  #queue: Promise<void> = Promise.resolve();
  #isQueued = false;
  #isStopped = false;
  #saving: Promise<void> | undefined;
  #isSaveDue = false;

  constructor(deps: SyncRunnerDeps, options: SyncOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  start(memberId: string): void {
    this.#memberId = memberId;
    this.review();
  }

  /** The sync that is under way, if one is. */
  get state(): RangeSyncState | undefined {
    return this.#running?.job.sync.state();
  }

  /** The history may be another one now. */
  review(): void {
    if (this.#isQueued || this.#memberId === "") return;
    this.#isQueued = true;
    this.#queue = this.#queue.then(() => this.#turn());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#queue;
    await this.#running?.job.sync.stop();
    if (this.#running !== undefined) this.#save();
    await this.#saving;
  }

  async #turn(): Promise<void> {
    this.#isQueued = false;
    const { history, facts, duties } = this.#deps.keeper;
    if (this.#isStopped || history === undefined) return;
    const head = headOf(history);
    if (this.#running?.layout.version.hash === head.version.hash) return;
    await this.#end();
    const { hash } = head.version;
    this.#deps.tasks.supersede(({ kind, subject }) => kind === "sync" && subject !== hash);
    const own = dutiesOf(history, this.#memberId, duties);
    if (own.length === 0 || facts.synced?.hash === hash) {
      this.#deps.tasks.supersede(({ kind }) => kind === "sync");
      return;
    }
    this.#begin(history, own);
  }

  async #end(): Promise<void> {
    const ended = this.#running;
    if (ended === undefined) return;
    await ended.job.sync.stop();
    this.#save();
    await this.#saving;
    ended.job.task.cancelled();
    this.#running = undefined;
  }

  #begin(history: LayoutHistory, duties: readonly SyncDuty[]): void {
    const layout = headOf(history);
    const { counter, hash } = layout.version;
    const job = new SyncTask(
      { ...this.#deps, onProgress: (state) => this.#progressed(layout, state) },
      this.#options,
      {
        kind: "sync",
        subject: hash,
        title: `fetch ${duties.length} ranges for layout ${counter}`,
        total: duties.length,
      },
    );
    this.#running = { layout, job };
    job.sync.start(duties, this.#left(history, duties));
  }

  /** What an earlier sync had fetched, as far as it still holds. */
  #left(history: LayoutHistory, duties: readonly SyncDuty[]): LeftProgress | undefined {
    const document = loadDocument(this.#deps.disk, DOCUMENT);
    if (document === undefined) return undefined;
    const { layout, progress } = asRecord(document, DOCUMENT);
    const since = history.layouts.findIndex(({ version }) => version.hash === layout);
    if (since < 0) return undefined;
    const asked = history.layouts
      .slice(since)
      .map((one) => dutiesOf(history, this.#memberId, this.#deps.keeper.duties, one));
    return { record: progress, duties: lastingDuties(duties, asked) };
  }

  #progressed(layout: Layout, { phase }: RangeSyncState): void {
    this.#save();
    if (phase !== "done") return;
    // Progress is told for durable data only, so the layout is synced on stable storage.
    this.#deps.keeper.markSynced(layout);
  }

  /** Writes down how far the sync is; while that is under way, once more at the most. */
  #save(): void {
    this.#isSaveDue = true;
    this.#saving ??= this.#saveAll().finally(() => (this.#saving = undefined));
  }

  async #saveAll(): Promise<void> {
    while (this.#isSaveDue && this.#running !== undefined) {
      this.#isSaveDue = false;
      try {
        const { layout, job } = this.#running;
        const document = { layout: layout.version.hash, progress: job.sync.record() };
        await saveDocument(this.#deps.disk, DOCUMENT, document);
      } catch (error) {
        // It is only for not doing it again.
        this.#deps.logger.warn("sync.record-not-saved", { error: String(error) });
      }
    }
  }
}

/**
 * The duties that each of several layouts in turn has. If one in between had given the range to
 * others, writes would have passed this member by in the meantime.
 */
function lastingDuties(
  duties: readonly SyncDuty[],
  asked: readonly (readonly SyncDuty[])[],
): readonly SyncDuty[] {
  const identities = asked.map((list) => new Set(list.map(dutyIdentity)));
  return duties.filter((duty) => {
    const identity = dutyIdentity(duty);
    return identities.every((known) => known.has(identity));
  });
}
