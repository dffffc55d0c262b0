/**
 * Where the tokens of one more member lie best in a ring whose other tokens stay.
 *
 * What is minimised:
 *
 *     sum over members of (load / weight - mean)^2  +  LAMBDA / mean weight^2 * sum over gaps of size^2
 *
 * The first term is the balance now. The second is the balance later: a ring with one huge gap and many
 * slivers can be balanced today and hopeless for the next member, because a later token takes over whole
 * neighbouring ranges and can only choose among the sizes that are there. With one replica per range it
 * hardly matters (every token's share can be tuned freely); with more it decides. Measured: without
 * it the spread at 4 tokens and 48 members is more than twice as wide.
 *
 * Both terms are quadratic in the position of one token within one gap, so the best position is a
 * formula and one pass over all gaps finds the best place for one token. The search:
 *
 *   1. greedy: place token after token, aiming at k/n of the fair share after the k-th;
 *   2. descent: take each token out, put it back at the best place, until nothing improves;
 *   3. kicks: throw one to three tokens anywhere, seek new places for them and some others, keep what is better. Here the
 *      objective is a sixth-power mean of the differences, close to the largest one, which
 *      is what operators look at. Their number follows from a budget, so that large rings stay quick.
 */
import { must } from "../../util/assert.ts";
import { randomBelow, randomFraction, type Uint32Source } from "../../util/random.ts";
import type { Stepwise } from "../../util/stepwise.ts";
import { RingBalance } from "./ring-balance.ts";
import type { RingLoads } from "./ring-loads.ts";

/**
 * Weight of the gaps in the objective, with one replica per range and with more. It is for members of
 * weight 1; with the mean weight, squares of loads per weight shrink like 1 / weight^2. A smaller one where an
 * addition relieves everybody gave closer small rings, but the debt came due: at 32 tokens and 100
 * members, and after removals, the spread was three times as wide.
 */
const LAMBDA_SINGLE = 0.02;
const LAMBDA = 0.5;
/**
 * With few tokens and with many: how many kicks, how much less the gaps weigh when the results of two of them are
 * compared, and by how much more the gaps may weigh while tokens are to spare (`gapsWeight`). With few tokens more kicks
 * bring nothing; with many, these leave 0.96 of the spread that 400 of them do.
 */
const FEW = { kicks: 200, gapsCompared: 0.5, spareMax: 1 };
const MANY = { kicks: 1500, gapsCompared: 0.1, spareMax: 4 };
const MANY_TOKENS = 8;
/** Rings of up to so many members are looked at in more ways (`counted-rings.ts`), and have nothing to spare. */
export const FEW_MEMBERS = 8;
const DESCENT_PASSES_MAX = 4;
/** Of so many tokens places are sought again after a kick. */
const MENDED = 6;
/** Gaps evaluated per allocation, which bounds the time: some 50 ns each. */
const EVALUATIONS_MAX = 2_000_000;
/** The search ends when nobody is farther than this from the mean. */
const GOOD_ENOUGH = 0.002;
/** A token keeps at least this share of a gap away from its neighbours. */
export const MARGIN = 0.02;
/** Narrower gaps are left alone: a position in them could not be told from its neighbours. */
const GAP_MIN = 1e-12;

/** One view of the tokens, and how much its balance counts. All views of a search have the same tokens. */
export interface CountedRing {
  readonly ring: RingLoads;
  readonly share: number;
}

interface Place {
  readonly index: number;
  readonly offset: number;
}

export class TokenSearch {
  /** The first of the views. */
  readonly #ring: RingLoads;
  readonly #views: readonly { readonly balance: RingBalance; readonly share: number }[];
  readonly #tokenCount: number;
  readonly #profile: typeof FEW;
  readonly #rng: Uint32Source;
  readonly #seat: number;
  /** How many tokens the seat has already. */
  readonly #keptCount: number;
  readonly #lambda: number;
  readonly #change = { c0: 0, c1: 0, c2: 0 };
  #evaluations = 0;

