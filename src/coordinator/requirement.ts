/**
 * What a consistency level asks of the replicas of one key (Cassandra's `blockFor`).
 *
 * Replicas are sorted into groups, and each group has to deliver a number of answers: one group of
 * all replicas for ONE or QUORUM, one of the local datacenter's for LOCAL_QUORUM, one per
 * datacenter for EACH_QUORUM. Numbers come from the replication factor that was asked for, not from
 * the replicas that there happen to be: QUORUM at RF 3 needs two answers on a ring of one member.
 *
 * While the layout changes, a level is asked of several replica sets at once. Then each of them has
 * groups of its own, and a replica in two sets counts in both.
 */
import type { ReplicationFactors } from "../layout/keyspace-table.ts";
import type { Consistency, ConsistencyLevel } from "../model/consistency.ts";
import { KvError } from "../model/kv-error.ts";
import { must, unreachable } from "../util/assert.ts";

export interface Requirement {
  readonly consistency: Consistency;
  /** The groups of each replica, by its position; none if it does not count. */
  readonly groupsOf: readonly (readonly number[])[];
  /** The positions in each group. */
  readonly groups: readonly (readonly number[])[];
  /** Answers that each group has to deliver. */
  readonly needed: readonly number[];
  /** How many replicas each group has. */
  readonly sizes: readonly number[];
  /** Answers in all; of several replica sets, what the one asks that asks most. */
  readonly total: number;
}

/** One replica set. */
export interface RequirementInput {
  readonly factors: ReplicationFactors;
  /** The datacenter of each replica. */
  readonly datacenters: readonly string[];
  readonly localDatacenter: string;
}

/** A replica set among the replicas of several. */
export interface PlacedInput extends RequirementInput {
  /** The position of each replica. */
  readonly positions: readonly number[];
}

/** What a level asks of one replica set. */
interface Demand {
  /** By replica; NO_GROUP if it does not count. */
  readonly groupOf: readonly number[];
  readonly needed: readonly number[];
}

const NO_GROUP = -1;

export function quorumOf(replicas: number): number {
  return Math.floor(replicas / 2) + 1;
}

/** Throws KvError if the level cannot be used with this replication. */
export function requirementFor(consistency: Consistency, input: RequirementInput): Requirement {
  const positions = [...input.datacenters.keys()];
  return requirementOver(consistency, [{ ...input, positions }], positions.length);
}

/**
 * The level in each of the replica sets, which together have `replicaCount` replicas. Throws KvError
 * if the level cannot be used with the replication of one of them.
 */
export function requirementOver(
  consistency: Consistency,
  inputs: readonly PlacedInput[],
  replicaCount: number,
): Requirement {
  const groups: number[][] = [];
  const needed: number[] = [];
  let total = 0;
  for (const input of inputs) {
    const demand = demandOf(consistency, input);
    const first = groups.length;
    for (const count of demand.needed) {
      groups.push([]);
      needed.push(count);
    }
    for (const [replica, group] of demand.groupOf.entries()) {
      if (group === NO_GROUP) continue;
      const position = must(input.positions[replica], "each replica has a position");
      must(groups[first + group], "a group of this set").push(position);
    }
    total = Math.max(
      total,
      demand.needed.reduce((sum, count) => sum + count, 0),
    );
  }
  const groupsOf = Array.from({ length: replicaCount }, (_, position) =>
    [...groups.keys()].filter((group) => groups[group]?.includes(position)),
  );
  return {
    consistency,
    groupsOf,
    groups,
    needed,
    sizes: groups.map(({ length }) => length),
    total,
  };
}

/**
 * True if any two sets of replicas that reach the level have a replica in common: what one operation
 * has left behind, the next one meets.
 */
export function overlapsItself({ needed, sizes }: Requirement): boolean {
  return needed.every((count, group) => 2 * count > must(sizes[group], "each group has a size"));
}

function demandOf(consistency: Consistency, input: RequirementInput): Demand {
  if (typeof consistency === "number") return countOf(consistency, input);
  const { total } = input.factors;
  switch (consistency) {
    case "ANY":
      throw new KvError({
        code: "UNSUPPORTED_LEVEL",
        level: "ANY",
        reason: "it counts stored hints, and this version has none; use ONE",
      });
    case "ONE":
      return ofAll(1, input);
    case "TWO":
      return ofAll(2, input);
    case "THREE":
      return ofAll(3, input);
    case "QUORUM":
      return ofAll(quorumOf(total), input);
    case "ALL":
      return ofAll(total, input);
    case "LOCAL_ONE":
    case "LOCAL_QUORUM":
      return ofLocal(consistency, input);
    case "EACH_QUORUM":
      return ofEach(input);
    default:
      return unreachable(consistency);
  }
}

function countOf(count: number, input: RequirementInput): Demand {
  const { total } = input.factors;
  if (!Number.isInteger(count) || count < 1 || count > total) {
    throw new KvError({
      code: "INVALID_ARGUMENT",
      argument: "number of replicas (r or w)",
      value: String(count),
      expected: `a whole number from 1 to ${total}, the keyspace's replication factor`,
    });
  }
  return ofAll(count, input);
}

function ofAll(needed: number, input: RequirementInput): Demand {
  return { groupOf: input.datacenters.map(() => 0), needed: [needed] };
}

/** A strategy that knows no datacenters makes LOCAL_ levels count all replicas, as Cassandra does. */
function ofLocal(
  level: Extract<ConsistencyLevel, "LOCAL_ONE" | "LOCAL_QUORUM">,
  input: RequirementInput,
): Demand {
  const neededOf = level === "LOCAL_ONE" ? () => 1 : quorumOf;
  const { factors, datacenters, localDatacenter } = input;
  if (factors.perDatacenter === undefined) return ofAll(neededOf(factors.total), input);
  const needed = neededOf(factors.perDatacenter.get(localDatacenter) ?? 0);
  const groupOf = datacenters.map((datacenter) => (datacenter === localDatacenter ? 0 : NO_GROUP));
  return { groupOf, needed: [needed] };
}

function ofEach(input: RequirementInput): Demand {
  const { factors, datacenters } = input;
  if (factors.perDatacenter === undefined) return ofAll(quorumOf(factors.total), input);
  const names = [...factors.perDatacenter.keys()];
  const needed = names.map((name) => quorumOf(must(factors.perDatacenter?.get(name), name)));
  const groupOf = datacenters.map((datacenter) => names.indexOf(datacenter));
  return { groupOf, needed };
}
