/**
 * Which sets of tokens for one more member leave all loads within a window, on a given ring.
 *
 * No existing member gains by an addition. Which member gives up a position of the ring depends only on the
 * newcomer's token that its walk meets first (`ring-loads.ts`). So what a set of tokens takes from a member is
 * at most the union of what each token alone takes: whole ranges before it, and a part of the range that it
 * cuts. For a spread to be reached, loads per weight must end within a window [lowest, highest] of that width:
 *
 *   - everybody above it must be relieved by some token, and there are few tokens that can do it;
 *   - nobody may be relieved to below it, which rules out most of these;
 *   - the newcomer must get into it as well, and nobody can give more than what it has above its lower end.
 *
 * A search over all sets of tokens decides whether that is possible: it takes the member above the window
 * that the fewest tokens can relieve, tries each of them, and goes on with the next. Where exactly in its
 * range a token lies is open until all tokens have theirs; then each must take enough from its loser, not
 * too much, and all together what the newcomer needs. Where the loser of a range depends on several of the
 * tokens, it is assumed to be as it suits best; so what the search rules out is ruled out, and what it finds need
 * not quite exist. With one rack it nearly always does. Windows are tried on a grid, each with the width of a grid step
 * to spare.
 */
import { must } from "../../util/assert.ts";
import type { Reliefs } from "./reliefs.ts";
import { NOBODY } from "./takeovers.ts";

/** Loads are compared with so much tolerance. */
const ROUNDING = 1e-9;
/** If nothing is the least, the bisection ends so. */
const BISECTIONS_MAX = 16;

/** A chosen gap, and how far behind its start the token may lie; shares of the ring. */
export interface ChosenGap {
  readonly gap: number;
  readonly size: number;
  readonly least: number;
  readonly most: number;
  /** True if it changes nothing where it lies: another token takes the whole range. */
  readonly isFree: boolean;
}

/** A set of gaps for the tokens, with which all loads can end in the window. */
export interface Choice {
  readonly gaps: readonly ChosenGap[];
  /** How far all that are not free lie behind the starts of their gaps together: at least, and at most. */
  readonly needed: number;
  readonly allowed: number;
}

export interface WindowLimits {
  /** Positions of the window per width. */
  readonly positions: number;
  /** With more steps it gives a position up. */
  readonly stepsMax: number;
}

/** Bisects between 0 and `reached` for the least width that is possible, to this share of itself. */
export function leastWidth(
  isPossible: (width: number) => boolean,
  reached: number,
  precision: number,
): { impossible: number; possible: number } {
  let [impossible, possible] = [0, reached];
  for (let bisection = 0; bisection < BISECTIONS_MAX; bisection++) {
    if (possible - impossible <= precision * possible) break;
    const width = (impossible + possible) / 2;
    if (isPossible(width)) possible = width;
    else impossible = width;
  }
  return { impossible, possible };
}

/** The search; one of them serves for several widths. */
export class WindowSearch {
  readonly #reliefs: Reliefs;
  readonly #tokenCount: number;
  /** Loads if all that depends takes the most from each seat, and if it takes the least. */
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  /** How many chosen tokens take each range as a whole, and in part. */
  readonly #wholes: Int32Array;
  readonly #parts: Int32Array;
  /** What the newcomer gets as whole ranges. */
  #gain = 0;
  #lowest = 0;
  #highest = 0;
  /** The gaps that may be chosen in the present window; and by the seat that they relieve. */
  #gaps: readonly number[] = [];
  #gapsOf: readonly (readonly number[])[] = [];
  readonly #counts: Int32Array;
  /** The gaps of the tokens so far. */
  readonly #chosen: number[] = [];
  /** How many ranges they take of which it is open who loses them. */
  #unclear = 0;
  #steps = 0;
  #hasGivenUp = false;
  readonly #caps: Float64Array;
  readonly #limits: WindowLimits;
  /** What is done with a choice; true ends the search. */
  #visit: (choice: Choice) => boolean = () => true;

  constructor(reliefs: Reliefs, tokenCount: number, limits: WindowLimits) {
    this.#reliefs = reliefs;
    this.#tokenCount = tokenCount;
    this.#limits = limits;
    this.#low = reliefs.loads.slice();
    this.#high = reliefs.loads.slice();
    this.#wholes = new Int32Array(reliefs.gapCount);
    this.#parts = new Int32Array(reliefs.gapCount);
    this.#counts = new Int32Array(reliefs.gapCount);
    this.#caps = new Float64Array(reliefs.seatCount);
  }

