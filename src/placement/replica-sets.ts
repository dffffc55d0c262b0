/**
 * The distinct replica sets of a ring. Interned, so that the same members in the same order are
 * one set: a thousand tokens of three members make six sets, and per-set state (counters,
 * peer connections in order) can be kept by `id`.
 *
 * A ring of a quarter of a million tokens has nearly as many sets. As objects they would fill
 * thirty megabytes, which every collection of garbage walks and where every look-up of a random
 * token waits for memory. So the members of all sets stand one after another in one array, and the
 * object of a set is made when somebody first asks for it:
 *
 *     starts    [ 0 | 3 | 6 | ... ]            where set 0, 1, 2 ... begins, and where the last ends
 *     members   [ 4 7 1 | 7 ~1 2 | ... ]       in placement order; the complement of transient ones
 *
 * Interning is a hash table with open addressing over the members, because a Map would need a key
 * object for each token.
 */
import type { ReplicaPicks } from "./replica-picks.ts";

/** The replicas of some ranges, in placement order. */
export interface ReplicaSet {
  /** Index in `ReplicaTable.sets`. */
  readonly id: number;
  /** Indexes into the table's members, in placement order: the first is the primary. */
  readonly members: readonly number[];
  /** For each of `members` whether it is a transient replica; undefined if none is. */
  readonly transient: readonly boolean[] | undefined;
}

const FIRST_CAPACITY = 1024;

/** Collects the distinct sets while a table is built. */
export class ReplicaSetsBuilder {
  readonly #mask: number;
  /** Id + 1 of the set in this slot, 0 where free. */
  readonly #slots: Int32Array;
  readonly #starts: Int32Array;
  #members: Int32Array = new Int32Array(FIRST_CAPACITY);
  #count = 0;

  /** There will be at most `maxCount` distinct sets. */
  constructor(maxCount: number) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * maxCount + 2));
    this.#mask = capacity - 1;
    this.#slots = new Int32Array(capacity);
    this.#starts = new Int32Array(maxCount + 1);
  }

  /** The id of these picks' set. Which are transient follows from the members and their order. */
  intern(picks: ReplicaPicks): number {
    let slot = hashOf(picks) & this.#mask;
    for (;;) {
      const taken = this.#slots[slot] as number;
      if (taken === 0) break;
      if (this.#isSame(taken - 1, picks)) return taken - 1;
      slot = (slot + 1) & this.#mask;
    }
    this.#add(picks);
    this.#slots[slot] = this.#count;
    return this.#count - 1;
  }

  /** What was collected. The builder is not used again. */
  finish(): ReplicaSets {
    const starts = this.#starts.slice(0, this.#count + 1);
    return new ReplicaSets(starts, this.#members.slice(0, starts[this.#count] as number));
  }

  #isSame(id: number, picks: ReplicaPicks): boolean {
    const start = this.#starts[id] as number;
    if ((this.#starts[id + 1] as number) - start !== picks.count) return false;
    for (let pick = 0; pick < picks.count; pick++) {
      if (memberOf(this.#members[start + pick] as number) !== picks.members[pick]) return false;
    }
    return true;
  }

  #add(picks: ReplicaPicks): void {
    const start = this.#starts[this.#count] as number;
    const end = start + picks.count;
    if (end > this.#members.length) this.#grow(end);
    for (let pick = 0; pick < picks.count; pick++) {
      const member = picks.members[pick] as number;
      this.#members[start + pick] = picks.transient[pick] === 1 ? ~member : member;
    }
    this.#count++;
    this.#starts[this.#count] = end;
  }

  #grow(size: number): void {
    const grown = new Int32Array(2 * size);
    grown.set(this.#members);
    this.#members = grown;
  }
}

/** The sets of a table, by id; immutable. See the head of this file. */
export class ReplicaSets {
  readonly #starts: Int32Array;
  readonly #members: Int32Array;
  /** Made when first asked for; of full length from the start, as arrays with gaps are slow. */
  readonly #objects: (ReplicaSet | undefined)[];

  constructor(starts: Int32Array, members: Int32Array) {
    this.#starts = starts;
    this.#members = members;
    this.#objects = Array.from({ length: starts.length - 1 }, () => undefined);
  }

  get count(): number {
    return this.#starts.length - 1;
  }

  /** The same object each time. */
  get(id: number): ReplicaSet {
    return (this.#objects[id] ??= this.#make(id));
  }

  all(): readonly ReplicaSet[] {
    return Array.from({ length: this.count }, (_, id) => this.get(id));
  }

  #make(id: number): ReplicaSet {
    const entries = this.#members.subarray(this.#starts[id], this.#starts[id + 1]);
    const isSomeTransient = entries.some((entry) => entry < 0);
    return {
      id,
      members: Array.from(entries, memberOf),
      transient: isSomeTransient ? Array.from(entries, (entry) => entry < 0) : undefined,
    };
  }
}

function memberOf(entry: number): number {
  return entry < 0 ? ~entry : entry;
}

function hashOf(picks: ReplicaPicks): number {
  let hash = picks.count;
  for (let pick = 0; pick < picks.count; pick++) {
    hash = Math.imul(hash ^ (picks.members[pick] as number), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash;
}
