/**
 * The open scans of one engine, and the sequence numbers that say what each of them may see.
 *
 * Every change of the index gets the next number; a scan sees the changes up to the number at
 * its opening. What an open scan may still ask for (older states of entries, segments whose
 * records have been merged away) is kept until `oldest` has passed it.
 */
export class ScanRegister {
  #sequence = 0;
  /** Sequence numbers at which the open scans were opened, ascending. */
  readonly #open: number[] = [];
  readonly #onClosed: (() => void)[] = [];

  get sequence(): number {
    return this.#sequence;
  }

  get openCount(): number {
    return this.#open.length;
  }

  /** What the oldest open scan sees up to; Infinity if none is open. */
  get oldest(): number {
    return this.#open[0] ?? Number.POSITIVE_INFINITY;
  }

  /** What the newest open scan sees up to; -1 if none is open. */
  get newest(): number {
    return this.#open[this.#open.length - 1] ?? -1;
  }

  advance(): number {
    return ++this.#sequence;
  }

  open(): number {
    this.#open.push(this.#sequence);
    return this.#sequence;
  }

  close(sequence: number): void {
    const position = this.#open.indexOf(sequence);
    if (position >= 0) this.#open.splice(position, 1);
    for (const callback of this.#onClosed) callback();
  }

  /** Runs `callback` after every closing of a scan. */
  onClosed(callback: () => void): void {
    this.#onClosed.push(callback);
  }
}
