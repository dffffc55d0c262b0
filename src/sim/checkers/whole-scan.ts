/**
 * Scans: a walk over a healthy ring in which nothing is written shows every live key and no other.
 * (Not in the numbered list; it follows from what `KvApi.scan` promises.) Keys that expire are left
 * out, because clocks of members differ.
 */
import type { HeldCell, History, Snapshot, Violation } from "../history.ts";

export function checkWholeScan(history: History): Violation[] {
  const final = history.snapshots.filter(({ reason }) => reason === "final");
  const messages: string[] = [];
  for (const { keyspace, member, keys } of history.scans) {
    const seen = new Set(keys);
    for (const key of history.replicas.keys()) {
      if (!key.startsWith(`${keyspace}/`)) continue;
      const expected = isLive(key, final);
      if (expected === undefined || expected === seen.has(key)) continue;
      const problem = expected ? "misses the live key" : "shows what is not there:";
      messages.push(`a scan of ${keyspace} through member ${member} ${problem} ${key}`);
    }
  }
  return messages.map((message) => ({ invariant: "scan", message }));
}

/** Undefined when the key has or had a time limit, or replicas differ. */
function isLive(key: string, final: readonly Snapshot[]): boolean | undefined {
  const cells = final.map(({ cells: held }) => held.get(key)).filter((cell) => cell !== undefined);
  const lives = new Set(cells.map((cell) => lifeOf(cell)));
  if (lives.size === 0) return false;
  return lives.size === 1 ? [...lives][0] : undefined;
}

function lifeOf({ isTombstone, expiresAtMs }: HeldCell): boolean | undefined {
  return expiresAtMs === 0 ? !isTombstone : undefined;
}
