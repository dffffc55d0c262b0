/**
 * Evens out a ring by moving existing tokens, with as little data moved as possible. Cassandra has no
 * such thing, because a token that moves there is neither safe nor possible with several tokens.
 *
 * Tokens are valves between members, so the least movement is a minimum-cost flow (`token-flow.ts`).
 * One thing does not fit into it: two tokens that move towards each other share the gap between
 * them. So the flow is solved as if each had the whole gap. That is the least that any plan moves
 * that leaves each token between the old places of its neighbours: `minimumInOrder`. Where two would
 * meet, the gap is divided between them as they used it, and the flow is solved again.
 *
 * A ring that is far from even may not get there with every token between the old places of its
 * neighbours. Then the tokens go as far as they can, and it starts over from there. No token passes
 * another: that would change whole ranges at once. So a ring of few tokens that were drawn at random
 * may stay outside the tolerance; the result says how far it got.
 *
 * No plan at all can move less than the larger of what is too much and what is too little: `minimum`.
 */
import { must } from "../../util/assert.ts";
import { compareTokens, type RingMember } from "./allocation.ts";
import { RingLoads, type PlacedToken } from "./ring-loads.ts";
import { placedTokens, tokenAt } from "./ring-position.ts";
import { type FlowResult, type LoadLimits, type Reach, TokenFlow, valvesOf } from "./token-flow.ts";
import type { TokenSpace } from "./token-space.ts";

/** What is to be balanced, and how much may move for it. */
export interface RebalanceRequest {
  /** The ring that the tokens lie on. */
  readonly space: TokenSpace;
  /** The members of one datacenter. */
  readonly members: readonly RingMember[];
  /** Replicas of each token in this datacenter. */
  readonly rf: number;
  /** How far load per weight may lie from the mean: 0.01 allows 0.99 .. 1.01. */
  readonly tolerance: number;
  /** Tokens of others on the same ring, as of another datacenter: nobody is moved onto one. */
  readonly reserved?: readonly bigint[] | undefined;
  /** Most data to move, as a share of the ring; stops there. Unlimited by default. */
  readonly budget?: number | undefined;
}

/** One token of one member that changes its place. */
export interface TokenMove {
  /** Id of the member. */
  readonly member: string;
  /** The token that it gives up. */
  readonly from: bigint;
  /** The token that it owns instead. */
  readonly to: bigint;
}

/** Tokens that balance the ring, and what it costs to get there. */
export interface Rebalance {
  /** The members with their tokens after the moves, in the order given. */
  readonly members: readonly RingMember[];
  /** Member by member, in the order of `members`. */
  readonly moves: readonly TokenMove[];
  /** Data moved: share of the ring, counted once per replica that receives it. */
  readonly moved: number;
  /** What every plan to this tolerance has to move at least: all that is too much, or too little. */
  readonly minimum: number;
  /**
   * What every plan has to move at least that leaves each token between its neighbours' old places; undefined if no
   * such plan reaches the tolerance.
   */
  readonly minimumInOrder: number | undefined;
}

/** Loads end so much inside the tolerance, relative to it, that rounding puts nobody outside again. */
const INSIDE = 1e-6;
/** Smaller amounts are rounding. */
const TINY = 1e-9;
/** Tokens use at most this share of a gap, so that they do not meet. */
const GAP_SHARE = 0.98;
/** How often gaps are divided before all are, half and half. */
const DIVISIONS_MAX = 20;
/** How often it starts over where tokens between their neighbours are not enough. */
const ROUNDS_MAX = 12;

/** Plans the moves; changes nothing. */
export function rebalanceTokens(request: RebalanceRequest): Rebalance {
  const racks = [...new Set(request.members.map(({ rack }) => rack))];
  const seats = request.members.map(({ rack, weight }) => ({ rack: racks.indexOf(rack), weight }));
  const before = placedTokens(request.space, request.members);
  const ringOf = (tokens: readonly PlacedToken[]): RingLoads => {
    const ring = new RingLoads(seats, request.rf, tokens.length);
    ring.load(tokens);
    return ring;
  };
  const start = ringOf(before);
  const slide = new TokenSlide(ringOf, before, request.tolerance);
  const after = slide.run(request.budget ?? Infinity);
  return {
    ...movedMembers(request, before, after),
    moved: movedBetween(start, ringOf(after)),
    minimum: simpleMinimum(start, request.tolerance),
    minimumInOrder: leastInOrder(start, request.tolerance),
  };
}

/** The larger of all that is too much and all that is too little. */
function simpleMinimum(ring: RingLoads, tolerance: number): number {
  const { lowest, highest } = limitsOf(ring, tolerance);
  let tooMuch = 0;
  let tooLittle = 0;
  for (const [seat, load] of ring.loads.entries()) {
    tooMuch += Math.max(0, load - (highest[seat] ?? 0));
    tooLittle += Math.max(0, (lowest[seat] ?? 0) - load);
  }
  return Math.max(tooMuch, tooLittle);
}

/** The least that moves if each token stays between its neighbours; undefined if that is not enough. */
function leastInOrder(ring: RingLoads, tolerance: number): number | undefined {
  const flow = new TokenFlow(ring, valvesOf(ring), limitsOf(ring, tolerance), wholeGaps(ring, 1));
  const { cost, unsettled } = flow.solve(Infinity);
  return unsettled > TINY ? undefined : cost;
}

function limitsOf(ring: RingLoads, tolerance: number): LoadLimits {
  const limit = (factor: number): Float64Array =>
    Float64Array.from(ring.seats, ({ weight }) => weight * ring.mean * factor);
  return { lowest: limit(1 - tolerance), highest: limit(1 + tolerance) };
}

