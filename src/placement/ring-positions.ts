/**
 * What a running ring needs of its partitioner, whichever it is: the tokens of its members and the
 * keys as positions on the ring of 64 bits. Placement, storage, scans and repair then work as they
 * do with Murmur3, whose tokens are positions. How positions come about, and why comparing them is
 * comparing tokens, is told in `ring/positions/token-positions.ts`.
 *
 * This differs from RingEmbedding, which spreads the tokens of one given ring for tools: there the
 * position of a key depends on who is in the ring.
 */
import { type AnyPartitioner, createPartitioner } from "../ring/partitioners/by-name.ts";
import { ByteOrderedPartitioner } from "../ring/partitioners/byte-ordered.ts";
import { CollatingOrderPreservingPartitioner } from "../ring/partitioners/collating.ts";
import { DynomitePartitioner } from "../ring/partitioners/dynomite.ts";
import { OrderPreservingPartitioner } from "../ring/partitioners/order-preserving.ts";
import { RandomPartitioner } from "../ring/partitioners/random.ts";
import { RedisSlotPartitioner } from "../ring/partitioners/redis.ts";
import type { Partitioner } from "../ring/partitioner.ts";
import { CollationPositions } from "../ring/positions/collation.ts";
import { NarrowPositions } from "../ring/positions/narrow.ts";
import { ByteOrderedPositions, OrderPreservingPositions } from "../ring/positions/prefix.ts";
import { RandomPositions } from "../ring/positions/random.ts";
import type { KeyHasher, Stretch, TokenPositions } from "../ring/positions/token-positions.ts";
import { WholePositions } from "../ring/positions/whole.ts";
import { TokenError } from "../ring/token.ts";
import type { Uint32Source } from "../util/random.ts";

export type { KeyHasher, Stretch } from "../ring/positions/token-positions.ts";

/** Keys and members' tokens of one partitioner as positions in int64. */
export interface RingPositions {
  /** Of the partitioner, as in the layout. */
  readonly partitionerName: string;
  /**
   * The order of keys in a scan, where the partitioner has one: by token, then by bytes. Positions
   * are in this order too, but keys that share one are told apart only by this. Undefined where
   * keys are hashed.
   */
  readonly compareKeys: ((a: Uint8Array, b: Uint8Array) => number) | undefined;
  /** True if keys of one position are in order when they sort as bytes. */
  readonly sortsBytewise: boolean;
  /**
   * Where the keys lie that begin with these bytes, ascending; other keys may lie there too.
   * Undefined where they may lie anywhere.
   */
  prefixStretches(prefix: Uint8Array): readonly Stretch[] | undefined;
  /** A hasher from keys to positions; it keeps its last result, so each user takes one of its own. */
  createHasher(): KeyHasher;
  /** The token of a key, as text. Throws TokenError where the partitioner cannot take such a key. */
  tokenOf(key: Uint8Array): string;
  /** The one spelling of a token, given as text. Throws TokenError if it is none. */
  canonical(token: string): string;
  /**
   * The position of a member's token, given as text. Throws TokenError if it is no token, or none
   * that a member of a running ring may own.
   */
  positionOf(token: string): bigint;
  /**
   * The positions of all members' tokens, in the given order. Throws TokenError as `positionOf`
   * does, and for different tokens that are too close to have positions of their own.
   */
  positionsOf(tokenLists: readonly (readonly string[])[]): readonly (readonly bigint[])[];
  /** A token that a member may own, drawn at random. */
  randomToken(rng: Uint32Source): string;
  /**
   * The token to own at a position, for allocators that work on the ring of 64 bits; undefined for
   * ordered partitioners, whose rings have no width to share out.
   */
  tokenAt(position: bigint): string | undefined;
}

/** The positions of the partitioner with this name. Throws PartitionerError. */
export function ringPositionsOf(partitionerName: string): RingPositions {
  return createRingPositions(createPartitioner(partitionerName));
}

