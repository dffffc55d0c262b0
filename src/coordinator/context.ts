/** What every request of one coordinator shares. */
import type { LayoutStamp } from "../codec/frames.ts";
import type { Logger } from "../model/deps.ts";
import type { StorageEngine } from "../storage/engine.ts";
import type { HybridClock } from "../versions/hybrid-clock.ts";
import type { Deadlines, DeadlineQueue } from "./deadlines.ts";
import type { KeyOrder } from "./key-order.ts";
import type { KeyspacePlacement } from "./keyspace-placement.ts";
import type { PendingRequests } from "./pending.ts";

/** What happened so far; scraped by the metrics. */
export interface CoordinatorCounters {
  reads: number;
  writes: number;
  readFailures: number;
  writeFailures: number;
  speculativeReads: number;
  readRepairs: number;
  replicaReads: number;
  replicaWrites: number;
  layoutMismatches: number;
  /** Requests made again because a replica lives in another layout. */
  layoutRetries: number;
}

export interface CoordinatorContext {
  readonly engine: StorageEngine;
  readonly hybridClock: HybridClock;
  readonly pending: PendingRequests;
  readonly deadlines: Deadlines;
  readonly writeTimeouts: DeadlineQueue;
  readonly readTimeouts: DeadlineQueue;
  /** Reads wait here first; those that stay too long ask one more replica. */
  readonly speculation: DeadlineQueue;
  /** Requests that were refused because of their layout wait here for a moment. */
  readonly layoutRetries: DeadlineQueue;
  /** Asks look at their own time limits at this pace. */
  readonly askChecks: DeadlineQueue;
  readonly counters: CoordinatorCounters;
  readonly logger: Logger;
  /** Undefined where keys are hashed. */
  readonly keyOrder: KeyOrder | undefined;
  /** The stamp of new versions made here. */
  writer: number;
  /** Bytes of keys and values in requests that replicas have not all answered yet. */
  inFlightBytes: number;
  /** The layout that requests are made under. */
  layout: LayoutStamp;
  /** The counter of the layout that is read from. */
  reads: number;
  /** The keyspaces of the newest layout, by name. */
  placements: ReadonlyMap<string, KeyspacePlacement>;
  /** The same by id. */
  placementsById: ReadonlyMap<number, KeyspacePlacement>;
  /** Wall clock in milliseconds, against which expiry is judged. */
  readonly nowMs: () => number;
  /** Runs a callback when the present turn of the event loop is over. */
  readonly defer: (callback: () => void) => void;
}

export function newCounters(): CoordinatorCounters {
  return {
    reads: 0,
    writes: 0,
    readFailures: 0,
    writeFailures: 0,
    speculativeReads: 0,
    readRepairs: 0,
    replicaReads: 0,
    replicaWrites: 0,
    layoutMismatches: 0,
    layoutRetries: 0,
  };
}
