/**
 * Who owns the tokens of a ring, in their order, and what a token more in each gap would take over.
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
 * range no longer gets to p; each of them is taken from exactly one member. `find` lists them. The range
 * that p cuts is the only one that is taken in part, by as much as lies before p.
 *
 * A search asks for all gaps again and again and moves one token in between. What a token changes is
 * near it: no farther before it than a walk reaches, and no farther behind it than a takeover does.
 * Everything else is remembered.
 */
import { assert } from "../../util/assert.ts";

/** Nobody has to give up the range: there were fewer replicas than wanted. */
export const NOBODY = -1;
/** The rack of a seat that walks pass by, as if it were not in the ring. Its tokens still part ranges. */
export const ABSENT = -1;
/** The owner of the new token replicates the range already. */
const UNCHANGED = -2;
/** The walk from the range is over before it gets to the new token. */
const OUT_OF_REACH = -3;

/** Whole ranges per gap that are remembered; with more of them they are found anew each time. */
export const REMEMBERED_MAX = 16;

export interface TakeoverShape {
  /** The rack of each seat; ABSENT for none. */
  readonly racks: readonly number[];
  readonly rf: number;
  /** Of tokens. */
  readonly capacity: number;
}

export class Takeovers {
  /** After `find`: whole ranges that are taken, by how many tokens they end before the gap's own. */
  readonly distances: Int32Array;
  /** After `find`: who loses them. */
  readonly losers: Int32Array;
  /** After `find`: how many there are. */
  size = 0;
  /** After `find`: who loses the part of the cut range; below NOBODY if nothing changes. */
  partLoser: number = NOBODY;

  readonly #replicas: number;
  readonly #repeats: number;
  readonly #rackOf: Int32Array;
  readonly #owners: Int32Array;
  #count = 0;

  /** Where what is remembered about each token is; it stays there while tokens come and go. */
  readonly #slots: Int32Array;
  /** Of each slot, `#replicas` places: whom the walk from the token chose, and how many tokens away. */
  readonly #chosen: Int32Array;
  readonly #chosenAt: Int32Array;
  /** How many were chosen; negative if the walk has to be done. */
  readonly #chosenCounts: Int32Array;
  /** The longest of the walks. */
  #reach = 0;

  /** For whom the takeovers in the gap before each token are remembered; negative if for nobody. */
  readonly #foundFor: Int32Array;
  readonly #foundNumbers: Int32Array;
  readonly #foundSizes: Int32Array;
  readonly #foundPartLosers: Int32Array;
  readonly #foundDistances: Int32Array;
  readonly #foundLosers: Int32Array;
  /** How far before its gap any of them looked. */
  #depth = 0;
  #foundNumber = 0;

  // Scratch of one walk; a mark equal to the walk's number means "met".
  readonly #seatMarks: Int32Array;
  readonly #rackMarks: Int32Array;
  #walk = 0;

  constructor({ racks, rf, capacity }: TakeoverShape) {
    const present = racks.filter((rack) => rack !== ABSENT);
    this.#replicas = Math.min(rf, present.length);
    this.#repeats = Math.max(0, rf - new Set(present).size);
    this.#rackOf = Int32Array.from(racks);
    this.#seatMarks = new Int32Array(racks.length);
    this.#rackMarks = new Int32Array(Math.max(-1, ...racks) + 1);
    this.distances = new Int32Array(capacity);
    this.losers = new Int32Array(capacity);
    this.#owners = new Int32Array(capacity);
    this.#slots = Int32Array.from({ length: capacity }, (_, slot) => slot);
    this.#chosen = new Int32Array(capacity * this.#replicas);
    this.#chosenAt = new Int32Array(capacity * this.#replicas);
    this.#chosenCounts = new Int32Array(capacity);
    this.#foundFor = new Int32Array(capacity);
    this.#foundNumbers = new Int32Array(capacity);
    this.#foundSizes = new Int32Array(capacity);
    this.#foundPartLosers = new Int32Array(capacity);
    this.#foundDistances = new Int32Array(capacity * REMEMBERED_MAX);
    this.#foundLosers = new Int32Array(capacity * REMEMBERED_MAX);
  }

  get count(): number {
    return this.#count;
  }

  ownerAt(index: number): number {
    return this.#owners[index] ?? NOBODY;
  }

  owners(): Int32Array {
    return this.#owners.slice(0, this.#count);
  }

