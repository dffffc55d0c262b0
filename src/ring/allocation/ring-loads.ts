/**
 * What every member of one datacenter's ring holds, kept up to date while tokens are tried, put in
 * and taken out. This is what makes searching for good tokens cheap.
 *
 * Positions are fractions of the ring in doubles (53 bits: finer than any balance that matters; the
 * final tokens are exact integers), in typed arrays without an object per token.
 *
 * NetworkTopologyStrategy chooses the replicas of a range greedily: walk from its token, take a member
 * of a rack not met yet, and a member of a known rack only while `repeats` = RF - racks allows. Such
 * choices are the independent sets of a matroid (one per rack, plus `repeats` of any kind), and a
 * greedy walk over a matroid has a property that all of this rests on:
 *
 *     a token more in the walk changes the replicas of a range by at most one exchange:
 *     its owner comes in, and one member goes out.
 *
 * So a new token at p takes over some of the ranges before p, nearest first, until the walk from a
 * range no longer gets to p; each of them is taken from exactly one member. `effectsOf` lists them.
 * The range that p cuts is the only one that is taken in part, by as much as lies before p:
 *
 *       range      range     gap
 *     |--------|----------|--x--|-----|        the new owner's load grows by both ranges and x;
 *     t-2      t-1      pred  p  succ          three members lose one of these each
 */
import { assert } from "../../util/assert.ts";

/** A member as the ring sees it: small numbers instead of names. */
export interface RingSeat {
  readonly rack: number;
  readonly weight: number;
}

export interface PlacedToken {
  /** Fraction of the ring, 0 <= position < 1. */
  readonly position: number;
  readonly seat: number;
}

/** Nobody has to give up the range: there were fewer replicas than wanted. */
export const NOBODY = -1;
/** The owner of the new token replicates the range already. */
const UNCHANGED = -2;
/** The walk from the range is over before it gets to the new token. */
const OUT_OF_REACH = -3;

export class RingLoads {
  readonly seats: readonly RingSeat[];
  readonly replicas: number;
  readonly totalWeight: number;
  /** Share of the ring that each seat replicates. */
  readonly loads: Float64Array;

  /** After `effectsOf`: who loses, and how much, for each range taken whole. */
  readonly losers: Int32Array;
  readonly losses: Float64Array;
  /** After `effectsOf`: which range that is, by the index of the token that ends it. */
  readonly ranges: Int32Array;
  effectCount = 0;
  /** After `effectsOf`: who loses the part of the cut range; below NOBODY if nothing changes. */
  partLoser: number = NOBODY;

  readonly #repeats: number;
  readonly #rackOf: Int32Array;
  readonly #positions: Float64Array;
  readonly #owners: Int32Array;
  #count = 0;

  // The walks from each token, `replicas` entries per token: who was chosen and how many tokens away.
  // A walk is good while its version is the present one, so a search over all gaps walks only once.
  readonly #chosen: Int32Array;
  readonly #chosenAt: Int32Array;
  readonly #chosenCounts: Int32Array;
  readonly #walkVersions: Int32Array;
  #version = 1;

  // Scratch of one walk; a mark equal to the walk's number means "met".
  readonly #seatMarks: Int32Array;
  readonly #rackMarks: Int32Array;
  #walk = 0;

  /**
   * @param seats - all members that count, including the joining one.
   * @param rf - replicas per range; fewer members than that means fewer replicas.
   * @param capacity - how many tokens the ring must have room for.
   */
  constructor(seats: readonly RingSeat[], rf: number, capacity: number) {
    const racks = new Set(seats.map(({ rack }) => rack));
    this.seats = seats;
    this.replicas = Math.min(rf, seats.length);
    this.totalWeight = seats.reduce((sum, { weight }) => sum + weight, 0);
    this.loads = new Float64Array(seats.length);
    this.losers = new Int32Array(capacity);
    this.losses = new Float64Array(capacity);
    this.ranges = new Int32Array(capacity);
    this.#repeats = Math.max(0, rf - racks.size);
    this.#rackOf = Int32Array.from(seats, ({ rack }) => rack);
    this.#positions = new Float64Array(capacity);
    this.#owners = new Int32Array(capacity);
    this.#seatMarks = new Int32Array(seats.length);
    this.#rackMarks = new Int32Array(Math.max(-1, ...racks) + 1);
    this.#chosen = new Int32Array(capacity * this.replicas);
    this.#chosenAt = new Int32Array(capacity * this.replicas);
    this.#chosenCounts = new Int32Array(capacity);
    this.#walkVersions = new Int32Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  positionAt(index: number): number {
    return this.#positions[index] ?? 0;
  }

