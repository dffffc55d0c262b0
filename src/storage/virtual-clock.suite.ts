/** A clock that stands still until it is told to go on, for tests of engines. */
import type { Clock, Timer } from "../model/deps.ts";

interface PendingTimer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #order = 0;
  #deferred: (() => void)[] = [];
  #timers: PendingTimer[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, order: this.#order++, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Ends the present turn: runs what was deferred in it. False if there was nothing. */
  turn(): boolean {
    const callbacks = this.#deferred;
    this.#deferred = [];
    for (const callback of callbacks) callback();
    return callbacks.length > 0;
  }

  /** Turns until nothing is deferred any more; timers stay. */
  settle(): void {
    while (this.turn());
  }

  /** Runs the next timer, at its time. False if there is none. */
  nextTimer(): boolean {
    this.#timers.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    const timer = this.#timers.shift();
    if (timer === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.callback();
    return true;
  }

  /** Lets so much time pass. */
  advance(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    this.settle();
    while (this.#timers.some((timer) => timer.atMs <= endMs)) {
      this.nextTimer();
      this.settle();
    }
    this.#nowMs = endMs;
  }

  /** Runs everything until the promise is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    for (let idle = 0; !isSettled && idle < 100; idle++) {
      await Promise.resolve();
      if (this.turn() || (idle > 20 && this.nextTimer())) idle = 0;
    }
    return promise;
  }
}
