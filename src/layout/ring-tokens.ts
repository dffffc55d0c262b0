/**
 * Tokens of members as the allocators see them, and back: positions on the ring of 64 bits, whatever
 * the partitioner.
 *
 * A token that somebody owns keeps its text, because a position may say less than the token does. A
 * position that an allocator has chosen becomes the token to own there. On a narrow ring several
 * positions lie in the grain of one token; then the next token that is free is taken. Ordered
 * partitioners have no token for a position, and no widths by which one could be chosen.
 */
import { AllocationError } from "../ring/allocation/allocation.ts";
import { type RingPositions, ringPositionsOf } from "../placement/ring-positions.ts";
import type { Uint32Source } from "../util/random.ts";

/** Draws in vain after which a ring counts as full. */
const DRAWS_MAX = 10_000;

/** The tokens of a ring on which some are to be chosen. */
export class RingTokens {
  readonly positions: RingPositions;
  /** Tokens that have an owner, or had one. */
  readonly #texts: Map<bigint, string> = new Map();
  readonly #taken: Set<bigint> = new Set();

  /** `owned` are the tokens of the members that are there, by member. */
  constructor(partitioner: string, owned: readonly (readonly string[])[]) {
    this.positions = ringPositionsOf(partitioner);
    for (const tokens of owned) {
      for (const position of this.positionsOf(tokens)) this.#taken.add(position);
    }
  }

  /** True where tokens sort as keys do: tokens are named or drawn then, and never computed. */
  get isOrdered(): boolean {
    return this.positions.compareKeys !== undefined;
  }

  /** The positions of tokens, which keep their text from now on. Throws TokenError. */
  positionsOf(tokens: readonly string[]): bigint[] {
    return tokens.map((token) => {
      const position = this.positions.positionOf(token);
      this.#texts.set(position, this.positions.canonical(token));
      return position;
    });
  }

  /**
   * The tokens at these positions in ring order, which are owned from now on. Throws AllocationError
   * if no token is free.
   */
  textsOf(positions: readonly bigint[]): string[] {
    const places = positions.map((position) => this.#placeFor(position));
    return places
      .toSorted((a, b) => (a.position < b.position ? -1 : 1))
      .map(({ position, text }) => {
        this.#texts.set(position, text);
        return text;
      });
  }

  /** Tokens drawn at random, in ring order. Throws AllocationError if there are too few. */
  draw(count: number, rng: Uint32Source): string[] {
    const drawn: bigint[] = [];
    for (let draws = 0; drawn.length < count; draws++) {
      const [position = 0n] = this.positionsOf([this.positions.randomToken(rng)]);
      if (draws > DRAWS_MAX) throw this.#full();
      if (this.#taken.has(position)) continue;
      this.#taken.add(position);
      drawn.push(position);
    }
    return this.textsOf(drawn);
  }

  #placeFor(position: bigint): { position: bigint; text: string } {
    const known = this.#texts.get(position);
    if (known !== undefined) {
      this.#taken.add(position);
      return { position, text: known };
    }
    const first = this.#tokenAt(position);
    let place = first;
    while (this.#taken.has(place.position)) {
      place = this.#tokenAt(BigInt.asIntN(64, place.position + 1n));
      if (place.position === first.position) throw this.#full();
    }
    this.#taken.add(place.position);
    return place;
  }

  #tokenAt(position: bigint): { position: bigint; text: string } {
    const text = this.positions.tokenAt(position);
    if (text === undefined) throw noWidths(this.positions.partitionerName);
    return { position: this.positions.positionOf(text), text };
  }

  #full(): AllocationError {
    const { partitionerName } = this.positions;
    return new AllocationError("TOKEN_TAKEN", `no token of ${partitionerName} is free`);
  }
}

/** Why tokens cannot be computed on a ring of an ordered partitioner. */
export function noWidths(partitioner: string): AllocationError {
  return new AllocationError(
    "TOKEN_INVALID",
    `the ring of ${partitioner} has no widths by which tokens could be chosen: name the tokens ` +
      "(initialToken, or --tokens in a plan), or choose the allocator random",
  );
}
