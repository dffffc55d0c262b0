/**
 * What a consistency level asks of the replicas of one key (Cassandra's `blockFor`).
 *
 * Replicas are sorted into groups, and each group has to deliver a number of answers: one group of
 * all replicas for ONE or QUORUM, one of the local datacenter's for LOCAL_QUORUM, one per
 * datacenter for EACH_QUORUM. Numbers come from the replication factor that was asked for, not from
 * the replicas that there happen to be: QUORUM at RF 3 needs two answers on a ring of one member.
 */
import type { Consistency, ConsistencyLevel } from "../model/consistency.ts";
import { KvError } from "../model/kv-error.ts";
import { must, unreachable } from "../util/assert.ts";

export interface Requirement {
  readonly consistency: Consistency;
  /** The group of each replica, by its position in the replica set; NO_GROUP if it does not count. */
  readonly groupOf: readonly number[];
  /** Answers that each group has to deliver. */
  readonly needed: readonly number[];
  /** Answers in all. */
  readonly total: number;
}

export const NO_GROUP = -1;

/** How a keyspace is replicated, as far as counting goes. */
export interface ReplicationFactors {
  readonly total: number;
  /** Per datacenter; undefined for strategies that know no datacenters. */
  readonly perDatacenter: ReadonlyMap<string, number> | undefined;
}

export interface RequirementInput {
  readonly factors: ReplicationFactors;
  /** The datacenter of each replica, by position. */
  readonly datacenters: readonly string[];
  readonly localDatacenter: string;
}

export function quorumOf(replicas: number): number {
  return Math.floor(replicas / 2) + 1;
}

/** Throws KvError if the level cannot be used with this replication. */
export function requirementFor(consistency: Consistency, input: RequirementInput): Requirement {
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
      return ofAll(consistency, 1, input);
    case "TWO":
      return ofAll(consistency, 2, input);
    case "THREE":
      return ofAll(consistency, 3, input);
    case "QUORUM":
      return ofAll(consistency, quorumOf(total), input);
    case "ALL":
      return ofAll(consistency, total, input);
    case "LOCAL_ONE":
      return ofLocal(consistency, () => 1, input);
    case "LOCAL_QUORUM":
      return ofLocal(consistency, quorumOf, input);
    case "EACH_QUORUM":
      return ofEach(input);
    default:
      return unreachable(consistency);
  }
}

function countOf(count: number, input: RequirementInput): Requirement {
  const { total } = input.factors;
  if (!Number.isInteger(count) || count < 1 || count > total) {
    throw new KvError({
      code: "INVALID_ARGUMENT",
      argument: "number of replicas (r or w)",
      value: String(count),
      expected: `a whole number from 1 to ${total}, the keyspace's replication factor`,
    });
  }
  return ofAll(count, count, input);
}

function ofAll(consistency: Consistency, needed: number, input: RequirementInput): Requirement {
  return { consistency, groupOf: input.datacenters.map(() => 0), needed: [needed], total: needed };
}

/** A strategy that knows no datacenters makes LOCAL_ levels count all replicas, as Cassandra does. */
function ofLocal(
  consistency: ConsistencyLevel,
  neededOf: (replicas: number) => number,
  input: RequirementInput,
): Requirement {
  const { factors, datacenters, localDatacenter } = input;
  if (factors.perDatacenter === undefined) {
    return ofAll(consistency, neededOf(factors.total), input);
  }
  const needed = neededOf(factors.perDatacenter.get(localDatacenter) ?? 0);
  const groupOf = datacenters.map((datacenter) => (datacenter === localDatacenter ? 0 : NO_GROUP));
  return { consistency, groupOf, needed: [needed], total: needed };
}

function ofEach(input: RequirementInput): Requirement {
  const { factors, datacenters } = input;
  if (factors.perDatacenter === undefined) {
    return ofAll("EACH_QUORUM", quorumOf(factors.total), input);
  }
  const names = [...factors.perDatacenter.keys()];
  const needed = names.map((name) => quorumOf(must(factors.perDatacenter?.get(name), name)));
  const groupOf = datacenters.map((datacenter) => names.indexOf(datacenter));
  const total = needed.reduce((sum, count) => sum + count, 0);
  return { consistency: "EACH_QUORUM", groupOf, needed, total };
}
