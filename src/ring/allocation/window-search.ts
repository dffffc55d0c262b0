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
 * that the fewest tokens can relieve, tries each of them, and goes on with the next; each set is seen once. After each
 * token it looks ahead (`open-gaps.ts`): gaps in which a token more would do harm are left out from there on, and
 * it turns back when the tokens left cannot relieve all who are above, or bring the newcomer enough.
 *
 * Where exactly in its range a token lies is open until all tokens have theirs; then each must take enough from
 * its loser, not too much, and all together what the newcomer needs (`window-choice.ts`). Where the loser of a range
 * depends on several of the tokens, it is assumed to be as it suits best; so what the search rules out is ruled out,
 * and what it finds need not quite exist; nearly always it does. Windows are tried on a grid, each with the
 * width of a grid step to spare.
 */
import type { Stepwise } from "../../util/stepwise.ts";
import { OpenGaps } from "./open-gaps.ts";
import type { Reliefs } from "./reliefs.ts";
import { TakenRanges } from "./taken-ranges.ts";
import { choiceOf, lackIn, leastOf, type Choice, type LoadWindow } from "./window-choice.ts";

/** Loads are compared with so much tolerance. */
const ROUNDING = 1e-9;

export interface WindowLimits {
  /** Positions of the window per width. */
  readonly positions: number;
  /** With more steps it gives a position up. */
  readonly stepsMax: number;
}

/** The search; one of them serves for several widths. */
export class WindowSearch {
  readonly #reliefs: Reliefs;
  readonly #tokenCount: number;
  readonly #limits: WindowLimits;
  readonly #window: LoadWindow = { lowest: 0, highest: 0 };
  readonly #taken: TakenRanges;
  readonly #open: OpenGaps;
  #steps = 0;
  /** With how many steps the present window is given up. */
  #stepsEnd = 0;
  #hasGivenUp = false;
  /** What is done with a choice; true ends the search. */
  #visit: (choice: Choice) => boolean = () => true;

  constructor(reliefs: Reliefs, tokenCount: number, limits: WindowLimits) {
    this.#reliefs = reliefs;
    this.#tokenCount = tokenCount;
    this.#limits = limits;
    this.#taken = new TakenRanges(reliefs);
    this.#open = new OpenGaps(reliefs, this.#taken, this.#window, tokenCount);
  }

  /** How often a token was tried in a gap, in all. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether there is surely no choice. Not if the steps do not suffice in one of the windows. */
  isRuledOut(width: number): boolean {
    const search = this.find(width, () => true);
    for (;;) {
      const { done, value } = search.next();
      if (done === true) return !value && !this.#hasGivenUp;
      if (this.#hasGivenUp) return false;
    }
  }

  /** Visits all choices, until one of them is taken; whether that was the case. A step is a position of the window. */
  *find(width: number, visit: (choice: Choice) => boolean): Stepwise<boolean> {
    this.#visit = visit;
    this.#hasGivenUp = false;
    const smallest = this.#reliefs.loads.reduce((least, load) => Math.min(least, load), 1);
    // The window holds the mean, and the smallest load, which nobody can make larger.
    const step = width / this.#limits.positions;
    for (let top = 1; top <= smallest + width + ROUNDING; top += step) {
      this.#window.lowest = top - width - ROUNDING;
      this.#window.highest = Math.min(top + step, smallest + width) + ROUNDING;
      this.#stepsEnd = this.#steps + this.#limits.stepsMax;
      if (this.#canSettle(this.#tokenCount)) return true;
      yield;
    }
    return false;
  }

  /** Whether so many tokens more can bring everybody into the window. */
  #canSettle(tokensLeft: number): boolean {
    const aboveCount = this.#countAbove();
    if (aboveCount === 0) return this.#canFill(tokensLeft);
    if (tokensLeft === 0) return false;
    this.#open.narrow(tokensLeft);
    // A sum of shares of one.
    if (this.#open.reliefMost < aboveCount - ROUNDING) return false;
    if (this.#open.gainMost < lackIn(this.#choice())) return false;
    return this.#canWithOneOf(tokensLeft, this.#open.hardest);
  }

  /**
   * Nobody is above the window: whether the newcomer can come into it. It may always have fewer tokens: others
   * lie right before them.
   */
  #canFill(tokensLeft: number): boolean {
    const choice = this.#choice();
    const lack = lackIn(choice);
    // Where it is not clear who loses a range, nobody needs to lose a part of another one.
    if (this.#taken.unclear === 0 && leastOf(choice) > choice.allowed) return false;
    if (lack <= 0 && choice.gaps.length > 0) return this.#visit(choice);
    if (tokensLeft === 0) return false;
    this.#open.narrow(tokensLeft);
    return this.#open.gainMost >= lack && this.#canWithOneOf(tokensLeft);
  }

  /** Whether it can be done with a token in one of the open gaps; where a seat is given, in one that relieves it. */
  #canWithOneOf(tokensLeft: number, seat?: number): boolean {
    let can = false;
    for (const gap of this.#open.at(tokensLeft)) {
      if (seat !== undefined && !this.#reliefs.relieved[gap]?.includes(seat)) continue;
      if (this.#isExhausted()) break;
      this.#open.markTried(gap);
      this.#taken.push(gap);
      can = this.#canSettle(tokensLeft - 1);
      this.#taken.pop();
      if (can) break;
    }
    this.#open.unmarkTried(tokensLeft);
    return can;
  }

  #isExhausted(): boolean {
    if (this.#steps++ < this.#stepsEnd) return false;
    this.#hasGivenUp = true;
    return true;
  }

  #choice(): Choice {
    return choiceOf(this.#reliefs, this.#taken, this.#window);
  }

  #countAbove(): number {
    let count = 0;
    for (const load of this.#taken.low) if (load > this.#window.highest) count++;
    return count;
  }
}
