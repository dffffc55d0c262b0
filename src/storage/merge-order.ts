/**
 * Last write wins: the total order of the versions of one cell. Greater timestamp, then greater
 * writer, then tombstone over value, then greater content hash; equal in all four is the same cell.
 * The order does not depend on arrival, so replicas that saw the same writes hold the same cell.
 */

/** What the order looks at; every CellHead has it. */
export interface Ranked {
  readonly timestamp: number;
  readonly writer: number;
  readonly isTombstone: boolean;
  readonly contentHash: number;
}

/** Positive if `a` wins over `b`, negative if `b` wins, 0 for the same cell. */
export function compareCells(a: Ranked, b: Ranked): number {
  if (a.timestamp !== b.timestamp) return a.timestamp - b.timestamp;
  if (a.writer !== b.writer) return a.writer - b.writer;
  if (a.isTombstone !== b.isTombstone) return a.isTombstone ? 1 : -1;
  return a.contentHash - b.contentHash;
}
