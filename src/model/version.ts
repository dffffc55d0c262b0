/**
 * The version of a cell: when it was written, by the hybrid logical clock of the coordinator, and
 * by whom. Versions of one key are totally ordered by (timestamp, writer); two cells with an equal
 * version and different content are ordered by content, so merging never depends on arrival.
 */
export interface Version {
  /** Microseconds since the Unix epoch from the hybrid logical clock: a safe integer. */
  readonly timestamp: number;
  /** Who stamped it: an unsigned 32-bit number, another one for each start of each coordinator. */
  readonly writer: number;
}

/** What stands in `expiresAtMs` of a cell that never expires. */
export const NEVER_EXPIRES = 0;

/** Whether a cell with this expiry is over at `nowMs`, milliseconds since the Unix epoch. */
export function isOver(expiresAtMs: number, nowMs: number): boolean {
  return expiresAtMs !== NEVER_EXPIRES && expiresAtMs <= nowMs;
}
