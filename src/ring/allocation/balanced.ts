/**
 * Our own allocator, the default: tokens for a joining member that even out what all members hold,
 * relative to their capacity, for any number of racks and any RF, without touching existing tokens.
 *
 * Why not Cassandra's. Its candidates are the midpoints of gaps, taken greedily and never reconsidered; it
 * sees token counts instead of capacities; it refuses 1 < racks < RF and places the first member of a
 * new rack as if there were no racks. Here a token may lie anywhere in a gap, tokens chosen early are
 * reconsidered once the others are known, and what a token does is computed from the placement that
 * really applies (see `ring-loads.ts`).
 *
 * What is minimised:
 *
 *     sum over members of (load / weight - mean)^2  +  LAMBDA * sum over gaps of size^2
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
 *   3. kicks: throw one to three tokens anywhere, descend again, keep what is better. Here the
 *      objective is a sixth-power mean of the differences, close to the largest one, which
 *      is what operators look at. Their number follows from a budget, so that large rings stay quick.
 *
 * The first members. While there are no more members than replicas everybody holds everything, and any
 * tokens look equally good; but which member comes last in how many ranges decides how even the next
 * ring can be. So a ring of n <= RF members is balanced for n - 1 replicas.
 *
 * Racks. If there are as many racks as replicas, each rack holds the ring once and is a ring of its own:
 * only the member's own rack counts. Otherwise all racks of the datacenter are one problem.
 */
import { assert } from "../../util/assert.ts";
import { randomBelow, randomFraction, type Uint32Source } from "../../util/random.ts";
import { compareTokens, type AllocationRequest, type RingMember } from "./allocation.ts";
import { RingLoads, type RingSeat, NOBODY } from "./ring-loads.ts";
import { placedTokens, tokenAt } from "./ring-position.ts";

/**
 * Weight of the gaps in the objective, with one replica per range and with more. A smaller one where an
 * addition relieves everybody gave closer small rings, but the debt came due: at 32 tokens and 100
 * members, and after removals, the spread was three times as wide.
 */
const LAMBDA_SINGLE = 0.02;
const LAMBDA = 0.5;
/** Gaps weigh less when the results of two kicks are compared. */
const LAMBDA_COMPARED = 0.5;
const COMPARED_POWER = 6;
const DESCENT_PASSES_MAX = 4;
const KICKS_MAX = 200;
/** Gaps evaluated per allocation, which bounds the time: under a microsecond each. */
const EVALUATIONS_MAX = 400_000;
/** The search ends when nobody is farther than this from the mean. */
const GOOD_ENOUGH = 0.002;
/** A token keeps at least this share of a gap away from its neighbours. */
const MARGIN = 0.02;
/** Narrower gaps are left alone: a position in them could not be told from its neighbours. */
const GAP_MIN = 1e-12;

/**
 * The tokens of the joining member, ascending.
 *
 * @param kept - tokens that it has and keeps, where it is to have `tokenCount` more; not returned.
 */
export function allocateBalanced(
  request: AllocationRequest,
  kept: readonly bigint[] = [],
): bigint[] {
  const ring = consideredRing(request, kept);
  const positions = new TokenSearch(ring, request.tokenCount, request.rng).place();
  const taken = new Set([...request.members.flatMap((member) => member.tokens), ...kept]);
  const tokens: bigint[] = [];
  for (const position of positions) {
    let token = tokenAt(request.space, position);
    while (taken.has(token)) token = request.space.next(token);
    taken.add(token);
    tokens.push(token);
  }
  return tokens.toSorted(compareTokens);
}

/**
 * The ring whose balance the joining member changes, with room for its tokens; it sits last.
 *
 * @param kept - tokens that it has already.
 */
export function consideredRing(request: AllocationRequest, kept: readonly bigint[]): RingLoads {
  const { members, rf } = scopeOf(request);
  const { joining, space, tokenCount } = request;
  const seats = seatsOf([...members, joining], request.replication.kind);
  const tokens = placedTokens(space, [...members, { tokens: kept }]);
  const ring = new RingLoads(seats, rf, tokens.length + tokenCount);
  ring.load(tokens);
  return ring;
}

