/**
 * Crash histories: random puts, reads, scans, merges and snapshots on the simulated disk, interrupted by
 * power failures, deaths of the process, full disks and failed syncs; everything compared with a model
 * that is a Map.
 *
 * What is checked (invariants I3 and I5):
 * - While the engine lives, a cell is the winner of all puts that it did not refuse.
 * - A scan shows the cells of its opening.
 * - After a crash a cell is no older than the newest put acknowledged at `fsync` (for the death of the
 *   process alone: at `interval`), and it is one that was put, byte for byte.
 * - What was found when opening is as good as acknowledged at `fsync`.
 */
import type { Durability } from "../../model/consistency.ts";
import { silentLogger } from "../../model/deps.ts";
import { SimulatedDisk } from "../../sim/simulated-disk.ts";
import { SeededRng, randomBelow, randomChoice } from "../../util/random.ts";
import { contentHash } from "../content-hash.ts";
import type { CellWrite, RangeScan, ScannedCell } from "../engine.ts";
import { compareCells } from "../merge-order.ts";
import { VirtualClock } from "../virtual-clock.suite.ts";
import { LogEngine } from "./log-engine.ts";
import type { LogEngineOptions } from "./options.ts";

/** One version of a cell as the model keeps it. */
interface ModelCell {
  readonly timestamp: number;
  readonly writer: number;
  readonly isTombstone: boolean;
  readonly contentHash: number;
  readonly expiresAtMs: number;
  readonly value: string | undefined;
}

interface ModelKey {
  readonly keyspaceId: number;
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
  readonly attempts: ModelCell[];
  current: ModelCell | undefined;
  /** The newest that must survive the death of the process. */
  written: ModelCell | undefined;
  /** The newest that must survive power failure. */
  synced: ModelCell | undefined;
}

interface OpenScan {
  readonly scan: RangeScan;
  readonly keyspaceId: number;
  readonly expected: readonly string[];
  readonly seen: string[];
}

/** How often the rare paths were taken, to prove that histories reach them. */
export interface HistoryCounts {
  crashes: number;
  kills: number;
  crashesWhileOpening: number;
  crashesWhileClosing: number;
  removedSegments: number;
  snapshots: number;
  openedFromSnapshot: number;
  bytesDropped: number;
  fullDisk: number;
  readOnly: number;
}

export function emptyCounts(): HistoryCounts {
  return {
    crashes: 0,
    kills: 0,
    crashesWhileOpening: 0,
    crashesWhileClosing: 0,
    removedSegments: 0,
    snapshots: 0,
    openedFromSnapshot: 0,
    bytesDropped: 0,
    fullDisk: 0,
    readOnly: 0,
  };
}

/** Runs the history of a seed. Throws an Error that names the seed if something is wrong. */
export async function runCrashHistory(seed: number, counts: HistoryCounts): Promise<void> {
  try {
    await new CrashHistory(seed, counts).run();
  } catch (error) {
    throw new Error(`crash history ${seed}: ${String(error)}`, { cause: error });
  }
}

class CrashHistory {
  readonly #rng: SeededRng;
  readonly #counts: HistoryCounts;
  /** Each process has its own, so that nothing of a dead one ever runs again. */
  #clock = new VirtualClock();
  readonly #options: Partial<LogEngineOptions>;
  readonly #keys: readonly ModelKey[];
  #disk: SimulatedDisk;
  #engine: LogEngine;
  #scans: OpenScan[] = [];
  #timestamp = 1;
  #incarnation = 0;
  #failure: Error | undefined;

