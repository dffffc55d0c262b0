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
 * Source: Cassandra `service/StorageService.getOwnership` and `effectiveOwnership`.
 */
import type { ReplicaTable } from "./replica-table.ts";

export { describeOwnership } from "../ring/ownership.ts";

const WORD = 0x1_0000_0000;

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
  return ownershipOf(table, () => true);
}

/** For each member the share of the ring that it is a full replica of. */
export function fullOwnership(table: ReplicaTable): readonly number[] {
  return ownershipOf(table, (isTransient) => !isTransient);
}

/** For each member the share of the ring that it is a transient replica of. */
export function transientOwnership(table: ReplicaTable): readonly number[] {
  return ownershipOf(table, (isTransient) => isTransient);
}

function ownershipOf(
  table: ReplicaTable,
  counts: (isTransient: boolean) => boolean,
): readonly number[] {
  const highs = new Float64Array(table.memberCount);
  const lows = new Float64Array(table.memberCount);
  for (const { startHi, startLo, endHi, endLo, replicas } of table.ranges()) {
    const borrow = endLo < startLo ? 1 : 0;
    const lo = endLo - startLo + borrow * WORD;
    const wrapped = (endHi - startHi - borrow) >>> 0;
    const hi = wrapped === 0 && lo === 0 ? WORD : wrapped;
    for (const [index, member] of replicas.members.entries()) {
      if (!counts(replicas.transient?.[index] === true)) continue;
      highs[member] = (highs[member] ?? 0) + hi;
      lows[member] = (lows[member] ?? 0) + lo;
    }
  }
  return Array.from(highs, (high, member) => (high + (lows[member] ?? 0) / WORD) / WORD);
}
