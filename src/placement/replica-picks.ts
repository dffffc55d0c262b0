/**
 * The replicas that a strategy picks for one token, in placement order; reused for every token of
 * a ring so that building a table makes no garbage.
 */
export class ReplicaPicks {
  readonly members: Int32Array;
  readonly transient: Uint8Array;
  /** Where on the (unwrapped) ring the pick was made; placement order is the order of these. */
  readonly #positions: Int32Array;
  count = 0;

  constructor(capacity: number) {
    this.members = new Int32Array(capacity);
    this.transient = new Uint8Array(capacity);
    this.#positions = new Int32Array(capacity);
  }

  clear(): void {
    this.count = 0;
  }

  add(member: number, position: number): void {
    this.#set(this.count, member, position, 0);
    this.count++;
  }

  /** True if the member was picked at or after pick number `from`. */
  has(member: number, from = 0): boolean {
    for (let pick = from; pick < this.count; pick++) {
      if (this.members[pick] === member) return true;
    }
    return false;
  }

  /** The position of the last pick, -1 without picks. */
  positionOfLast(): number {
    return this.count === 0 ? -1 : (this.#positions[this.count - 1] as number);
  }

  /** Marks the last `transientCount` of the picks from number `from` on as transient. */
  markTransient(from: number, transientCount: number): void {
    for (let pick = Math.max(from, this.count - transientCount); pick < this.count; pick++) {
      this.transient[pick] = 1;
    }
  }

  /** Merges the picks of several datacenters into ring order; a stable insertion sort. */
  sortByPosition(): void {
    for (let pick = 1; pick < this.count; pick++) {
      const member = this.members[pick] as number;
      const position = this.#positions[pick] as number;
      const transient = this.transient[pick] as number;
      let hole = pick;
      for (; hole > 0 && (this.#positions[hole - 1] as number) > position; hole--) {
        const moved = hole - 1;
        this.members[hole] = this.members[moved] as number;
        this.transient[hole] = this.transient[moved] as number;
        this.#positions[hole] = this.#positions[moved] as number;
      }
      this.#set(hole, member, position, transient);
    }
  }

  #set(pick: number, member: number, position: number, transient: number): void {
    this.members[pick] = member;
    this.#positions[pick] = position;
    this.transient[pick] = transient;
  }
}
