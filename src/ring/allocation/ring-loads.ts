/**
 * What every member of one datacenter's ring holds, kept up to date while tokens are tried, put in
 * and taken out. This is what makes searching for good tokens cheap.
 *
 * Positions are fractions of the ring in doubles (53 bits: finer than any balance that matters; the
 * final tokens are exact integers), in typed arrays without an object per token.
 *
 * A new token at p takes over some of the ranges before p, each from exactly one member (`takeovers.ts`).
 * The range that p cuts is the only one that is taken in part, by as much as lies before p:
 *
 *       range      range     gap
 *     |--------|----------|--x--|-----|        the new owner's load grows by both ranges and x;
 *     t-2      t-1      pred  p  succ          three members lose one of these each
 */
import { ABSENT, NOBODY, Takeovers } from "./takeovers.ts";

/** A member as the ring sees it: small numbers instead of names. */
export interface RingSeat {
  /** ABSENT: as if the member were not in the ring. */
  readonly rack: number;
  readonly weight: number;
}

export interface PlacedToken {
  /** Fraction of the ring, 0 <= position < 1. */
  readonly position: number;
  readonly seat: number;
}

export class RingLoads {
  readonly seats: readonly RingSeat[];
  readonly replicas: number;
  /** More racks than replicas: each range passes some racks by. */
  readonly hasManyRacks: boolean;
  readonly totalWeight: number;
  /** Share of the ring that each seat replicates. */
  readonly loads: Float64Array;

  /** After `effectsOf`: who loses, for each range taken whole. */
  readonly losers: Int32Array;
  /** After `effectsOf`: how much that is. */
  readonly losses: Float64Array;
  /** After `effectsOf`: which range that is, by the index of the token that ends it. */
  readonly ranges: Int32Array;

  readonly #takeovers: Takeovers;
  readonly #positions: Float64Array;

  /**
   * @param seats - all members that count, including the joining one.
   * @param rf - replicas per range; fewer members than that means fewer replicas.
   * @param capacity - how many tokens the ring must have room for.
   */
  constructor(seats: readonly RingSeat[], rf: number, capacity: number) {
    this.seats = seats;
    const present = seats.filter(({ rack }) => rack !== ABSENT);
    this.replicas = Math.min(rf, present.length);
    this.hasManyRacks = new Set(present.map(({ rack }) => rack)).size > this.replicas;
    this.totalWeight = present.reduce((sum, { weight }) => sum + weight, 0);
    this.loads = new Float64Array(seats.length);
    this.#takeovers = new Takeovers({ racks: seats.map(({ rack }) => rack), rf, capacity });
    this.losers = this.#takeovers.losers;
    this.losses = new Float64Array(capacity);
    this.ranges = new Int32Array(capacity);
    this.#positions = new Float64Array(capacity);
  }

  /** How many tokens there is room for. */
  get capacity(): number {
    return this.#positions.length;
  }

  get count(): number {
    return this.#takeovers.count;
  }

  /** After `effectsOf`: how many ranges are taken whole. */
  get effectCount(): number {
    return this.#takeovers.size;
  }

  /** After `effectsOf`: who loses the part of the cut range; below NOBODY if nothing changes. */
  get partLoser(): number {
    return this.#takeovers.partLoser;
  }

  positionAt(index: number): number {
    return this.#positions[index] ?? 0;
  }

  ownerAt(index: number): number {
    return this.#takeovers.ownerAt(index);
  }

  /** See `Takeovers.slotAt`. */
  slotAt(index: number): number {
    return this.#takeovers.slotAt(index);
  }

  /** See `Takeovers.numberAt`. */
  numberAt(index: number, seat: number): number {
    return this.#takeovers.numberAt(index, seat);
  }

  /** Width of the range that ends at this token. */
  sizeAt(index: number): number {
    if (this.count === 1) return 1;
    return this.positionAt(index) - this.#startOf(index);
  }

  /** Load per weight that everybody would have in a perfectly balanced ring. */
  get mean(): number {
    return this.replicas / this.totalWeight;
  }

  /** Largest minus smallest load per weight, relative to the mean; of the seats that are in the ring. */
  get spread(): number {
    let [largest, smallest] = [-Infinity, Infinity];
    for (const [seat, { rack, weight }] of this.seats.entries()) {
      if (rack === ABSENT) continue;
      const load = (this.loads[seat] as number) / weight;
      largest = Math.max(largest, load);
      smallest = Math.min(smallest, load);
    }
    return (largest - smallest) / this.mean;
  }

