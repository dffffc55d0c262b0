/**
 * Fetches what this member must have before anybody may read from it: the duties of one layout version.
 *
 *     duties ->  a few workers, each: choose a duty and a holder -> one chunk -> merge -> next turn
 *                every so often, and when nothing is left: sync the store, then it counts
 *
 * The unit of work is a chunk. Between two chunks a worker holds nothing, so duties that cannot go
 * on (their holders are down, or do not live in our layout version yet) never keep others waiting,
 * and pausing, failing and stopping are one thing: the session ends, and what is still on its way is
 * dropped when it comes. Nothing is put after the session's end; whoever goes on asks again.
 *
 * Cells are put at durability `memory` and made durable in groups by `sync`: a stream may be
 * repeated, so it needs no fsync of its own per cell, only an honest record of how far it is.
 *
 * Memory is bounded by the chunks in flight; time on the event loop by the size of a chunk; load on
 * disk and network by the throttle.
 */
import { FrameError } from "../codec/frames.ts";
import type { SyncDuty } from "../layout/transition.ts";
import type { Clock, Logger } from "../model/deps.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { assert, must } from "../util/assert.ts";
import { type Ask, AskError } from "../codec/ask.ts";
import { ChunkIntake, type Pull, StoreFailure, type StreamTraffic } from "./chunk-intake.ts";
import { MovingRate } from "./moving-rate.ts";
import { Session, SessionOver } from "./session.ts";
import { SourceChoice } from "./source-choice.ts";
import {
  DutyProgress,
  type HolderPass,
  type Position,
  type SyncRecord,
  recordProgress,
  restoreProgress,
} from "./sync-progress.ts";
import { Throttle } from "./throttle.ts";

export interface RangeSyncDeps {
  readonly engine: Pick<StorageEngine, "put" | "head" | "sync">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ask: Ask;
  readonly isAlive: (memberId: string) => boolean;
  /** How people know a member, e.g. its address. */
  readonly nameOf?: ((memberId: string) => string) | undefined;
  /** Hears the newest timestamp of each chunk, so that this member's clock does not fall behind. */
  readonly observe?: ((timestamp: number) => void) | undefined;
  /** The state has changed: progress became durable, or the phase is another one. */
  readonly onProgress?: (() => void) | undefined;
}

export interface RangeSyncOptions {
  /** Larger: sooner done. Smaller: less is taken from clients' operations. */
  readonly bytesPerSecond: number;
  /** The same for cells, heads included: what counts when they are small. */
  readonly cellsPerSecond: number;
  /** Bounds of one chunk, which source and receiver handle in one turn of the event loop. */
  readonly chunkBytes: number;
  readonly chunkCells: number;
  /** Duties worked at the same time, at most. */
  readonly dutiesInFlight: number;
  /** Progress is made durable after so many bytes or so long. */
  readonly checkpointBytes: number;
  readonly checkpointMs: number;
  /** The first wait after a failure; it doubles up to the other. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
}

/**
 * A chunk of small cells takes either side a fraction of a millisecond (bench/stream.bench.ts), which
 * is what a client's operation waits for at most; what clients notice of it all shows
 * bench/latency-while-moving.ts.
 */
export const DEFAULT_RANGE_SYNC_OPTIONS: RangeSyncOptions = {
  bytesPerSecond: 16 << 20,
  cellsPerSecond: 20_000,
  chunkBytes: 64 << 10,
  chunkCells: 128,
  dutiesInFlight: 2,
  checkpointBytes: 32 << 20,
  checkpointMs: 5000,
  retryMinMs: 100,
  retryMaxMs: 5000,
};

/** How far an earlier sync had come. */
export interface LeftProgress {
  /** As `record` gave it, after a way through a file. */
  readonly record: unknown;
  /**
   * Duties that this member has had ever since: only then has it been sent whatever was written
   * behind the point that it had reached.
   */
  readonly duties: readonly SyncDuty[];
}

/**
 * `waiting` is running while nobody who is needed can be asked; `reason` names them. `failed` may be
 * resumed when its reason is gone. `done` and `cancelled` are final; so is `stopped`, for this object.
 */
export type RangeSyncPhase =
  | "idle"
  | "running"
  | "waiting"
  | "paused"
  | "failed"
  | "done"
  | "cancelled"
  | "stopped";

export interface RangeSyncState {
  readonly phase: RangeSyncPhase;
  /** Why it waits or failed. */
  readonly reason: string | undefined;
  /** Duties that are met durably, and all of them. */
  readonly rangesDone: number;
  readonly rangesTotal: number;
  /** Since this object was made: cells that came with their content, bytes of their keys and values. */
  readonly cells: number;
  readonly bytes: number;
  readonly traffic: readonly StreamTraffic[];
  /** Chunks that came damaged and were asked for again. */
  readonly damagedChunks: number;
  /** How far it is, 0 .. 1, by share of the ring. */
  readonly share: number;
  readonly etaSeconds: number | undefined;
}

const REASONS_MAX = 5;

export class RangeSync {
  readonly #deps: RangeSyncDeps;
  readonly #options: RangeSyncOptions;
  readonly #choice: SourceChoice;
  readonly #intake: ChunkIntake;
  readonly #rate = new MovingRate();
  #all: readonly DutyProgress[] = [];
  /** Duties that need more chunks, in order. */
  readonly #open = new Set<DutyProgress>();
  /** Duties whose progress is not durable yet. */
  readonly #dirty = new Set<DutyProgress>();
  #phase: Exclude<RangeSyncPhase, "waiting"> = "idle";
  #isWaiting = false;
  #failure: string | undefined;
  #session: Session | undefined;
  /** The end of all work that was begun so far. */
  #ended: Promise<void> = Promise.resolve();
  #checkpointing: Promise<void> | undefined;
  #checkpointAtMs = 0;
  #checkpointAtBytes = 0;
  #busyCount = 0;
  #damagedChunks = 0;
  #finishedCount = 0;
  #weight = 0;
  /** Sum of weight times share over all duties. */
  #covered = 0;

