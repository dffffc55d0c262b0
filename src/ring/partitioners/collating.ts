/**
 * Keys are text and sort as an American dictionary would: `a` < `B` < `c`.
 *
 * In Cassandra (0.6 to 1.1) a token was the bytes of a Java collation key, which depend on the
 * tables of one Java version. `Intl.Collator` compares in the same spirit and shows no such bytes,
 * so here a token *is* the text: rings of this partitioner look the same but are not byte for byte
 * equal to Cassandra's, and text that collates equal is the same token.
 *
 * A midpoint is therefore not arithmetic on bytes. Both ends are reduced to letters and digits,
 * which collate in that order, and read as fractions to base 37, where the digit 0 means "the text
 * has ended". The mean is written likewise; where it has text after an end, the nearest text is
 * taken. Ends that differ only in case, accents or punctuation have nothing between them.
 *
 * Source: Cassandra 1.0 `dht/CollatingOrderPreservingPartitioner`.
 */
import type { Uint32Source } from "../../util/random.ts";
import type { Partitioner } from "../partitioner.ts";
import { type TokenRange, rangeContains } from "../range.ts";
import { TokenError } from "../token.ts";
import { middleOf } from "./middle.ts";
import { randomLetters, refuseComma, requireUtf8 } from "./order-preserving.ts";

/** A space stands for the end of the text. */
const ALPHABET = " 0123456789abcdefghijklmnopqrstuvwxyz";
const BASE: bigint = BigInt(ALPHABET.length);

/** See the head of this file. Source: Cassandra 1.0 `dht/CollatingOrderPreservingPartitioner`. */
export class CollatingOrderPreservingPartitioner implements Partitioner<string> {
  readonly name = "CollatingOrderPreservingPartitioner";
  readonly preservesOrder = true;
  /** The empty text; none collates before it. */
  readonly minimum = "";
  readonly #collator: Intl.Collator = new Intl.Collator("en-US");

  compare(a: string, b: string): number {
    return this.#collator.compare(a, b);
  }

  /** Throws TokenError unless the key is UTF-8. */
  hash(key: Uint8Array): string {
    return requireUtf8(key);
  }

  /** Throws TokenError if the ends differ so little that there is nothing between them. */
  midpoint(left: string, right: string): string {
    const isWhole = this.compare(left, right) === 0;
    const [from, to] = [reduce(left), reduce(isWhole ? left : right)];
    const size = Math.max(from.length, to.length) + 1;
    const { middle } = middleOf(numerator(from, size), numerator(to, size), BASE ** BigInt(size));
    const range: TokenRange<string> = { start: left, end: right };
    for (const token of textsNear(middle, size)) {
      const isInside = rangeContains(this, range, token) && this.compare(token, right) !== 0;
      if (isInside) return token;
    }
    throw new TokenError(`${left} .. ${right}`, "ends that differ in letters or digits");
  }

  random(rng: Uint32Source): string {
    return randomLetters(rng);
  }

  parse(text: string): string {
    return refuseComma(text);
  }

  format(token: string): string {
    return token;
  }

  toBytes(token: string): Uint8Array {
    return new TextEncoder().encode(token);
  }

  fromBytes(bytes: Uint8Array): string {
    return requireUtf8(bytes);
  }
}

/** Lower-case ASCII letters and digits: what a dictionary looks at first. */
function reduce(text: string): string {
  return text
    .normalize("NFD")
    .toLowerCase()
    .replaceAll(/[^\da-z]/g, "");
}

function numerator(text: string, size: number): bigint {
  let value = 0n;
  for (let at = 0; at < size; at++) {
    value = value * BASE + BigInt(ALPHABET.indexOf(text.charAt(at) || ALPHABET.charAt(0)));
  }
  return value;
}

/** The text of a fraction; if the text ends and goes on, the first text after the end, and before. */
function textsNear(value: bigint, size: number): readonly string[] {
  let text = "";
  let rest = value;
  for (let at = 0; at < size; at++) {
    text = ALPHABET.charAt(Number(rest % BASE)) + text;
    rest /= BASE;
  }
  const written = text.trimEnd();
  const end = written.indexOf(" ");
  if (end === -1) return [written];
  const start = written.slice(0, end);
  return [`${start}0`, start];
}
