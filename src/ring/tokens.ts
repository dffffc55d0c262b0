/**
 * The tokens of a new member, by the simple methods: given by the operator or drawn at random.
 * Even spacing and the allocators that look at the ring are in `allocation/`.
 *
 * A weight scales the number of tokens: tokens are what a member owns the ring by, so one with
 * twice the tokens gets twice the data.
 *
 * Source: Cassandra `dht/BootStrapper`.
 */
import type { Uint32Source } from "../util/random.ts";
import { MAX_TOKEN, MIN_TOKEN, TokenError, parseToken, tokenFromHalves } from "./token.ts";

/** Reads `initial_token`: tokens separated by commas. Throws TokenError, also for a repeated token. */
export function parseTokens(text: string): readonly bigint[] {
  const tokens = text.split(",").map(parseToken);
  return explicitTokens(tokens, new Set());
}

/** The given tokens, sorted; throws TokenError if one repeats, is taken, or lies outside int64. */
export function explicitTokens(
  tokens: readonly bigint[],
  taken: ReadonlySet<bigint>,
): readonly bigint[] {
  const seen = new Set<bigint>();
  for (const token of tokens) {
    if (token < MIN_TOKEN || token > MAX_TOKEN) {
      throw new TokenError(String(token), `an integer from ${MIN_TOKEN} to ${MAX_TOKEN}`);
    }
    if (taken.has(token)) throw new TokenError(String(token), "a token that no member owns yet");
    if (seen.has(token)) throw new TokenError(String(token), "each token only once");
    seen.add(token);
  }
  return sorted(seen);
}

/** `count` random tokens, distinct and none of them taken, sorted. */
export function randomTokens(
  rng: Uint32Source,
  count: number,
  taken: ReadonlySet<bigint>,
): readonly bigint[] {
  const drawn = new Set<bigint>();
  while (drawn.size < count) {
    const token = randomToken(rng);
    if (!taken.has(token)) drawn.add(token);
  }
  return sorted(drawn);
}

/** A random token; the reserved minimum becomes the maximum, as with hashes. */
export function randomToken(rng: Uint32Source): bigint {
  const hi = rng.uint32() | 0;
  const token = tokenFromHalves(hi, rng.uint32());
  return token === MIN_TOKEN ? MAX_TOKEN : token;
}

/** How many tokens a member of this weight gets where a member of weight 1 gets `numTokens`. */
export function weightedTokenCount(numTokens: number, weight: number): number {
  return Math.max(1, Math.round(numTokens * weight));
}

function sorted(tokens: Iterable<bigint>): readonly bigint[] {
  return Array.from(BigInt64Array.from(tokens).sort());
}