function scopeOf(request: AllocationRequest): { members: readonly RingMember[]; rf: number } {
  const { members, joining, replication } = request;
  const isSimple = replication.kind === "simple";
  const inRing = members.filter(({ tokens }) => tokens.length > 0);
  const inDc = isSimple ? inRing : inRing.filter((member) => member.dc === joining.dc);
  const rf = Math.max(1, (isSimple ? replication.rf : replication.rf[joining.dc]) ?? 1);
  // While there are no more members than replicas, everybody holds everything. What matters then is
  // how even the ring will be with one member more, when each is left out of some ranges.
  if (inDc.length < rf) return { members: inDc, rf: Math.max(1, inDc.length) };
  const racks = new Set([...inDc, joining].map((member) => member.rack));
  if (isSimple || racks.size !== rf) return { members: inDc, rf };
  return { members: inDc.filter((member) => member.rack === joining.rack), rf: 1 };
}

function seatsOf(
  members: readonly Pick<RingMember, "rack" | "weight">[],
  kind: "network" | "simple",
): RingSeat[] {
  const racks = [...new Set(members.map((member) => member.rack))];
  return members.map(({ rack, weight }) => ({
    rack: kind === "simple" ? 0 : racks.indexOf(rack),
    weight,
  }));
}

interface Place {
  readonly index: number;
  readonly offset: number;
}

class TokenSearch {
  readonly #ring: RingLoads;
  readonly #tokenCount: number;
  readonly #rng: Uint32Source;
  readonly #seat: number;
  /** How many tokens the seat has already. */
  readonly #keptCount: number;
  readonly #lambda: number;
  readonly #weights: Float64Array;
  /** Scratch: what the seats lose to the candidate at hand. */
  readonly #losses: Float64Array;
  #evaluations = 0;

  constructor(ring: RingLoads, tokenCount: number, rng: Uint32Source) {
    this.#ring = ring;
    this.#tokenCount = tokenCount;
    this.#rng = rng;
    this.#seat = ring.seats.length - 1;
    this.#keptCount = ring.tokens().filter(({ seat }) => seat === this.#seat).length;
    this.#lambda = ring.replicas === 1 ? LAMBDA_SINGLE : LAMBDA;
    this.#weights = Float64Array.from(ring.seats, ({ weight }) => weight);
    this.#losses = new Float64Array(ring.seats.length);
  }

