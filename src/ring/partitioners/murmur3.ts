import type { Uint32Source } from "../../util/random.ts";
import { evenTokens } from "../allocation/even.ts";
import { MURMUR3_SPACE } from "../allocation/token-space.ts";
import { Murmur3 } from "../murmur3.ts";
import { describeOwnership } from "../ownership.ts";
import type { HashPartitioner } from "../partitioner.ts";
import { INT64_ORDER } from "../range.ts";
import { MAX_TOKEN, MIN_TOKEN, TokenError, parseToken, tokenFromHalves } from "../token.ts";
import { randomToken } from "../tokens.ts";

/**
 * The default since Cassandra 1.2, and ScyllaDB's: 64-bit tokens from MurmurHash3.
 *
 * Source: Cassandra `dht/Murmur3Partitioner`.
 */
export class Murmur3Partitioner implements HashPartitioner {
  readonly name = "Murmur3Partitioner";
  readonly preservesOrder = false;
  /** Bounds the ring; the token of the empty key only. */
  readonly minimum: bigint = MIN_TOKEN;
  readonly maximum: bigint = MAX_TOKEN;
  /** Made when a key is hashed: it takes long, and most of what is done with tokens needs none. */
  #murmur3: Murmur3 | undefined;

  compare(a: bigint, b: bigint): number {
    return INT64_ORDER.compare(a, b);
  }

  hash(key: Uint8Array): bigint {
    const murmur3 = (this.#murmur3 ??= new Murmur3());
    murmur3.hash(key, 0, key.length);
    return tokenFromHalves(murmur3.hi, murmur3.lo);
  }

  midpoint(left: bigint, right: bigint): bigint {
    return MURMUR3_SPACE.midpoint(left, right);
  }

  split(left: bigint, right: bigint, ratio: number): bigint {
    return MURMUR3_SPACE.split(left, right, ratio);
  }

  size(left: bigint, right: bigint): number {
    return MURMUR3_SPACE.sizeBetween(left, right);
  }

  next(token: bigint): bigint {
    return MURMUR3_SPACE.next(token);
  }

  even(count: number): readonly bigint[] {
    return evenTokens(MURMUR3_SPACE, count);
  }

  ownership(tokens: Iterable<bigint>): ReadonlyMap<bigint, number> {
    return describeOwnership(tokens);
  }

  random(rng: Uint32Source): bigint {
    return randomToken(rng);
  }

  parse(text: string): bigint {
    return parseToken(text);
  }

  format(token: bigint): string {
    return token.toString();
  }

  /** Eight bytes, big-endian. */
  toBytes(token: bigint): Uint8Array {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigInt64(0, token);
    return new Uint8Array(view.buffer);
  }

  fromBytes(bytes: Uint8Array): bigint {
    if (bytes.length !== 8) throw new TokenError(`${bytes.length} bytes`, "8 bytes");
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0);
  }
}
