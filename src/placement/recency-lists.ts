/**
 * Items in several doubly linked lists, each item in at most one, each list in order of last touch.
 *
 * This is what makes placement linear. Walking a ring *backwards* and moving the owner of each
 * token to the front of a list keeps that list in the order in which a walk *forwards* from here
 * would first meet the owners. So the first three distinct members after a token are the first
 * three items of a list, no matter how many tokens of others lie between.
 */
export class RecencyLists {
  readonly #first: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #isListed: Uint8Array;

  constructor(itemCount: number, listCount: number) {
    this.#first = new Int32Array(listCount).fill(-1);
    this.#next = new Int32Array(itemCount).fill(-1);
    this.#previous = new Int32Array(itemCount).fill(-1);
    this.#isListed = new Uint8Array(itemCount);
  }

  /** The most recently touched item of the list, or -1. */
  first(list: number): number {
    return this.#first[list] as number;
  }

  /** The item touched before this one, or -1. */
  next(item: number): number {
    return this.#next[item] as number;
  }

  /** Makes the item the first of the list. An item always comes with the same list. */
  touch(list: number, item: number): void {
    const first = this.#first[list] as number;
    if (first === item) return;
    if (this.#isListed[item] === 1) this.#unlink(item);
    this.#isListed[item] = 1;
    this.#previous[item] = -1;
    this.#next[item] = first;
    if (first !== -1) this.#previous[first] = item;
    this.#first[list] = item;
  }

  /** Takes an item that is not first out of its list. */
  #unlink(item: number): void {
    const previous = this.#previous[item] as number;
    const next = this.#next[item] as number;
    this.#next[previous] = next;
    if (next !== -1) this.#previous[next] = previous;
  }
}
