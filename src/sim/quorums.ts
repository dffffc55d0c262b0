/**
 * Whether a read is bound to meet a write: the arithmetic of R + W > N, written down a second time
 * for the checkers and by brute force, so that a mistake in the coordinator's own counting shows.
 *
 * Two levels always meet when no set of replicas that satisfies the write leaves enough others to
 * satisfy the read.
 */
import type { Consistency } from "../model/consistency.ts";
import { assert } from "../util/assert.ts";
import type { ReplicaCount } from "./history.ts";

/** A level as one coordinator understands it. */
export interface LevelAt {
  readonly level: Consistency;
  /** The coordinator's datacenter. */
  readonly datacenter: string;
}

export function alwaysMeet(write: LevelAt, read: LevelAt, count: ReplicaCount): boolean {
  const replicas = replicasOf(count);
  const everyone = 2 ** replicas.length;
  for (let set = 0; set < everyone; set++) {
    const inside = replicas.filter((_, at) => (set & (2 ** at)) !== 0);
    const outside = replicas.filter((_, at) => (set & (2 ** at)) === 0);
    if (isEnough(inside, write, count) && isEnough(outside, read, count)) return false;
  }
  return true;
}

/** The datacenter of each replica; one nameless datacenter when they do not matter. */
function replicasOf(count: ReplicaCount): string[] {
  if (typeof count === "number") return Array.from({ length: count }, () => "");
  return Object.entries(count).flatMap(([datacenter, number]) =>
    Array.from({ length: number }, () => datacenter),
  );
}

/** Whether replicas in these datacenters satisfy a level. */
export function isEnough(answered: readonly string[], at: LevelAt, count: ReplicaCount): boolean {
  const total = replicasOf(count).length;
  const majority = (number: number): number => Math.floor(number / 2) + 1;
  const { level, datacenter } = at;
  if (typeof level === "number") return answered.length >= level;
  const local = typeof count === "number" ? total : (count[datacenter] ?? 0);
  const localAnswers =
    typeof count === "number"
      ? answered.length
      : answered.filter((other) => other === datacenter).length;
  switch (level) {
    case "ONE":
      return answered.length >= 1;
    case "TWO":
      return answered.length >= 2;
    case "THREE":
      return answered.length >= 3;
    case "QUORUM":
      return answered.length >= majority(total);
    case "ALL":
      return answered.length >= total;
    case "LOCAL_ONE":
      return localAnswers >= 1;
    case "LOCAL_QUORUM":
      return localAnswers >= majority(local);
    case "EACH_QUORUM":
      if (typeof count === "number") return answered.length >= majority(total);
      return Object.entries(count).every(
        ([name, number]) =>
          number === 0 || answered.filter((other) => other === name).length >= majority(number),
      );
    default:
      assert(level === "ANY", `no such level: ${String(level)}`);
      return true;
  }
}
