/**
 * What clients saw and what replicas held, in the order in which it happened: all that the checkers
 * know. Plain data, so a test can write down a history by hand.
 */
import type { Consistency, Durability } from "../model/consistency.ts";
import type { Version } from "../model/version.ts";
import type { ValueIdentity } from "./values.ts";

/** When something happened. Steps order everything, also what shares a virtual time. */
export interface Instant {
  readonly step: number;
  readonly atMs: number;
}

interface OperationRecord {
  /** Unique in the run; values carry it. */
  readonly id: number;
  /** `keyspace/key`. */
  readonly key: string;
  /** The coordinator, by its index. */
  readonly member: number;
  readonly level: Consistency;
  readonly invoked: Instant;
  /** Undefined when no answer ever came. */
  readonly completed: Instant | undefined;
  /** How long its coordinator ran between the two: pauses of the process do not count. */
  readonly waitedMs: number;
  /** The longest that it may take. */
  readonly limitMs: number;
  /** The coordinator crashed before it answered. */
  readonly isCut: boolean;
  /** Code of the error, if there was one. */
  readonly error: string | undefined;
}

export interface WriteRecord extends OperationRecord {
  readonly kind: "put" | "delete";
  readonly durability: Durability;
  /** Milliseconds since the Unix epoch, or 0. */
  readonly expiresAtMs: number;
  readonly outcome: "ok" | "failed" | "unknown";
  /** Known for writes that are ok. */
  readonly version: Version | undefined;
  /** Members that said they stored it before the level was reached. */
  readonly answeredBy: readonly number[];
}

/** A value as somebody saw it. */
export interface FoundValue {
  readonly identity: ValueIdentity;
  readonly version: Version;
  readonly expiresAtMs: number;
}

export interface ReadRecord extends OperationRecord {
  readonly kind: "get";
  readonly outcome: "ok" | "failed";
  /** The newest version seen, a tombstone's and an expired value's included. */
  readonly seen: Version | undefined;
  readonly found: FoundValue | undefined;
  /** The coordinator's wall clock when it answered. */
  readonly wallMs: number;
}

export type Operation = WriteRecord | ReadRecord;

/** One cell of one replica. */
export interface HeldCell {
  readonly version: Version;
  readonly isTombstone: boolean;
  readonly expiresAtMs: number;
  readonly contentHash: number;
  /** Undefined for tombstones. */
  readonly identity: ValueIdentity | undefined;
}

/** What one member held in its own store. */
export interface Snapshot {
  readonly member: number;
  readonly at: Instant;
  readonly reason: "restarted" | "final";
  readonly cells: ReadonlyMap<string, HeldCell>;
}

export interface Crash {
  readonly member: number;
  /** `power`: what was not synced may be lost; `kill`: only what was not handed to the system. */
  readonly kind: "power" | "kill";
  readonly at: Instant;
}

/** A member dropped what it does not own any more, these keys among it. */
export interface Drop {
  readonly member: number;
  readonly at: Instant;
  /** As `keyspace/key`. */
  readonly keys: ReadonlySet<string>;
}

/** One walk over all keys of a keyspace, when nothing was written any more. */
export interface ScanRecord {
  readonly keyspace: string;
  readonly member: number;
  /** As `keyspace/key`. */
  readonly keys: readonly string[];
}

/** How a keyspace is replicated; per datacenter, or without regard to them. */
export type ReplicaCount = number | Readonly<Record<string, number>>;

export interface History {
  /** Datacenter of each member. */
  readonly datacenters: readonly string[];
  /** By name of the keyspace. */
  readonly replication: Readonly<Record<string, ReplicaCount>>;
  /**
   * Members and replication change while clients work. Then only quorums and ALL are known to meet.
   */
  readonly isRingChanging?: boolean | undefined;
  readonly operations: readonly Operation[];
  readonly snapshots: readonly Snapshot[];
  readonly crashes: readonly Crash[];
  readonly drops: readonly Drop[];
  readonly scans: readonly ScanRecord[];
  /** The replicas of each key at the end, by index. */
  readonly replicas: ReadonlyMap<string, readonly number[]>;
}

/** A broken promise. */
export interface Violation {
  /** Its number in the list of invariants, e.g. I1. */
  readonly invariant: string;
  readonly message: string;
}

export function isWrite(operation: Operation): operation is WriteRecord {
  return operation.kind !== "get";
}

export function isRead(operation: Operation): operation is ReadRecord {
  return operation.kind === "get";
}

export function isSameVersion(left: Version, right: Version): boolean {
  return left.timestamp === right.timestamp && left.writer === right.writer;
}

export function showVersion(version: Version | undefined): string {
  return version === undefined ? "nothing" : `${version.timestamp}@${version.writer.toString(16)}`;
}

export function showOperation(operation: Operation): string {
  const { id, kind, key, member, level, invoked, completed, outcome, error } = operation;
  const from = invoked.atMs.toFixed(3);
  const to = completed?.atMs.toFixed(3) ?? "never";
  return (
    `#${id} ${kind} ${key} at ${level} through member ${member}, ${from} to ${to} ms: ` +
    `${outcome}${error === undefined ? "" : ` (${error})`}`
  );
}
