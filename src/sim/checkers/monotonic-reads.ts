/**
 * I11, monotonic reads: a read is over when as many replicas as its level asks for hold what it
 * returns (blocking read repair). So a later read that must meet one of them never shows anything
 * older, even of writes that nobody acknowledged.
 *
 * What a read saw need not have been synced, so nothing is claimed across a crash. While the ring
 * changes nothing is claimed either: a read sees to the replicas of the layout that it reads from, and
 * a member that is behind reads from an older one. Of acknowledged writes I1 still tells.
 */
import { compareVersions } from "../../versions/compare.ts";
import {
  type History,
  type ReadRecord,
  type Violation,
  isRead,
  showOperation,
  showVersion,
} from "../history.ts";
import { memoizedMeets } from "./meets.ts";

export function checkMonotonicReads(history: History): Violation[] {
  const violations: Violation[] = [];
  if (history.isRingChanging === true) return violations;
  const meets = memoizedMeets(history);
  const byKey = new Map<string, ReadRecord[]>();
  for (const read of history.operations) {
    if (!isRead(read) || read.outcome !== "ok" || read.completed === undefined) continue;
    const earlier = byKey.get(read.key) ?? [];
    const newest = newestSeen(earlier, read, history, meets);
    if (newest?.seen !== undefined && isOlder(read, newest.seen)) {
      const message =
        `${showOperation(newest)} saw ${showVersion(newest.seen)}; ` +
        `${showOperation(read)} saw ${showVersion(read.seen)}`;
      violations.push({ invariant: "I11", message });
    }
    earlier.push(read);
    byKey.set(read.key, earlier);
  }
  return violations;
}

function newestSeen(
  earlier: readonly ReadRecord[],
  read: ReadRecord,
  history: History,
  meets: (before: ReadRecord, after: ReadRecord) => boolean,
): ReadRecord | undefined {
  let newest: ReadRecord | undefined;
  for (const before of earlier) {
    if (before.seen === undefined || (before.completed?.step ?? Infinity) >= read.invoked.step)
      continue;
    if (newest?.seen !== undefined && compareVersions(before.seen, newest.seen) <= 0) continue;
    if (meets(before, read) && !hasCrash(before, read, history)) newest = before;
  }
  return newest;
}

function isOlder({ seen }: ReadRecord, than: NonNullable<ReadRecord["seen"]>): boolean {
  return seen === undefined || compareVersions(seen, than) < 0;
}

function hasCrash(before: ReadRecord, after: ReadRecord, { crashes }: History): boolean {
  const end = after.completed?.step ?? Infinity;
  return crashes.some(({ at }) => at.step > before.invoked.step && at.step < end);
}
