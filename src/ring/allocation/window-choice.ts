/**
 * How far behind the starts of their gaps tokens may lie, if all loads are to end within a window; the gaps
 * are chosen (`window-search.ts`).
 */
import type { Reliefs } from "./reliefs.ts";
import type { TakenRanges } from "./taken-ranges.ts";
import { NOBODY } from "./takeovers.ts";

/** Between which loads per weight all are to end. */
export interface LoadWindow {
  lowest: number;
  highest: number;
}

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

/** What has been chosen so far. Tokens that cut ranges of the same seat share what it has to give. */
export function choiceOf(reliefs: Reliefs, taken: TakenRanges, window: LoadWindow): Choice {
  const { units, seatCount, sizes, partLosers } = reliefs;
  const { high, gain } = taken;
  const unit = units[seatCount] ?? 0;
  const shares = sharesInPart(reliefs, taken);
  const gaps = taken.gaps.map((gap) => {
    const size = sizes[gap] ?? 0;
    const loser = partLosers[gap] ?? NOBODY;
    if (!taken.isPart(gap)) return { gap, size, least: 0, most: size, isFree: true };
    if (loser === NOBODY) return { gap, size, least: 0, most: size, isFree: false };
    const own = (units[loser] ?? 0) * (shares.get(loser) ?? 0);
    const needed = Math.max(0, (high[loser] ?? 0) - window.highest) / own;
    const cap = Math.max(0, (high[loser] ?? 0) - window.lowest);
    const most = Math.min(1, cap / own) * size;
    return { gap, size, least: needed * size, most, isFree: false };
  });
  return { gaps, needed: (window.lowest - gain) / unit, allowed: (window.highest - gain) / unit };
}

/** By seat, how much of the ring it loses at most to tokens within ranges of its own. */
function sharesInPart(reliefs: Reliefs, taken: TakenRanges): ReadonlyMap<number, number> {
  const shares = new Map<number, number>();
  for (const gap of taken.gaps) {
    if (!taken.isPart(gap)) continue;
    const loser = reliefs.partLosers[gap] ?? NOBODY;
    shares.set(loser, (shares.get(loser) ?? 0) + (reliefs.sizes[gap] ?? 0));
  }
  return shares;
}

/** How far those that are not free must lie behind the starts of their gaps together. */
export function leastOf({ gaps }: Choice): number {
  return gaps.reduce((sum, { least, isFree }) => (isFree ? sum : sum + least), 0);
}

/** How much more of the ring the newcomer needs than these tokens can bring; none if not positive. */
export function lackIn({ gaps, needed }: Choice): number {
  return gaps.reduce((lack, { most, isFree }) => (isFree ? lack : lack - most), needed);
}