  constructor(deps: RangeSyncDeps, options: Partial<RangeSyncOptions> = {}) {
    this.#deps = deps;
    this.#options = { ...DEFAULT_RANGE_SYNC_OPTIONS, ...options };
    this.#choice = new SourceChoice(deps, this.#options);
    const throttle = new Throttle(deps, this.#options);
    this.#intake = new ChunkIntake({ ...deps, throttle }, this.#options);
  }

  /**
   * Begins with these duties of this member.
   *
   * @param left - what an earlier start left, and for which of the duties it holds
   * @throws UntrustedDataError if the record is none
   */
  start(duties: readonly SyncDuty[], left?: LeftProgress): void {
    assert(this.#phase === "idle", "a sync is started once");
    this.#all = duties.map((duty, index) => new DutyProgress(duty, index));
    if (left !== undefined) {
      const lasting = new Set(left.duties);
      const lastingProgress = this.#all.filter(({ duty }) => lasting.has(duty));
      restoreProgress(lastingProgress, left.record);
    }
    for (const progress of this.#all) {
      this.#weight += progress.weight;
      if (progress.isFinished) this.#finishedCount++;
      else if (isMetNow(progress)) this.#dirty.add(progress);
      else this.#open.add(progress);
      this.#covered += progress.weight * shareOf(progress);
    }
    const { length: ranges } = this.#all;
    this.#deps.logger.info("sync.started", { ranges, rangesDone: this.#finishedCount });
    this.#run();
  }

  /** Lets the chunks go that are under way; resolves when nothing is done any more. */
  async pause(): Promise<void> {
    if (this.#phase !== "running") return this.#ended;
    await this.#end("paused");
  }

  /** Goes on after a pause or a failure. */
  resume(): void {
    if (this.#phase !== "paused" && this.#phase !== "failed") return;
    this.#run();
    this.#changed();
  }

  /** Gives up for good. Nothing is put after this call. */
  async cancel(): Promise<void> {
    if (this.#phase === "done" || this.#phase === "stopped") return this.#ended;
    await this.#end("cancelled");
  }

  /** Ends the work of this object, to be taken up by another one; resolves when nothing is left of it. */
  async stop(): Promise<void> {
    const isOver = this.#phase === "done" || this.#phase === "cancelled";
    await (isOver ? this.#ended : this.#end("stopped"));
  }

  /** The durable progress, as plain JSON for `start`. */
  record(): SyncRecord {
    return recordProgress(this.#all);
  }

  state(): RangeSyncState {
    const traffic = this.#intake.traffic();
    const isWaiting = this.#phase === "running" && this.#isWaiting;
    const nowMs = this.#deps.clock.monotonicMs();
    const share = this.#share();
    return {
      phase: isWaiting ? "waiting" : this.#phase,
      reason: isWaiting ? this.#obstacles() : this.#failure,
      rangesDone: this.#finishedCount,
      rangesTotal: this.#all.length,
      cells: traffic.reduce((sum, { cells }) => sum + cells, 0),
      bytes: traffic.reduce((sum, { bytes }) => sum + bytes, 0),
      traffic,
      damagedChunks: this.#damagedChunks,
      share,
      etaSeconds:
        this.#phase === "running"
          ? this.#rate.etaSeconds({ atMs: nowMs, value: share }, 1)
          : undefined,
    };
  }

  #run(): void {
    const session = new Session(this.#deps);
    this.#session = session;
    this.#phase = "running";
    this.#failure = undefined;
    this.#isWaiting = false;
    this.#rate.reset();
    const before = this.#ended;
    this.#ended = (async () => {
      // What an earlier session still waits for is out before anything new begins.
      await before;
      this.#checkpointAtMs = this.#deps.clock.monotonicMs();
      const { dutiesInFlight } = this.#options;
      await Promise.all(Array.from({ length: dutiesInFlight }, () => this.#work(session)));
      if (this.#phase === "paused" || this.#phase === "stopped") await this.#lastCheckpoint();
    })();
  }

  async #end(phase: "paused" | "cancelled" | "stopped"): Promise<void> {
    this.#phase = phase;
    this.#session?.end();
    this.#changed();
    await this.#ended;
  }

  async #work(session: Session): Promise<void> {
    try {
      while (!session.isOver) {
        const pull = this.#next();
        if (pull === undefined) await this.#rest(session);
        else await this.#pull(session, pull);
      }
    } catch (error) {
      if (error instanceof StoreFailure) this.#fail(session, error);
      else if (!(error instanceof SessionOver)) throw error;
    }
  }

  /** The first duty that can go on, and where. */
  #next(): Pull | undefined {
    for (const progress of this.#open) {
      const pass = progress.isBusy ? undefined : this.#choice.pick(progress);
      if (pass === undefined) continue;
      const wantsValues = this.#choice.wantsValues(progress, pass);
      return { progress, pass, wantsValues };
    }
    return undefined;
  }

  async #pull(session: Session, pull: Pull): Promise<void> {
    const { progress, pass } = pull;
    const shareBefore = shareOf(progress);
    progress.isBusy = true;
    this.#busyCount++;
    this.#setWaiting(false);
    try {
      await this.#intake.pull(session, pull);
      this.#choice.succeeded(pass);
    } catch (error) {
      this.#take(error, pass);
    } finally {
      progress.isBusy = false;
      this.#busyCount--;
    }
    this.#advanced(progress, shareBefore);
    if (this.#isCheckpointDue()) await this.#checkpoint();
    await session.yieldTurn();
  }

  #advanced(progress: DutyProgress, shareBefore: number): void {
    this.#dirty.add(progress);
    if (isMetNow(progress)) this.#open.delete(progress);
    this.#covered += progress.weight * (shareOf(progress) - shareBefore);
    this.#rate.add(this.#deps.clock.monotonicMs(), this.#share());
  }

  /** A failure of a source is its own affair; any other one ends the session. */
  #take(error: unknown, pass: HolderPass): void {
    const source = this.#nameOf(pass.holder);
    if (error instanceof FrameError) {
      this.#damagedChunks++;
      this.#choice.failed(pass, "sends damaged chunks");
      this.#deps.logger.warn("sync.damaged_chunk", { source, problem: error.message });
    } else if (error instanceof AskError) {
      if (error.code === "REFUSED") this.#choice.failed(pass, error.message);
      else this.#choice.unreachable(pass, error);
      this.#deps.logger.debug("sync.ask_failed", {
        source,
        code: error.code,
        problem: error.message,
      });
    } else {
      throw error;
    }
  }

  /** Nothing can be done at present, or at all. */
  async #rest(session: Session): Promise<void> {
    if (this.#busyCount === 0) {
      await this.#checkpoint();
      session.check();
      if (this.#finishedCount === this.#all.length) return this.#finish(session);
      this.#setWaiting(true);
    }
    await session.sleep(this.#options.retryMinMs);
  }

  #finish(session: Session): void {
    this.#phase = "done";
    session.end();
    const { bytes, cells, rangesTotal: ranges } = this.state();
    this.#deps.logger.info("sync.done", { ranges, bytes, cells });
    this.#changed();
  }

  #fail(session: Session, error: StoreFailure): void {
    if (session.isOver) return;
    this.#phase = "failed";
    this.#failure = error.message;
    session.end();
    this.#deps.logger.error("sync.failed", { reason: error.message });
    this.#changed();
  }

