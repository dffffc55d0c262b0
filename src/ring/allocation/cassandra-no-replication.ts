/**
 * Cassandra's allocator for rings in which every range has one replica (`NoReplicationTokenAllocator`,
 * CASSANDRA-15600): a keyspace with RF 1, and, far more often, one rack of a datacenter that has as
 * many racks as replicas, where each rack holds the whole ring once.
 *
 * It takes from the largest units and cuts their largest gaps. The target falls slightly from the first chosen
 * unit to the last, so that their sizes differ a little afterwards.
 */
import { must } from "../../util/assert.ts";
import { compareTokens } from "./allocation.ts";
import { splitLargestGaps } from "./cassandra-first-splits.ts";
import type { CassandraAllocation } from "./cassandra-replication-aware.ts";
import { JavaMaxQueue } from "./java-compat.ts";
import type { TokenSpace } from "./token-space.ts";

const MAX_TAKEOVER_RATIO = 0.9;
const MIN_TAKEOVER_RATIO = 1.0 - MAX_TAKEOVER_RATIO;

interface Gap {
  readonly left: bigint;
  readonly right: bigint;
}

interface Unit {
  readonly ownership: number;
  readonly gaps: JavaMaxQueue<Gap>;
}

/** @returns the new member's tokens, ascending. */
export function allocateNoReplication(request: CassandraAllocation): bigint[] {
  const ring = request.units.flatMap((unit) => unit.tokens).toSorted(compareTokens);
  const tokens =
    ring.length === 0 || request.tokenCount > ring.length
      ? splitLargestGaps(request.space, ring, request.tokenCount, request.firstToken)
      : takeFromLargest(request, ring);
  return tokens.toSorted(compareTokens);
}

function takeFromLargest(request: CassandraAllocation, ring: readonly bigint[]): bigint[] {
  const { space, tokenCount } = request;
  const { chosen, targetAverage } = chooseUnits(unitsOf(request, ring), tokenCount);
  const correction = Math.min(1.0, (tokenCount + 1.0) / (request.units.length + 1.0));
  const spread = (targetAverage * correction * 2.0) / (2.0 * tokenCount + 1.0);
  const step = spread / chosen.length;
  let target = targetAverage + spread / 2.0;
  const tokens: bigint[] = [];
  for (const [index, unit] of chosen.entries()) {
    const extra = index < tokenCount % chosen.length ? 1 : 0;
    const count = Math.floor(tokenCount / chosen.length) + extra;
    tokens.push(...cutGaps(space, unit, { count, target }));
    target -= step;
  }
  return tokens;
}

/** The units by ownership, each with its gaps by size. */
function unitsOf(request: CassandraAllocation, ring: readonly bigint[]): JavaMaxQueue<Unit> {
  const { space } = request;
  const leftOf = new Map<bigint, bigint>();
  for (const [index, token] of ring.entries()) {
    leftOf.set(token, must(ring.at(index - 1), "a predecessor"));
  }
  const units = new JavaMaxQueue<Unit>();
  for (const { tokens } of request.units) {
    const gaps = new JavaMaxQueue<Gap>();
    let ownership = 0;
    for (const right of tokens.toSorted(compareTokens)) {
      const left = must(leftOf.get(right), "a token of the ring");
      const size = space.sizeBetween(left, right);
      gaps.add({ weight: size, value: { left, right } });
      ownership += size;
    }
    units.add({ weight: ownership, value: { ownership, gaps } });
  }
  return units;
}

function chooseUnits(
  units: JavaMaxQueue<Unit>,
  tokenCount: number,
): { chosen: Unit[]; targetAverage: number } {
  const chosen: Unit[] = [];
  let targetAverage = 0;
  let sum = 0;
  for (let taken = 0; taken < tokenCount && units.size > 0; taken++) {
    const largest = must(units.peek(), "a unit");
    sum += largest.weight;
    const average = sum / (chosen.length + 2);
    if (largest.weight <= average) break;
    chosen.push(units.remove().value);
    targetAverage = average;
  }
  return { chosen, targetAverage };
}

function cutGaps(space: TokenSpace, unit: Unit, cut: { count: number; target: number }): bigint[] {
  const gaps: Gap[] = [];
  let work = 0;
  for (let taken = 0; taken < cut.count; taken++) {
    const gap = unit.gaps.remove();
    gaps.push(gap.value);
    work += gap.weight;
  }
  const takeover = unit.ownership - cut.target;
  const wanted = takeover < work ? takeover / work : MAX_TAKEOVER_RATIO;
  const slice = Math.min(Math.max(wanted, MIN_TAKEOVER_RATIO), MAX_TAKEOVER_RATIO);
  return gaps.map(({ left, right }) => space.split(left, right, slice));
}
