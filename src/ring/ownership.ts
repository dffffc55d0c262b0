import { TokenError } from "./token.ts";

/** The ring's width as Cassandra's ownership counts it: one less than there are data tokens. */
const CASSANDRA_RING = 2n ** 64n - 2n;
const SIX_PLACES = 1_000_000n;

/**
 * Ownership of each token as Cassandra prints it: six decimal places, half-even, as a 32-bit float.
 * Throws TokenError without tokens, as Cassandra does.
 *
 * Source: Cassandra `dht/Murmur3Partitioner.describeOwnership`.
 */
export function describeOwnership(tokens: Iterable<bigint>): ReadonlyMap<bigint, number> {
  const sorted = BigInt64Array.from(new Set(tokens)).sort();
  if (sorted.length === 0) throw new TokenError("", "a ring with at least one token");
  if (sorted.length === 1) return new Map([[sorted[0] as bigint, 1]]);
  const shares = new Map<bigint, number>();
  for (const [index, token] of sorted.entries()) {
    const width = (token - (sorted.at(index - 1) as bigint) + CASSANDRA_RING) % CASSANDRA_RING;
    shares.set(token, Math.fround(roundHalfEven(width) / Number(SIX_PLACES)));
  }
  return shares;
}

/** The width's share of the ring in millionths. */
function roundHalfEven(width: bigint): number {
  const scaled = width * SIX_PLACES;
  const below = scaled / CASSANDRA_RING;
  const twiceRest = (scaled % CASSANDRA_RING) * 2n;
  const isUp = twiceRest > CASSANDRA_RING || (twiceRest === CASSANDRA_RING && below % 2n === 1n);
  return Number(isUp ? below + 1n : below);
}
