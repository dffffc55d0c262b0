/**
 * I1, no lost acknowledgements: when a write was acknowledged by W replicas and a later read asks so
 * many that it must meet one of them, the read shows that write or a newer one.
 *
 * "Later" means invoked after the write's answer; "newer" is the order of versions, because the last
 * write by hybrid clock wins. Tombstones and expired values count: the read must have seen their
 * version. What was written as `interval` promises nothing across a power loss, `memory` nothing across
 * any crash.
 *
 * A strict quorum gives a regular register: what a write that is still running, or whose outcome is
 * unknown, shows to whom is left open.
 */
import { compareVersions } from "../../versions/compare.ts";
import {
  type History,
  type ReadRecord,
  type Violation,
  type WriteRecord,
  isRead,
  isSameVersion,
  isWrite,
  showOperation,
  showVersion,
} from "../history.ts";
import { memoizedMeets } from "./meets.ts";

export function checkNoLostAcks(history: History): Violation[] {
  const violations: Violation[] = [];
  const writesOf = acknowledgedWrites(history);
  const meets = memoizedMeets(history);
  for (const read of history.operations) {
    if (!isRead(read) || read.outcome !== "ok") continue;
    for (const write of writesOf.get(read.key) ?? []) {
      if ((write.completed?.step ?? Infinity) >= read.invoked.step) continue;
      if (!meets(write, read) || !survives(write, read, history)) continue;
      const problem = problemBetween(write, read);
      if (problem !== undefined) violations.push({ invariant: "I1", message: problem });
    }
  }
  return violations;
}

function acknowledgedWrites(history: History): Map<string, WriteRecord[]> {
  const byKey = new Map<string, WriteRecord[]>();
  for (const operation of history.operations) {
    if (!isWrite(operation) || operation.outcome !== "ok") continue;
    const list = byKey.get(operation.key);
    if (list === undefined) byKey.set(operation.key, [operation]);
    else list.push(operation);
  }
  return byKey;
}

/** Whether the write's durability covers everything that happened until the read was over. */
function survives(write: WriteRecord, read: ReadRecord, history: History): boolean {
  if (write.durability === "fsync") return true;
  return !history.crashes.some(
    ({ at, kind }) =>
      (kind === "power" || write.durability === "memory") &&
      at.step > write.invoked.step &&
      at.step < (read.completed?.step ?? Infinity),
  );
}

function problemBetween(write: WriteRecord, read: ReadRecord): string | undefined {
  const { seen, found } = read;
  const { version } = write;
  const between = `${showOperation(write)} wrote ${showVersion(version)}; ${showOperation(read)}`;
  if (version === undefined) return `${showOperation(write)} is ok and has no version`;
  if (seen === undefined || compareVersions(seen, version) < 0) {
    return `${between} saw ${showVersion(seen)}`;
  }
  if (!isSameVersion(seen, version)) return undefined;
  if (found === undefined) {
    const isHidden = write.kind === "put" && !isExpired(write, read.wallMs);
    return isHidden ? `${between} saw that version and returned nothing` : undefined;
  }
  if (found.identity.operation === write.id) return undefined;
  return `${between} saw that version with the value of operation ${found.identity.operation}`;
}

function isExpired({ expiresAtMs }: WriteRecord, wallMs: number): boolean {
  return expiresAtMs !== 0 && expiresAtMs <= wallMs;
}
