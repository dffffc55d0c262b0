/**
 * Crash histories: random puts, drops, reads, scans, merges and snapshots on the simulated disk, interrupted by
 * power failures, deaths of the process, full disks and failed syncs; everything compared with a model
 * (crash-model.suite.ts).
 *
 * What is checked (invariants I3 and I5):
 * - While the engine lives, a cell is the winner of all puts since it was dropped that it did not
 *   refuse.
 * - A scan shows the cells of its opening.
 * - After a crash a cell is no older than the newest put acknowledged at `fsync` (for the death of the
 *   process alone: at `interval`), and it is one that was put, byte for byte. A drop between them
 *   excuses what was put before it; one that was acknowledged forbids it.
 * - What was found when opening is as good as acknowledged at `fsync`.
 */
import type { Durability } from "../../model/consistency.ts";
import { silentLogger } from "../../model/deps.ts";
import { SimulatedDisk } from "../../sim/simulated-disk.ts";
import { SeededRng, randomBelow, randomChoice } from "../../util/random.ts";
import type { CellWrite, RangeScan, ScannedCell, TokenSpan } from "../engine.ts";
import { VirtualClock } from "../virtual-clock.suite.ts";
import {
  type ModelCell,
  ModelKey,
  describe,
  isSame,
  modelOf,
  modelOfCell,
  newer,
} from "./crash-model.suite.ts";
import { LogEngine } from "./log-engine.ts";
import type { LogEngineOptions } from "./options.ts";
import { measureNow } from "../measure.ts";

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
  storedDrops: number;
  failedDrops: number;
  unfinishedDrops: number;
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
    storedDrops: 0,
    failedDrops: 0,
    unfinishedDrops: 0,
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
  /** Drops among a hundred steps. */
  readonly #dropShare: number;
  #disk: SimulatedDisk;
  #engine: LogEngine;
  #scans: OpenScan[] = [];
  #timestamp = 1;
  #incarnation = 0;
  #unfinishedDrops = 0;
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
      dropStepEntries: 1 + this.#below(4),
      replayChunkBytes: 4096,
    };
    const makeKey = (_: unknown, number: number): ModelKey =>
      new ModelKey({
        keyspaceId: number % 2,
        tokenHi: (number >> 2) - 1,
        tokenLo: number % 3,
        key: new Uint8Array(number * 7).fill(number),
      });
    this.#keys = Array.from({ length: 2 + this.#below(10) }, makeKey);
    this.#dropShare = this.#below(2) * this.#below(12);
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
    if (this.#below(100) < this.#dropShare) {
      this.#drop();
      return;
    }
    const chance = this.#below(100);
    if (chance < 55) this.#put();
    else if (chance < 70) this.#clock.turn();
    else if (chance < 80) this.#clock.advance(this.#below(8));
    else if (chance < 86) this.#checkCell(this.#anyKey());
    else if (chance < 88) this.#checkMeasure();
    else if (chance < 92) this.#openScan();
    else if (chance < 96) this.#continueScan();
    else if (chance < 97) this.#failSync();
    else if (chance < 98) this.#disk.setCapacity(this.#disk.usedBytes() + this.#below(1000));
    else this.#disk.setCapacity(Number.POSITIVE_INFINITY);
  }

  /** The next sync of the engine, or one that somebody else makes of the same directory. */
  #failSync(): void {
    const isForeign = this.#below(4) === 0;
    this.#disk.failSyncs(isForeign || this.#below(4) === 0 ? 1 : 0);
    if (isForeign) this.#disk.syncDirectory(() => {});
  }

  #put(): void {
    const target = this.#anyKey();
    const write = this.#makeWrite(target);
    const durability: Durability =
      randomChoice(this.#rng, ["fsync", "interval", "memory"] as const) ?? "fsync";
    const cell = modelOf(write);
    const { epoch } = target;
    epoch.attempts.push(cell);
    const incarnation = this.#incarnation;
    let isInside = true;
    let isRefused = false;
    this.#engine.put(write, durability, {
      stored: () => {
        if (incarnation !== this.#incarnation) {
          this.#failure = new Error("acknowledged after the crash");
        }
        // What was acknowledged is this put or one that won against it.
        if (durability !== "memory") epoch.written = newer(epoch.written, cell);
        if (durability === "fsync") epoch.synced = newer(epoch.synced, cell);
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

  #drop(): void {
    const keyspaceId = this.#below(2);
    const span = this.#anySpan();
    const incarnation = this.#incarnation;
    const acknowledged: (() => void)[] = [];
    let isInside = true;
    let isRefused = false;
    let isStored = false;
    this.#unfinishedDrops++;
    this.#engine.drop(keyspaceId, span, {
      stored: () => {
        if (incarnation !== this.#incarnation) {
          this.#failure = new Error("a drop was acknowledged after the crash");
        }
        this.#unfinishedDrops--;
        this.#counts.storedDrops++;
        isStored = true;
        for (const acknowledge of acknowledged) acknowledge();
      },
      putFailed: () => {
        this.#unfinishedDrops--;
        this.#counts.failedDrops++;
        if (isInside) isRefused = true;
      },
    });
    isInside = false;
    if (isRefused) return;
    for (const target of this.#keys) {
      if (!target.isWithin(keyspaceId, span)) continue;
      const acknowledge = target.drop();
      if (isStored) acknowledge();
      else acknowledged.push(acknowledge);
      this.#checkCell(target);
    }
  }

  #checkMeasure(): void {
    const keyspaceId = this.#below(2);
    const span = this.#anySpan();
    const held = this.#keys.filter(
      (target) => target.current !== undefined && target.isWithin(keyspaceId, span),
    );
    const bytes = held
      .map(({ key, current }) => key.length + (current?.value?.length ?? 0))
      .reduce((sum, each) => sum + each, 0);
    const found = measureNow(this.#engine, keyspaceId, span);
    if (found.cells !== held.length || found.bytes !== bytes) {
      throw new Error(
        `measured ${JSON.stringify(found)}, not ${held.length} cells, ${bytes} bytes`,
      );
    }
  }

  /** Between tokens of cells, or the whole ring. */
  #anySpan(): TokenSpan {
    const [start, end] = [this.#anyKey(), this.#anyKey()];
    return {
      startHi: start.tokenHi,
      startLo: start.tokenLo,
      endHi: end.tokenHi,
      endLo: end.tokenLo,
    };
  }

  #makeWrite(target: ModelKey): CellWrite {
    const isLarge = this.#below(20) === 0;
    const value = new Uint8Array(this.#below(isLarge ? 4000 : 200));
    for (let at = 0; at < value.length; at++) value[at] = this.#below(256);
    // Mostly newer than everything before, sometimes older or equal.
    if (this.#below(4) > 0) this.#timestamp++;
    const { keyspaceId, tokenHi, tokenLo, key } = target;
    return {
      keyspaceId,
      tokenHi,
      tokenLo,
      key,
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
    for (const target of this.#keys) target.adopt(this.#read(target));
  }

  #crash(): void {
    this.#incarnation++;
    this.#counts.unfinishedDrops += this.#unfinishedDrops;
    this.#unfinishedDrops = 0;
    this.#scans = [];
    this.#clock = new VirtualClock();
    if (this.#below(3) === 0) {
      this.#counts.kills++;
      this.#disk = this.#disk.killProcess(this.#clock);
    } else {
      this.#counts.crashes++;
      this.#disk = this.#disk.crash(this.#clock);
      for (const target of this.#keys) target.losePower();
    }
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

function compare(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}
