/**
 * Evens out a ring by moving existing tokens, with as little data moved as possible. Cassandra has no
 * such thing, because a token that moves there is neither safe nor possible with several tokens.
 *
 * Tokens slide between their neighbours (`token-slide.ts`), which moves hardly more than the least of all plans that leave
 * each token between the old places of its neighbours. Where that is not enough, a token jumps to another place
 * (`token-jumps.ts`) and they slide again. If they still do not get there, the result says how far they got.
 *
 * No plan at all can move less than the larger of what is too much and what is too little: `minimum`. None that keeps
 * each token between its neighbours can move less than one in which two of them may both use all of the gap between
 * them: `minimumInOrder`.
 *
 * Even means as even as replicas in racks allow: `fair-loads.ts`.
 */
import { must } from "../../util/assert.ts";
import { compareTokens, type RingMember } from "./allocation.ts";
import { fairLoads } from "./fair-loads.ts";
import { wholeGaps } from "./gap-shares.ts";
import { ringOf, seatsOf } from "./member-ring.ts";
import type { PlacedToken, RingLoads } from "./ring-loads.ts";
import { placedTokens, tokenAt } from "./ring-position.ts";
import { movedBetween, settleTokens } from "./settle.ts";
import { type LoadLimits, TokenFlow, unsettledOf, valvesOf } from "./token-flow.ts";
import type { TokenSpace } from "./token-space.ts";

/** What is to be balanced, and how much may move for it. */
export interface RebalanceRequest {
  /** The ring that the tokens lie on. */
  readonly space: TokenSpace;
  /** The members of one datacenter. */
  readonly members: readonly RingMember[];
  /** Replicas of each token in this datacenter. */
  readonly rf: number;
  /**
   * How far a load may lie from the evenest that these racks and weights allow, relative to it: 0.01 allows
   * 0.99 .. 1.01. That is in proportion to the weights wherever it can be.
   */
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
   * What every plan has to move at least that leaves each token between its neighbours' old places; undefined if
   * certainly none of those reaches the tolerance.
   */
  readonly minimumInOrder: number | undefined;
}

/** A tolerance is met with so much to spare, relative to it, that rounding puts nobody outside again. */
const INSIDE = 1e-6;
/** Smaller amounts are rounding. */
const TINY = 1e-9;

/** Plans the moves; changes nothing. */
export function rebalanceTokens(request: RebalanceRequest): Rebalance {
  const seats = seatsOf(request.members);
  const ringOfTokens = (tokens: readonly PlacedToken[]): RingLoads =>
    ringOf(seats, request.rf, tokens);
  const before = placedTokens(request.space, request.members);
  const start = ringOfTokens(before);
  const limits = limitsOf(start, request.tolerance);
  const after = settleTokens(before, {
    ringOf: ringOfTokens,
    limits: limitsOf(start, request.tolerance * (1 - INSIDE)),
    budget: request.budget ?? Infinity,
  });
  return {
    ...movedMembers(request, before, after),
    moved: movedBetween(start, ringOfTokens(after)),
    minimum: unsettledOf(start.loads, limits),
    minimumInOrder: leastInOrder(start, limits),
  };
}

/** Each token stays between its neighbours, and two may both use all of the gap between them; undefined if that is not enough. */
function leastInOrder(ring: RingLoads, limits: LoadLimits): number | undefined {
  const flow = new TokenFlow(ring, valvesOf(ring), limits, wholeGaps(ring));
  const { cost, unsettled } = flow.solve(Infinity);
  return unsettled > TINY ? undefined : cost;
}

/** So far may loads lie from the evenest, relative to it. */
export function limitsOf({ seats, replicas }: RingLoads, tolerance: number): LoadLimits {
  const fair = fairLoads(seats, replicas);
  const limit = (factor: number): Float64Array => fair.map((load) => load * factor);
  return { lowest: limit(1 - tolerance), highest: limit(1 + tolerance) };
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
    if (is === was) continue;
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
