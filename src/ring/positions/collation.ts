/**
 * Positions of CollatingOrderPreserving: where a text lies among all texts of up to twelve
 * lower-case letters and digits.
 *
 * `Intl.Collator` compares texts and shows no bytes to sort by, so a position is found by
 * comparing. Digits and letters collate in that order and a text before all that begin with it, so
 * the texts of them are the numbers to base 37, where 0 means that the text has ended. From the
 * first letter on, the last is taken that still collates not after the key. The number that comes
 * out is the last of these texts up to the key; a key that lies beyond it counts one more:
 *
 *     ""  = 0,   "m" = 23 * 37^11,   "M", "m!" = 23 * 37^11 + 1,   "m0" = 23 * 37^11 + 1 * 37^10
 *
 * So each text of up to twelve letters and digits is the last of its grain, and only such may be
 * owned. At most 12 x 6 comparisons a key: this partitioner is for compatibility, not for speed.
 * All members of a ring need the same collation: one version of ICU.
 */
import { type Uint32Source, randomBelow } from "../../util/random.ts";
import type { CollatingOrderPreservingPartitioner } from "../partitioners/collating.ts";
import { TokenError, tokenFromHalves } from "../token.ts";
import type { KeyHasher, TokenPositions } from "./token-positions.ts";
import { Word64 } from "./word64.ts";

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
const BASE: number = ALPHABET.length + 1;
const LENGTH_MAX = 12;

/** See the head of this file. */
export class CollationPositions implements TokenPositions<string> {
  readonly #partitioner: CollatingOrderPreservingPartitioner;
  readonly #hasher: CollationHasher;

  constructor(partitioner: CollatingOrderPreservingPartitioner) {
    this.#partitioner = partitioner;
    this.#hasher = new CollationHasher(partitioner);
  }

  createHasher(): KeyHasher {
    return new CollationHasher(this.#partitioner);
  }

  positionOf(token: string): bigint {
    this.#hasher.place(token);
    return tokenFromHalves(this.#hasher.hi, this.#hasher.lo);
  }

  requireOwnable(token: string): void {
    if (this.#hasher.place(token)) return;
    throw new TokenError(
      token,
      `at most ${LENGTH_MAX} lower-case letters and digits: a running ring tells keys apart by those`,
    );
  }

  random(rng: Uint32Source): string {
    const letter = (): string => ALPHABET.charAt(randomBelow(rng, ALPHABET.length));
    return Array.from({ length: LENGTH_MAX }, letter).join("");
  }

  tokenAt(): undefined {
    return undefined;
  }
}

class CollationHasher implements KeyHasher {
  hi = 0;
  lo = 0;
  readonly #partitioner: CollatingOrderPreservingPartitioner;
  readonly #word: Word64 = new Word64();

  constructor(partitioner: CollatingOrderPreservingPartitioner) {
    this.#partitioner = partitioner;
  }

  /** Throws TokenError unless the key is UTF-8. */
  hash(bytes: Uint8Array, start: number, end: number): void {
    this.place(this.#partitioner.hash(bytes.subarray(start, end)));
  }

  /** True if the text collates equal to one of letters and digits that is not too long. */
  place(text: string): boolean {
    const word = this.#word;
    word.clear();
    let reached = "";
    let digit = 1;
    for (let at = 0; at < LENGTH_MAX; at++) {
      digit = digit === 0 ? 0 : this.#lastDigit(reached, text);
      if (digit > 0) reached += ALPHABET.charAt(digit - 1);
      word.timesPlus(BASE, digit);
    }
    const isExact = this.#partitioner.compare(reached, text) === 0;
    if (!isExact) word.timesPlus(1, 1);
    this.hi = word.hi ^ 0x8000_0000;
    this.lo = word.lo;
    return isExact;
  }

  /** The last letter that may follow without passing the text, from 1; 0 if there is none. */
  #lastDigit(reached: string, text: string): number {
    let low = 0;
    let high = ALPHABET.length;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const isUpTo = this.#partitioner.compare(reached + ALPHABET.charAt(middle - 1), text) <= 0;
      if (isUpTo) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
