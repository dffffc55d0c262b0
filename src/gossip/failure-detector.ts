/**
 * The phi accrual failure detector: how much a member's silence surprises, given its past.
 *
 * Per member it keeps the last 1000 times between two signs of life (a heartbeat that moved on,
 * heard from the member itself or from anybody else). If such times are exponentially distributed
 * with the mean seen so far, the chance that a living member stays silent for t is e^(-t/mean).
 * Suspicion is minus the decimal logarithm of that chance:
 *
 *     phi = t / mean / ln 10
 *
 * so at phi = 8, the default threshold, one in 10^8 such judgements is wrong. With a sign of life
 * each second, that is 18.4 seconds of silence.
 *
 * Three rules keep it honest:
 *
 * - The first interval is not measured but given, as twice the gossip interval, so that a new member
 *   is neither trusted for ever nor doubted at once.
 * - Longer intervals than that are not recorded: an outage survived must not make the next one
 *   harder to see. (Cassandra's documentation says so; a unit mistake in its 5.0 turns it off.)
 * - A member that was itself stalled doubts its own suspicions: if more than `pauseMaxMs` passed
 *   since the previous judgement, nobody is convicted then, nor for as long again.
 *
 * Sources: Hayashibara et al., "The phi accrual failure detector" (2004); the exponential shortcut
 * is CASSANDRA-2597, `gms/FailureDetector`.
 */
import { assert } from "../util/assert.ts";

export interface FailureDetectorOptions {
  /** Time between two gossip rounds; default 1000. */
  readonly intervalMs?: number | undefined;
  /** Suspicion above which a member counts as down, 5 to 16; default 8. Higher is slower. */
  readonly threshold?: number | undefined;
  /** Local silence after which nobody is convicted for as long again; default 5000. */
  readonly pauseMaxMs?: number | undefined;
  /** Intervals remembered per member; default 1000. */
  readonly windowMax?: number | undefined;
}

const MIN_THRESHOLD = 5;
const MAX_THRESHOLD = 16;

export class FailureDetector {
  readonly #threshold: number;
  readonly #firstIntervalMs: number;
  readonly #pauseMaxMs: number;
  readonly #windowMax: number;
  readonly #arrivals = new Map<string, Arrivals>();
  #lastJudgementMs: number | undefined;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: FailureDetectorOptions = {}) {
    this.#threshold = options.threshold ?? 8;
    this.#firstIntervalMs = 2 * (options.intervalMs ?? 1000);
    this.#pauseMaxMs = options.pauseMaxMs ?? 5000;
    this.#windowMax = options.windowMax ?? 1000;
    assert(
      this.#threshold >= MIN_THRESHOLD && this.#threshold <= MAX_THRESHOLD,
      `phi threshold is ${this.#threshold}, expected 5 to 16`,
    );
    assert(this.#firstIntervalMs > 0, "the gossip interval must be positive");
  }

  /** A sign of life. `nowMs` is monotonic. */
  report(memberId: string, nowMs: number): void {
    const arrivals = this.#arrivals.get(memberId);
    if (arrivals === undefined) {
      this.#arrivals.set(memberId, new Arrivals(nowMs, this.#firstIntervalMs, this.#windowMax));
    } else {
      arrivals.add(nowMs, this.#firstIntervalMs);
    }
  }

  /**
   * Opens a round of judgement: notices whether this member itself was stalled since the previous
   * one. To be called once per round, also when there is nobody to judge.
   */
  beginRound(nowMs: number): void {
    const previousMs = this.#lastJudgementMs ?? nowMs;
    this.#lastJudgementMs = nowMs;
    if (nowMs - previousMs > this.#pauseMaxMs) this.#pausedUntilMs = nowMs + this.#pauseMaxMs;
  }

  /** True while the verdicts are suspended because this member itself was stalled. */
  isPaused(nowMs: number): boolean {
    return nowMs <= this.#pausedUntilMs;
  }

  /** True if the member is to be considered down. Never true of one that was never heard of. */
  interpret(memberId: string, nowMs: number): boolean {
    const arrivals = this.#arrivals.get(memberId);
    if (arrivals === undefined) return false;
    if (arrivals.isConvicted) return true;
    return !this.isPaused(nowMs) && this.phi(memberId, nowMs) > this.#threshold;
  }

  /** Suspicion on the scale of the threshold: 0 if never heard of, Infinity if convicted by force. */
  phi(memberId: string, nowMs: number): number {
    const arrivals = this.#arrivals.get(memberId);
    if (arrivals === undefined) return 0;
    if (arrivals.isConvicted) return Number.POSITIVE_INFINITY;
    return (nowMs - arrivals.lastMs) / arrivals.meanMs / Math.LN10;
  }

  /** Convicts without waiting, e.g. after a member announced its shutdown. Ends with `report`. */
  convict(memberId: string, nowMs: number): void {
    if (!this.#arrivals.has(memberId)) this.report(memberId, nowMs);
    const arrivals = this.#arrivals.get(memberId);
    if (arrivals !== undefined) arrivals.isConvicted = true;
  }

  /** Forgets all about a member. */
  forget(memberId: string): void {
    this.#arrivals.delete(memberId);
  }
}

/** A ring buffer of inter-arrival times with their sum. */
class Arrivals {
  lastMs: number;
  isConvicted = false;
  readonly #windowMax: number;
  #intervalsMs: Float64Array;
  #count = 0;
  #next = 0;
  #sumMs = 0;

  constructor(nowMs: number, firstIntervalMs: number, windowMax: number) {
    this.#windowMax = windowMax;
    this.#intervalsMs = new Float64Array(Math.min(windowMax, 16));
    this.lastMs = nowMs;
    this.#record(firstIntervalMs);
  }

  get meanMs(): number {
    return this.#sumMs / this.#count;
  }

  add(nowMs: number, longestMs: number): void {
    const intervalMs = nowMs - this.lastMs;
    if (intervalMs <= longestMs) this.#record(intervalMs);
    this.lastMs = nowMs;
    this.isConvicted = false;
  }

  #record(intervalMs: number): void {
    if (this.#count === this.#intervalsMs.length && this.#count < this.#windowMax) this.#grow();
    const replacedMs = this.#count === this.#windowMax ? this.#at(this.#next) : 0;
    this.#intervalsMs[this.#next] = intervalMs;
    this.#sumMs += intervalMs - replacedMs;
    this.#count = Math.min(this.#count + 1, this.#windowMax);
    this.#next = (this.#next + 1) % this.#windowMax;
    // Adding and subtracting fractions drifts; once per turn of the window the sum starts afresh.
    if (this.#next === 0) this.#sumMs = this.#intervalsMs.reduce((sum, one) => sum + one, 0);
  }

  #at(index: number): number {
    return this.#intervalsMs[index] ?? 0;
  }

  #grow(): void {
    const larger = new Float64Array(Math.min(this.#windowMax, this.#count * 4));
    larger.set(this.#intervalsMs);
    this.#intervalsMs = larger;
  }
}