  /** Replaces all tokens. */
  load(owners: ArrayLike<number>): void {
    assert(owners.length <= this.#owners.length, "more tokens than the ring has room for");
    this.#owners.set(owners);
    this.#count = owners.length;
    this.#forgetAll();
  }

  insert(index: number, seat: number): void {
    assert(this.#count < this.#owners.length, "the ring has no room for another token");
    const slot = this.#slots[this.#count] as number;
    this.#owners.copyWithin(index + 1, index, this.#count);
    this.#slots.copyWithin(index + 1, index, this.#count);
    this.#owners[index] = seat;
    this.#slots[index] = slot;
    this.#count++;
    this.#forgetAround(index);
  }

  remove(index: number): void {
    const slot = this.#slots[index] as number;
    this.#owners.copyWithin(index, index + 1, this.#count);
    this.#slots.copyWithin(index, index + 1, this.#count);
    this.#count--;
    this.#slots[this.#count] = slot;
    if (this.#count > 0) this.#forgetAround(index === this.#count ? 0 : index);
  }

  /** Where the caller may keep what it knows of the token: below the capacity, its own until it is removed. */
  slotAt(index: number): number {
    return this.#slots[index] as number;
  }

  /**
   * A number above 0 for what a token of `seat` in the range before token `index` would take. While it is
   * the same, so are these ranges, their losers and their sizes. 0 if nothing is remembered.
   */
  numberAt(index: number, seat: number): number {
    const slot = this.#slots[index] as number;
    return this.#foundFor[slot] === seat ? (this.#foundNumbers[slot] as number) : 0;
  }

  /** The seats that replicate the range that ends at this token, in the order of the walk. */
  replicasAt(index: number): Int32Array {
    const slot = this.#walkFrom(index);
    const first = slot * this.#replicas;
    return this.#chosen.subarray(first, first + (this.#chosenCounts[slot] as number));
  }

  /**
   * Finds what a new token of `seat` in the range before token `index` would take, wherever in that range
   * it lies. Fills `distances`, `losers`, `size` and `partLoser`.
   */
  find(index: number, seat: number): void {
    const slot = this.#slots[index] as number;
    if (this.#foundFor[slot] === seat) return this.#recall(slot);
    this.size = 0;
    this.partLoser = this.#loserAt(index, 0, seat);
    this.#findWhole(index, seat);
    this.#remember(slot, seat);
  }

  #findWhole(index: number, seat: number): void {
    const count = this.#count;
    let range = index;
    for (let distance = 1; distance < count; distance++) {
      range = range === 0 ? count - 1 : range - 1;
      const loser = this.#loserAt(range, distance, seat);
      if (distance > this.#depth) this.#depth = distance;
      if (loser === OUT_OF_REACH) return;
      if (loser !== UNCHANGED) this.#add(distance, loser);
    }
    // The walk from the cut range comes round to the new token: too few replicas without it, so the
    // newcomer takes the range on both sides of the cut.
    if (this.#loserAt(index, count, seat) !== NOBODY) return;
    this.partLoser = UNCHANGED;
    this.#add(0, NOBODY);
  }

  #add(distance: number, loser: number): void {
    this.distances[this.size] = distance;
    this.losers[this.size] = loser;
    this.size++;
  }

  #remember(slot: number, seat: number): void {
    if (this.size > REMEMBERED_MAX) return;
    this.#foundFor[slot] = seat;
    this.#foundNumbers[slot] = ++this.#foundNumber;
    this.#foundSizes[slot] = this.size;
    this.#foundPartLosers[slot] = this.partLoser;
    const first = slot * REMEMBERED_MAX;
    for (let at = 0; at < this.size; at++) {
      this.#foundDistances[first + at] = this.distances[at] as number;
      this.#foundLosers[first + at] = this.losers[at] as number;
    }
  }

  #recall(slot: number): void {
    this.size = this.#foundSizes[slot] as number;
    this.partLoser = this.#foundPartLosers[slot] as number;
    const first = slot * REMEMBERED_MAX;
    for (let at = 0; at < this.size; at++) {
      this.distances[at] = this.#foundDistances[first + at] as number;
      this.losers[at] = this.#foundLosers[first + at] as number;
    }
  }

  #forgetAll(): void {
    this.#chosenCounts.fill(-1);
    this.#foundFor.fill(-1);
    this.#reach = 0;
    this.#depth = 0;
  }

  /** A token was put in at this index, or taken out before the one that is there now. */
  #forgetAround(index: number): void {
    const count = this.#count;
    const before = this.#reach + 1;
    const behind = this.#depth + 1;
    if (before + behind + 1 >= count) return this.#forgetAll();
    let at = index - before < 0 ? index - before + count : index - before;
    for (let step = -before; step <= behind; step++) {
      const slot = this.#slots[at] as number;
      if (step <= 0) this.#chosenCounts[slot] = -1;
      this.#foundFor[slot] = -1;
      at = at + 1 === count ? 0 : at + 1;
    }
  }

  /**
   * The greedy walk from a token, in `#chosen`, `#chosenAt` and `#chosenCounts`.
   *
   * @returns the token's slot.
   */
  #walkFrom(index: number): number {
    const slot = this.#slots[index] as number;
    if ((this.#chosenCounts[slot] as number) >= 0) return slot;
    const first = slot * this.#replicas;
    const walk = ++this.#walk;
    const count = this.#count;
    let repeats = this.#repeats;
    let chosen = 0;
    let distance = 0;
    for (; distance < count && chosen < this.#replicas; distance++) {
      const at = index + distance;
      const seat = this.#owners[at < count ? at : at - count] as number;
      if (this.#seatMarks[seat] === walk) continue;
      const rack = this.#rackOf[seat] as number;
      if (rack === ABSENT) continue;
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
    this.#chosenCounts[slot] = chosen;
    if (distance > this.#reach) this.#reach = distance;
    return slot;
  }

  /**
   * Who gives up the range that ends at token `range` to `seat`, if seat gets a token `distance`
   * tokens farther. Only the present replicas and the newcomer need to compete for the places.
   */
  #loserAt(range: number, distance: number, seat: number): number {
    const slot = this.#walkFrom(range);
    const first = slot * this.#replicas;
    const end = first + (this.#chosenCounts[slot] as number);
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
    if (place - first >= this.#replicas || (isRackMet && repeats <= 0)) return OUT_OF_REACH;
    for (let later = place; later < end; later++) {
      if (this.#chosen[later] === seat) return UNCHANGED;
    }
    if (isRackMet) repeats--;
    // From here on each replica takes its place behind the newcomer; the first without one is out.
    for (; place < end; place++) {
      if (place - first + 1 >= this.#replicas) return this.#chosen[place] as number;
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
