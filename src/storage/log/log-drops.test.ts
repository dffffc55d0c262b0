/** Drops of the log engine when they meet merges, snapshots, crashes and failing disks. */
import { describe, expect, it } from "vitest";
import { type LogFields, type Logger } from "../../model/deps.ts";
import { SimulatedDisk } from "../../sim/simulated-disk.ts";
import { SeededRng } from "../../util/random.ts";
import { WHOLE_RING, bytesOf, put, valueOf, write } from "../engine-harness.suite.ts";
import type { TokenSpan } from "../engine.ts";
import { VirtualClock } from "../virtual-clock.suite.ts";
import { DROPS_NAME } from "./drop-format.ts";
import { LogEngine } from "./log-engine.ts";
import type { LogEngineOptions } from "./options.ts";
import { segmentName } from "./segment.ts";
import { SNAPSHOT_NAME } from "./snapshot-format.ts";
import { measureNow } from "../measure.ts";

const SMALL: Partial<LogEngineOptions> = {
  arenaChunkBytes: 16 * 1024,
  indexBucketBits: 8,
  segmentBytes: 4096,
  batchBytes: 2048,
  maintenanceMs: 10,
  mergePauseMs: 1,
};

/** The tokens whose high half is 0; the others stay. */
const NEAR_ZERO: TokenSpan = { startHi: -1, startLo: 0xffff_ffff, endHi: 1, endLo: 0 };

class Setting {
  readonly clock = new VirtualClock();
  readonly events: string[] = [];
  disk: SimulatedDisk;
  engine!: LogEngine;

  constructor(seed = 1) {
    this.disk = new SimulatedDisk({ clock: this.clock, rng: new SeededRng(seed) });
  }

  async open(options: Partial<LogEngineOptions> = SMALL) {
    const note = (event: string, _fields?: LogFields) => void this.events.push(event);
    const logger: Logger = { debug: () => {}, info: note, warn: note, error: note };
    this.engine = new LogEngine({ disk: this.disk, clock: this.clock, logger }, options);
    return this.clock.run(this.engine.open());
  }

  async put(key: string, text: string, where: { timestamp?: number; tokenHi?: number } = {}) {
    const cell = write({ key: bytesOf(key), value: bytesOf(text), ...where });
    await this.clock.run(put(this.engine, cell, "fsync"));
  }

  drop(span = NEAR_ZERO): Promise<void> {
    return this.clock.run(
      new Promise((resolve, reject) => {
        this.engine.drop(1, span, { stored: resolve, putFailed: reject });
      }),
    );
  }

  value(key: string) {
    return valueOf(this.engine, write({ key: bytesOf(key) }));
  }
}

async function opened(options: Partial<LogEngineOptions> = SMALL, seed = 1): Promise<Setting> {
  const setting = new Setting(seed);
  await setting.open(options);
  return setting;
}

