/** Places in the log: where a record lies, or how far something reaches. */
export interface Place {
  readonly segmentId: number;
  readonly offset: number;
}

/** Before every record: segments are numbered from 1. */
export const NOWHERE: Place = { segmentId: 0, offset: 0 };

/** Negative, 0 or positive as `a` stands before, at or behind `b` in the log. */
export function comparePlaces(a: Place, b: Place): number {
  return a.segmentId === b.segmentId ? a.offset - b.offset : a.segmentId - b.segmentId;
}