  constructor(seed: number, counts: HistoryCounts) {
    this.#rng = new SeededRng(seed);
    this.#counts = counts;
    const isSlow = this.#below(2) === 0;
    this.#disk = new SimulatedDisk(
      { clock: this.#clock, rng: this.#rng },
      { syncDelayMs: isSlow ? { min: 0, max: 6 } : undefined },
    );
    this.#options = {
      arenaChunkBytes: 16 * 1024,
      indexBucketBits: 8,
      segmentBytes: 1500 + this.#below(6000),
      batchBytes: 300 + this.#below(2000),
      syncIntervalMs: 5,
      fullRetryMs: 4,
      maintenanceMs: 3,
      mergePauseMs: 1,
      mergeStepBytes: 200 + this.#below(2000),
      mergeLiveShare: 0.3 + this.#below(7) / 10,
      snapshotLogBytes: 500 + this.#below(8000),
      snapshotStepBytes: 200,
      replayChunkBytes: 4096,
    };
    this.#keys = Array.from({ length: 2 + this.#below(10) }, (_, number) => ({
      keyspaceId: number % 2,
      tokenHi: (number >> 2) - 1,
      tokenLo: number % 3,
      key: new Uint8Array(number * 7).fill(number),
      attempts: [],
      current: undefined,
      written: undefined,
      synced: undefined,
    }));
    this.#engine = this.#newEngine();
  }

  async run(): Promise<void> {
    await this.#clock.run(this.#engine.open());
    const rounds = 1 + this.#below(4);
    for (let round = 0; round < rounds; round++) {
      const steps = 3 + this.#below(80);
      for (let step = 0; step < steps; step++) {
        this.#step();
        if (this.#failure !== undefined) throw this.#failure;
      }
      await this.#end();
    }
    await this.#clock.run(this.#engine.close());
  }

  #step(): void {
    const chance = this.#below(100);
    if (chance < 55) this.#put();
    else if (chance < 70) this.#clock.turn();
    else if (chance < 80) this.#clock.advance(this.#below(8));
    else if (chance < 88) this.#checkCell(this.#anyKey());
    else if (chance < 92) this.#openScan();
    else if (chance < 96) this.#continueScan();
    else if (chance < 97) this.#disk.failSyncs(this.#below(4) === 0 ? 1 : 0);
    else if (chance < 98) this.#disk.setCapacity(this.#disk.usedBytes() + this.#below(1000));
    else this.#disk.setCapacity(Number.POSITIVE_INFINITY);
  }

  #put(): void {
    const target = this.#anyKey();
    const write = this.#makeWrite(target);
    const durability: Durability =
      randomChoice(this.#rng, ["fsync", "interval", "memory"] as const) ?? "fsync";
    const cell = modelOf(write);
    target.attempts.push(cell);
    const incarnation = this.#incarnation;
    let isInside = true;
    let isRefused = false;
    this.#engine.put(write, durability, {
      stored: () => {
        if (incarnation !== this.#incarnation) {
          this.#failure = new Error("acknowledged after the crash");
        }
        // What was acknowledged is this put or one that won against it.
        if (durability !== "memory") target.written = newer(target.written, cell);
        if (durability === "fsync") target.synced = newer(target.synced, cell);
      },
      putFailed: (error) => {
        if (isInside) isRefused = true;
        if ("code" in error && error.code === "FULL") this.#counts.fullDisk++;
        if ("code" in error && error.code === "READ_ONLY") this.#counts.readOnly++;
      },
    });
    isInside = false;
    if (!isRefused) target.current = newer(target.current, cell);
    this.#checkCell(target);
  }

  #makeWrite(target: ModelKey): CellWrite {
    const isLarge = this.#below(20) === 0;
    const value = new Uint8Array(this.#below(isLarge ? 4000 : 200));
    for (let at = 0; at < value.length; at++) value[at] = this.#below(256);
    // Mostly newer than everything before, sometimes older or equal.
    if (this.#below(4) > 0) this.#timestamp++;
    return {
      ...target,
      value: this.#below(6) === 0 ? undefined : value,
      timestamp: Math.max(1, this.#timestamp - (this.#below(5) === 0 ? this.#below(5) : 0)),
      writer: this.#below(3),
      expiresAtMs: this.#below(3) * 1_000_000_000_000,
    };
  }

  /** One way or another the engine ends, and the next one opens. */
  async #end(): Promise<void> {
    this.#disk.failSyncs(0);
    if (this.#below(2) === 0) this.#disk.setCapacity(Number.POSITIVE_INFINITY);
    const { details } = this.#engine.stats();
    this.#counts.removedSegments += details["removedSegments"] ?? 0;
    this.#counts.snapshots += details["snapshots"] ?? 0;
    const chance = this.#below(10);
    if (chance === 0) {
      await this.#clock.run(this.#engine.close());
    } else if (chance === 1) {
      this.#engine.close().catch(() => {});
      await this.#aFewTurns();
      this.#counts.crashesWhileClosing++;
    }
    this.#crash();
    this.#disk.setCapacity(Number.POSITIVE_INFINITY);
    while (this.#below(5) === 0) {
      this.#newEngine()
        .open()
        .catch(() => {});
      await this.#aFewTurns();
      this.#counts.crashesWhileOpening++;
      this.#crash();
    }
    this.#engine = this.#newEngine();
    const report = await this.#clock.run(this.#engine.open());
    this.#counts.bytesDropped += report.bytesDropped;
    if (report.fromSnapshot) this.#counts.openedFromSnapshot++;
    for (const target of this.#keys) this.#adoptSurvivor(target);
  }

  #crash(): void {
    this.#incarnation++;
    this.#scans = [];
    this.#clock = new VirtualClock();
    if (this.#below(3) === 0) {
      this.#counts.kills++;
      this.#disk = this.#disk.killProcess(this.#clock);
    } else {
      this.#counts.crashes++;
      this.#disk = this.#disk.crash(this.#clock);
      for (const target of this.#keys) target.written = target.synced;
    }
  }

  #adoptSurvivor(target: ModelKey): void {
    const found = this.#read(target);
    const floor = target.written;
    if (floor !== undefined && (found === undefined || compareCells(found, floor) < 0)) {
      throw new Error(`lost: acknowledged ${describe(floor)}, found ${describe(found)}`);
    }
    if (found !== undefined && !target.attempts.some((attempt) => isSame(attempt, found))) {
      throw new Error(`invented: ${describe(found)}`);
    }
    target.current = found;
    target.written = found;
    target.synced = found;
  }

  #checkCell(target: ModelKey): void {
    const found = this.#read(target);
    const { current } = target;
    const isRight =
      found === undefined || current === undefined ? found === current : isSame(found, current);
    if (!isRight) throw new Error(`expected ${describe(current)}, found ${describe(found)}`);
  }

  #openScan(): void {
    const keyspaceId = this.#below(2);
    const inOrder = this.#keys
      .filter((target) => target.keyspaceId === keyspaceId && target.current !== undefined)
      .sort((a, b) => a.tokenHi - b.tokenHi || a.tokenLo - b.tokenLo || compare(a.key, b.key));
    // A span that begins at the highest token and wraps is the ring in its natural order.
    const highest = { startHi: 0x7fff_ffff, startLo: 0xffff_ffff };
    const span = { ...highest, endHi: highest.startHi, endLo: highest.startLo };
    this.#scans.push({
      scan: this.#engine.scan(keyspaceId, span, { values: true }),
      keyspaceId,
      expected: inOrder.map((target) => `${target.key.length} ${describe(target.current)}`),
      seen: [],
    });
  }

  #continueScan(): void {
    const open = randomChoice(this.#rng, this.#scans);
    if (open === undefined) return;
    const take = (cell: ScannedCell): void => {
      open.seen.push(`${cell.key.length} ${describe(modelOfCell(cell))}`);
    };
    if (open.scan.next(1 + this.#below(4), take) > 0) return;
    open.scan.close();
    this.#scans = this.#scans.filter((other) => other !== open);
    if (open.seen.join("\n") !== open.expected.join("\n")) {
      throw new Error(`scan saw\n${open.seen.join("\n")}\nnot\n${open.expected.join("\n")}`);
    }
  }

  #read(target: ModelKey): ModelCell | undefined {
    const { keyspaceId, tokenHi, tokenLo, key } = target;
    const found = this.#engine.get(keyspaceId, tokenHi, tokenLo, key);
    return found === undefined ? undefined : modelOfCell(found);
  }

  #newEngine(): LogEngine {
    const deps = { disk: this.#disk, clock: this.#clock, logger: silentLogger };
    return new LogEngine(deps, this.#options);
  }

  async #aFewTurns(): Promise<void> {
    for (let turns = this.#below(30); turns > 0; turns--) {
      await Promise.resolve();
      if (this.#below(2) === 0) this.#clock.turn();
      if (this.#below(4) === 0) this.#clock.advance(1);
    }
  }

  #anyKey(): ModelKey {
    return this.#keys[this.#below(this.#keys.length)] as ModelKey;
  }

  #below(bound: number): number {
    return randomBelow(this.#rng, bound);
  }
}

function modelOf(write: CellWrite): ModelCell {
  return {
    timestamp: write.timestamp,
    writer: write.writer,
    isTombstone: write.value === undefined,
    contentHash: contentHash(write.value, write.expiresAtMs),
    expiresAtMs: write.expiresAtMs,
    value: write.value === undefined ? undefined : Buffer.from(write.value).toString("latin1"),
  };
}

function modelOfCell(
  cell: Omit<ModelCell, "value"> & { value: Uint8Array | undefined },
): ModelCell {
  const { timestamp, writer, isTombstone, expiresAtMs } = cell;
  const value = cell.value === undefined ? undefined : Buffer.from(cell.value).toString("latin1");
  return { timestamp, writer, isTombstone, contentHash: cell.contentHash, expiresAtMs, value };
}

function newer(a: ModelCell | undefined, b: ModelCell): ModelCell {
  return a === undefined || compareCells(b, a) > 0 ? b : a;
}

function isSame(a: ModelCell, b: ModelCell): boolean {
  return compareCells(a, b) === 0 && a.value === b.value && a.expiresAtMs === b.expiresAtMs;
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

function describe(cell: ModelCell | undefined): string {
  if (cell === undefined) return "nothing";
  const content = cell.isTombstone ? "tombstone" : `${cell.value?.length} bytes`;
  return `(${cell.timestamp}, ${cell.writer}, ${content}, hash ${cell.contentHash})`;
}