  /** Positions for the tokens of the last seat. */
  place(): number[] {
    let best = this.#greedy();
    this.#descend(best);
    let objective = this.#objective();
    const descentCost = this.#evaluations;
    for (let kick = 0; kick < KICKS_MAX; kick++) {
      if (this.#evaluations + descentCost > EVALUATIONS_MAX || this.#isGoodEnough()) break;
      const before = this.#ring.snapshot();
      const positions = [...best];
      this.#kick(positions);
      this.#descend(positions);
      const after = this.#objective();
      if (after < objective) {
        objective = after;
        best = positions;
      } else {
        this.#ring.restore(before);
      }
    }
    return best;
  }

  #greedy(): number[] {
    const positions: number[] = [];
    for (let placed = 1; placed <= this.#tokenCount; placed++) {
      if (this.#ring.count === 0) {
        positions.push(randomFraction(this.#rng));
        this.#ring.insertAt(positions[0] ?? 0, this.#seat);
      } else {
        const fairShare = (this.#keptCount + placed) / (this.#keptCount + this.#tokenCount);
        positions.push(this.#put(this.#best(fairShare)));
      }
    }
    return positions;
  }

  /** Takes out and puts back each token until nothing moves. */
  #descend(positions: number[]): void {
    for (let pass = 0; pass < DESCENT_PASSES_MAX; pass++) {
      let hasMoved = false;
      for (const [which, position] of positions.entries()) {
        if (this.#ring.count === 1) return;
        this.#ring.removeAt(this.#ring.indexOf(position));
        const moved = this.#put(this.#best(1));
        hasMoved ||= Math.abs(moved - position) > 1e-12;
        positions[which] = moved;
      }
      if (!hasMoved || this.#evaluations > EVALUATIONS_MAX) return;
    }
  }

  #kick(positions: number[]): void {
    if (this.#ring.count < 2) return;
    const kicked = 1 + randomBelow(this.#rng, Math.min(3, positions.length));
    for (let count = 0; count < kicked; count++) {
      const which = randomBelow(this.#rng, positions.length);
      this.#ring.removeAt(this.#ring.indexOf(positions[which] ?? 0));
      const index = randomBelow(this.#rng, this.#ring.count);
      const size = this.#ring.sizeAt(index);
      const offset = size * (0.3 + 0.4 * randomFraction(this.#rng));
      positions[which] = this.#put(size < GAP_MIN ? this.#best(1) : { index, offset });
    }
  }

  #put({ index, offset }: Place): number {
    return this.#ring.positionAt(this.#ring.insertInto(index, offset, this.#seat));
  }

  /** The best place for one more token, if the seat should reach this share of its fair load. */
  #best(fairShare: number): Place {
    const ring = this.#ring;
    const weight = this.#weights[this.#seat] as number;
    const excess = (ring.loads[this.#seat] as number) / weight - ring.mean * fairShare;
    let bestIndex = 0;
    let bestOffset = 0;
    let bestChange = Infinity;
    for (let index = 0; index < ring.count; index++) {
      const size = ring.sizeAt(index);
      if (size < GAP_MIN) continue;
      ring.effectsOf(index, this.#seat);
      // The change of the objective is c0 + c1 x + c2 x^2, x = distance from the start of the gap.
      let gained = 0;
      for (let effect = 0; effect < ring.effectCount; effect++) {
        const loss = ring.losses[effect] as number;
        const loser = ring.losers[effect] as number;
        gained += loss;
        if (loser !== NOBODY) this.#losses[loser] = (this.#losses[loser] as number) + loss;
      }
      const after = excess + gained / weight;
      let c1 = -2 * this.#lambda * size;
      let c2 = 2 * this.#lambda;
      if (ring.gainsPart) {
        c1 += (2 * after) / weight;
        c2 += 1 / (weight * weight);
        const loser = ring.partLoser;
        if (loser !== NOBODY) {
          const loserWeight = this.#weights[loser] as number;
          c1 -= (2 * this.#excessOf(loser)) / loserWeight;
          c2 += 1 / (loserWeight * loserWeight);
        }
      }
      const c0 = after * after - excess * excess + this.#settleLosses();
      const offset = Math.min(Math.max(-c1 / (2 * c2), size * MARGIN), size * (1 - MARGIN));
      const change = c0 + (c1 + c2 * offset) * offset;
      if (change < bestChange) {
        bestChange = change;
        bestIndex = index;
        bestOffset = offset;
      }
    }
    this.#evaluations += ring.count;
    return { index: bestIndex, offset: bestOffset };
  }

  /** How far a seat would be above the mean, with what it loses to the candidate at hand. */
  #excessOf(seat: number): number {
    const load = (this.#ring.loads[seat] as number) - (this.#losses[seat] as number);
    return load / (this.#weights[seat] as number) - this.#ring.mean;
  }

  /** The change of the squared differences of those who lose whole ranges; clears the scratch. */
  #settleLosses(): number {
    const ring = this.#ring;
    let change = 0;
    for (let effect = 0; effect < ring.effectCount; effect++) {
      const loser = ring.losers[effect] as number;
      if (loser === NOBODY || this.#losses[loser] === 0) continue;
      const after = this.#excessOf(loser);
      this.#losses[loser] = 0;
      const before = this.#excessOf(loser);
      change += after * after - before * before;
    }
    return change;
  }

  #isGoodEnough(): boolean {
    const limit = GOOD_ENOUGH * this.#ring.mean;
    return this.#ring.seats.every((_, seat) => Math.abs(this.#excessOf(seat)) < limit);
  }

  /** What decides between the results of two kicks: near the largest difference, plus the gaps. */
  #objective(): number {
    const ring = this.#ring;
    let powers = 0;
    for (let seat = 0; seat < ring.seats.length; seat++) {
      powers += Math.abs(this.#excessOf(seat)) ** COMPARED_POWER;
    }
    let gaps = 0;
    for (let index = 0; index < ring.count; index++) gaps += ring.sizeAt(index) ** 2;
    assert(Number.isFinite(powers), "loads are finite");
    return powers ** (2 / COMPARED_POWER) + LAMBDA_COMPARED * this.#lambda * gaps;
  }
}
