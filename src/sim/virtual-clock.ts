/**
 * Virtual time: one queue of events for the whole cluster, and a clock for each member that runs.
 *
 *     take the earliest event -> run it -> run all promise callbacks -> run what it deferred -> ...
 *
 * Everything that happens is such an event: a timer that is due, a frame that arrives, a client's
 * call. Events are ordered by (time, order of registration), so a seed gives one history. Time jumps
 * from event to event: a minute in which nothing happens costs nothing.
 *
 * A `ProcessClock` belongs to one process, from its start to its death. Killing it is a crash: none
 * of its timers, frames and deferred callbacks ever runs again, and since code only moves through
 * these, the process stops wherever it was. Freezing it is SIGSTOP: what is due waits, and comes all
 * at once when it goes on.
 */
import type { Clock, Timer } from "../model/deps.ts";
import { type Uint32Source, randomFraction } from "../util/random.ts";
import { assert } from "../util/assert.ts";
import { EventQueue } from "./event-queue.ts";
import { drainPromises } from "./host.ts";

/** Timers of a process wait for its loop like anything else; `input` is what comes from outside. */
export type EventKind = "timer" | "input";

interface TimedEvent extends Timer {
  readonly atMs: number;
  readonly sequence: number;
  readonly kind: EventKind;
  readonly owner: ProcessClock | undefined;
  callback: (() => void) | undefined;
}

/** The wall clock of one machine: what it shows differs from real time, and may jump. */
export interface WallClock {
  /** Added to real time. May be changed at any moment: a jump. */
  skewMs: number;
}

/** Start of virtual time on a wall clock that is right. */
export const WALL_START_MS = 1_790_000_000_000;

export class VirtualTime {
  readonly #queue = new EventQueue<TimedEvent>();
  #deferred: { owner: ProcessClock | undefined; callback: () => void }[] = [];
  #nowMs = 0;
  #sequence = 0;
  #eventCount = 0;
  readonly #onError: (error: unknown) => void;

  /** `onError` hears what an event threw: in production that ends the process. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that ran so far. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** Runs `callback` at `atMs`, for a process or, without one, for the simulation itself. */
  schedule(
    atMs: number,
    callback: () => void,
    owner?: ProcessClock,
    kind: EventKind = "input",
  ): Timer {
    assert(Number.isFinite(atMs), () => `an event at ${atMs} ms`);
    const event: TimedEvent = {
      atMs: Math.max(atMs, this.#nowMs),
      sequence: this.#sequence++,
      kind,
      owner,
      callback,
      cancel: () => {
        event.callback = undefined;
      },
    };
    this.#queue.push(event);
    return event;
  }

  defer(callback: () => void, owner?: ProcessClock): void {
    this.#deferred.push({ owner, callback });
  }

  async runFor(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await this.runUntil(() => false, endMs);
  }

  /** As `runUntil` for a condition that is dear to judge: looks every `periodMs`. */
  async poll(condition: () => boolean, periodMs: number, deadlineMs: number): Promise<boolean> {
    while (!condition()) {
      if (this.#nowMs >= deadlineMs) return false;
      await this.runFor(periodMs);
    }
    return true;
  }

  /** Runs events until `condition` holds: true; or until `deadlineMs`: false. */
  async runUntil(condition: () => boolean, deadlineMs: number): Promise<boolean> {
    await this.#settle();
    for (;;) {
      if (condition()) return true;
      const event = this.#queue.peek();
      if (event === undefined || event.atMs > deadlineMs) {
        this.#nowMs = Math.max(this.#nowMs, deadlineMs);
        return condition();
      }
      this.#queue.pop();
      const { callback, owner } = event;
      if (callback === undefined || owner?.isDead === true) continue;
      if (owner?.isFrozen === true) {
        owner.hold(event);
        continue;
      }
      this.#nowMs = event.atMs;
      event.callback = undefined;
      this.#eventCount++;
      this.#run(callback);
      await this.#settle();
    }
  }

  #run(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Ends the turn: promise callbacks, then what was deferred, until neither is left. */
  async #settle(): Promise<void> {
    await drainPromises();
    while (this.#deferred.length > 0) {
      const batch = this.#deferred;
      this.#deferred = [];
      for (const { owner, callback } of batch) if (owner?.isDead !== true) this.#run(callback);
      await drainPromises();
    }
  }
}

export interface ProcessClockDeps {
  readonly time: VirtualTime;
  readonly rng: Uint32Source;
  readonly wall: WallClock;
}

export interface ProcessClockOptions {
  /** Timers come up to this much too late. */
  readonly timerLatenessMs: number;
}

export class ProcessClock implements Clock {
  readonly #deps: ProcessClockDeps;
  readonly #latenessMs: number;
  readonly #startMs: number;
  #isDead = false;
  #frozenSinceMs: number | undefined;
  #frozenMs = 0;
  #held: TimedEvent[] = [];
  #pendingTimers = 0;

