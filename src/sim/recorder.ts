/** Writes the history of a run while it happens. */
import { compareHalves } from "../ring/token.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { assert } from "../util/assert.ts";
import type { EventLog } from "./event-log.ts";
import type {
  Crash,
  Drop,
  HeldCell,
  History,
  Instant,
  Operation,
  ReplicaCount,
  ScanRecord,
  Snapshot,
} from "./history.ts";
import { identify } from "./values.ts";
import type { VirtualTime } from "./virtual-clock.ts";

const SCAN_PAGE = 64;
const WHOLE_RING = { startHi: 0, startLo: 0, endHi: 0, endLo: 0 };

export interface RecorderDeps {
  readonly time: VirtualTime;
  readonly log: EventLog;
}

/** What is fixed before anything happens. */
export interface RecorderFacts {
  readonly replication: Readonly<Record<string, ReplicaCount>>;
  readonly isRingChanging?: boolean | undefined;
}

export class Recorder implements History {
  readonly datacenters: string[] = [];
  readonly replication: Readonly<Record<string, ReplicaCount>>;
  readonly isRingChanging: boolean;
  readonly operations: Operation[] = [];
  readonly snapshots: Snapshot[] = [];
  readonly crashes: Crash[] = [];
  readonly drops: Drop[] = [];
  readonly scans: ScanRecord[] = [];
  readonly replicas: Map<string, readonly number[]> = new Map();
  readonly #deps: RecorderDeps;
  #step = 0;

  constructor(deps: RecorderDeps, facts: RecorderFacts) {
    this.#deps = deps;
    this.replication = facts.replication;
    this.isRingChanging = facts.isRingChanging ?? false;
  }

  /** The present moment; no two are equal. */
  instant(): Instant {
    return { step: ++this.#step, atMs: this.#deps.time.nowMs };
  }

  /** One more machine, in this datacenter. */
  machine(datacenter: string): void {
    this.datacenters.push(datacenter);
  }

  operation(operation: Operation): void {
    const { id, kind, outcome, completed } = operation;
    this.operations.push(operation);
    this.#deps.log.record(completed?.atMs ?? this.#deps.time.nowMs, "answer", [
      id,
      kind,
      operation.key,
      String(operation.level),
      outcome,
      operation.error ?? "",
    ]);
  }

  crash(member: number, kind: Crash["kind"]): void {
    this.crashes.push({ member, kind, at: this.instant() });
  }

  drop(member: number, keys: ReadonlySet<string>): void {
    this.drops.push({ member, keys, at: this.instant() });
  }

  /** What a store holds of the given keyspaces (number to name). */
  snapshot(
    member: number,
    reason: Snapshot["reason"],
    engine: StorageEngine,
    keyspaces: ReadonlyMap<number, string>,
  ): void {
    const cells = new Map<string, HeldCell>();
    for (const [id, name] of keyspaces) collect(engine, id, name, cells);
    this.snapshots.push({ member, reason, at: this.instant(), cells });
  }
}

function collect(
  engine: StorageEngine,
  keyspaceId: number,
  keyspace: string,
  into: Map<string, HeldCell>,
): void {
  const scan = engine.scan(keyspaceId, WHOLE_RING, { values: true });
  let last = { hi: 0, lo: 0 };
  let count = 0;
  for (;;) {
    const visited = scan.next(SCAN_PAGE, (cell) => {
      const { tokenHi, tokenLo, timestamp, writer, isTombstone, expiresAtMs, contentHash } = cell;
      // From (0, 0] around: positive tokens first, then the negative ones.
      const isFirst = count++ === 0;
      const isWrap = last.hi >= 0 && tokenHi < 0;
      const isOrdered = compareHalves(last.hi, last.lo, tokenHi, tokenLo) <= 0;
      assert(isFirst || isWrap || isOrdered, "a scan goes along the ring");
      last = { hi: tokenHi, lo: tokenLo };
      into.set(`${keyspace}/${Buffer.from(cell.key).toString("latin1")}`, {
        version: { timestamp, writer },
        isTombstone,
        expiresAtMs,
        contentHash,
        identity: cell.value === undefined ? undefined : identify(cell.value),
      });
    });
    if (visited === 0) break;
  }
  scan.close();
}
