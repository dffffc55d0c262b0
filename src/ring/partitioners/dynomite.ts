import type { Uint32Source } from "../../util/random.ts";
import { dynomiteManagerToken } from "../allocation/sidecar-tokens.ts";
import { type DynomiteHash, type Hash32, dynomiteHash } from "../dynomite-hashes.ts";
import { taggedPart } from "../hash-tag.ts";
import { type NarrowPartitioner, PartitionerError } from "../partitioner.ts";
import { INT64_ORDER } from "../range.ts";
import { TokenError } from "../token.ts";
import {
  PlainRing,
  bigintFromBytes,
  bytesFromBigint,
  exactOwnership,
  parseInteger,
  requireCount,
} from "./numeric.ts";

const RING_SIZE = 2n ** 32n;
/** More than this would have no token each. */
const SLOTS_MAX = 2 ** 32 - 1;

/** The settings of a Dynomite pool that decide where keys go. */
export interface DynomiteOptions {
  /** Dynomite's `hash`; `murmur` by default. */
  readonly hash?: DynomiteHash | undefined;
  /** Dynomite's `hash_tag`: two characters, e.g. `{}`; only what lies between them is hashed. */
  readonly hashTag?: string | undefined;
}

/**
 * Dynomite's ring of unsigned 32-bit tokens. Each rack is such a ring of its own, and tokens repeat
 * from rack to rack (RackPerReplica in `placement`).
 *
 * Source: Dynomite `src/hashkit/`.
 */
export class DynomitePartitioner implements NarrowPartitioner {
  readonly name: string;
  readonly tokenBits = 32;
  readonly preservesOrder = false;
  /** An ordinary token, which keys have and members may own: this ring has no reserved one. */
  readonly minimum = 0n;
  readonly maximum: bigint = RING_SIZE - 1n;
  readonly #ring: PlainRing = new PlainRing(RING_SIZE);
  readonly #hash: Hash32;
  readonly #hashTag: readonly [number, number] | undefined;

  /** Throws PartitionerError if the hash tag is not two ASCII characters. */
  constructor(options: DynomiteOptions = {}) {
    const name = options.hash ?? "murmur";
    this.name = `DynomitePartitioner(${name})`;
    this.#hash = dynomiteHash(name);
    this.#hashTag = options.hashTag === undefined ? undefined : parseHashTag(options.hashTag);
  }

  compare(a: bigint, b: bigint): number {
    return INT64_ORDER.compare(a, b);
  }

  hash(key: Uint8Array): bigint {
    return BigInt(this.hashToNumber(key));
  }

  /** An empty tag is hashed as it is, as in Dynomite's last source: all such keys go together. */
  hashToNumber(key: Uint8Array): number {
    const tag = this.#hashTag && taggedPart(key, ...this.#hashTag);
    return this.#hash(tag === undefined ? key : key.subarray(tag.start, tag.end));
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
    return (token + 1n) % RING_SIZE;
  }

  /** The tokens that Dynomite-manager gives a rack of `count` slots. */
  even(count: number): readonly bigint[] {
    requireCount(count, SLOTS_MAX);
    const tokens = Array.from({ length: count }, (_, slot) =>
      dynomiteManagerToken({ slot, slots: count }),
    );
    return tokens.sort((a, b) => (a < b ? -1 : 1));
  }

  ownership(tokens: Iterable<bigint>): ReadonlyMap<bigint, number> {
    return exactOwnership(tokens, RING_SIZE);
  }

  random(rng: Uint32Source): bigint {
    return BigInt(rng.uint32());
  }

  parse(text: string): bigint {
    return parseInteger(text, this.minimum, this.maximum);
  }

  format(token: bigint): string {
    return token.toString();
  }

  /** Four bytes, big-endian. */
  toBytes(token: bigint): Uint8Array {
    return bytesFromBigint(token, 4);
  }

  fromBytes(bytes: Uint8Array): bigint {
    if (bytes.length !== 4) throw new TokenError(`${bytes.length} bytes`, "4 bytes");
    return bigintFromBytes(bytes);
  }
}

function parseHashTag(text: string): readonly [number, number] {
  const [open = 0x80, close = 0x80] = Array.from(text, (character) => character.codePointAt(0));
  if (text.length !== 2 || open >= 0x80 || close >= 0x80) {
    throw new PartitionerError(text, "a hash tag of two ASCII characters, such as {}");
  }
  return [open, close];
}