  ownerAt(index: number): number {
    return this.#owners[index] ?? NOBODY;
  }

  /** Width of the range that ends at this token. */
  sizeAt(index: number): number {
    if (this.#count === 1) return 1;
    return this.positionAt(index) - this.#startOf(index);
  }

  /** Load per weight that everybody would have in a perfectly balanced ring. */
  get mean(): number {
    return this.replicas / this.totalWeight;
  }

  /** Replaces all tokens and computes the loads afresh. Equal positions keep the order given. */
  load(tokens: readonly PlacedToken[]): void {
    assert(tokens.length <= this.#positions.length, "more tokens than the ring has room for");
    const sorted = tokens.toSorted((a, b) => a.position - b.position);
    this.#count = sorted.length;
    for (const [index, { position, seat }] of sorted.entries()) {
      this.#positions[index] = position;
      this.#owners[index] = seat;
    }
    this.#recompute();
  }

  tokens(): PlacedToken[] {
    return Array.from({ length: this.#count }, (_, index) => ({
      position: this.positionAt(index),
      seat: this.ownerAt(index),
    }));
  }

  /** The seats that replicate the range that ends at this token, in the order of the walk. */
  replicasAt(index: number): number[] {
    const first = this.#chooseFrom(index);
    return Array.from(this.#chosen.subarray(first, first + (this.#chosenCounts[index] ?? 0)));
  }

  /** The index of the first token at or after a position; may be `count`. */
  indexOf(position: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.positionAt(middle) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Finds what a new token of `seat` in the range before token `index` would change, wherever in that
   * range it lies. Fills `losers`, `losses`, `effectCount` and `partLoser`.
   */
  effectsOf(index: number, seat: number): void {
    const count = this.#count;
    this.effectCount = 0;
    this.partLoser = this.#loserAt(index, 0, seat);
    let range = index;
    for (let distance = 1; distance < count; distance++) {
      range = range === 0 ? count - 1 : range - 1;
      const loser = this.#loserAt(range, distance, seat);
      if (loser === OUT_OF_REACH) return;
      if (loser !== UNCHANGED) this.#addEffect(loser, range);
    }
    // The walk from the cut range comes round to the new token: too few replicas without it, so the
    // newcomer takes the range on both sides of the cut.
    if (this.#loserAt(index, count, seat) !== NOBODY) return;
    this.partLoser = UNCHANGED;
    this.#addEffect(NOBODY, index);
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
      ? this.#place(this.#count, position + 1, seat)
      : this.#place(index, position, seat);
  }

  /** Puts a token at a position and returns its index. */
  insertAt(position: number, seat: number): number {
    if (this.#count === 0) {
      this.#place(0, position, seat);
      this.#recompute();
      return 0;
    }
    const index = this.indexOf(position);
    const range = index === this.#count ? 0 : index;
    const start = this.#startOf(range);
    const offset = index === this.#count ? position - 1 - start : position - start;
    this.effectsOf(range, seat);
    this.#apply(seat, offset, 1);
    return this.#place(index, position, seat);
  }

  removeAt(index: number): void {
    const seat = this.ownerAt(index);
    const size = this.sizeAt(index);
    this.#positions.copyWithin(index, index + 1, this.#count);
    this.#owners.copyWithin(index, index + 1, this.#count);
    this.#count--;
    this.#version++;
    if (this.#count === 0) {
      this.#recompute();
      return;
    }
    this.effectsOf(index === this.#count ? 0 : index, seat);
    this.#apply(seat, size, -1);
  }

  /** A copy of everything that inserting and removing changes, for `restore`. */
  snapshot(): RingSnapshot {
    return {
      positions: this.#positions.slice(0, this.#count),
      owners: this.#owners.slice(0, this.#count),
      loads: this.loads.slice(),
    };
  }

  restore(snapshot: RingSnapshot): void {
    this.#count = snapshot.positions.length;
    this.#version++;
    this.#positions.set(snapshot.positions);
    this.#owners.set(snapshot.owners);
    this.loads.set(snapshot.loads);
  }

  /** Where the range before token `index` starts; negative if it wraps. */
  #startOf(index: number): number {
    return index === 0 ? this.positionAt(this.#count - 1) - 1 : this.positionAt(index - 1);
  }

  #place(index: number, position: number, seat: number): number {
    assert(this.#count < this.#positions.length, "the ring has no room for another token");
    this.#positions.copyWithin(index + 1, index, this.#count);
    this.#owners.copyWithin(index + 1, index, this.#count);
    this.#positions[index] = position;
    this.#owners[index] = seat;
    this.#count++;
    this.#version++;
    return index;
  }

  #addEffect(loser: number, range: number): void {
    this.losers[this.effectCount] = loser;
    this.losses[this.effectCount] = this.sizeAt(range);
    this.ranges[this.effectCount] = range;
    this.effectCount++;
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
    this.#version++;
    this.loads.fill(0);
    for (let index = 0; index < this.#count; index++) {
      const size = this.sizeAt(index);
      for (const seat of this.replicasAt(index)) this.#transfer(NOBODY, seat, size);
    }
  }

  /**
   * The greedy walk from a token, in `#chosen`, `#chosenAt` and `#chosenCounts`.
   *
   * @returns the first place of this token in `#chosen` and `#chosenAt`.
   */
  #chooseFrom(index: number): number {
    const first = index * this.replicas;
    if (this.#walkVersions[index] === this.#version) return first;
    this.#walkVersions[index] = this.#version;
    const walk = ++this.#walk;
    const count = this.#count;
    let repeats = this.#repeats;
    let chosen = 0;
    for (let distance = 0; distance < count && chosen < this.replicas; distance++) {
      const at = index + distance;
      const seat = this.#owners[at < count ? at : at - count] as number;
      if (this.#seatMarks[seat] === walk) continue;
      const rack = this.#rackOf[seat] as number;
      if (this.#rackMarks[rack] === walk) {
        if (repeats === 0) continue;
        repeats--;
      }
      this.#rackMarks[rack] = walk;
      this.#seatMarks[seat] = walk;
      this.#chosen[first + chosen] = seat;
      this.#chosenAt[first + chosen] = distance;
      chosen++;
    }
    this.#chosenCounts[index] = chosen;
    return first;
  }

  /**
   * Who gives up the range that ends at token `range` to `seat`, if seat gets a token `distance`
   * tokens farther. Only the present replicas and the newcomer need to compete for the places.
   */
  #loserAt(range: number, distance: number, seat: number): number {
    const first = this.#chooseFrom(range);
    const end = first + (this.#chosenCounts[range] as number);
    const rack = this.#rackOf[seat] as number;
    let repeats = this.#repeats;
    let place = first;
    let isRackMet = false;
    for (; place < end; place++) {
      if ((this.#chosenAt[place] as number) >= distance) break;
      if (this.#chosen[place] === seat) return OUT_OF_REACH;
      if (this.#rackAt(place) === rack) isRackMet = true;
      if (this.#isRepeat(first, place)) repeats--;
    }
    if (place - first >= this.replicas || (isRackMet && repeats <= 0)) return OUT_OF_REACH;
    for (let later = place; later < end; later++) {
      if (this.#chosen[later] === seat) return UNCHANGED;
    }
    if (isRackMet) repeats--;
    // From here on each replica takes its place behind the newcomer; the first without one is out.
    for (; place < end; place++) {
      if (place - first + 1 >= this.replicas) return this.#chosen[place] as number;
      if (this.#rackAt(place) !== rack && !this.#isRepeat(first, place)) continue;
      if (repeats === 0) return this.#chosen[place] as number;
      repeats--;
    }
    return NOBODY;
  }

  #rackAt(place: number): number {
    return this.#rackOf[this.#chosen[place] as number] as number;
  }

  /** True if a replica of the same walk before this one is in the same rack. */
  #isRepeat(first: number, place: number): boolean {
    const rack = this.#rackAt(place);
    for (let before = first; before < place; before++) {
      if (this.#rackAt(before) === rack) return true;
    }
    return false;
  }
}

export interface RingSnapshot {
  readonly positions: Float64Array;
  readonly owners: Int32Array;
  readonly loads: Float64Array;
}