/** The positions of a partitioner; nothing in them depends on who is in the ring. */
export function createRingPositions(partitioner: AnyPartitioner): RingPositions {
  if (partitioner instanceof ByteOrderedPartitioner) {
    return new PartitionerPositions(partitioner, new ByteOrderedPositions());
  }
  if (partitioner instanceof OrderPreservingPartitioner) {
    return new PartitionerPositions(partitioner, new OrderPreservingPositions(partitioner));
  }
  if (partitioner instanceof CollatingOrderPreservingPartitioner) {
    return new PartitionerPositions(partitioner, new CollationPositions(partitioner));
  }
  if (partitioner instanceof RandomPartitioner) {
    return new PartitionerPositions(partitioner, new RandomPositions(partitioner));
  }
  if (partitioner instanceof DynomitePartitioner || partitioner instanceof RedisSlotPartitioner) {
    return new PartitionerPositions(partitioner, new NarrowPositions(partitioner));
  }
  return new PartitionerPositions(partitioner as Partitioner<bigint>, new WholePositions());
}

class PartitionerPositions<T> implements RingPositions {
  readonly partitionerName: string;
  readonly compareKeys: ((a: Uint8Array, b: Uint8Array) => number) | undefined;
  readonly sortsBytewise: boolean;
  readonly #partitioner: Partitioner<T>;
  readonly #positions: TokenPositions<T>;

  constructor(partitioner: Partitioner<T>, positions: TokenPositions<T>) {
    this.partitionerName = partitioner.name;
    this.compareKeys = partitioner.preservesOrder ? keyOrder(partitioner) : undefined;
    this.sortsBytewise = partitioner instanceof ByteOrderedPartitioner;
    this.#partitioner = partitioner;
    this.#positions = positions;
  }

  prefixStretches(prefix: Uint8Array): readonly Stretch[] | undefined {
    return this.#positions.prefixStretches?.(prefix);
  }

  createHasher(): KeyHasher {
    return this.#positions.createHasher();
  }

  tokenOf(key: Uint8Array): string {
    return this.#partitioner.format(this.#partitioner.hash(key));
  }

  canonical(text: string): string {
    return this.#partitioner.format(this.#partitioner.parse(text));
  }

  positionOf(text: string): bigint {
    const token = this.#partitioner.parse(text);
    this.#positions.requireOwnable(token);
    return this.#positions.positionOf(token);
  }

  positionsOf(tokenLists: readonly (readonly string[])[]): readonly (readonly bigint[])[] {
    const owned = new Map<bigint, string>();
    return tokenLists.map((tokens) =>
      tokens.map((text) => {
        const position = this.positionOf(text);
        const other = owned.get(position) ?? text;
        this.#requireSame(text, other);
        owned.set(position, other);
        return position;
      }),
    );
  }

  randomToken(rng: Uint32Source): string {
    return this.#partitioner.format(this.#positions.random(rng));
  }

  tokenAt(position: bigint): string | undefined {
    const token = this.#positions.tokenAt(position);
    return token === undefined ? undefined : this.#partitioner.format(token);
  }

  /** The same token may be owned in several racks. */
  #requireSame(text: string, other: string): void {
    const partitioner = this.#partitioner;
    if (text === other) return;
    if (partitioner.compare(partitioner.parse(text), partitioner.parse(other)) === 0) return;
    throw new TokenError(
      text,
      `a token farther from ${other}: a running ring cannot tell them apart`,
    );
  }
}

/** By token, then by bytes. Where tokens sort as bytes, keys do: those need not be made tokens first. */
function keyOrder<T>(partitioner: Partitioner<T>): (a: Uint8Array, b: Uint8Array) => number {
  const bytes = new ByteOrderedPartitioner();
  const byBytes = (a: Uint8Array, b: Uint8Array): number => bytes.compare(a, b);
  const byToken = (a: Uint8Array, b: Uint8Array): number =>
    partitioner.compare(partitioner.hash(a), partitioner.hash(b)) || bytes.compare(a, b);
  if (partitioner instanceof ByteOrderedPartitioner) return byBytes;
  if (!(partitioner instanceof OrderPreservingPartitioner)) return byToken;
  return (a, b) => (isAscii(a) && isAscii(b) ? byBytes(a, b) : byToken(a, b));
}

function isAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] ?? 0) >= 0x80) return false;
  return true;
}
