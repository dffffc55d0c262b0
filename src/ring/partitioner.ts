/**
 * A partitioner: how keys become tokens, and what can be computed with tokens.
 *
 * There are two families. *Hash partitioners* put keys on a ring of integers with a known width,
 * so shares, even spacing and allocation have a meaning. *Ordered partitioners* keep the order of
 * keys, so that ranges of keys can be scanned; their rings have no width, and who owns how much can
 * only be estimated from samples of the keys (`sampledOwnership`).
 *
 * The request path of the Murmur3 ring does not come through here: it hashes to halves, with
 * `Murmur3`. These are the tools of planning, administration and compatibility.
 *
 * Source: Cassandra `dht/IPartitioner`; the concrete classes name theirs.
 */
import type { Uint32Source } from "../util/random.ts";
import type { TokenOrder } from "./range.ts";

/** A name or an option of a partitioner that nothing can be made of. */
export class PartitionerError extends Error {
  /** The name or the option as it was given. */
  readonly value: string;
  /** What would have been right, as the message says it: "one of ...". */
  readonly expected: string;

  constructor(value: string, expected: string) {
    super(`invalid partitioner: ${JSON.stringify(value)}, expected ${expected}`);
    this.name = "PartitionerError";
    this.value = value;
    this.expected = expected;
  }
}

/** What every ring can do; `T` is the type of its tokens. */
export interface Partitioner<T> extends TokenOrder<T> {
  /** As configured, e.g. `Murmur3Partitioner`. */
  readonly name: string;
  /** True if tokens sort as their keys do. */
  readonly preservesOrder: boolean;
  /** The token of a key. Throws TokenError if the partitioner cannot take such keys. */
  hash(key: Uint8Array): T;
  /** The token half way from `left` clockwise to `right`; of the whole ring if they are equal. */
  midpoint(left: T, right: T): T;
  /** Reads the text form; throws TokenError. */
  parse(text: string): T;
  /** The text form, as `nodetool` prints it. */
  format(token: T): string;
  /** A random token that a member may own. */
  random(rng: Uint32Source): T;
  /** The form on the wire and on disk. */
  toBytes(token: T): Uint8Array;
  /** Reads the form on the wire; throws TokenError. */
  fromBytes(bytes: Uint8Array): T;
}

/** A ring of integers that hashes spread evenly. */
export interface HashPartitioner extends Partitioner<bigint> {
  readonly preservesOrder: false;
  /** The highest token that a member may own. */
  readonly maximum: bigint;
  /** The token at `ratio` (0 to 1) of the way from `left` clockwise to `right`. */
  split(left: bigint, right: bigint, ratio: number): bigint;
  /** The share of the ring in `(left, right]`, above 0 and up to 1; 1 if they are equal. */
  size(left: bigint, right: bigint): number;
  /** The token that follows, around the end of the ring. */
  next(token: bigint): bigint;
  /** The usual tokens of `count` members of equal share, ascending. Throws AllocationError. */
  even(count: number): readonly bigint[];
  /** The share that each token owns, rounded as the original prints it. Throws TokenError if empty. */
  ownership(tokens: Iterable<bigint>): ReadonlyMap<bigint, number>;
}

/** A hash partitioner whose tokens fit into 32 bits, so that keys are hashed without a BigInt. */
export interface NarrowPartitioner extends HashPartitioner {
  /** How many bits a token has, at most 32. */
  readonly tokenBits: number;
  /** The token of a key as a number, 0 to 2^tokenBits - 1. */
  hashToNumber(key: Uint8Array): number;
}

/** What `sampledOwnership` found of one token. */
export interface SampledShare<T> {
  /** One of the given tokens. */
  readonly token: T;
  /** The share of the samples in the range that it ends, 0 to 1. */
  readonly share: number;
}

/**
 * Ownership on a ring without width: the share of the samples in each token's range. Without any
 * sample every share is 0.
 *
 * Source: Cassandra `dht/ByteOrderedPartitioner.describeOwnership`.
 */
export function sampledOwnership<T>(
  order: TokenOrder<T>,
  tokens: readonly T[],
  samples: readonly T[],
): readonly SampledShare<T>[] {
  const sorted = tokens.toSorted((a, b) => order.compare(a, b));
  const counts = sorted.map(() => 0);
  for (const sample of samples) {
    const owner = sorted.findIndex((token) => order.compare(token, sample) >= 0);
    const index = owner === -1 ? 0 : owner;
    if (index in counts) counts[index] = (counts[index] ?? 0) + 1;
  }
  const total = Math.max(1, samples.length);
  return sorted.map((token, index) => ({ token, share: (counts[index] ?? 0) / total }));
}
