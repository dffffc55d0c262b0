/** The sum of some of the largest of many numbers, none of them negative. */
export class LargestSum {
  /** Descending; one more than may be asked for. */
  readonly #largest: Float64Array;
  #count = 0;

  constructor(countMax: number) {
    this.#largest = new Float64Array(countMax + 1);
  }

  /** Begins anew, with a sum of so many. */
  reset(count: number): void {
    this.#count = count;
    this.#largest.fill(0);
  }

  add(value: number): void {
    const largest = this.#largest;
    let rank = this.#count;
    for (; rank > 0 && (largest[rank - 1] as number) < value; rank--) {
      largest[rank] = largest[rank - 1] as number;
    }
    largest[rank] = value;
  }

  get sum(): number {
    let sum = 0;
    for (let rank = 0; rank < this.#count; rank++) sum += this.#largest[rank] as number;
    return sum;
  }
}
