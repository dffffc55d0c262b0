/**
 * How fast a background stream may go: bytes and cells per second.
 *
 * Both count, because small cells cost by the piece and large ones by the byte. Whoever went through
 * owes time; the next one waits until the debt is paid. A pause is not saved up for a burst.
 */
import type { Clock } from "../model/deps.ts";

export interface ThrottleOptions {
  readonly bytesPerSecond: number;
  readonly cellsPerSecond: number;
}

export class Throttle {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #options: ThrottleOptions;
  #freeAtMs = 0;

  constructor(deps: { readonly clock: Pick<Clock, "monotonicMs"> }, options: ThrottleOptions) {
    this.#clock = deps.clock;
    this.#options = options;
  }

  /** Books what went through. */
  spend(bytes: number, cells: number): void {
    const { bytesPerSecond, cellsPerSecond } = this.#options;
    const costMs = 1000 * Math.max(bytes / bytesPerSecond, cells / cellsPerSecond);
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#clock.monotonicMs()) + costMs;
  }

  /** How long the next one has to wait. */
  waitMs(): number {
    return Math.max(0, this.#freeAtMs - this.#clock.monotonicMs());
  }
}
