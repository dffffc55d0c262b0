/**
 * Tokens for one more member with which the spread is nearly the least that any tokens could give.
 *
 * With few tokens per member there are few ways to relieve all those who hold most, and a search by descent
 * misses them: its spreads are 1.1 to 1.5 times the least. There the sets of tokens can be gone through
 * (`window-search.ts`): first for sets that are closer and closer, until there are none or the steps run out. Then, of
 * those within `NEAR` of the closest, we take the set that cuts the gaps most evenly, for the sake of the members to come
 * (see `token-search.ts`).
 */
import { must } from "../../util/assert.ts";
import type { Stepwise } from "../../util/stepwise.ts";
import { Reliefs } from "./reliefs.ts";
import type { RingLoads } from "./ring-loads.ts";
import { MARGIN } from "./token-search.ts";
import type { Choice } from "./window-choice.ts";
import { WindowSearch } from "./window-search.ts";

/**
 * A spread is near the least if it is at most so many times as wide. Taken always, the least itself leaves the members to
 * come less to choose from.
 */
const NEAR = 1.06;
/** The next set must be closer by this. */
const CLOSER = 1.03;
/** Positions of the window per width; what is found is up to one of them wider. */
const POSITIONS = 32;
/** A position of the window is given up after so many steps, of some microseconds each. */
const STEPS_MAX = 500;
/** Steps for the closest set, and with those for the evenest one. */
const STEPS_CLOSEST = 20_000;
const STEPS_ALL = 30_000;

/**
 * @param ring - the newcomer sits last and has no tokens; so again afterwards.
 * @param reached - a spread that can be reached, relative to the mean load per weight.
 * @returns positions for the newcomer's tokens; undefined if `reached` is near the least, or no tokens are found
 *   that come nearer.
 */
export function* nearLeastPositions(
  ring: RingLoads,
  tokenCount: number,
  reached: number,
): Stepwise<readonly number[] | undefined> {
  const limits = { positions: POSITIONS, stepsMax: STEPS_MAX };
  const search = new WindowSearch(new Reliefs(ring), tokenCount, limits);
  let closest: Candidate | undefined;
  let next = yield* atMost(ring, search, tokenCount, reached / NEAR);
  while (next !== undefined) {
    closest = next;
    if (search.steps > STEPS_CLOSEST) break;
    next = yield* atMost(ring, search, tokenCount, closest.spread / CLOSER);
  }
  if (closest === undefined) return undefined;
  return (yield* evenest(ring, search, tokenCount, closest)).positions;
}

/** Tokens that leave at most such a spread. */
function* atMost(
  ring: RingLoads,
  search: WindowSearch,
  tokenCount: number,
  spread: number,
): Stepwise<Candidate | undefined> {
  let found: Candidate | undefined;
  yield* search.find(widthFor(spread), (choice) => {
    const candidate = evaluated(ring, choice, tokenCount);
    if (candidate.spread <= spread) found = candidate;
    return found !== undefined;
  });
  return found;
}

/** Of those near the closest the ones that cut the gaps most evenly. */
function* evenest(
  ring: RingLoads,
  search: WindowSearch,
  tokenCount: number,
  closest: Candidate,
): Stepwise<Candidate> {
  const limit = closest.spread * NEAR;
  let best = closest;
  yield* search.find(widthFor(limit), (choice) => {
    if (search.steps > STEPS_ALL) return true;
    if (evennessOf(choice, offsetsIn(choice)) <= best.evenness) return false;
    const candidate = evaluated(ring, choice, tokenCount);
    if (candidate.spread <= limit) best = candidate;
    return false;
  });
  return best;
}

/** The width of windows, all in all as wide as the spread. */
const widthFor = (spread: number): number => spread / (1 + 1 / POSITIONS);

interface Candidate {
  readonly positions: readonly number[];
  readonly spread: number;
  readonly evenness: number;
}

function evaluated(ring: RingLoads, choice: Choice, tokenCount: number): Candidate {
  const offsets = offsetsIn(choice);
  const positions = positionsOf(ring, choice, offsets, tokenCount);
  return { positions, spread: spreadWith(ring, positions), evenness: evennessOf(choice, offsets) };
}

/** The spread if the newcomer had these tokens. */
function spreadWith(ring: RingLoads, positions: readonly number[]): number {
  for (const position of positions) ring.insertAt(position, ring.seats.length - 1);
  const { spread } = ring;
  for (const position of positions) ring.removeAt(ring.indexOf(position));
  return spread;
}

/** Offsets near the middles of the gaps, as far as the loads allow. */
function offsetsIn({ gaps, needed, allowed }: Choice): number[] {
  const middles = gaps.map(({ size, least, most }) => Math.max(least, Math.min(size / 2, most)));
  let sum = 0;
  for (const [at, { isFree }] of gaps.entries()) if (!isFree) sum += middles[at] ?? 0;
  const lack = Math.max(needed, Math.min(sum, allowed)) - sum;
  const rooms = gaps.map(({ least, most, isFree }, at) => {
    const middle = middles[at] ?? 0;
    if (isFree) return 0;
    return Math.max(0, lack > 0 ? most - middle : middle - least);
  });
  const room = rooms.reduce((total, each) => total + each, 0);
  const share = room > 0 ? lack / room : 0;
  return gaps.map(({ size }, at) => {
    const offset = (middles[at] ?? 0) + share * (rooms[at] ?? 0);
    return Math.min(Math.max(offset, size * MARGIN), size * (1 - MARGIN));
  });
}

/** By how much the sum of the squares of all gaps falls. */
function evennessOf({ gaps }: Choice, offsets: readonly number[]): number {
  return gaps.reduce((sum, { size }, at) => {
    const offset = offsets[at] ?? 0;
    return sum + 2 * offset * (size - offset);
  }, 0);
}

/** The positions; tokens for which there is no gap halve what others take, which changes no load. */
function positionsOf(
  ring: RingLoads,
  { gaps }: Choice,
  offsets: readonly number[],
  tokenCount: number,
): number[] {
  return Array.from({ length: tokenCount }, (_, token) => {
    const at = token % gaps.length;
    const { gap, size } = must(gaps[at], "a gap");
    const halvings = Math.floor(token / gaps.length);
    const position = ring.positionAt(gap) - size + (offsets[at] ?? 0) / 2 ** halvings;
    return position < 0 ? position + 1 : position;
  });
}