function wholeGaps(ring: RingLoads, share: number): Reach {
  const left = Float64Array.from({ length: ring.count }, (_, token) => ring.sizeAt(token) * share);
  const right = left.map((_, token) => left[(token + 1) % ring.count] ?? 0);
  return { left, right };
}

/** Translates positions back; a token that did not move stays what it was to the last bit. */
function movedMembers(
  request: RebalanceRequest,
  before: readonly PlacedToken[],
  after: readonly PlacedToken[],
): { members: RingMember[]; moves: TokenMove[] } {
  const { space, members, reserved = [] } = request;
  const tokens = members.flatMap((member) => member.tokens).toSorted(compareTokens);
  const taken = new Set([...tokens, ...reserved]);
  const places = new Map<bigint, bigint>();
  for (const [index, token] of tokens.entries()) {
    const [{ position: was }, { position: is }] = [
      must(before[index], "a place before"),
      must(after[index], "a place after"),
    ];
    if (Math.abs(is - was) < TINY) continue;
    const to = tokenAt(space, is);
    // On a ring of few positions, rounding can meet another token.
    if (taken.has(to)) continue;
    taken.add(to);
    places.set(token, to);
  }
  const moves = members.flatMap((member) =>
    member.tokens.flatMap((from) => {
      const to = places.get(from);
      return to === undefined ? [] : [{ member: member.id, from, to }];
    }),
  );
  const moved = members.map((member) => ({
    ...member,
    tokens: member.tokens.map((token) => places.get(token) ?? token),
  }));
  return { members: moved, moves };
}

/** The share of the ring that somebody replicates in the second ring only, once per replica. */
function movedBetween(before: RingLoads, after: RingLoads): number {
  const ends = [before, after].flatMap((ring) => ring.tokens().map(({ position }) => position));
  const sorted = Float64Array.from(new Set(ends)).sort();
  let moved = 0;
  for (const [index, end] of sorted.entries()) {
    const size = index === 0 ? end + 1 - (sorted.at(-1) ?? 0) : end - (sorted[index - 1] ?? 0);
    const old = before.replicasAt(before.indexOf(end) % before.count);
    const now = after.replicasAt(after.indexOf(end) % after.count);
    for (const seat of now) if (!old.includes(seat)) moved += size;
  }
  return moved;
}

/** Slides the tokens of one ring, round after round. */
class TokenSlide {
  readonly #ringOf: (tokens: readonly PlacedToken[]) => RingLoads;
  readonly #tolerance: number;
  /** In the order of the ring at the start, whatever passes what. */
  readonly #tokens: PlacedToken[];

  constructor(
    ringOf: (tokens: readonly PlacedToken[]) => RingLoads,
    tokens: readonly PlacedToken[],
    tolerance: number,
  ) {
    this.#ringOf = ringOf;
    this.#tokens = [...tokens];
    this.#tolerance = tolerance * (1 - INSIDE);
  }

  /** @returns the tokens where they are afterwards, in the order given. */
  run(budget: number): readonly PlacedToken[] {
    let left = budget;
    let best = Infinity;
    for (let round = 0; round < ROUNDS_MAX && left > TINY; round++) {
      // The ring sorts by position and keeps the order of equal ones; so do we.
      const order = [...this.#tokens.keys()].toSorted((a, b) => this.#at(a) - this.#at(b));
      const ring = this.#ringOf(order.map((which) => must(this.#tokens[which], "a token")));
      const { shifts, cost, unsettled } = this.#solve(ring, left);
      if (cost < TINY || unsettled >= best - TINY) break;
      for (const [index, which] of order.entries()) this.#shift(which, shifts[index] ?? 0);
      if (unsettled < TINY) break;
      left -= cost;
      best = unsettled;
    }
    return this.#tokens;
  }

  #at(which: number): number {
    return must(this.#tokens[which], "a token").position;
  }

  #shift(which: number, shift: number): void {
    const { position, seat } = must(this.#tokens[which], "a token");
    const moved = position + shift;
    this.#tokens[which] = { position: moved - Math.floor(moved), seat };
  }

  /** Solves the flow, and divides gaps in which two tokens would meet until none do. */
  #solve(ring: RingLoads, budget: number): FlowResult {
    const valves = valvesOf(ring);
    const limits = limitsOf(ring, this.#tolerance);
    const reach = wholeGaps(ring, GAP_SHARE);
    const isDivided = new Uint8Array(ring.count);
    for (let division = 0; ; division++) {
      const result = new TokenFlow(ring, valves, limits, reach).solve(budget);
      const hasMet = divideGaps(ring, result.shifts, {
        reach,
        isDivided,
        isLast: division === DIVISIONS_MAX,
      });
      if (!hasMet) return result;
    }
  }
}

/** Divides the gaps that two tokens used too much of; true if there were any. */
function divideGaps(
  ring: RingLoads,
  shifts: Float64Array,
  { reach, isDivided, isLast }: { reach: Reach; isDivided: Uint8Array; isLast: boolean },
): boolean {
  let hasMet = false;
  for (let token = 0; token < ring.count; token++) {
    const before = (token === 0 ? ring.count : token) - 1;
    const room = ring.sizeAt(token) * GAP_SHARE;
    const [fromLeft, fromRight] = [
      Math.max(0, shifts[before] ?? 0),
      Math.max(0, -(shifts[token] ?? 0)),
    ];
    const meets = fromLeft > 0 && fromRight > 0 && fromLeft + fromRight > room * (1 + INSIDE);
    hasMet ||= meets;
    if (isDivided[token] === 1 || !(meets || isLast)) continue;
    isDivided[token] = 1;
    const share = meets ? fromLeft / (fromLeft + fromRight) : 0.5;
    reach.right[before] = room * share;
    reach.left[token] = room * (1 - share);
  }
  return hasMet;
}
