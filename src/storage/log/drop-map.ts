/**
 * What was dropped, as a step function: for every token of every keyspace the place in the log before
 * which its records count no more.
 *
 *     token:    0 ....... 70 ............ 300 ......
 *     dropped:  nothing   before (4, 900) nothing
 *
 * A place instead of a record in the log, because merges move records. A record that is current when
 * it is moved lands behind every drop so far, and none of them covered it; one that was dropped is
 * not current and is not moved. So a record is dropped exactly if the place where it lies is before
 * the one noted here, in whatever order the log is read, and merging has to keep nothing.
 *
 * A drop replaces the steps in its span, since it reaches further than all before it. So the function
 * has no more steps than there are different bounds of spans, however often the same are dropped.
 */
import type { TokenSpan } from "../engine.ts";
import { NOWHERE, type Place, comparePlaces } from "./place.ts";

/** From this token on, up to the next step, records before `place` are dropped. */
export interface DropStep extends Place {
  /** Biased: the sign bit is flipped, so that unsigned order is token order. */
  readonly hi: number;
  readonly lo: number;
}

interface Token {
  readonly hi: number;
  readonly lo: number;
}

const TOKEN_HALF_MAX = 0xffff_ffff;
const LOWEST: Token = { hi: 0, lo: 0 };

export class DropMap {
  readonly #byKeyspace = new Map<number, readonly DropStep[]>();

  /** The furthest place of any drop. */
  get latest(): Place {
    let latest = NOWHERE;
    for (const step of this.#allSteps()) if (comparePlaces(step, latest) > 0) latest = step;
    return latest;
  }

  /** Drops what lies before `place`, which is behind all places given before. */
  add(keyspaceId: number, span: TokenSpan, place: Place): void {
    let steps = this.steps(keyspaceId);
    const start = { hi: biased(span.startHi), lo: span.startLo };
    const end = { hi: biased(span.endHi), lo: span.endLo };
    const first = successor(start);
    if (compareTokens(start, end) < 0) {
      steps = withRange(steps, { from: first ?? LOWEST, to: successor(end), place });
    } else {
      if (first !== undefined) steps = withRange(steps, { from: first, to: undefined, place });
      steps = withRange(steps, { from: LOWEST, to: successor(end), place });
    }
    this.load(keyspaceId, steps);
  }

  /** Whether a record at this place was dropped. `tokenHi` is signed. */
  covers(
    cell: { readonly keyspaceId: number; readonly tokenHi: number; readonly tokenLo: number },
    place: Place,
  ): boolean {
    const steps = this.#byKeyspace.get(cell.keyspaceId);
    if (steps === undefined) return false;
    const token = { hi: biased(cell.tokenHi), lo: cell.tokenLo };
    return comparePlaces(place, inForceAt(steps, token)) < 0;
  }

  /** Forgets the drops of which no record is left: those that reach less far than `place`. */
  prune(place: Place): void {
    for (const [keyspaceId, steps] of this.#byKeyspace) {
      const needed = steps.map((step) =>
        comparePlaces(step, place) < 0 ? { ...step, ...NOWHERE } : step,
      );
      this.load(keyspaceId, needed);
    }
  }

  /** The keyspaces of which something was dropped. */
  keyspaces(): Iterable<number> {
    return this.#byKeyspace.keys();
  }

  /** In ascending order of tokens. */
  steps(keyspaceId: number): readonly DropStep[] {
    return this.#byKeyspace.get(keyspaceId) ?? [];
  }

  /** Sets all steps of a keyspace, ascending. */
  load(keyspaceId: number, steps: readonly DropStep[]): void {
    const needed = steps.filter(
      (step, index) => comparePlaces(step, steps[index - 1] ?? NOWHERE) !== 0,
    );
    if (needed.length > 0) this.#byKeyspace.set(keyspaceId, needed);
    else this.#byKeyspace.delete(keyspaceId);
  }

  *#allSteps(): IterableIterator<DropStep> {
    for (const steps of this.#byKeyspace.values()) yield* steps;
  }
}

/** Whether the span holds the token, whose high half is biased. */
export function isInSpan(span: TokenSpan, hi: number, lo: number): boolean {
  const token = { hi, lo };
  const start = { hi: biased(span.startHi), lo: span.startLo };
  const end = { hi: biased(span.endHi), lo: span.endLo };
  const isAfterStart = compareTokens(token, start) > 0;
  const isUpToEnd = compareTokens(token, end) <= 0;
  const isWrapping = compareTokens(start, end) >= 0;
  return isWrapping ? isAfterStart || isUpToEnd : isAfterStart && isUpToEnd;
}

interface DroppedRange {
  readonly from: Token;
  /** The first token behind it; undefined if it ends with the highest. */
  readonly to: Token | undefined;
  readonly place: Place;
}

function withRange(
  steps: readonly DropStep[],
  { from, to, place }: DroppedRange,
): readonly DropStep[] {
  const before = steps.filter((step) => compareTokens(step, from) < 0);
  const changed = [...before, makeStep(from, place)];
  if (to === undefined) return changed;
  const behind = steps.filter((step) => compareTokens(step, to) > 0);
  return [...changed, makeStep(to, inForceAt(steps, to)), ...behind];
}

function makeStep({ hi, lo }: Token, { segmentId, offset }: Place): DropStep {
  return { hi, lo, segmentId, offset };
}

function inForceAt(steps: readonly DropStep[], token: Token): Place {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareTokens(steps[middle] as DropStep, token) <= 0) low = middle + 1;
    else high = middle;
  }
  return steps[low - 1] ?? NOWHERE;
}

/** The next token, or undefined behind the highest. */
function successor({ hi, lo }: Token): Token | undefined {
  if (lo < TOKEN_HALF_MAX) return { hi, lo: lo + 1 };
  return hi < TOKEN_HALF_MAX ? { hi: hi + 1, lo: 0 } : undefined;
}

function compareTokens(a: Token, b: Token): number {
  return a.hi === b.hi ? a.lo - b.lo : a.hi - b.hi;
}

function biased(tokenHi: number): number {
  return (tokenHi ^ 0x8000_0000) >>> 0;
}