describe("dropping", () => {
  it("gives the space back by merging", async () => {
    const setting = await opened();
    for (let number = 0; number < 50; number++) await setting.put(`k${number}`, "x".repeat(400));
    await setting.put("far", "stays", { tokenHi: 5 });
    expect(setting.engine.stats().diskBytes).toBeGreaterThan(20_000);
    await setting.drop();
    setting.clock.advance(2000);
    expect(setting.engine.stats()).toMatchObject({ cells: 1, liveBytes: 8 });
    expect(setting.engine.stats().diskBytes).toBeLessThan(3 * 4096);
    expect(valueOf(setting.engine, write({ key: bytesOf("far"), tokenHi: 5 }))).toBe("stays");
  });

  it("counts as dropped at once what later steps reach, for everybody who asks", async () => {
    const setting = await opened({ ...SMALL, dropStepEntries: 3 });
    const { engine, clock } = setting;
    for (let number = 10; number < 50; number++) await setting.put(`k${number}`, `v${number}`);
    let isStored = false;
    const before = engine.scan(1, WHOLE_RING, { values: true });
    engine.drop(1, NEAR_ZERO, {
      stored: () => {
        isStored = true;
      },
      putFailed: () => {},
    });
    expect(engine.stats().cells).toBe(37);
    const between = engine.scan(1, WHOLE_RING, { values: true });
    expect(setting.value("k40")).toBeUndefined();
    expect(engine.head(1, 0, 0, bytesOf("k41"))).toBeUndefined();
    engine.put(write({ key: bytesOf("k42"), timestamp: 0 }), "memory", {
      stored: () => {},
      putFailed: () => {},
    });
    expect(measureNow(engine, 1, { ...NEAR_ZERO, startHi: 0, startLo: 0 })).toEqual({
      cells: 0,
      bytes: 0,
    });
    expect(measureNow(engine, 1, WHOLE_RING)).toEqual({ cells: 1, bytes: 8 });
    expect(before.next(100, () => {})).toBe(40);
    expect(between.next(100, () => {})).toBe(0);
    before.close();
    between.close();
    expect(isStored).toBe(false);
    clock.settle();
    expect(isStored).toBe(true);
    expect(engine.stats()).toMatchObject({ cells: 1, liveBytes: 8 });
    expect(engine.stats().details["keptStates"]).toBe(0);
  });

  it("keeps a merge from bringing older versions to light before it is stored", async () => {
    const setting = await opened();
    await setting.put("a", "oldest");
    await setting.put("far", "f".repeat(3000), { tokenHi: 5 });
    await setting.put("a", "newest", { timestamp: 9 });
    await setting.put("filler", "f".repeat(3500));
    await setting.put("other", "o".repeat(3000), { tokenHi: 6 });
    const { disk } = setting;
    disk.setCapacity(disk.usedBytes());
    await expect(setting.drop()).rejects.toMatchObject({ code: "FULL" });
    setting.clock.advance(1000);
    expect(setting.engine.stats().details["removedSegments"]).toBe(0);
    disk.setCapacity(1_000_000);
    setting.disk = disk.crash();
    await setting.open();
    expect(setting.value("a")).toBe("newest");
  });

  it("that failed is stored with what needs it next", async () => {
    // One segment, so that no merge needs the drop first.
    const setting = await opened({ ...SMALL, segmentBytes: 100_000, snapshotLogBytes: 2000 });
    await setting.put("a", "x".repeat(1000));
    const { disk } = setting;
    disk.setCapacity(disk.usedBytes());
    await expect(setting.drop()).rejects.toMatchObject({ code: "FULL" });
    disk.setCapacity(1_000_000);
    await setting.put("far", "x".repeat(2000), { tokenHi: 5 });
    setting.clock.advance(1000);
    expect(disk.list()).toContain(SNAPSHOT_NAME);
    expect(disk.list()).toContain(DROPS_NAME);
    disk.flipBit(SNAPSHOT_NAME, 100);
    setting.disk = disk.crash();
    expect(await setting.open()).toMatchObject({ cells: 1, fromSnapshot: false });
    expect(setting.value("a")).toBeUndefined();
  });

  it("found after a failed sync cannot be undone by the next crash", async () => {
    let found = 0;
    for (let seed = 0; seed < 40; seed++) {
      const setting = await opened(SMALL, seed);
      await setting.put("a", "value");
      const dropped = setting.drop();
      // The sync of the file succeeds, that of the directory does not.
      while (!setting.disk.list().includes(DROPS_NAME)) setting.clock.turn();
      setting.disk.failSyncs(1);
      await expect(dropped).rejects.toMatchObject({ code: "READ_ONLY" });
      setting.disk.failSyncs(0);
      setting.disk = setting.disk.killProcess();
      await setting.open();
      const isGone = setting.value("a") === undefined;
      setting.disk = setting.disk.crash();
      await setting.open();
      expect(setting.value("a") === undefined).toBe(isGone);
      if (isGone) found++;
    }
    expect(found).toBeGreaterThan(0);
  });

  it("does not reach what is written after a crash that made the log shorter", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const setting = await opened(SMALL, seed);
      await setting.put("a", "value");
      await setting.put("b", "value");
      await setting.drop();
      // As if the device had lost the end of the log that it said it had stored.
      setting.disk.open(segmentName(1)).truncate(1100);
      setting.disk = setting.disk.killProcess();
      await setting.open();
      await setting.put("c", "later");
      setting.disk = setting.disk.crash();
      await setting.open();
      expect(setting.value("a")).toBeUndefined();
      expect(setting.value("c")).toBe("later");
    }
  });

  it("is forgotten when no record is left that it covers", async () => {
    const setting = await opened();
    for (let number = 0; number < 20; number++) await setting.put(`k${number}`, "x".repeat(400));
    await setting.drop();
    for (let number = 0; number < 40; number++) {
      const where = { tokenHi: 5, timestamp: number };
      await setting.put(`n${number % 20}`, "x".repeat(400), where);
    }
    const sizeBytes = () => setting.disk.open(DROPS_NAME).sizeBytes();
    const before = sizeBytes();
    setting.clock.advance(2000);
    for (const id of [1, 2, 3]) expect(setting.disk.list()).not.toContain(segmentName(id));
    await setting.clock.run(setting.engine.close());
    await setting.open();
    await setting.drop({ startHi: 9, startLo: 0, endHi: 10, endLo: 0 });
    expect(sizeBytes()).toBe(before);
    setting.disk = setting.disk.crash();
    expect(await setting.open()).toMatchObject({ cells: 20 });
    expect(setting.value("k3")).toBeUndefined();
  });

  it("is reported if its file is damaged beyond use", async () => {
    const setting = await opened();
    await setting.put("a", "value");
    await setting.drop();
    const half = setting.disk.open(DROPS_NAME).sizeBytes() / 2;
    setting.disk.flipBit(DROPS_NAME, 77);
    setting.disk = setting.disk.killProcess();
    expect(await setting.open()).toMatchObject({ cells: 0 });
    setting.disk.flipBit(DROPS_NAME, half * 8 + 77);
    setting.disk = setting.disk.killProcess();
    expect(await setting.open()).toMatchObject({ cells: 1 });
    expect(setting.events).toContain("storage.drops_unusable");
    expect(setting.engine.stats().corruptRecords).toBe(1);
  });

  it("refuses when the log is read-only", async () => {
    const setting = await opened();
    await setting.put("a", "value");
    setting.disk.failSyncs(1);
    await expect(setting.put("b", "value")).rejects.toMatchObject({ code: "READ_ONLY" });
    await expect(setting.drop()).rejects.toMatchObject({ code: "READ_ONLY" });
    expect(setting.value("a")).toBe("value");
  });
});
