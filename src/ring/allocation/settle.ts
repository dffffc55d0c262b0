/** Brings the loads of a ring within limits: tokens slide, and where that is not enough one jumps and all slide again. */
import { must } from "../../util/assert.ts";
import type { PlacedToken, RingLoads } from "./ring-loads.ts";
import { unsettledOf } from "./token-flow.ts";
import { tokenJumps } from "./token-jumps.ts";
import { type SettleGoal, orderOf, slideTokens } from "./token-slide.ts";

/** Tokens and what comes of them. */
interface Attempt {
  readonly tokens: readonly PlacedToken[];
  /** Data moved since the start, as a share of the ring. */
  readonly moved: number;
  readonly unsettled: number;
}

/** Smaller amounts are rounding. */
const TINY = 1e-9;
/** So many of the most promising jumps are compared, each with all tokens slid after it; then as many more. */
const JUMPS_COMPARED = 10;
/** Jumps are tried while fewer tokens than this have been slid for them: 1000 jumps in a ring of 400 tokens. */
const SLID_MAX = 400_000;

/** The same tokens, each where it is afterwards. */
export function settleTokens(
  start: readonly PlacedToken[],
  goal: SettleGoal,
): readonly PlacedToken[] {
  return new Settling(start, goal).run(start);
}

class Settling {
  readonly #goal: SettleGoal;
  readonly #before: RingLoads;
  #jumpsLeft: number;

  constructor(start: readonly PlacedToken[], goal: SettleGoal) {
    this.#goal = goal;
    this.#before = goal.ringOf(start);
    this.#jumpsLeft = SLID_MAX / start.length;
  }

  run(start: readonly PlacedToken[]): readonly PlacedToken[] {
    let best = this.#slid(start);
    while (best.unsettled > TINY) {
      const better = this.#jumped(best);
      if (better === undefined) break;
      best = better;
    }
    return best.tokens;
  }

  #slid(from: readonly PlacedToken[]): Attempt {
    const { ringOf, limits, budget } = this.#goal;
    const left = budget - movedBetween(this.#before, ringOf(from));
    const tokens = slideTokens(from, { ringOf, limits, budget: left });
    const ring = ringOf(tokens);
    const moved = movedBetween(this.#before, ring);
    return { tokens, moved, unsettled: unsettledOf(ring.loads, limits) };
  }

  /** The best after one jump and a slide; undefined if none of them is better. */
  #jumped({ tokens, unsettled }: Attempt): Attempt | undefined {
    const jumped = afterJumps(tokens, this.#goal);
    for (let tried = 0; tried < jumped.length && this.#jumpsLeft > 0; tried += JUMPS_COMPARED) {
      this.#jumpsLeft -= JUMPS_COMPARED;
      const best = jumped
        .slice(tried, tried + JUMPS_COMPARED)
        .map((from) => this.#slid(from))
        .filter(({ moved }) => moved <= this.#goal.budget)
        .toSorted(byResult)[0];
      if (best !== undefined && best.unsettled < unsettled - TINY) return best;
    }
    return undefined;
  }
}

/** Of the attempts that settle it, the one that moves least comes first; then those that leave little unsettled. */
function byResult(a: Attempt, b: Attempt): number {
  const [restOfA, restOfB] = [a, b].map(({ unsettled }) => (unsettled > TINY ? unsettled : 0));
  return (restOfA ?? 0) - (restOfB ?? 0) || a.moved - b.moved;
}

/** The tokens after each of the jumps that are worth a try, the most promising first. */
function afterJumps(tokens: readonly PlacedToken[], goal: SettleGoal): (readonly PlacedToken[])[] {
  const order = orderOf(tokens);
  const inOrder = order.map((which) => must(tokens[which], "a token"));
  return tokenJumps(inOrder, goal).map(({ token, position }) => {
    const { seat } = must(inOrder[token], "a token");
    return tokens.with(must(order[token], "a token"), { position, seat });
  });
}

/** The share of the ring that somebody replicates in the second ring only, once per replica. */
export function movedBetween(before: RingLoads, after: RingLoads): number {
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
