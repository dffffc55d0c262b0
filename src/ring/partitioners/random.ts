import type { Uint32Source } from "../../util/random.ts";
import { wikiScriptTokens } from "../allocation/even.ts";
import { RANDOM_SPACE } from "../allocation/token-space.ts";
import { Md5 } from "../md5.ts";
import { INT64_ORDER } from "../range.ts";
import type { HashPartitioner } from "../partitioner.ts";
import { TokenError } from "../token.ts";
import { bigintFromBytes, exactOwnership, parseInteger } from "./numeric.ts";

const RING_SIZE = 2n ** 127n;

/**
 * The default before Cassandra 1.2: the MD5 digest, read as a signed big-endian integer and made
 * non-negative. So tokens go from 0 to 2^127 inclusive, and two digests share each token. The
 * minimum is -1 and belongs to the empty key.
 *
 * Source: Cassandra `dht/RandomPartitioner`, `utils/FBUtilities.hashToBigInteger`.
 */
export class RandomPartitioner implements HashPartitioner {
  readonly name = "RandomPartitioner";
  readonly preservesOrder = false;
  /** Below the tokens of all keys; that of the empty key only, and no member may own it. */
  readonly minimum: bigint = -1n;
  readonly maximum: bigint = RING_SIZE;
  readonly #md5: Md5 = new Md5();

  compare(a: bigint, b: bigint): number {
    return INT64_ORDER.compare(a, b);
  }

  hash(key: Uint8Array): bigint {
    if (key.length === 0) return this.minimum;
    const digest = BigInt.asIntN(128, bigintFromBytes(this.#md5.digest(key)));
    return digest < 0n ? -digest : digest;
  }

  midpoint(left: bigint, right: bigint): bigint {
    return RANDOM_SPACE.midpoint(left, right);
  }

  split(left: bigint, right: bigint, ratio: number): bigint {
    return RANDOM_SPACE.split(left, right, ratio);
  }

  size(left: bigint, right: bigint): number {
    return RANDOM_SPACE.sizeBetween(left, right);
  }

  next(token: bigint): bigint {
    return RANDOM_SPACE.next(token);
  }

  /**
   * `floor(i * 2^127 / count)`, as the script in Cassandra 0.7's documentation: doubling the count
   * keeps every token. A variant, `i * floor(2^127 / count)`, differs in the last digits.
   */
  even(count: number): readonly bigint[] {
    return wikiScriptTokens(count);
  }

  /** Exact shares, as 32-bit floats. */
  ownership(tokens: Iterable<bigint>): ReadonlyMap<bigint, number> {
    return exactOwnership(tokens, RING_SIZE, Math.fround);
  }

  random(rng: Uint32Source): bigint {
    return RANDOM_SPACE.random(rng);
  }

  parse(text: string): bigint {
    return parseInteger(text, 0n, this.maximum);
  }

  format(token: bigint): string {
    return token.toString();
  }

  /** The shortest two's complement form, big-endian. */
  toBytes(token: bigint): Uint8Array {
    const bytes: number[] = [];
    let rest = token;
    do {
      bytes.unshift(Number(rest & 255n));
      rest >>= 8n;
    } while (rest !== ((bytes[0] ?? 0) & 0x80 ? -1n : 0n));
    return Uint8Array.from(bytes);
  }

  fromBytes(bytes: Uint8Array): bigint {
    if (bytes.length === 0 || bytes.length > 17) {
      throw new TokenError(`${bytes.length} bytes`, "1 to 17 bytes");
    }
    return BigInt.asIntN(8 * bytes.length, bigintFromBytes(bytes));
  }
}
