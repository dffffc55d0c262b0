import type { Uint32Source } from "../../util/random.ts";
import type { NarrowPartitioner } from "../partitioner.ts";
import { MIN_TOKEN } from "../token.ts";
import type { KeyHasher, TokenPositions } from "./token-positions.ts";

/**
 * A narrow ring, stretched: a token is the high bits of its position and the rest are ones. So
 * shares stay, and the highest token is the highest position.
 */
export class NarrowPositions implements TokenPositions<bigint> {
  readonly #partitioner: NarrowPartitioner;

  constructor(partitioner: NarrowPartitioner) {
    this.#partitioner = partitioner;
  }

  createHasher(): KeyHasher {
    return new NarrowHasher(this.#partitioner);
  }

  positionOf(token: bigint): bigint {
    return MIN_TOKEN + ((token + 1n) << this.#restBits()) - 1n;
  }

  requireOwnable(): void {
    // Every token has a grain of its own.
  }

  random(rng: Uint32Source): bigint {
    return this.#partitioner.random(rng);
  }

  tokenAt(position: bigint): bigint {
    return (position - MIN_TOKEN) >> this.#restBits();
  }

  #restBits(): bigint {
    return BigInt(64 - this.#partitioner.tokenBits);
  }
}

class NarrowHasher implements KeyHasher {
  hi = 0;
  readonly lo = 0xffff_ffff;
  readonly #partitioner: NarrowPartitioner;
  readonly #shift: number;

  constructor(partitioner: NarrowPartitioner) {
    this.#partitioner = partitioner;
    this.#shift = 32 - partitioner.tokenBits;
  }

  hash(bytes: Uint8Array, start: number, end: number): void {
    const token = this.#partitioner.hashToNumber(bytes.subarray(start, end));
    const ones = 2 ** this.#shift - 1;
    this.hi = ((token << this.#shift) | ones) ^ 0x8000_0000;
  }
}