  #isCheckpointDue(): boolean {
    const { checkpointBytes, checkpointMs } = this.#options;
    const sinceMs = this.#deps.clock.monotonicMs() - this.#checkpointAtMs;
    return (
      sinceMs >= checkpointMs || this.#intake.bytes - this.#checkpointAtBytes >= checkpointBytes
    );
  }

  /** Makes the present progress durable. Throws StoreFailure. */
  async #checkpoint(): Promise<void> {
    while (this.#checkpointing !== undefined) await this.#checkpointing.catch(() => undefined);
    if (this.#dirty.size === 0) return;
    this.#checkpointing = this.#syncStore();
    try {
      await this.#checkpointing;
    } finally {
      this.#checkpointing = undefined;
    }
  }

  async #syncStore(): Promise<void> {
    const reached: { progress: DutyProgress; positions: readonly Position[] }[] = [];
    for (const progress of this.#dirty) {
      reached.push({ progress, positions: progress.passes.map(({ position }) => position) });
    }
    this.#dirty.clear();
    this.#checkpointAtMs = this.#deps.clock.monotonicMs();
    this.#checkpointAtBytes = this.#intake.bytes;
    try {
      await this.#deps.engine.sync();
    } catch (error) {
      for (const { progress } of reached) this.#dirty.add(progress);
      throw new StoreFailure(error as Error);
    }
    for (const { progress, positions } of reached) {
      for (const [index, pass] of progress.passes.entries()) {
        pass.durable = must(positions[index], "a position of each pass");
      }
      if (progress.isFinished || !progress.isMet(({ durable }) => durable)) continue;
      progress.isFinished = true;
      this.#finishedCount++;
    }
    this.#changed();
  }

