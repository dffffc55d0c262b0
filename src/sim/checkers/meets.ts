/** Whether two operations of a history must have met at a replica, computed once per kind of pair. */
import type { Consistency } from "../../model/consistency.ts";
import type { History, Operation } from "../history.ts";
import { type LevelAt, alwaysMeet } from "../quorums.ts";

export function memoizedMeets(history: History): (before: Operation, after: Operation) => boolean {
  const known = new Map<string, boolean>();
  return (before, after) => {
    const [keyspace = ""] = before.key.split("/", 1);
    const first = { level: before.level, datacenter: history.datacenters[before.member] ?? "" };
    const second = { level: after.level, datacenter: history.datacenters[after.member] ?? "" };
    if (history.isRingChanging === true) return meetWhileChanging(first, second);
    const id = `${keyspace} ${first.level} ${first.datacenter} ${second.level} ${second.datacenter}`;
    let answer = known.get(id);
    if (answer === undefined) {
      answer = alwaysMeet(first, second, history.replication[keyspace] ?? 1);
      known.set(id, answer);
    }
    return answer;
  };
}

/**
 * However replicas come and go, two quorums of all of them meet, and two of one datacenter.
 */
function meetWhileChanging(before: LevelAt, after: LevelAt): boolean {
  const isQuorum = ({ level }: LevelAt): boolean => level === "QUORUM" || isEverywhere(level);
  if (isQuorum(before) && isQuorum(after)) return true;
  const isLocal = ({ level }: LevelAt): boolean => level === "LOCAL_QUORUM" || isEverywhere(level);
  if (!isLocal(before) || !isLocal(after)) return false;
  const isOneSided = before.level === "LOCAL_QUORUM" && after.level === "LOCAL_QUORUM";
  return !isOneSided || before.datacenter === after.datacenter;
}

/** Reaches a quorum of all replicas, and of those in each datacenter. */
function isEverywhere(level: Consistency): boolean {
  return level === "EACH_QUORUM" || level === "ALL";
}
