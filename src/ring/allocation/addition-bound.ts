/**
 * The least spread that any choice of tokens for one more member can reach on a given ring: what
 * the allocators are measured against where the ring has more members than one addition relieves.
 *
 * No existing member gains by an addition. Which member gives up a position of the ring depends only on the
 * newcomer's token that its walk meets first (`ring-loads.ts`). So what a set of tokens takes from a member is
 * at most the union of what each token alone takes: whole ranges before it, and a part of the range that it
 * cuts. For a spread to be reached, loads per weight must end within a window [lowest, highest] of that width:
 *
 *   - everybody above it must be relieved by some token, and there are few tokens that can do it;
 *   - nobody may be relieved to below it, which rules out most of these;
 *   - the newcomer must get into it as well.
 *
 * A search over all sets of tokens decides whether that is possible: it takes the member above the window
 * that the fewest tokens can relieve, tries each of them, and goes on with the next. Where exactly in its
 * range a token lies is open until all tokens have theirs; then each must take enough from its loser, not
 * too much, and all together what the newcomer needs. Whatever else depends on it is assumed to be
 * as it suits best, so what the search rules out is ruled out; what it finds need not quite exist. Windows
 * are tried on a grid, each with the width of a grid step to spare, and the width by bisection.
 */
import { must } from "../../util/assert.ts";
import type { RingMember } from "./allocation.ts";
import { RingLoads } from "./ring-loads.ts";
import { placedTokens } from "./ring-position.ts";
import { NOBODY } from "./takeovers.ts";
import { MURMUR3_SPACE, type TokenSpace } from "./token-space.ts";

/** Widths of windows are bisected so often. */
const BISECTIONS = 10;
/** Positions of the window per width. */
const GRID = 48;
/** The search for a width gives up after so many steps, and takes it as possible. */
const STEPS_MAX = 1_000_000;
/** Loads are compared with so much tolerance. */
const ROUNDING = 1e-9;

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
  const racks = [...new Set(members.map(({ rack }) => rack))];
  const seats = members.map(({ rack, weight }) => ({ rack: racks.indexOf(rack), weight }));
  const tokens = placedTokens(space, members.slice(0, -1));
  const ring = new RingLoads(seats, rf, tokens.length + 1);
  ring.load(tokens);
  const search = new WindowSearch(new Reliefs(ring), last.tokens.length);
  let [impossible, possible] = [0, reached];
  for (let bisection = 0; bisection < BISECTIONS; bisection++) {
    const width = (impossible + possible) / 2;
    if (search.isPossible(width)) possible = width;
    else impossible = width;
  }
  return impossible;
}

/** What a token in each gap takes from whom; loads and shares relative to a fair load. */
class Reliefs {
  readonly seatCount: number;
  readonly gapCount: number;
  /** Load per weight of all but the newcomer. */
  readonly loads: Float64Array;
  /** The gaps in which a token relieves the seat. */
  readonly gapsOf: readonly (readonly number[])[];
  /** Whole ranges that a token in the gap takes, and from whom. */
  readonly ranges: readonly Int32Array[];
  readonly losers: readonly Int32Array[];
  /** Who loses the part of the gap that lies before the token; negative if nobody does. */
  readonly partLosers: Int32Array;
  /** Size of the gap, also as a range of its own. */
  readonly sizes: Float64Array;
  /** True if the loser of the range depends on which token its walk meets. */
  readonly isAmbiguous: Uint8Array;
  /** What a share of the ring is for each seat, and for the newcomer as the last. */
  readonly units: Float64Array;

