import { type Uint32Source, randomBelow } from "../../util/random.ts";
import { crc16Register } from "../crc.ts";
import { taggedPart } from "../hash-tag.ts";
import type { NarrowPartitioner } from "../partitioner.ts";
import { INT64_ORDER } from "../range.ts";
import { TokenError } from "../token.ts";
import {
  PlainRing,
  bytesFromBigint,
  exactOwnership,
  parseInteger,
  requireCount,
} from "./numeric.ts";

const SLOTS = 16_384;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/**
 * The slots of Redis Cluster as a ring of 16384 tokens: CRC16 of the key, modulo. If the key has a
 * tag in braces that is not empty, only the tag counts. A member with token `t` owns the slots after
 * its predecessor's token up to `t`.
 *
 * Source: Redis Cluster specification, "Key distribution model" and "Hash tags"; for even tokens
 * `redis-cli --cluster create`.
 */
export class RedisSlotPartitioner implements NarrowPartitioner {
  readonly name = "RedisSlotPartitioner";
  readonly tokenBits = 14;
  readonly preservesOrder = false;
  /** Slot 0, an ordinary slot: this ring has no reserved token. */
  readonly minimum = 0n;
  readonly maximum: bigint = BigInt(SLOTS - 1);
  readonly #ring: PlainRing = new PlainRing(BigInt(SLOTS));

  compare(a: bigint, b: bigint): number {
    return INT64_ORDER.compare(a, b);
  }

  hash(key: Uint8Array): bigint {
    return BigInt(this.hashToNumber(key));
  }

  hashToNumber(key: Uint8Array): number {
    const tag = taggedPart(key, OPEN, CLOSE);
    const isTagged = tag !== undefined && tag.end > tag.start;
    return crc16Register(isTagged ? key.subarray(tag.start, tag.end) : key) % SLOTS;
  }

  midpoint(left: bigint, right: bigint): bigint {
    return this.#ring.midpoint(left, right);
  }

  split(left: bigint, right: bigint, ratio: number): bigint {
    return this.#ring.split(left, right, ratio);
  }

  size(left: bigint, right: bigint): number {
    return this.#ring.size(left, right);
  }

  next(token: bigint): bigint {
    return (token + 1n) % this.#ring.width;
  }

  /** The last slot of each member. */
  even(count: number): readonly bigint[] {
    requireCount(count, SLOTS);
    return Array.from({ length: count }, (_, i) =>
      BigInt(Math.round(((i + 1) * SLOTS) / count - 1)),
    );
  }

  ownership(tokens: Iterable<bigint>): ReadonlyMap<bigint, number> {
    return exactOwnership(tokens, this.#ring.width);
  }

  random(rng: Uint32Source): bigint {
    return BigInt(randomBelow(rng, SLOTS));
  }

  parse(text: string): bigint {
    return parseInteger(text, this.minimum, this.maximum);
  }

  format(token: bigint): string {
    return token.toString();
  }

  /** Two bytes, big-endian. */
  toBytes(token: bigint): Uint8Array {
    return bytesFromBigint(token, 2);
  }

  fromBytes(bytes: Uint8Array): bigint {
    if (bytes.length !== 2) throw new TokenError(`${bytes.length} bytes`, "2 bytes");
    return parseInteger(String((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)), 0n, this.maximum);
  }
}
