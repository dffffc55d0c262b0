/**
 * How far each seat of a ring is from its fair load, and what one more token would change about that:
 * a quadratic function of where in a gap it lies.
 *
 * With e the excess of a seat (its load per weight less the mean), what it loses changes its square by
 *
 *     (e - loss)^2 - e^2  =  loss^2 - 2 e loss
 *
 * The losses in each gap are kept as long as nothing near the gap changes, with the sum of their squares. So
 * a pass over all gaps only multiplies them by the excesses of now.
 */
import { assert } from "../../util/assert.ts";
import type { RingLoads } from "./ring-loads.ts";
import { ABSENT, NOBODY, REMEMBERED_MAX } from "./takeovers.ts";

/** Of the differences in `unevenness`: close to the largest one. */
const UNEVENNESS_POWER = 6;

/** c0 + c1 x + c2 x^2. */
export interface Quadratic {
  c0: number;
  c1: number;
  c2: number;
}

export class RingBalance {
  readonly ring: RingLoads;
  readonly #inverseWeights: Float64Array;
  readonly #excesses: Float64Array;
  /** Whose token is looked for, and how far from its aim it is. */
  #seat = 0;
  #ownExcess = 0;

  // What a token of the seat takes in each gap, by slot; behind the last slot is room for a gap that the
  // ring does not remember. A loser of several ranges is listed once.
  readonly #unremembered: number;
  readonly #numbers: Int32Array;
  readonly #sizes: Int32Array;
  readonly #losers: Int32Array;
  /** Losses per weight. */
  readonly #losses: Float64Array;
  readonly #squares: Float64Array;
  /** What the seat gains in whole ranges, per weight. */
  readonly #gains: Float64Array;
  readonly #partLosers: Int32Array;
  /** What the loser of the part loses in whole ranges as well, per weight. */
  readonly #partLosses: Float64Array;

  constructor(ring: RingLoads) {
    const { seats, capacity } = ring;
    this.ring = ring;
    this.#inverseWeights = Float64Array.from(seats, ({ weight }) => 1 / weight);
    this.#excesses = new Float64Array(seats.length);
    this.#unremembered = capacity;
    this.#numbers = new Int32Array(capacity + 1);
    this.#sizes = new Int32Array(capacity + 1);
    this.#losers = new Int32Array(capacity * REMEMBERED_MAX + seats.length);
    this.#losses = new Float64Array(capacity * REMEMBERED_MAX + seats.length);
    this.#squares = new Float64Array(capacity + 1);
    this.#gains = new Float64Array(capacity + 1);
    this.#partLosers = new Int32Array(capacity + 1);
    this.#partLosses = new Float64Array(capacity + 1);
  }

  /**
   * Looks for a token of this seat in the ring as it is now: what `addChange` is about.
   *
   * @param fairShare - how much of its fair load the seat should reach.
   */
  lookFor(seat: number, fairShare: number): void {
    const { loads, mean } = this.ring;
    for (let at = 0; at < loads.length; at++) this.#excesses[at] = this.excessOf(at);
    if (seat !== this.#seat) this.#numbers.fill(0);
    this.#seat = seat;
    this.#ownExcess = (this.#excesses[seat] as number) + mean * (1 - fairShare);
  }

  /**
   * Adds how the sum of squared differences from the mean changes with a token in the gap before token
   * `index`; x is the distance from the start of the gap.
   *
   * @param factor - with what the change is multiplied.
   */
  addChange(index: number, factor: number, change: Quadratic): void {
    const slot = this.#slotOf(index);
    const excess = this.#ownExcess;
    const after = excess + (this.#gains[slot] as number);
    const first = slot * REMEMBERED_MAX;
    const end = first + (this.#sizes[slot] as number);
    let lost = 0;
    for (let at = first; at < end; at++) {
      lost += (this.#losses[at] as number) * (this.#excesses[this.#losers[at] as number] as number);
    }
    const squares = this.#squares[slot] as number;
    change.c0 += factor * (after * after - excess * excess + squares - 2 * lost);
    const loser = this.#partLosers[slot] as number;
    if (loser < NOBODY) return;
    const share = this.#inverseWeights[this.#seat] as number;
    change.c1 += factor * 2 * after * share;
    change.c2 += factor * share * share;
    if (loser === NOBODY) return;
    const loserShare = this.#inverseWeights[loser] as number;
    const loserExcess = (this.#excesses[loser] as number) - (this.#partLosses[slot] as number);
    change.c1 -= factor * 2 * loserExcess * loserShare;
    change.c2 += factor * loserShare * loserShare;
  }

  /** How far a seat is above the mean. */
  excessOf(seat: number): number {
    const { loads, mean } = this.ring;
    return (loads[seat] as number) * (this.#inverseWeights[seat] as number) - mean;
  }

  /** A mean of the differences that is near the largest one, squared. */
  unevenness(): number {
    let powers = 0;
    for (let seat = 0; seat < this.ring.seats.length; seat++) {
      if (this.ring.seats[seat]?.rack === ABSENT) continue;
      powers += Math.abs(this.excessOf(seat)) ** UNEVENNESS_POWER;
    }
    assert(Number.isFinite(powers), "loads are finite");
    return powers ** (2 / UNEVENNESS_POWER);
  }

  /** Where it is written what a token in the gap takes; up to date. */
  #slotOf(index: number): number {
    const { ring } = this;
    const slot = ring.slotAt(index);
    const number = ring.numberAt(index, this.#seat);
    if (number > 0 && number === this.#numbers[slot]) return slot;
    ring.effectsOf(index, this.#seat);
    const isRemembered = ring.numberAt(index, this.#seat) > 0;
    const place = isRemembered ? slot : this.#unremembered;
    this.#note(place);
    this.#numbers[place] = ring.numberAt(index, this.#seat);
    return place;
  }

  /** Notes what the ring has found last. */
  #note(slot: number): void {
    const { ring } = this;
    this.#sizes[slot] = 0;
    let gain = 0;
    for (let effect = 0; effect < ring.effectCount; effect++) {
      const loss = ring.losses[effect] as number;
      const loser = ring.losers[effect] as number;
      gain += loss;
      if (loser !== NOBODY) this.#noteLoss(slot, loser, loss);
    }
    this.#gains[slot] = gain * (this.#inverseWeights[this.#seat] as number);
    this.#partLosers[slot] = ring.partLoser;
    this.#partLosses[slot] = 0;
    let squares = 0;
    const first = slot * REMEMBERED_MAX;
    for (let at = first; at < first + (this.#sizes[slot] as number); at++) {
      const loss = this.#losses[at] as number;
      squares += loss * loss;
      if (this.#losers[at] === ring.partLoser) this.#partLosses[slot] = loss;
    }
    this.#squares[slot] = squares;
  }

  #noteLoss(slot: number, loser: number, loss: number): void {
    const end = slot * REMEMBERED_MAX + (this.#sizes[slot] as number);
    let at = slot * REMEMBERED_MAX;
    while (at < end && this.#losers[at] !== loser) at++;
    if (at === end) {
      this.#sizes[slot] = (this.#sizes[slot] as number) + 1;
      this.#losers[at] = loser;
      this.#losses[at] = 0;
    }
    const perWeight = loss * (this.#inverseWeights[loser] as number);
    this.#losses[at] = (this.#losses[at] as number) + perWeight;
  }
}
