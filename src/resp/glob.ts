/**
 * Redis's glob patterns over bytes: `*`, `?`, `[abc]`, `[a-z]`, `[^...]`, `\` before any of them.
 *
 * A star that does not fit is tried again one byte later, and only the last star is ever tried
 * again, because whatever an earlier one could take the last one can take too. So the cost is
 * bounded by pattern length times text length, where the recursive way explodes on `*a*a*a*b`.
 */

const STAR = 0x2a;
const ANY = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const NOT = 0x5e;
const DASH = 0x2d;
const ESCAPE = 0x5c;

/** Whether the whole of `text` matches `pattern`. */
export function matchesGlob(pattern: Uint8Array, text: Uint8Array): boolean {
  let at = 0;
  let position = 0;
  let starAt = -1;
  let starPosition = 0;
  while (position < text.length) {
    if (pattern[at] === STAR) {
      starAt = ++at;
      starPosition = position;
      continue;
    }
    const next = matchOne(pattern, at, text[position] ?? 0);
    if (next > 0) {
      at = next;
      position++;
    } else if (starAt >= 0) {
      at = starAt;
      position = ++starPosition;
    } else return false;
  }
  while (pattern[at] === STAR) at++;
  return at === pattern.length;
}

/** The bytes with which every text begins that matches. */
export function plainBeginning(pattern: Uint8Array): Uint8Array {
  const end = pattern.findIndex((byte) => [STAR, ANY, OPEN, ESCAPE].includes(byte));
  return end === -1 ? pattern : pattern.subarray(0, end);
}

/** Where the pattern goes on when its element at `at` matches `byte`; 0 when it does not. */
function matchOne(pattern: Uint8Array, at: number, byte: number): number {
  const element = pattern[at];
  if (element === undefined) return 0;
  if (element === ANY) return at + 1;
  if (element === OPEN) return matchClass(pattern, at + 1, byte);
  if (element === ESCAPE && at + 1 < pattern.length) return pattern[at + 1] === byte ? at + 2 : 0;
  return element === byte ? at + 1 : 0;
}

/** A class that is not closed ends with the pattern, as in Redis. */
function matchClass(pattern: Uint8Array, start: number, byte: number): number {
  const isNegated = pattern[start] === NOT;
  let at = isNegated ? start + 1 : start;
  let isMember = false;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    if (pattern[at] === ESCAPE && at + 1 < pattern.length) {
      if (pattern[at + 1] === byte) isMember = true;
      at += 2;
    } else if (pattern[at + 1] === DASH && at + 2 < pattern.length) {
      if (isBetween(byte, pattern[at] ?? 0, pattern[at + 2] ?? 0)) isMember = true;
      at += 3;
    } else {
      if (pattern[at] === byte) isMember = true;
      at++;
    }
  }
  const end = Math.min(at + 1, pattern.length);
  return isMember === isNegated ? 0 : end;
}

function isBetween(byte: number, one: number, other: number): boolean {
  return byte >= Math.min(one, other) && byte <= Math.max(one, other);
}
