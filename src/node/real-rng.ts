/** Chance from the operating system. */
import { randomFillSync } from "node:crypto";
import type { Rng } from "../model/deps.ts";

/** Draws words in blocks, because a call per word costs more than the word. */
export class RealRng implements Rng {
  readonly #words = new Uint32Array(64);
  #next = this.#words.length;

  uint32(): number {
    if (this.#next === this.#words.length) {
      randomFillSync(this.#words);
      this.#next = 0;
    }
    return this.#words[this.#next++] as number;
  }
}
