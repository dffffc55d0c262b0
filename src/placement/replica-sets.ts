/**
 * The distinct replica sets of a ring. Interned, so that the same members in the same order are
 * the same object: a thousand tokens of three members make six sets, and per-set state (counters,
 * peer connections in order) can be kept by `id`.
 *
 * A hash table with open addressing over the members, because a Map would need a key object for
 * each of a quarter of a million tokens.
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

/** Collects the distinct sets while a table is built. */
export class ReplicaSets {
  readonly sets: ReplicaSet[] = [];
  readonly #mask: number;
  /** Id + 1 of the set in this slot, 0 where free. */
  readonly #slots: Int32Array;
  readonly #scratch: number[] = [];

  /** There will be at most `maxCount` distinct sets. */
  constructor(maxCount: number) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * maxCount + 2));
    this.#mask = capacity - 1;
    this.#slots = new Int32Array(capacity);
  }

  /** The set of these picks. Which are transient follows from the members and their order. */
  intern(picks: ReplicaPicks): ReplicaSet {
    let slot = hashOf(picks) & this.#mask;
    for (;;) {
      const taken = this.#slots[slot] as number;
      if (taken === 0) return this.#add(slot, picks);
      const set = this.sets[taken - 1] as ReplicaSet;
      if (isSame(set, picks)) return set;
      slot = (slot + 1) & this.#mask;
    }
  }

  #add(slot: number, picks: ReplicaPicks): ReplicaSet {
    const id = this.sets.length;
    const set = { id, members: this.#copyMembers(picks), transient: transientOf(picks) };
    this.sets.push(set);
    this.#slots[slot] = id + 1;
    return set;
  }

  /** Through an array that is used again: a copy has no room to grow, a pushed-to array much. */
  #copyMembers(picks: ReplicaPicks): readonly number[] {
    this.#scratch.length = picks.count;
    for (let pick = 0; pick < picks.count; pick++) {
      this.#scratch[pick] = picks.members[pick] as number;
    }
    return this.#scratch.slice();
  }
}

function transientOf(picks: ReplicaPicks): readonly boolean[] | undefined {
  const flags = picks.transient.subarray(0, picks.count);
  return flags.includes(1) ? Array.from(flags, (flag) => flag === 1) : undefined;
}

function isSame(set: ReplicaSet, picks: ReplicaPicks): boolean {
  if (set.members.length !== picks.count) return false;
  for (let pick = 0; pick < picks.count; pick++) {
    if (set.members[pick] !== picks.members[pick]) return false;
  }
  return true;
}

function hashOf(picks: ReplicaPicks): number {
  let hash = picks.count;
  for (let pick = 0; pick < picks.count; pick++) {
    hash = Math.imul(hash ^ (picks.members[pick] as number), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash;
}
