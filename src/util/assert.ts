/** A broken invariant: a bug in Dynaring, never the caller's fault. Nobody catches it. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "InvariantError";
  }
}

/** Ends with InvariantError unless `condition` holds. Stays on in production. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (condition) return;
  throw new InvariantError(typeof message === "string" ? message : message());
}

/** The value, which an invariant says is there. */
export function must<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new InvariantError(message);
  return value;
}

/** Ends a switch over a union: the compiler proves that nothing gets here. */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected value: ${String(value)}`);
}