  /** So that less is to be repeated. Failing at it is no failure of stopping. */
  async #lastCheckpoint(): Promise<void> {
    try {
      await this.#checkpoint();
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      this.#deps.logger.warn("sync.last_checkpoint_failed", { reason: error.message });
    }
  }

  #setWaiting(isWaiting: boolean): void {
    if (this.#isWaiting === isWaiting) return;
    this.#isWaiting = isWaiting;
    if (isWaiting) this.#deps.logger.info("sync.waiting", { reason: this.#obstacles() });
    this.#changed();
  }

  #obstacles(): string {
    const troubles = new Map<string, string>();
    for (const progress of this.#open) this.#choice.collectTroubles(progress, troubles);
    const all = [...troubles].map(([holder, text]) => `${this.#nameOf(holder)} ${text}`);
    const more = all.length > REASONS_MAX ? ` and ${all.length - REASONS_MAX} more` : "";
    return `waiting for members: ${all.slice(0, REASONS_MAX).join(", ")}${more}`;
  }

  #nameOf(memberId: string): string {
    return this.#deps.nameOf?.(memberId) ?? memberId;
  }

  #share(): number {
    return this.#open.size === 0 ? 1 : Math.min(1, this.#covered / this.#weight);
  }

  #changed(): void {
    this.#deps.onProgress?.();
  }
}

function isMetNow(progress: DutyProgress): boolean {
  return progress.isFinished || progress.isMet(({ position }) => position);
}

function shareOf(progress: DutyProgress): number {
  return progress.isFinished ? 1 : progress.share();
}
