/**
 * A hybrid logical clock: timestamps that follow the wall clock as long as it behaves, and still
 * never repeat or go back when it does not.
 *
 * Each timestamp is the greater of "one more than the last one" and the wall clock, in microseconds.
 * Timestamps seen in messages move `last` forward, so that what a member writes after having seen a
 * value is newer than that value, whatever the two wall clocks say.
 *
 * A single member whose wall clock is years ahead would pull everybody along for good: from then on
 * no timestamp would mean a time. Therefore a remote timestamp that is more than `maxDriftMs` ahead
 * of the local wall clock is refused, and the caller can refuse the message that carried it.
 *
 * Source: Kulkarni et al., "Logical Physical Clocks" (2014), with physical and logical part in one
 * number: a microsecond clock has enough room below the millisecond for the logical part.
 */
import type { Clock } from "../model/deps.ts";

export interface HybridClockDeps {
  readonly clock: Pick<Clock, "wallMs">;
}

export interface HybridClockOptions {
  /** How far ahead of the local wall clock a remote timestamp may be. Default 60,000. */
  readonly maxDriftMs?: number | undefined;
}

const DEFAULT_MAX_DRIFT_MS = 60_000;

export class HybridClock {
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #maxDriftUs: number;
  /** The greatest timestamp issued or observed; never decreases. */
  #last = 0;

  constructor(deps: HybridClockDeps, options: HybridClockOptions = {}) {
    this.#clock = deps.clock;
    this.#maxDriftUs = (options.maxDriftMs ?? DEFAULT_MAX_DRIFT_MS) * 1000;
  }

  /** The greatest timestamp issued or observed so far, in microseconds; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** A new timestamp, greater than all issued or observed: microseconds since the Unix epoch. */
  now(): number {
    this.#last = Math.max(this.#last + 1, this.#wallUs());
    return this.#last;
  }

  /**
   * Takes note of a timestamp made elsewhere. False, and nothing moves, when it is no timestamp or
   * is further ahead of the local wall clock than `maxDriftMs`.
   */
  observe(timestamp: number): boolean {
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) return false;
    if (timestamp <= this.#last) return true;
    if (timestamp > this.#wallUs() + this.#maxDriftUs) return false;
    this.#last = timestamp;
    return true;
  }

  #wallUs(): number {
    return Math.floor(this.#clock.wallMs() * 1000);
  }
}
