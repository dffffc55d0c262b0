/**
 * How fast a background stream may go: so many bytes and cells per second at most, and less while it
 * would be in the way of clients.
 *
 * Both limits count, because small cells cost by the piece and large ones by the byte. Whoever went
 * through owes time; the next one waits until the debt is paid. A pause is not saved up for a burst.
 *
 * Whoever waits also notices how late it is woken. On an idle machine that is a millisecond at most;
 * where it is more, the event loop or the processor has much else to do, and what clients ask for
 * comes late too. Then the stream slows down at once, and speeds up little by little when it is woken
 * in time again. (Additive increase, multiplicative decrease: Chiu and Jain, 1989.)
 */
import type { Clock } from "../model/deps.ts";

export interface ThrottleOptions {
  readonly bytesPerSecond: number;
  readonly cellsPerSecond: number;
}

/** Timers are exact to a millisecond, and one turn of clients' requests may take another one. */
const LATE_MS = 2;
const SLOWER_BY = 0.5;
const FASTER_PER_SECOND = 0.1;
/** What goes through rarely enough need not become any rarer. */
const SLOWER_MAX_MS = 500;
/** Streams go on, however busy the machine is. */
const SHARE_MIN = 0.05;
/** They begin slowly: how busy it is turns out on the way. */
const SHARE_AT_FIRST = 0.05;

export class Throttle {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #options: ThrottleOptions;
  #freeAtMs = 0;
  /** Of the greatest speed. */
  #share = SHARE_AT_FIRST;

  constructor(deps: { readonly clock: Pick<Clock, "monotonicMs"> }, options: ThrottleOptions) {
    this.#clock = deps.clock;
    this.#options = options;
  }

  /** Books what went through. */
  spend(bytes: number, cells: number): void {
    const { bytesPerSecond, cellsPerSecond } = this.#options;
    const costMs = 1000 * Math.max(bytes / bytesPerSecond, cells / cellsPerSecond);
    const slowMs = Math.min(costMs / this.#share, costMs + SLOWER_MAX_MS);
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#clock.monotonicMs()) + slowMs;
  }

  /** Sleeps until the debt is paid, if there is any. */
  async pass(sleep: (delayMs: number) => Promise<void>): Promise<void> {
    const dueMs = this.#freeAtMs;
    const delayMs = dueMs - this.#clock.monotonicMs();
    if (delayMs <= 0) return;
    await sleep(delayMs);
    const isLate = this.#clock.monotonicMs() - dueMs > LATE_MS;
    this.#share = isLate
      ? Math.max(SHARE_MIN, this.#share * SLOWER_BY)
      : Math.min(1, this.#share + (FASTER_PER_SECOND * delayMs) / 1000);
  }
}