  /** @param views - at least one; what is good enough in the first one ends the search. */
  constructor(views: readonly CountedRing[], tokenCount: number, rng: Uint32Source) {
    const { ring } = must(views[0], "a ring to search");
    this.#ring = ring;
    this.#views = views.map((view) => ({
      balance: new RingBalance(view.ring),
      share: view.share,
    }));
    this.#tokenCount = tokenCount;
    this.#rng = rng;
    this.#seat = ring.seats.length - 1;
    this.#keptCount = ring.tokens().filter(({ seat }) => seat === this.#seat).length;
    this.#profile = tokenCount < MANY_TOKENS ? FEW : MANY;
    this.#lambda = gapsWeight(ring, tokenCount, this.#profile.spareMax);
  }

  /** Positions for the tokens of the last seat. */
  *place(): Stepwise<number[]> {
    let best = yield* this.#greedy();
    yield* this.#descend(best);
    let objective = this.#objective();
    for (let kick = 0; kick < this.#profile.kicks; kick++) {
      if (this.#evaluations > EVALUATIONS_MAX || this.#isGoodEnough()) break;
      const positions = [...best];
      yield* this.#mend(positions, this.#kick(positions));
      const after = this.#objective();
      if (after < objective) {
        objective = after;
        best = positions;
      } else {
        this.#replace(positions, best);
      }
    }
    return best;
  }

  /** Takes tokens out and puts others in, where they are not the same. */
  #replace(positions: readonly number[], others: readonly number[]): void {
    const isMoved = (which: number): boolean => positions[which] !== others[which];
    for (const [which, position] of positions.entries()) if (isMoved(which)) this.#take(position);
    for (const [which, position] of others.entries()) {
      if (isMoved(which)) this.#insert(position);
    }
  }

  *#greedy(): Stepwise<number[]> {
    const positions: number[] = [];
    for (let placed = 1; placed <= this.#tokenCount; placed++) {
      if (this.#ring.count === 0) {
        const position = randomFraction(this.#rng);
        this.#insert(position);
        positions.push(position);
      } else {
        const fairShare = (this.#keptCount + placed) / (this.#keptCount + this.#tokenCount);
        positions.push(this.#put(this.#best(fairShare)));
      }
      yield;
    }
    return positions;
  }

  /** Takes out and puts back each token until nothing moves. */
  *#descend(positions: number[]): Stepwise<void> {
    for (let pass = 0; pass < DESCENT_PASSES_MAX; pass++) {
      const hasMoved = yield* this.#improve(positions, positions.keys());
      if (!hasMoved || this.#evaluations > EVALUATIONS_MAX) return;
    }
  }

  /** The descent after a kick. With many tokens only some of them follow, so that there can be more kicks. */
  *#mend(positions: number[], kicked: ReadonlySet<number>): Stepwise<void> {
    if (positions.length <= MENDED) return yield* this.#descend(positions);
    const chosen = new Set<number>();
    while (chosen.size + kicked.size < MENDED) {
      const which = randomBelow(this.#rng, positions.length);
      if (!kicked.has(which)) chosen.add(which);
    }
    yield* this.#improve(positions, [...chosen, ...kicked]);
  }

  /** Takes out and puts back these tokens; whether one of them moved. */
  *#improve(positions: number[], tokens: Iterable<number>): Stepwise<boolean> {
    let hasMoved = false;
    for (const which of tokens) {
      if (this.#ring.count === 1) return false;
      const position = positions[which] ?? 0;
      this.#take(position);
      const moved = this.#put(this.#best(1));
      hasMoved ||= Math.abs(moved - position) > 1e-12;
      positions[which] = moved;
      yield;
    }
    return hasMoved;
  }

  /** Throws some tokens anywhere; which ones. */
  #kick(positions: number[]): ReadonlySet<number> {
    const kicked = new Set<number>();
    if (this.#ring.count < 2) return kicked;
    const kicks = 1 + randomBelow(this.#rng, Math.min(3, positions.length));
    for (let count = 0; count < kicks; count++) {
      const which = randomBelow(this.#rng, positions.length);
      this.#take(positions[which] ?? 0);
      const index = randomBelow(this.#rng, this.#ring.count);
      const size = this.#ring.sizeAt(index);
      const offset = size * (0.3 + 0.4 * randomFraction(this.#rng));
      positions[which] = this.#put(size < GAP_MIN ? this.#best(1) : { index, offset });
      kicked.add(which);
    }
    return kicked;
  }

  #take(position: number): void {
    const index = this.#ring.indexOf(position);
    for (const { balance } of this.#views) balance.ring.removeAt(index);
  }

  #insert(position: number): void {
    for (const { balance } of this.#views) balance.ring.insertAt(position, this.#seat);
  }

  #put({ index, offset }: Place): number {
    let at = index;
    for (const { balance } of this.#views) at = balance.ring.insertInto(index, offset, this.#seat);
    return this.#ring.positionAt(at);
  }

  /** The best place for one more token, if the seat should reach this share of its fair load. */
  #best(fairShare: number): Place {
    const ring = this.#ring;
    const change = this.#change;
    for (const { balance } of this.#views) balance.lookFor(this.#seat, fairShare);
    let bestIndex = 0;
    let bestOffset = 0;
    let bestChange = Infinity;
    for (let index = 0; index < ring.count; index++) {
      const size = ring.sizeAt(index);
      if (size < GAP_MIN) continue;
      change.c0 = 0;
      change.c1 = -2 * this.#lambda * size;
      change.c2 = 2 * this.#lambda;
      for (const { balance, share } of this.#views) balance.addChange(index, share, change);
      const { c0, c1, c2 } = change;
      const offset = Math.min(Math.max(-c1 / (2 * c2), size * MARGIN), size * (1 - MARGIN));
      const total = c0 + (c1 + c2 * offset) * offset;
      if (total < bestChange) {
        bestChange = total;
        bestIndex = index;
        bestOffset = offset;
      }
    }
    this.#evaluations += ring.count * this.#views.length;
    return { index: bestIndex, offset: bestOffset };
  }

  #isGoodEnough(): boolean {
    const limit = GOOD_ENOUGH * this.#ring.mean;
    const balance = must(this.#views[0], "a view of the ring").balance;
    return this.#ring.seats.every((_, seat) => Math.abs(balance.excessOf(seat)) < limit);
  }

  /** What decides between the results of two kicks: near the largest difference, plus the gaps. */
  #objective(): number {
    const ring = this.#ring;
    let uneven = 0;
    for (const { balance, share } of this.#views) uneven += share * balance.unevenness();
    let gaps = 0;
    for (let index = 0; index < ring.count; index++) gaps += ring.sizeAt(index) ** 2;
    return uneven + this.#profile.gapsCompared * this.#lambda * gaps;
  }
}

/**
 * How much the gaps count beside the loads. An addition relieves at most tokens x replicas members. Where that is more
 * than there are, and more racks than replicas (so that the first members decide for long), the rest is spent on the
 * balance later: the weight grows with the square of it. Measured with 16 tokens in four racks (12 rings): the mean spread
 * is 0.034 instead of 0.018 at 12 members, but 0.043 instead of 0.048 averaged over 38 to 48. With fewer racks the small
 * rings lose more by it than the large ones gain.
 */
function gapsWeight(ring: RingLoads, tokenCount: number, spareMax: number): number {
  const members = ring.seats.length;
  const totalWeight = ring.seats.reduce((sum, { weight }) => sum + weight, 0);
  const perWeight = (members / totalWeight) ** 2;
  if (ring.replicas === 1) return LAMBDA_SINGLE * perWeight;
  const isSpared = ring.hasManyRacks && members > FEW_MEMBERS;
  const spare = isSpared ? ((tokenCount * ring.replicas) / members) ** 2 : 1;
  return LAMBDA * Math.min(Math.max(spare, 1), spareMax) * perWeight;
}
