/** Whether two operations of a history must have met at a replica, computed once per kind of pair. */
import type { History, Operation } from "../history.ts";
import { alwaysMeet } from "../quorums.ts";

export function memoizedMeets(history: History): (before: Operation, after: Operation) => boolean {
  const known = new Map<string, boolean>();
  return (before, after) => {
    if (history.isRingChanging === true) return isQuorum(before) && isQuorum(after);
    const [keyspace = ""] = before.key.split("/", 1);
    const first = { level: before.level, datacenter: history.datacenters[before.member] ?? "" };
    const second = { level: after.level, datacenter: history.datacenters[after.member] ?? "" };
    const id = `${keyspace} ${first.level} ${first.datacenter} ${second.level} ${second.datacenter}`;
    let answer = known.get(id);
    if (answer === undefined) {
      answer = alwaysMeet(first, second, history.replication[keyspace] ?? 1);
      known.set(id, answer);
    }
    return answer;
  };
}

function isQuorum({ level }: Operation): boolean {
  return level === "QUORUM" || level === "ALL";
}