  constructor(deps: ProcessClockDeps, options: ProcessClockOptions) {
    this.#deps = deps;
    this.#latenessMs = options.timerLatenessMs;
    this.#startMs = deps.time.nowMs;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isFrozen(): boolean {
    return this.#frozenSinceMs !== undefined;
  }

  /** Timers set that neither ran nor were cancelled. */
  get pendingTimers(): number {
    return this.#pendingTimers;
  }

  /** How long this process was frozen so far. */
  get frozenMs(): number {
    const since = this.#frozenSinceMs;
    return this.#frozenMs + (since === undefined ? 0 : this.#deps.time.nowMs - since);
  }

  wallMs(): number {
    return WALL_START_MS + this.#deps.time.nowMs + this.#deps.wall.skewMs;
  }

  monotonicMs(): number {
    return this.#deps.time.nowMs - this.#startMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    assert(delayMs >= 0, () => `a timer of ${delayMs} ms`);
    const { time, rng } = this.#deps;
    const lateMs = this.#latenessMs === 0 ? 0 : randomFraction(rng) * this.#latenessMs;
    let isPending = true;
    const settle = (): void => {
      if (isPending) this.#pendingTimers--;
      isPending = false;
    };
    this.#pendingTimers++;
    const run = (): void => {
      settle();
      callback();
    };
    const event = time.schedule(time.nowMs + delayMs + lateMs, run, this, "timer");
    return {
      cancel: () => {
        settle();
        event.cancel();
      },
    };
  }

  defer(callback: () => void): void {
    this.#deps.time.defer(callback, this);
  }

  /** Something from outside happens to this process at `atMs`: a frame, a client's call. */
  input(atMs: number, callback: () => void): Timer {
    return this.#deps.time.schedule(atMs, callback, this, "input");
  }

  /** A crash. */
  kill(): void {
    this.#isDead = true;
    this.#held = [];
  }

  /** SIGSTOP. */
  freeze(): void {
    assert(!this.#isDead, "only a living process can be stopped");
    this.#frozenSinceMs ??= this.#deps.time.nowMs;
  }

  /** SIGCONT. Whether timers or input come first depends on where in its loop the process stood. */
  thaw(first: EventKind): void {
    if (this.#frozenSinceMs === undefined) return;
    const { time } = this.#deps;
    this.#frozenMs = this.frozenMs;
    this.#frozenSinceMs = undefined;
    const held = this.#held;
    this.#held = [];
    for (const isFirst of [true, false]) {
      for (const event of held) {
        if ((event.kind === first) !== isFirst) continue;
        time.schedule(time.nowMs, () => event.callback?.(), this, event.kind);
      }
    }
  }

  /** @internal Keeps an event that became due while this process is frozen. */
  hold(event: TimedEvent): void {
    this.#held.push(event);
  }
}
