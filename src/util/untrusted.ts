/**
 * Reading plain data that came from outside - a network frame, a file - into typed values.
 *
 * Each function checks one thing and returns the value with its type, or throws UntrustedDataError
 * that names the place, shows what stood there and says what would be right. A parser is then a
 * function that builds the typed value from such calls, and whatever it returns is trusted.
 */

/** Outside data that does not have the shape it must have. */
export class UntrustedDataError extends Error {
  /** Where, e.g. `layout.members[2].tokens`. */
  readonly path: string;
  readonly expected: string;
  /** What was found instead, shortened. */
  readonly found: string;

  constructor(path: string, expected: string, value: unknown) {
    const found = show(value);
    super(`${path} is ${found}, expected ${expected}`);
    this.name = "UntrustedDataError";
    this.path = path;
    this.expected = expected;
    this.found = found;
  }
}

export type Untrusted = Readonly<Record<string, unknown>>;

/** A plain object; own enumerable properties only count. */
export function asRecord(value: unknown, path: string): Untrusted {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UntrustedDataError(path, "an object", value);
  }
  return value as Untrusted;
}

export function asList(value: unknown, path: string, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) {
    throw new UntrustedDataError(path, `a list of at most ${lengthMax} items`, value);
  }
  return value;
}

export function asText(value: unknown, path: string, lengthMax: number): string {
  if (typeof value !== "string" || value.length > lengthMax) {
    throw new UntrustedDataError(path, `text of at most ${lengthMax} characters`, value);
  }
  return value;
}

/** Text that matches a pattern, which `expected` describes. */
export function asMatch(value: unknown, path: string, rule: TextRule): string {
  if (typeof value !== "string" || !rule.pattern.test(value)) {
    throw new UntrustedDataError(path, rule.expected, value);
  }
  return value;
}

export interface TextRule {
  readonly pattern: RegExp;
  readonly expected: string;
}

/** A whole number from `min` to `max`. */
export function asInteger(
  value: unknown,
  path: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  if (!Number.isSafeInteger(value) || Number(value) < min || Number(value) > max) {
    throw new UntrustedDataError(path, `a whole number from ${min} to ${max}`, value);
  }
  return Number(value);
}

export function asBoolean(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") throw new UntrustedDataError(path, "true or false", value);
  return value;
}

/** One of a fixed set of words. */
export function asOneOf<Word extends string>(
  value: unknown,
  path: string,
  words: readonly Word[],
): Word {
  const found = words.find((word) => word === value);
  if (found === undefined) throw new UntrustedDataError(path, `one of ${words.join(", ")}`, value);
  return found;
}

/** The parsed value, or undefined if it is absent. */
export function asOptional<T>(
  value: unknown,
  path: string,
  parse: (value: unknown, path: string) => T,
): T | undefined {
  return value === undefined || value === null ? undefined : parse(value, path);
}

const SHOWN_MAX = 60;

function show(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length} items`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text;
}
