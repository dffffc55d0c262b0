/**
 * Slides tokens towards loads within limits, as far as that goes without one passing another.
 *
 * Tokens are valves between members, so the least movement is a minimum-cost flow (`token-flow.ts`).
 * One thing does not fit into it: two tokens that move towards each other share the gap between
 * them. So the flow is solved as if each had the whole gap. Where two would meet, the gap is divided
 * between them as they used it, and the flow is solved again.
 *
 * A ring that is far from even may not get there with every token between the old places of its
 * neighbours. Then the tokens go as far as they can, and it starts over from there.
 */
import { must } from "../../util/assert.ts";
import type { PlacedToken, RingLoads } from "./ring-loads.ts";
import { type FlowResult, type LoadLimits, type Reach, TokenFlow, valvesOf } from "./token-flow.ts";

/** Where the loads are to get, and how. */
export interface SettleGoal {
  /** The ring of these tokens. */
  readonly ringOf: (tokens: readonly PlacedToken[]) => RingLoads;
  readonly limits: LoadLimits;
  /** Most data to move, as a share of the ring. */
  readonly budget: number;
}

/** Smaller amounts are rounding. */
const TINY = 1e-9;
/** Tokens may use so much more of a gap before they meet. */
const MEETING = 1e-6;
/** Tokens use at most this share of a gap, so that they do not meet. */
const GAP_SHARE = 0.98;
/** How often gaps are divided before all are, half and half. */
const DIVISIONS_MAX = 20;
/** How often it starts over where tokens between their neighbours are not enough. */
const ROUNDS_MAX = 12;

/** Indices of tokens in the order of the ring; equal positions keep the order given, as in RingLoads. */
export function orderOf(tokens: readonly PlacedToken[]): number[] {
  return [...tokens.keys()].toSorted((a, b) => at(tokens, a).position - at(tokens, b).position);
}

/** The same tokens, each where it is afterwards. */
export function slideTokens(
  start: readonly PlacedToken[],
  { ringOf, limits, budget }: SettleGoal,
): readonly PlacedToken[] {
  let tokens = start;
  let left = budget;
  let best = Infinity;
  for (let round = 0; round < ROUNDS_MAX && left > TINY; round++) {
    const order = orderOf(tokens);
    const ring = ringOf(order.map((which) => at(tokens, which)));
    const { shifts, cost, unsettled } = solve(ring, limits, left);
    if (cost < TINY || unsettled >= best - TINY) break;
    tokens = shifted(tokens, order, shifts);
    if (unsettled < TINY) break;
    left -= cost;
    best = unsettled;
  }
  return tokens;
}

function at(tokens: readonly PlacedToken[], which: number): PlacedToken {
  return must(tokens[which], "a token");
}

function shifted(
  tokens: readonly PlacedToken[],
  order: readonly number[],
  shifts: Float64Array,
): readonly PlacedToken[] {
  const moved = [...tokens];
  for (const [index, which] of order.entries()) {
    const { position, seat } = at(tokens, which);
    const place = position + (shifts[index] ?? 0);
    moved[which] = { position: place - Math.floor(place), seat };
  }
  return moved;
}

/** Solves the flow, and divides gaps in which two tokens would meet until none do. */
function solve(ring: RingLoads, limits: LoadLimits, budget: number): FlowResult {
  const valves = valvesOf(ring);
  const reach = wholeGaps(ring, GAP_SHARE);
  const isDivided = new Uint8Array(ring.count);
  for (let division = 0; ; division++) {
    const result = new TokenFlow(ring, valves, limits, reach).solve(budget);
    const isLast = division === DIVISIONS_MAX;
    if (!divideGaps(ring, result.shifts, { reach, isDivided, isLast })) return result;
  }
}

/** Every token may use this share of the gaps on both sides. */
export function wholeGaps(ring: RingLoads, share: number): Reach {
  const left = Float64Array.from({ length: ring.count }, (_, token) => ring.sizeAt(token) * share);
  const right = left.map((_, token) => left[(token + 1) % ring.count] ?? 0);
  return { left, right };
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
    const meets = fromLeft > 0 && fromRight > 0 && fromLeft + fromRight > room * (1 + MEETING);
    hasMet ||= meets;
    if (isDivided[token] === 1 || !(meets || isLast)) continue;
    isDivided[token] = 1;
    const share = meets ? fromLeft / (fromLeft + fromRight) : 0.5;
    reach.right[before] = room * share;
    reach.left[token] = room * (1 - share);
  }
  return hasMet;
}
