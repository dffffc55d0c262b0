/**
 * Slides tokens towards loads within limits, as far as that goes without one passing another.
 *
 * Tokens are valves between members, so the least movement is a minimum-cost flow (`token-flow.ts`).
 * One thing does not fit into it: two tokens that move towards each other share the gap between
 * them (`gap-shares.ts`).
 *
 * A ring that is far from even may not get there with every token between the old places of its
 * neighbours. Then the tokens go as far as they can, and it starts over from there.
 */
import { must } from "../../util/assert.ts";
import { GapShares } from "./gap-shares.ts";
import type { PlacedToken, RingLoads } from "./ring-loads.ts";
import { type FlowResult, type LoadLimits, TokenFlow, valvesOf } from "./token-flow.ts";

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
/** How often tokens trade shares of gaps. */
const TRADES_MAX = 16;
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

/** Solves the flow, until no tokens meet, and then for better shares of the gaps in which they did. */
function solve(ring: RingLoads, limits: LoadLimits, budget: number): FlowResult {
  const valves = valvesOf(ring);
  const gaps = new GapShares(ring);
  let best: FlowResult | undefined;
  for (let trades = 0; ;) {
    const flow = new TokenFlow(ring, valves, limits, gaps.reach);
    const result = flow.solve(budget);
    if (gaps.divide(result.shifts)) continue;
    if (best === undefined || flow.priceOf(result) < flow.priceOf(best) - TINY) best = result;
    if (trades++ === TRADES_MAX || !gaps.trade(flow.worthOfReach())) return best;
  }
}