  constructor(ring: RingLoads) {
    const newcomer = ring.seats.length - 1;
    this.seatCount = newcomer;
    this.gapCount = ring.count;
    this.units = Float64Array.from(ring.seats, ({ weight }) => 1 / weight / ring.mean);
    this.loads = ring.loads.slice(0, newcomer).map((load, seat) => load * (this.units[seat] ?? 0));
    this.sizes = Float64Array.from({ length: ring.count }, (_, gap) => ring.sizeAt(gap));
    this.partLosers = new Int32Array(ring.count);
    this.isAmbiguous = new Uint8Array(ring.count);
    const [ranges, losers]: [Int32Array[], Int32Array[]] = [[], []];
    const gapsOf: Set<number>[] = Array.from({ length: newcomer }, () => new Set());
    const loserOf = new Map<number, number>();
    const note = (range: number, loser: number, gap: number): void => {
      if (loser < NOBODY) return;
      if (loser !== NOBODY) gapsOf[loser]?.add(gap);
      if ((loserOf.get(range) ?? loser) !== loser) this.isAmbiguous[range] = 1;
      loserOf.set(range, loser);
    };
    for (let gap = 0; gap < ring.count; gap++) {
      ring.effectsOf(gap, newcomer);
      this.partLosers[gap] = ring.partLoser;
      ranges.push(ring.ranges.slice(0, ring.effectCount));
      losers.push(ring.losers.slice(0, ring.effectCount));
      note(gap, ring.partLoser, gap);
      for (let at = 0; at < ring.effectCount; at++) {
        note(ring.ranges[at] ?? 0, ring.losers[at] ?? NOBODY, gap);
      }
    }
    this.ranges = ranges;
    this.losers = losers;
    this.gapsOf = gapsOf.map((gaps) => [...gaps]);
  }
}

/** Decides whether loads can end within a window. */
class WindowSearch {
  readonly #reliefs: Reliefs;
  readonly #tokenCount: number;
  /** Loads if all that depends takes the most from each seat, and if it takes the least. */
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  /** How many chosen tokens take each range as a whole, and in part. */
  readonly #wholes: Int32Array;
  readonly #parts: Int32Array;
  /** The newcomer's load, at least and at most. */
  #gainLow = 0;
  #gainHigh = 0;
  #lowest = 0;
  #highest = 0;
  readonly #gains: Float64Array;
  #largestGain = 0;
  /** The gaps that may be chosen in the present window, by the seat that they relieve. */
  #gapsOf: readonly (readonly number[])[] = [];
  readonly #counts: Int32Array;
  /** The gaps of the tokens so far. */
  readonly #chosen: number[] = [];
  /** How many ranges they take of which it is open who loses them. */
  #unclear = 0;
  #steps = 0;

  constructor(reliefs: Reliefs, tokenCount: number) {
    this.#reliefs = reliefs;
    this.#tokenCount = tokenCount;
    this.#low = reliefs.loads.slice();
    this.#high = reliefs.loads.slice();
    this.#wholes = new Int32Array(reliefs.gapCount);
    this.#parts = new Int32Array(reliefs.gapCount);
    this.#counts = new Int32Array(reliefs.gapCount);
    this.#gains = Float64Array.from({ length: reliefs.gapCount }, (_, gap) => this.#gainOf(gap));
  }

