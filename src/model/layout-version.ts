/**
 * Which of two layouts is newer, and which of two forks wins.
 *
 * Layouts are committed without consensus, so two members may commit different layouts on top of
 * the same one. Both then carry the same counter, and everybody picks the same winner by looking at
 * nothing but the two versions: the greater counter, then the greater hash.
 */
export interface LayoutVersion {
  /** The number of commits since the ring was founded, at least 1. */
  readonly counter: number;
  /** 128-bit hash of the content, counter included, as 32 lower-case hex digits. */
  readonly hash: string;
}

/** Negative if `a` loses against `b`, positive if it wins, 0 if they are the same layout. */
export function compareLayoutVersions(a: LayoutVersion, b: LayoutVersion): number {
  if (a.counter !== b.counter) return a.counter - b.counter;
  if (a.hash === b.hash) return 0;
  return a.hash < b.hash ? -1 : 1;
}
