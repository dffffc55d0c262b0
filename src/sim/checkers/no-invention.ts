/**
 * I3, no invention: each value that anybody sees was sent by a client for that key, uncorrupted, and
 * under one version. A version that hides a value (a tombstone, something expired) needs a delete or
 * an expiring put that can have made it.
 */
import type { Version } from "../../model/version.ts";
import {
  type FoundValue,
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

interface Sighting extends FoundValue {
  readonly key: string;
  readonly step: number;
  /** Who saw it, for messages. */
  readonly where: string;
}

export function checkNoInvention(history: History): Violation[] {
  const writes = new Map<number, WriteRecord>();
  for (const operation of history.operations) {
    if (isWrite(operation)) writes.set(operation.id, operation);
  }
  const messages = [
    ...issuedTwice([...writes.values()]),
    ...badSightings(sightings(history), writes),
    ...phantoms(history, [...writes.values()]),
  ];
  return messages.map((message) => ({ invariant: "I3", message }));
}

function issuedTwice(writes: readonly WriteRecord[]): string[] {
  const messages: string[] = [];
  const issued = new Map<string, WriteRecord>();
  for (const write of writes) {
    if (write.version === undefined) continue;
    const id = `${write.key} ${showVersion(write.version)}`;
    const other = issued.get(id);
    if (other !== undefined) {
      messages.push(`version issued twice: ${showOperation(other)}; ${showOperation(write)}`);
    }
    issued.set(id, write);
  }
  return messages;
}

function sightings(history: History): Sighting[] {
  const all: Sighting[] = [];
  for (const operation of history.operations) {
    if (!isRead(operation) || operation.found === undefined) continue;
    const step = operation.completed?.step ?? 0;
    all.push({ ...operation.found, key: operation.key, step, where: showOperation(operation) });
  }
  for (const { member, at, cells } of history.snapshots) {
    for (const [key, cell] of cells) {
      if (cell.identity === undefined) continue;
      const where = `the store of member ${member} at ${at.atMs.toFixed(3)} ms`;
      all.push({ ...cell, identity: cell.identity, key, step: at.step, where });
    }
  }
  return all;
}

function badSightings(
  all: readonly Sighting[],
  writes: ReadonlyMap<number, WriteRecord>,
): string[] {
  const messages: string[] = [];
  const versionOf = new Map<number, Version>();
  for (const sighting of all) {
    const { identity } = sighting;
    const problem =
      identity.problem ?? problemOf(sighting, writes.get(identity.operation), versionOf);
    if (problem !== undefined) messages.push(`${sighting.key}: ${sighting.where} shows ${problem}`);
  }
  return messages;
}

function problemOf(
  { key, step, version, expiresAtMs, identity }: Sighting,
  write: WriteRecord | undefined,
  versionOf: Map<number, Version>,
): string | undefined {
  if (write === undefined) return `the value of operation ${identity.operation}, which never was`;
  const from = `the value of ${showOperation(write)}`;
  if (write.key !== key || write.kind !== "put") return from;
  if (write.invoked.step >= step) return `${from}, before it was sent`;
  if (write.expiresAtMs !== expiresAtMs) return `${from}, expiring at ${expiresAtMs}`;
  const known = write.version ?? versionOf.get(write.id);
  if (known !== undefined && !isSameVersion(known, version)) {
    return `${from} as version ${showVersion(version)}, before as ${showVersion(known)}`;
  }
  versionOf.set(write.id, version);
  return undefined;
}

/** Versions that hide the value of a key, and that no acknowledged write made. */
function phantoms(history: History, writes: readonly WriteRecord[]): string[] {
  const messages: string[] = [];
  const seenBy = new Map<string, Map<string, ReadRecord>>();
  const explained = new Set<string>();
  for (const { key, version } of writes) {
    if (version !== undefined) explained.add(`${key} ${showVersion(version)}`);
  }
  for (const read of history.operations) {
    if (!isRead(read) || read.found !== undefined || read.seen === undefined) continue;
    if (explained.has(`${read.key} ${showVersion(read.seen)}`)) continue;
    const ofKey = seenBy.get(read.key) ?? new Map<string, ReadRecord>();
    ofKey.set(showVersion(read.seen), read);
    seenBy.set(read.key, ofKey);
  }
  for (const [key, versions] of seenBy) {
    const possible = writes.filter(
      (write) =>
        write.key === key &&
        write.outcome === "unknown" &&
        (write.kind === "delete" || write.expiresAtMs !== 0),
    ).length;
    if (versions.size <= possible) continue;
    const reads = [...versions.values()].map((read) => showOperation(read)).join("; ");
    messages.push(
      `${key}: ${versions.size} versions hide its value and ${possible} writes can have made them: ${reads}`,
    );
  }
  return messages;
}
