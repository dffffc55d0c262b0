/**
 * What one token more in each gap takes from each seat, beyond what tokens before it have taken. That is the same
 * as with no other tokens, unless they take some of the same ranges; then it is worked out anew.
 */
import type { Reliefs } from "./reliefs.ts";
import type { TakenRanges } from "./taken-ranges.ts";
import { NOBODY } from "./takeovers.ts";

export class GapLosses {
  /** Where the losers of each slot begin; a slot per gap, and one for what is worked out anew. */
  readonly first: Int32Array;
  readonly seats: Int32Array;
  /** Per weight: by whole ranges that surely are the seat's, and by the part of the gap if the token takes all of it. */
  readonly wholes: Float64Array;
  readonly parts: Float64Array;
  /** The same if all that is open goes to the seat. */
  readonly mosts: Float64Array;
  /** By slot, shares of the ring: all whole ranges, and what nobody or somebody unknown has to give up. */
  readonly gains: Float64Array;
  readonly free: Float64Array;
  readonly #reliefs: Reliefs;
  readonly #taken: TakenRanges;

  constructor(reliefs: Reliefs, taken: TakenRanges) {
    const { gapCount, relieved } = reliefs;
    this.#reliefs = reliefs;
    this.#taken = taken;
    this.first = new Int32Array(gapCount + 2);
    let mostSeats = 0;
    for (const [gap, { length }] of relieved.entries()) {
      this.first[gap + 1] = (this.first[gap] as number) + length;
      mostSeats = Math.max(mostSeats, length);
    }
    const size = (this.first[gapCount] as number) + mostSeats;
    this.seats = new Int32Array(size);
    this.wholes = new Float64Array(size);
    this.parts = new Float64Array(size);
    this.mosts = new Float64Array(size);
    this.gains = new Float64Array(gapCount + 1);
    this.free = new Float64Array(gapCount + 1);
    for (let gap = 0; gap < gapCount; gap++) this.#note(gap, gap);
  }

  /** The slot of the gap, up to date. */
  slotOf(gap: number): number {
    if (!this.#taken.isTouched(gap)) return gap;
    const slot = this.#reliefs.gapCount;
    this.#note(gap, slot);
    return slot;
  }

  #note(gap: number, slot: number): void {
    const seats = this.#reliefs.relieved[gap] as Int32Array;
    const first = this.first[slot] as number;
    const end = first + seats.length;
    this.first[slot + 1] = end;
    this.seats.set(seats, first);
    this.wholes.fill(0, first, end);
    this.parts.fill(0, first, end);
    this.mosts.fill(0, first, end);
    this.#noteWholes(gap, slot);
    this.#notePart(gap, slot);
  }

  /** The whole ranges that the token takes and that are not taken yet. */
  #noteWholes(gap: number, slot: number): void {
    const { ranges, losers, sizes, units, isAmbiguous } = this.#reliefs;
    const [own, losersOf] = [ranges[gap] as Int32Array, losers[gap] as Int32Array];
    let [gain, free] = [0, 0];
    for (let at = 0; at < own.length; at++) {
      const range = own[at] as number;
      const isTaken = this.#taken.isTaken(range);
      const isAnybodys = isAmbiguous[range] === 1;
      if (isTaken && !isAnybodys) continue;
      const size = sizes[range] as number;
      const loser = losersOf[at] as number;
      const isClear = loser >= 0 && !isAnybodys;
      if (!isTaken) gain += size;
      if (!isTaken && !isClear) free += size;
      if (loser < 0) continue;
      const place = this.#placeOf(loser, gap, slot);
      const loss = size * (units[loser] as number);
      if (isClear) this.wholes[place] = (this.wholes[place] as number) + loss;
      this.mosts[place] = (this.mosts[place] as number) + loss;
    }
    this.gains[slot] = gain;
    this.free[slot] = free;
  }

  /** The range that the token cuts. */
  #notePart(gap: number, slot: number): void {
    const { sizes, units, isAmbiguous, partLosers } = this.#reliefs;
    const loser = partLosers[gap] as number;
    const size = sizes[gap] as number;
    const isPart = this.#taken.isPart(gap);
    if (isPart && loser === NOBODY) this.free[slot] = (this.free[slot] as number) + size;
    if (loser < 0 || (!isPart && isAmbiguous[gap] === 0)) return;
    const place = this.#placeOf(loser, gap, slot);
    const loss = size * (units[loser] as number);
    if (isPart) this.parts[place] = loss;
    this.mosts[place] = (this.mosts[place] as number) + loss;
  }

  #placeOf(loser: number, gap: number, slot: number): number {
    const seats = this.#reliefs.relieved[gap] as Int32Array;
    return (this.first[slot] as number) + seats.indexOf(loser);
  }
}
