/**
 * I10, convergence: when faults have ended and every key was repaired, all replicas of a key hold
 * equal cells, and nobody else holds any.
 */
import {
  type HeldCell,
  type History,
  type Snapshot,
  type Violation,
  showVersion,
} from "../history.ts";

export function checkConvergence(history: History): Violation[] {
  const final = history.snapshots.filter(({ reason }) => reason === "final");
  const messages: string[] = [];
  for (const [key, replicas] of history.replicas) {
    const held = final.map((snapshot) => ({ snapshot, text: show(snapshot.cells.get(key)) }));
    const isReplica = ({ member }: Snapshot): boolean => replicas.includes(member);
    const ofReplicas = held.filter(({ snapshot }) => isReplica(snapshot));
    if (new Set(ofReplicas.map(({ text }) => text)).size > 1) {
      const list = ofReplicas.map(({ snapshot, text }) => `member ${snapshot.member}: ${text}`);
      messages.push(`the replicas of ${key} differ: ${list.join("; ")}`);
    }
    for (const { snapshot, text } of held) {
      if (isReplica(snapshot) || !snapshot.cells.has(key)) continue;
      messages.push(`member ${snapshot.member} is no replica of ${key} and holds ${text}`);
    }
  }
  return messages.map((message) => ({ invariant: "I10", message }));
}

function show(cell: HeldCell | undefined): string {
  if (cell === undefined) return "nothing";
  const { version, isTombstone, expiresAtMs, contentHash, identity } = cell;
  const content = isTombstone
    ? "a tombstone"
    : `the value of operation ${identity?.operation ?? identity?.problem}`;
  return `${content} as ${showVersion(version)}, expiry ${expiresAtMs}, hash ${contentHash}`;
}
