/**
 * Which of two layouts is newer, and which of two forks wins.
 *
 * Layouts are committed without consensus, so two members may commit different layouts on top of
 * the same one. Everybody picks the same winner by looking at nothing but the two versions: **where
 * their histories part, the greater hash wins**, however many commits followed on either side; if
 * one continues the other, it is the newer one.
 *
 * That the first difference decides, and not the number of commits, is what makes agreement final
 * without a vote. A member only ever goes from one branch to the branch that wins against it, never
 * back; so once every member has been seen on one branch, nobody is left who could be on, or go over
 * to, a branch that wins (docs/internals/layout.md has the proof).
 */
export interface LayoutVersion {
  /** The number of commits since the ring was founded, at least 1. */
  readonly counter: number;
  /** 128-bit hash of the content, the counter and the parent's hash, as 32 lower-case hex digits. */
  readonly hash: string;
  /**
   * The first 8 hex digits of the hash of each version from the *root* to this one, joined; so the
   * last 8 are this one's. The root is the newest version that the author knew everybody to live in:
   * no fork can begin before it any more.
   */
  readonly lineage: string;
}

/** Hex digits that stand for one version in a lineage. */
export const LINEAGE_STEP = 8;

/** Commits that may follow on one another while somebody has not agreed on the first. */
const LINEAGE_MAX = 1000;

/** The form of a lineage. */
export const LINEAGE: { readonly pattern: RegExp; readonly expected: string } = {
  pattern: new RegExp(`^(?:[0-9a-f]{${LINEAGE_STEP}}){1,${LINEAGE_MAX}}$`),
  expected: `1 to ${LINEAGE_MAX} times ${LINEAGE_STEP} hex digits`,
};

/**
 * The version that a commit on top of `parent` makes.
 *
 * @param root - the newest version that the author knows everybody to live in
 */
export function nextVersion(parent: LayoutVersion, hash: string, root: number): LayoutVersion {
  const counter = parent.counter + 1;
  const kept = Math.min(
    Math.max(parent.counter - root + 1, 1),
    parent.lineage.length / LINEAGE_STEP,
  );
  const lineage = parent.lineage.slice(-kept * LINEAGE_STEP) + hash.slice(0, LINEAGE_STEP);
  return { counter, hash, lineage };
}

/** The version of the first layout of a ring. */
export function firstVersion(hash: string): LayoutVersion {
  return { counter: 1, hash, lineage: hash.slice(0, LINEAGE_STEP) };
}

/** The counter of the first version in the lineage. */
export function rootCounter({ counter, lineage }: LayoutVersion): number {
  return counter - lineage.length / LINEAGE_STEP + 1;
}

/** Negative if `a` loses against `b`, positive if it wins, 0 if they are the same layout. */
export function compareLayoutVersions(a: LayoutVersion, b: LayoutVersion): number {
  if (a.hash === b.hash && a.counter === b.counter) return 0;
  const rootA = rootCounter(a);
  const rootB = rootCounter(b);
  const root = Math.max(rootA, rootB);
  // What ends before everybody agreed on the other one's root is older, or a branch that lost.
  if (Math.min(a.counter, b.counter) < root) return a.counter - b.counter;
  for (let counter = root; counter <= Math.min(a.counter, b.counter); counter++) {
    const stepA = stepAt(a, counter);
    const stepB = stepAt(b, counter);
    if (stepA === stepB) continue;
    if (counter === root && rootA !== rootB) return rootA - rootB;
    return stepA < stepB ? -1 : 1;
  }
  return a.counter - b.counter;
}

/** True if `ancestor` is `version` or one of the versions that it was made from, as far as known. */
export function continues(version: LayoutVersion, ancestor: LayoutVersion): boolean {
  if (ancestor.counter > version.counter || ancestor.counter < rootCounter(version)) return false;
  return stepAt(version, ancestor.counter) === ancestor.hash.slice(0, LINEAGE_STEP);
}

export function isSameVersion(a: LayoutVersion, b: LayoutVersion): boolean {
  return a.counter === b.counter && a.hash === b.hash;
}

function stepAt(version: LayoutVersion, counter: number): string {
  const at = (counter - rootCounter(version)) * LINEAGE_STEP;
  return version.lineage.slice(at, at + LINEAGE_STEP);
}
