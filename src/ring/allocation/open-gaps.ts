/**
 * The gaps in which one token more may lie, after those that are chosen: it must take nobody below the window,
 * and the newcomer not above it. Also what such tokens bring at most, so that a search can tell when so many tokens
 * cannot bring enough.
 */
import { GapLosses } from "./gap-losses.ts";
import { LargestSum } from "./largest-sum.ts";
import type { Reliefs } from "./reliefs.ts";
import type { TakenRanges } from "./taken-ranges.ts";
import { NOBODY } from "./takeovers.ts";
import type { LoadWindow } from "./window-choice.ts";

export class OpenGaps {
  readonly #reliefs: Reliefs;
  readonly #taken: TakenRanges;
  readonly #window: LoadWindow;
  readonly #losses: GapLosses;
  /** By how many tokens are left: the open gaps, and how many there are. */
  readonly #open: readonly Int32Array[];
  readonly #counts: Int32Array;
  /** Gaps that have been tried with what is chosen now. */
  readonly #isTried: Uint8Array;
  /** How much each seat can give to further tokens. */
  readonly #rooms: Float64Array;
  /** By seat, how many of the gaps relieve it. */
  readonly #relieverCounts: Int32Array;
  readonly #gains: LargestSum;
  readonly #reliefShares: LargestSum;

  constructor(reliefs: Reliefs, taken: TakenRanges, window: LoadWindow, tokenCount: number) {
    const { gapCount, seatCount, gaps } = reliefs;
    this.#reliefs = reliefs;
    this.#taken = taken;
    this.#window = window;
    this.#losses = new GapLosses(reliefs, taken);
    this.#open = Array.from({ length: tokenCount + 2 }, () => Int32Array.from(gaps));
    this.#counts = new Int32Array(tokenCount + 2).fill(gapCount);
    this.#isTried = new Uint8Array(gapCount);
    this.#rooms = new Float64Array(seatCount);
    this.#relieverCounts = new Int32Array(seatCount);
    this.#gains = new LargestSum(tokenCount);
    this.#reliefShares = new LargestSum(tokenCount);
  }

  /** Those found last for so many tokens left; it changes only by `narrow`. */
  at(tokensLeft: number): Int32Array {
    return (this.#open[tokensLeft] as Int32Array).subarray(0, this.#counts[tokensLeft]);
  }

  /** Notes that all sets with this gap are seen, beside what is chosen now. */
  markTried(gap: number): void {
    this.#isTried[gap] = 1;
  }

  /** Forgets it, before what is chosen changes. */
  unmarkTried(tokensLeft: number): void {
    for (const gap of this.at(tokensLeft)) this.#isTried[gap] = 0;
  }

  /** Finds the open gaps with so many tokens left, out of those of one token more. */
  narrow(tokensLeft: number): void {
    this.#measureRooms();
    this.#gains.reset(tokensLeft);
    this.#reliefShares.reset(tokensLeft);
    this.#relieverCounts.fill(0);
    const after = this.#open[tokensLeft] as Int32Array;
    let count = 0;
    for (const gap of this.at(tokensLeft + 1)) {
      if (this.#isTried[gap] === 1) continue;
      const slot = this.#losses.slotOf(gap);
      const gain = this.#gainIn(slot);
      if (gain < 0) continue;
      after[count++] = gap;
      this.#gains.add(gain);
      this.#reliefShares.add(this.#reliefIn(slot));
    }
    this.#counts[tokensLeft] = count;
  }

  /** How much of the ring the tokens left bring the newcomer at most. */
  get gainMost(): number {
    return this.#gains.sum;
  }

  /** How many of those above the window they bring into it at most; counts shares of the way. */
  get reliefMost(): number {
    return this.#reliefShares.sum;
  }

  /** Of those above the window the one that the fewest gaps relieve. */
  get hardest(): number {
    const counts = this.#relieverCounts;
    const { low } = this.#taken;
    let hardest = NOBODY;
    for (let seat = 0; seat < counts.length; seat++) {
      if ((low[seat] as number) <= this.#window.highest) continue;
      if (hardest < 0 || (counts[seat] as number) < (counts[hardest] as number)) hardest = seat;
    }
    return hardest;
  }

  /** What each seat can lose and stay in the window, beyond what tokens in its ranges may take. */
  #measureRooms(): void {
    const { units, partLosers, sizes } = this.#reliefs;
    const { high, gaps } = this.#taken;
    const rooms = this.#rooms;
    for (let seat = 0; seat < rooms.length; seat++) {
      rooms[seat] = (high[seat] as number) - this.#window.lowest;
    }
    for (const gap of gaps) {
      const loser = partLosers[gap] as number;
      if (loser < 0 || !this.#taken.isPart(gap)) continue;
      rooms[loser] = (rooms[loser] as number) - (sizes[gap] as number) * (units[loser] as number);
    }
  }

  /**
   * The share of the ring that the newcomer gets at most by a token there; negative if it took somebody below
   * the window, or the newcomer above it.
   */
  #gainIn(slot: number): number {
    const { units, seatCount } = this.#reliefs;
    const { first, seats, wholes, parts, gains, free } = this.#losses;
    const { high, gain: gained } = this.#taken;
    const { lowest, highest } = this.#window;
    if (gained + (gains[slot] as number) * (units[seatCount] as number) > highest) return -1;
    let gain = free[slot] as number;
    const end = first[slot + 1] as number;
    for (let at = first[slot] as number; at < end; at++) {
      const seat = seats[at] as number;
      const whole = wholes[at] as number;
      if ((high[seat] as number) - whole < lowest) return -1;
      const loss = Math.min(whole + (parts[at] as number), this.#rooms[seat] as number);
      if (loss > 0) gain += loss / (units[seat] as number);
    }
    return gain;
  }

  /** Of how many of those above the window a token takes what they have above it; counts shares of it. */
  #reliefIn(slot: number): number {
    const { first, seats, mosts } = this.#losses;
    const { low } = this.#taken;
    const counts = this.#relieverCounts;
    const end = first[slot + 1] as number;
    let relief = 0;
    for (let at = first[slot] as number; at < end; at++) {
      const seat = seats[at] as number;
      const excess = (low[seat] as number) - this.#window.highest;
      const most = mosts[at] as number;
      if (excess <= 0 || most === 0) continue;
      relief += Math.min(1, most / excess);
      counts[seat] = (counts[seat] as number) + 1;
    }
    return relief;
  }
}