  /** Replaces all tokens and computes the loads afresh. Equal positions keep the order given. */
  load(tokens: readonly PlacedToken[]): void {
    const sorted = tokens.toSorted((a, b) => a.position - b.position);
    this.#takeovers.load(sorted.map(({ seat }) => seat));
    for (const [index, { position }] of sorted.entries()) this.#positions[index] = position;
    this.#recompute();
  }

  tokens(): PlacedToken[] {
    return Array.from({ length: this.count }, (_, index) => ({
      position: this.positionAt(index),
      seat: this.ownerAt(index),
    }));
  }

  /** The seats that replicate the range that ends at this token, in the order of the walk. */
  replicasAt(index: number): number[] {
    return Array.from(this.#takeovers.replicasAt(index));
  }

  /** The index of the first token at or after a position; may be `count`. */
  indexOf(position: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.positionAt(middle) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Finds what a new token of `seat` in the range before token `index` would change, wherever in that
   * range it lies. Fills `losers`, `losses`, `ranges`, `effectCount` and `partLoser`.
   */
  effectsOf(index: number, seat: number): void {
    const takeovers = this.#takeovers;
    takeovers.find(index, seat);
    for (let at = 0; at < takeovers.size; at++) {
      const range = index - (takeovers.distances[at] as number);
      this.ranges[at] = range < 0 ? range + takeovers.count : range;
      this.losses[at] = this.sizeAt(this.ranges[at] as number);
    }
  }

  /** True if the owner of a new token would gain the part of the range that lies before it. */
  get gainsPart(): boolean {
    return this.partLoser >= NOBODY;
  }

  /** Puts a token `offset` behind the start of the range that ends at token `index`. */
  insertInto(index: number, offset: number, seat: number): number {
    this.effectsOf(index, seat);
    this.#apply(seat, offset, 1);
    const position = this.#startOf(index) + offset;
    // The first range wraps; its part before the seam belongs behind the last token.
    return position < 0
      ? this.#place(this.count, position + 1, seat)
      : this.#place(index, position, seat);
  }

  /** Puts a token at a position and returns its index. */
  insertAt(position: number, seat: number): number {
    if (this.count === 0) {
      this.#place(0, position, seat);
      this.#recompute();
      return 0;
    }
    const index = this.indexOf(position);
    const range = index === this.count ? 0 : index;
    const start = this.#startOf(range);
    const offset = index === this.count ? position - 1 - start : position - start;
    this.effectsOf(range, seat);
    this.#apply(seat, offset, 1);
    return this.#place(index, position, seat);
  }

  removeAt(index: number): void {
    const seat = this.ownerAt(index);
    const size = this.sizeAt(index);
    this.#positions.copyWithin(index, index + 1, this.count);
    this.#takeovers.remove(index);
    if (this.count === 0) {
      this.#recompute();
      return;
    }
    this.effectsOf(index === this.count ? 0 : index, seat);
    this.#apply(seat, size, -1);
  }

  /** Where the range before token `index` starts; negative if it wraps. */
  #startOf(index: number): number {
    return index === 0 ? this.positionAt(this.count - 1) - 1 : this.positionAt(index - 1);
  }

  #place(index: number, position: number, seat: number): number {
    this.#positions.copyWithin(index + 1, index, this.count);
    this.#positions[index] = position;
    this.#takeovers.insert(index, seat);
    return index;
  }

  /** Books the effects found last, for the seat that comes (sign 1) or goes (sign -1). */
  #apply(seat: number, part: number, sign: 1 | -1): void {
    if (this.gainsPart) this.#transfer(this.partLoser, seat, sign * part);
    for (let effect = 0; effect < this.effectCount; effect++) {
      this.#transfer(this.losers[effect] ?? NOBODY, seat, sign * (this.losses[effect] ?? 0));
    }
  }

  #transfer(from: number, to: number, share: number): void {
    this.loads[to] = (this.loads[to] ?? 0) + share;
    if (from !== NOBODY) this.loads[from] = (this.loads[from] ?? 0) - share;
  }

  #recompute(): void {
    this.loads.fill(0);
    for (let index = 0; index < this.count; index++) {
      const size = this.sizeAt(index);
      for (const seat of this.replicasAt(index)) this.#transfer(NOBODY, seat, size);
    }
  }
}
