/** A clock that stands still until a test moves it on, by hand or until something has happened. */
import type { Clock, Timer } from "./deps.ts";

export class ManualClock implements Clock {
  nowMs = 1_000_000;
  readonly #timers = new Set<{ atMs: number; callback: () => void }>();
  readonly #deferred: (() => void)[] = [];

  get pendingTimers(): number {
    return this.#timers.size;
  }

  wallMs(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }

  /** Runs what was deferred until now: true if there was anything. */
  runDeferred(): boolean {
    const due = this.#deferred.splice(0);
    for (const callback of due) callback();
    return due.length > 0;
  }

  /** Moves on in steps, so that timers that set timers keep their pace. */
  advance(byMs: number, stepMs = 5): void {
    for (const endMs = this.nowMs + byMs; this.nowMs < endMs;) {
      this.nowMs = Math.min(this.nowMs + stepMs, endMs);
      for (const timer of Array.from(this.#timers)) {
        if (timer.atMs > this.nowMs || !this.#timers.delete(timer)) continue;
        timer.callback();
      }
    }
  }

  /** Lets time pass until the condition holds: true; or until nothing happens, or for so long: false. */
  async runUntil(condition: () => boolean, forMs = 3_600_000): Promise<boolean> {
    const endMs = this.nowMs + forMs;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (condition()) return true;
      if (this.runDeferred()) continue;
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) {
        this.nowMs = endMs;
        return condition();
      }
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.#timers.delete(next);
      next.callback();
    }
  }

  /** Time for a promise to settle. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const watched = promise.finally(() => (isSettled = true));
    watched.catch(() => undefined);
    await this.runUntil(() => isSettled);
    return promise;
  }

  /** Lets everything happen that happens within this time. */
  async runFor(forMs: number): Promise<void> {
    await this.runUntil(() => false, forMs);
  }
}
