/**
 * Shares of the ring.
 *
 * *Primary* ownership counts the ranges that end at a member's own tokens: what `nodetool status`
 * shows when no keyspace is chosen. *Effective* ownership counts every range that it is a replica
 * of, so with three replicas the shares add up to 3.
 *
 * Widths are summed as two exact sums of 32-bit halves; only the division by 2^64 rounds. Cassandra
 * itself rounds earlier: `describeOwnership` reproduces its figures to the last digit.
 *
 * Source: Cassandra `dht/Murmur3Partitioner.describeOwnership`,
 * `service/StorageService.effectiveOwnership`.
 */
import type { ReplicaTable } from "./replica-table.ts";
import { TokenError } from "../ring/token.ts";

const WORD = 0x1_0000_0000;
/** The ring's width as Cassandra's ownership counts it: maximum minus minimum data token. */
const CASSANDRA_RING = 2n ** 64n - 2n;
const SIX_PLACES = 1_000_000n;

/** For each member the share of the ring that its own tokens end, of 1. */
export function primaryOwnership(
  members: readonly { readonly tokens: readonly bigint[] }[],
): readonly number[] {
  const owners = new Map<bigint, number>();
  for (const [member, { tokens }] of members.entries()) {
    for (const token of tokens) if (!owners.has(token)) owners.set(token, member);
  }
  const tokens = BigInt64Array.from(owners.keys()).sort();
  const widths = members.map(() => 0n);
  for (const [index, token] of tokens.entries()) {
    const member = owners.get(token) ?? 0;
    const previous = tokens.at(index - 1) ?? token;
    const width = BigInt.asUintN(64, token - previous);
    widths[member] = (widths[member] ?? 0n) + (width === 0n ? 2n ** 64n : width);
  }
  return widths.map((width) => Number(width) / WORD / WORD);
}

/** For each member the share of the ring that it is a replica of; transient replicas count. */
export function effectiveOwnership(table: ReplicaTable): readonly number[] {
  const highs = new Float64Array(table.memberCount);
  const lows = new Float64Array(table.memberCount);
  for (const { startHi, startLo, endHi, endLo, replicas } of table.ranges()) {
    const borrow = endLo < startLo ? 1 : 0;
    const lo = endLo - startLo + borrow * WORD;
    const wrapped = (endHi - startHi - borrow) >>> 0;
    const hi = wrapped === 0 && lo === 0 ? WORD : wrapped;
    for (const member of replicas.members) {
      highs[member] = (highs[member] ?? 0) + hi;
      lows[member] = (lows[member] ?? 0) + lo;
    }
  }
  return Array.from(highs, (high, member) => (high + (lows[member] ?? 0) / WORD) / WORD);
}

/**
 * Ownership of each token as Cassandra prints it: six decimal places, half-even, as a 32-bit float.
 * Throws TokenError without tokens, as Cassandra does.
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