  isPossible(width: number): boolean {
    const smallest = this.#reliefs.loads.reduce((least, load) => Math.min(least, load), 1);
    // The window holds the mean, and the smallest load, which nobody can make larger.
    const step = width / GRID;
    this.#steps = 0;
    for (let top = 1; top <= smallest + width + ROUNDING; top += step) {
      this.#lowest = top - width - ROUNDING;
      this.#highest = Math.min(top + step, smallest + width) + ROUNDING;
      this.#openGaps();
      if (this.#canSettle(this.#tokenCount)) return true;
    }
    return false;
  }

  /** Leaves only gaps in which a token takes nobody below the window. */
  #openGaps(): void {
    const isOpen = new Uint8Array(this.#reliefs.gapCount);
    this.#largestGain = 0;
    for (let gap = 0; gap < this.#reliefs.gapCount; gap++) {
      this.#choose(gap);
      if (!this.#isWithin(gap)) isOpen[gap] = 0;
      else {
        isOpen[gap] = 1;
        this.#largestGain = Math.max(this.#largestGain, this.#gains[gap] ?? 0);
      }
      this.#takeBack(gap);
    }
    this.#gapsOf = this.#reliefs.gapsOf.map((gaps) => gaps.filter((gap) => isOpen[gap] === 1));
  }

  /** Whether so many tokens more can bring everybody into the window. */
  #canSettle(tokensLeft: number): boolean {
    const above = this.#seatsAbove();
    if (above.length === 0) {
      if (tokensLeft === 0 && this.#unclear === 0) return this.#canFit();
      return this.#gainHigh + tokensLeft * this.#largestGain >= this.#lowest;
    }
    if (tokensLeft === 0 || above.length > tokensLeft * this.#mostRelieved(above)) return false;
    let hardest: readonly number[] | undefined;
    for (const seat of above) {
      const gaps = must(this.#gapsOf[seat], "gaps of a seat");
      if (hardest === undefined || gaps.length < hardest.length) hardest = gaps;
    }
    for (const gap of hardest ?? []) {
      if (++this.#steps > STEPS_MAX) return true;
      this.#choose(gap);
      const canSettle = this.#isWithin(gap) && this.#canSettle(tokensLeft - 1);
      this.#takeBack(gap);
      if (canSettle) return true;
    }
    return false;
  }

  /** Whether there are places in the chosen gaps that suit their losers and the newcomer. */
  #canFit(): boolean {
    const { units, seatCount } = this.#reliefs;
    const unit = units[seatCount] ?? 0;
    let [least, most] = [this.#gainLow, this.#gainLow];
    for (const [loser, share] of this.#sharesInPart()) {
      if (loser === NOBODY) {
        most += share * unit;
        continue;
      }
      const load = this.#high[loser] ?? 0;
      const own = units[loser] ?? 0;
      least += Math.max(0, (load - this.#highest) / own) * unit;
      most += Math.min(share, (load - this.#lowest) / own) * unit;
    }
    return least <= this.#highest && most >= this.#lowest;
  }

  /** By seat, how much of the ring it loses at most to tokens within ranges of its own. */
  #sharesInPart(): ReadonlyMap<number, number> {
    const { sizes, partLosers } = this.#reliefs;
    const shares = new Map<number, number>();
    for (const gap of this.#chosen) {
      const loser = partLosers[gap] ?? NOBODY;
      // What another token takes as a whole is not taken in part.
      if (loser < NOBODY || (this.#wholes[gap] ?? 0) > 0) continue;
      shares.set(loser, (shares.get(loser) ?? 0) + (sizes[gap] ?? 0));
    }
    return shares;
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
    if (this.#gainLow > this.#highest) return false;
    for (const loser of must(this.#reliefs.losers[gap], "a gap")) {
      if (loser >= 0 && (this.#high[loser] ?? 0) < this.#lowest) return false;
    }
    return true;
  }

  /** What the newcomer gets by a token in this gap alone, at most. */
  #gainOf(gap: number): number {
    const { sizes, partLosers, ranges, seatCount, units } = this.#reliefs;
    let share = (partLosers[gap] ?? 0) >= NOBODY ? (sizes[gap] ?? 0) : 0;
    for (const range of must(ranges[gap], "a gap")) share += sizes[range] ?? 0;
    return share * (units[seatCount] ?? 0);
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
    const gain = share * (units[seatCount] ?? 0);
    if (isFirst) this.#gainHigh += gain;
    if (isFirstWhole) this.#gainLow += gain;
    if (loser < 0) return;
    const loss = share * (units[loser] ?? 0);
    const isClear = isAmbiguous[range] === 0;
    if (!isClear) this.#unclear += sign;
    if (isFirst || !isClear) this.#low[loser] = (this.#low[loser] ?? 0) - loss;
    if (isFirstWhole && isClear) this.#high[loser] = (this.#high[loser] ?? 0) - loss;
  }
}
