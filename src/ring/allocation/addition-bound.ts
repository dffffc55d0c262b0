/**
 * The least spread that any choice of tokens for one more member can reach on a given ring: what
 * the allocators are measured against. How it is found is in `window-search.ts`.
 */
import { must } from "../../util/assert.ts";
import type { RingMember } from "./allocation.ts";
import { Reliefs } from "./reliefs.ts";
import { seatsOf } from "./member-ring.ts";
import { RingLoads } from "./ring-loads.ts";
import { placedTokens } from "./ring-position.ts";
import { MURMUR3_SPACE, type TokenSpace } from "./token-space.ts";
import { WindowSearch } from "./window-search.ts";

/** After so many steps in a window a width is not ruled out. */
const STEPS_MAX = 5_000;
/** Positions of the window per width. */
const POSITIONS = 200;
/** As a share of the spread. */
const PRECISION = 0.001;
/** If nothing is ruled out, the bisection ends so. */
const BISECTIONS_MAX = 16;

/**
 * No choice of tokens for the last member gives a smaller spread; the spread is that of `spreadOf`.
 *
 * @param members - members of one datacenter; the last one joined last.
 * @param reached - a spread that some choice of tokens gives, as theirs does.
 */
export function leastSpread(
  members: readonly RingMember[],
  rf: number,
  reached: number,
  space: TokenSpace = MURMUR3_SPACE,
): number {
  const last = must(members.at(-1), "a member that joined last");
  if (members.length <= rf + 1) return 0;
  const tokens = placedTokens(space, members.slice(0, -1));
  const ring = new RingLoads(seatsOf(members), rf, tokens.length + 1);
  ring.load(tokens);
  const limits = { positions: POSITIONS, stepsMax: STEPS_MAX };
  const search = new WindowSearch(new Reliefs(ring), last.tokens.length, limits);
  let [least, possible] = [0, reached];
  for (let bisection = 0; bisection < BISECTIONS_MAX; bisection++) {
    if (possible - least <= PRECISION * possible) break;
    const width = (least + possible) / 2;
    if (search.isRuledOut(width)) least = width;
    else possible = width;
  }
  return least;
}
