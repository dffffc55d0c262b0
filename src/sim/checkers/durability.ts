/**
 * I5, durability: a replica that said it had synced a write holds it, or something newer, whenever
 * it is looked at afterwards: after every crash of its own, and at the end. Unless it has dropped the
 * key since, as what it does not own any more; whether it may, others check (I23).
 */
import type { Version } from "../../model/version.ts";
import { compareVersions } from "../../versions/compare.ts";
import {
  type History,
  type Snapshot,
  type Violation,
  isWrite,
  showOperation,
  showVersion,
} from "../history.ts";

export function checkDurability(history: History): Violation[] {
  const violations: Violation[] = [];
  for (const snapshot of history.snapshots) {
    for (const message of lostFrom(snapshot, history))
      violations.push({ invariant: "I5", message });
  }
  return violations;
}

function* lostFrom({ member, at, cells }: Snapshot, history: History): Generator<string> {
  const drops = history.drops.filter((drop) => drop.member === member && drop.at.step < at.step);
  for (const write of history.operations) {
    if (!isWrite(write) || write.outcome !== "ok" || write.durability !== "fsync") continue;
    if ((write.completed?.step ?? Infinity) >= at.step) continue;
    if (!write.answeredBy.includes(member)) continue;
    if (
      drops.some(
        ({ keys, at: droppedAt }) => keys.has(write.key) && droppedAt.step > write.invoked.step,
      )
    )
      continue;
    const held: Version | undefined = cells.get(write.key)?.version;
    if (held !== undefined && write.version !== undefined) {
      if (compareVersions(held, write.version) >= 0) continue;
    }
    yield (
      `${showOperation(write)} was synced by member ${member} as ${showVersion(write.version)}; ` +
        `at ${at.atMs.toFixed(3)} ms it holds ${showVersion(held)}`
    );
  }
}