  /** Whether the steps did not suffice in the last width; then what was not found may exist. */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp;
  }

  isPossible(width: number): boolean {
    return this.find(width, () => true);
  }

  /** Visits all choices, until one of them is taken; whether that was the case. */
  find(width: number, visit: (choice: Choice) => boolean): boolean {
    this.#visit = visit;
    this.#hasGivenUp = false;
    const smallest = this.#reliefs.loads.reduce((least, load) => Math.min(least, load), 1);
    // The window holds the mean, and the smallest load, which nobody can make larger.
    const step = width / this.#limits.positions;
    for (let top = 1; top <= smallest + width + ROUNDING; top += step) {
      this.#lowest = top - width - ROUNDING;
      this.#highest = Math.min(top + step, smallest + width) + ROUNDING;
      this.#steps = 0;
      this.#openGaps();
      if (this.#canSettle(this.#tokenCount)) return true;
    }
    return false;
  }

  /** Leaves only gaps in which a token takes nobody below the window. */
  #openGaps(): void {
    const open: number[] = [];
    for (const gap of this.#reliefs.gaps) {
      this.#choose(gap);
      if (this.#isWithin(gap)) open.push(gap);
      this.#takeBack(gap);
    }
    const isOpen = new Set(open);
    this.#gaps = open;
    this.#gapsOf = this.#reliefs.gapsOf.map((gaps) => gaps.filter((gap) => isOpen.has(gap)));
  }

  /** Whether so many tokens more can bring everybody into the window. */
  #canSettle(tokensLeft: number): boolean {
    const above = this.#seatsAbove();
    if (above.length === 0) return this.#canFill(tokensLeft, 0);
    if (tokensLeft === 0 || above.length > tokensLeft * this.#mostRelieved(above)) return false;
    const choice = this.#choice();
    if (totals(choice).most + this.#mostOf(tokensLeft) < choice.needed) return false;
    let hardest: readonly number[] | undefined;
    for (const seat of above) {
      const gaps = must(this.#gapsOf[seat], "gaps of a seat");
      if (hardest === undefined || gaps.length < hardest.length) hardest = gaps;
    }
    for (const gap of hardest ?? []) {
      if (this.#canWith(gap, () => this.#canSettle(tokensLeft - 1))) return true;
    }
    return false;
  }

  /**
   * Nobody is above the window: whether the newcomer can come into it, with tokens in gaps from this one on. It
   * may always have fewer tokens: others lie right before them.
   */
  #canFill(tokensLeft: number, from: number): boolean {
    const choice = this.#choice();
    const { least, most } = totals(choice);
    // Where it is not clear who loses a range, nobody needs to lose a part of another one.
    if (this.#unclear === 0 && least > choice.allowed) return false;
    if (most >= choice.needed && choice.gaps.length > 0) return this.#visit(choice);
    if (tokensLeft === 0 || most + this.#mostOf(tokensLeft) < choice.needed) return false;
    for (let at = from; at < this.#gaps.length; at++) {
      const gap = this.#gaps[at] as number;
      if (this.#canWith(gap, () => this.#canFill(tokensLeft - 1, at + 1))) return true;
    }
    return false;
  }

  /** Whether it can be done with a token in this gap as well. */
  #canWith(gap: number, canGoOn: () => boolean): boolean {
    if (this.#chosen.includes(gap) || this.#isExhausted()) return false;
    this.#choose(gap);
    const can = this.#isWithin(gap) && canGoOn();
    this.#takeBack(gap);
    return can;
  }

  #isExhausted(): boolean {
    if (this.#steps++ < this.#limits.stepsMax) return false;
    this.#hasGivenUp = true;
    return true;
  }

  /** What has been chosen so far. Tokens that cut ranges of the same seat share what it has to give. */
  #choice(): Choice {
    const { units, seatCount, sizes, partLosers } = this.#reliefs;
    const unit = units[seatCount] ?? 0;
    const shares = this.#sharesInPart();
    const gaps = this.#chosen.map((gap) => {
      const size = sizes[gap] ?? 0;
      const loser = partLosers[gap] ?? NOBODY;
      if (!this.#isPart(gap)) return { gap, size, least: 0, most: size, isFree: true };
      if (loser === NOBODY) return { gap, size, least: 0, most: size, isFree: false };
      const own = (units[loser] ?? 0) * (shares.get(loser) ?? 0);
      const needed = Math.max(0, (this.#high[loser] ?? 0) - this.#highest) / own;
      const most = Math.min(1, this.#capOf(loser) / own) * size;
      return { gap, size, least: needed * size, most, isFree: false };
    });
    const gain = this.#gain;
    return { gaps, needed: (this.#lowest - gain) / unit, allowed: (this.#highest - gain) / unit };
  }

  /**
   * The share of the ring that the newcomer gets at most by so many tokens more: each of them relieves a few seats,
   * and nobody can give more than what it has above the window's lower end.
   */
  #mostOf(tokensLeft: number): number {
    const { units, losersMax, lacksReplicas } = this.#reliefs;
    if (lacksReplicas) return Infinity;
    const shares = this.#sharesInPart();
    for (const [seat, gaps] of this.#gapsOf.entries()) {
      const cap = this.#capOf(seat) / (units[seat] ?? 0) - (shares.get(seat) ?? 0);
      this.#caps[seat] = gaps.length === 0 ? 0 : Math.max(0, cap);
    }
    let most = 0;
    for (const cap of this.#caps.sort().subarray(-tokensLeft * losersMax)) most += cap;
    return most;
  }

  /** How much of its load a seat can lose and stay in the window, at most. */
  #capOf(seat: number): number {
    return Math.max(0, (this.#high[seat] ?? 0) - this.#lowest);
  }

  /** By seat, how much of the ring it loses at most to tokens within ranges of its own. */
  #sharesInPart(): ReadonlyMap<number, number> {
    const { sizes, partLosers } = this.#reliefs;
    const shares = new Map<number, number>();
    for (const gap of this.#chosen) {
      if (!this.#isPart(gap)) continue;
      const loser = partLosers[gap] ?? NOBODY;
      shares.set(loser, (shares.get(loser) ?? 0) + (sizes[gap] ?? 0));
    }
    return shares;
  }

  /** Whether a token there takes a part of the range that it cuts; not if another one takes all of it. */
  #isPart(gap: number): boolean {
    return (this.#reliefs.partLosers[gap] ?? NOBODY) >= NOBODY && (this.#wholes[gap] ?? 0) === 0;
  }

  #seatsAbove(): number[] {
    const above: number[] = [];
    for (let seat = 0; seat < this.#low.length; seat++) {
      if ((this.#low[seat] ?? 0) > this.#highest) above.push(seat);
    }
    return above;
  }

  /** How many of these seats one token relieves at most. */
  #mostRelieved(seats: readonly number[]): number {
    let most = 0;
    for (const seat of seats) {
      for (const gap of this.#gapsOf[seat] ?? []) {
        const count = (this.#counts[gap] ?? 0) + 1;
        this.#counts[gap] = count;
        most = Math.max(most, count);
      }
    }
    for (const seat of seats) for (const gap of this.#gapsOf[seat] ?? []) this.#counts[gap] = 0;
    return most;
  }

  /** True unless a token in this gap took somebody, or gave the newcomer, too much. */
  #isWithin(gap: number): boolean {
    if (this.#gain > this.#highest) return false;
    for (const loser of must(this.#reliefs.losers[gap], "a gap")) {
      if (loser >= 0 && (this.#high[loser] ?? 0) < this.#lowest) return false;
    }
    return true;
  }

  #choose(gap: number): void {
    this.#chosen.push(gap);
    const losers = must(this.#reliefs.losers[gap], "a gap");
    for (const [at, range] of must(this.#reliefs.ranges[gap], "a gap").entries()) {
      this.#book(range, losers[at] ?? NOBODY, "whole", 1);
    }
    const loser = this.#reliefs.partLosers[gap] ?? NOBODY;
    if (loser >= NOBODY) this.#book(gap, loser, "part", 1);
  }

  /** The reverse of `choose`, in reverse order. */
  #takeBack(gap: number): void {
    this.#chosen.pop();
    const loser = this.#reliefs.partLosers[gap] ?? NOBODY;
    if (loser >= NOBODY) this.#book(gap, loser, "part", -1);
    const losers = must(this.#reliefs.losers[gap], "a gap");
    for (const [at, range] of must(this.#reliefs.ranges[gap], "a gap").entries()) {
      this.#book(range, losers[at] ?? NOBODY, "whole", -1);
    }
  }

  /** A range is taken once, however many tokens take it. */
  #book(range: number, loser: number, extent: "whole" | "part", sign: 1 | -1): void {
    const { sizes, units, seatCount, isAmbiguous } = this.#reliefs;
    const counts = extent === "whole" ? this.#wholes : this.#parts;
    const own = counts[range] ?? 0;
    const before = (this.#wholes[range] ?? 0) + (this.#parts[range] ?? 0);
    counts[range] = own + sign;
    const isFirst = before === (sign > 0 ? 0 : 1);
    const isFirstWhole = extent === "whole" && own === (sign > 0 ? 0 : 1);
    const share = sign * (sizes[range] ?? 0);
    if (isFirstWhole) this.#gain += share * (units[seatCount] ?? 0);
    if (loser < 0) return;
    const loss = share * (units[loser] ?? 0);
    const isClear = isAmbiguous[range] === 0;
    if (!isClear) this.#unclear += sign;
    if (isFirst || !isClear) this.#low[loser] = (this.#low[loser] ?? 0) - loss;
    if (isFirstWhole && isClear) this.#high[loser] = (this.#high[loser] ?? 0) - loss;
  }
}

/** How far those that are not free can lie behind the starts of their gaps together. */
function totals({ gaps }: Choice): { least: number; most: number } {
  let [sumOfLeast, sumOfMost] = [0, 0];
  for (const { least, most, isFree } of gaps) {
    if (isFree) continue;
    sumOfLeast += least;
    sumOfMost += most;
  }
  return { least: sumOfLeast, most: sumOfMost };
}
