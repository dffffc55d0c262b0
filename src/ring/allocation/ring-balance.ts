/**
 * How far each seat of a ring is from its fair load, and what one more token would change about that:
 * a quadratic function of where in a gap it lies.
 */
import { assert } from "../../util/assert.ts";
import type { RingLoads } from "./ring-loads.ts";
import { ABSENT, NOBODY } from "./takeovers.ts";

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
  readonly #weights: Float64Array;
  /** Scratch: what the seats lose to the candidate at hand. */
  readonly #losses: Float64Array;

  constructor(ring: RingLoads) {
    this.ring = ring;
    this.#weights = Float64Array.from(ring.seats, ({ weight }) => weight);
    this.#losses = new Float64Array(ring.seats.length);
  }

  /**
   * Adds how the sum of squared differences from the mean changes with a token of this seat in the gap
   * before token `index`; x is the distance from the start of the gap.
   *
   * @param fairShare - how much of its fair load the seat should reach.
   * @param factor - with what the change is multiplied.
   */
  addChange(
    { index, seat, fairShare }: { index: number; seat: number; fairShare: number },
    factor: number,
    change: Quadratic,
  ): void {
    const { ring } = this;
    const weight = this.#weights[seat] as number;
    const excess = (ring.loads[seat] as number) / weight - ring.mean * fairShare;
    ring.effectsOf(index, seat);
    const after = excess + this.#gain() / weight;
    if (ring.gainsPart) {
      change.c1 += (factor * 2 * after) / weight;
      change.c2 += factor / (weight * weight);
      const loser = ring.partLoser;
      if (loser !== NOBODY) {
        const loserWeight = this.#weights[loser] as number;
        change.c1 -= (factor * 2 * this.excessOf(loser)) / loserWeight;
        change.c2 += factor / (loserWeight * loserWeight);
      }
    }
    change.c0 += factor * (after * after - excess * excess + this.#settleLosses());
  }

  /** How far a seat is above the mean, or would be with what it loses to the candidate at hand. */
  excessOf(seat: number): number {
    const load = (this.ring.loads[seat] as number) - (this.#losses[seat] as number);
    return load / (this.#weights[seat] as number) - this.ring.mean;
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

  /** What the seat gains by the whole ranges that it takes; notes who loses them. */
  #gain(): number {
    const { ring } = this;
    let gained = 0;
    for (let effect = 0; effect < ring.effectCount; effect++) {
      const loss = ring.losses[effect] as number;
      const loser = ring.losers[effect] as number;
      gained += loss;
      if (loser !== NOBODY) this.#losses[loser] = (this.#losses[loser] as number) + loss;
    }
    return gained;
  }

  /** The change of the squared differences of those who lose whole ranges; clears the scratch. */
  #settleLosses(): number {
    const { ring } = this;
    let change = 0;
    for (let effect = 0; effect < ring.effectCount; effect++) {
      const loser = ring.losers[effect] as number;
      if (loser === NOBODY || this.#losses[loser] === 0) continue;
      const after = this.excessOf(loser);
      this.#losses[loser] = 0;
      const before = this.excessOf(loser);
      change += after * after - before * before;
    }
    return change;
  }
}
