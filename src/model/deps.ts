/**
 * What a member takes from outside: time, chance and a place to write what happened.
 *
 * Code that reads these through `deps` runs unchanged on a real machine and in the simulator, where
 * the same seed gives the same history. Disk and network come in the same way, as `Disk`
 * (storage layer) and `Transport` (transport layer).
 */

/** A pending callback. */
export interface Timer {
  /** Makes sure that the callback does not run. Harmless after it ran. */
  cancel(): void;
}

/** The only source of time. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump in both directions. */
  wallMs(): number;
  /** Milliseconds since some fixed moment. Never decreases. */
  monotonicMs(): number;
  /** Runs `callback` once, `delayMs` from now. A pending timer does not keep a process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Runs `callback` once, when the present turn of the event loop is over. */
  defer(callback: () => void): void;
}

/** The only source of chance. */
export interface Rng {
  /** A uniformly distributed integer in 0 .. 2^32 - 1. */
  uint32(): number;
}

export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Structured logs: an event name and fields, never prose built from values. `error` = somebody must
 * act, `warn` = may need to, `info` = sparse life events, `debug` = everything else. No user keys or
 * values above `debug`.
 */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** A logger that keeps quiet. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
