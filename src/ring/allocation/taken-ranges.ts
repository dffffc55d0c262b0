/**
 * What a set of gaps with tokens of the newcomer takes from whom; gaps come and go like on a stack. Where exactly
 * in its gap a token lies is open, and so is who loses a range whose loser depends on several tokens.
 */
import { must } from "../../util/assert.ts";
import type { Reliefs } from "./reliefs.ts";
import { NOBODY } from "./takeovers.ts";

export class TakenRanges {
  /** Loads if all that is open takes the most from each seat, and if it takes the least. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** The gaps of the tokens so far. */
  readonly gaps: number[] = [];
  /** Load of the newcomer from whole ranges. */
  gain = 0;
  /** How many ranges they take of which it is open who loses them. */
  unclear = 0;
  readonly #reliefs: Reliefs;
  /** How many of the tokens take each range as a whole, and in part. */
  readonly #wholes: Int32Array;
  readonly #parts: Int32Array;
  /** How many ranges are taken that a token in each gap would take as well. */
  readonly #touches: Int32Array;

  constructor(reliefs: Reliefs) {
    this.#reliefs = reliefs;
    this.low = reliefs.loads.slice();
    this.high = reliefs.loads.slice();
    this.#wholes = new Int32Array(reliefs.gapCount);
    this.#parts = new Int32Array(reliefs.gapCount);
    this.#touches = new Int32Array(reliefs.gapCount);
  }

  isTaken(range: number): boolean {
    return (this.#wholes[range] as number) > 0;
  }

  /** Whether a token in the gap takes a part of the range that it cuts; not if another one takes all of it. */
  isPart(gap: number): boolean {
    return (this.#reliefs.partLosers[gap] as number) >= NOBODY && !this.isTaken(gap);
  }

  /** Whether a token in the gap would take a range that is taken already. */
  isTouched(gap: number): boolean {
    return (this.#touches[gap] as number) > 0;
  }

  push(gap: number): void {
    this.gaps.push(gap);
    this.#bookAll(gap, 1);
  }

  pop(): void {
    this.#bookAll(must(this.gaps.pop(), "a gap"), -1);
  }

  #bookAll(gap: number, sign: 1 | -1): void {
    const losers = must(this.#reliefs.losers[gap], "a gap");
    const ranges = must(this.#reliefs.ranges[gap], "a gap");
    for (let at = 0; at < ranges.length; at++) {
      this.#book(ranges[at] as number, losers[at] as number, "whole", sign);
    }
    const loser = this.#reliefs.partLosers[gap] as number;
    if (loser >= NOBODY) this.#book(gap, loser, "part", sign);
  }

  /** A range is taken once, however many tokens take it. */
  #book(range: number, loser: number, extent: "whole" | "part", sign: 1 | -1): void {
    const { sizes, units, seatCount, isAmbiguous, takers } = this.#reliefs;
    const counts = extent === "whole" ? this.#wholes : this.#parts;
    const own = counts[range] as number;
    const before = (this.#wholes[range] as number) + (this.#parts[range] as number);
    counts[range] = own + sign;
    const isFirst = before === (sign > 0 ? 0 : 1);
    const isFirstWhole = extent === "whole" && own === (sign > 0 ? 0 : 1);
    const share = sign * (sizes[range] as number);
    if (isFirstWhole) {
      this.gain += share * (units[seatCount] as number);
      for (const gap of takers[range] as Int32Array) {
        this.#touches[gap] = (this.#touches[gap] as number) + sign;
      }
    }
    if (loser < 0) return;
    const loss = share * (units[loser] as number);
    const isClear = isAmbiguous[range] === 0;
    if (!isClear) this.unclear += sign;
    if (isFirst || !isClear) this.low[loser] = (this.low[loser] as number) - loss;
    if (isFirstWhole && isClear) this.high[loser] = (this.high[loser] as number) - loss;
  }
}
