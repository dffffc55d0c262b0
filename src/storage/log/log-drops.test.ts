/** Drops of the log engine when they meet merges, snapshots, crashes and failing disks. */
import { describe, expect, it } from "vitest";
import { WHOLE_RING, bytesOf, valueOf, write } from "../engine-harness.suite.ts";
import type { TokenSpan } from "../engine.ts";
import { DROPS_NAME } from "./drop-format.ts";
import { SMALL, type Setting, opened } from "./log-setting.suite.ts";
import { segmentName } from "./segment.ts";
import { SNAPSHOT_NAME } from "./snapshot-format.ts";
import { measureNow } from "../measure.ts";

/** The tokens whose high half is 0; the others stay. */
const NEAR_ZERO: TokenSpan = { startHi: -1, startLo: 0xffff_ffff, endHi: 1, endLo: 0 };

/** Drops a span of the keyspace that the tests write to. */
function drop({ clock, engine }: Setting, span = NEAR_ZERO): Promise<void> {
  return clock.run(
    new Promise((resolve, reject) => {
      engine.drop(1, span, { stored: resolve, putFailed: reject });
    }),
  );
}

describe("dropping", () => {
  it("gives the space back by merging", async () => {
    const setting = await opened();
    for (let number = 0; number < 50; number++) await setting.put(`k${number}`, "x".repeat(400));
    await setting.put("far", "stays", { tokenHi: 5 });
    expect(setting.engine.stats().diskBytes).toBeGreaterThan(20_000);
    await drop(setting);
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
    await expect(drop(setting)).rejects.toMatchObject({ code: "FULL" });
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
    await expect(drop(setting)).rejects.toMatchObject({ code: "FULL" });
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
      const dropped = drop(setting);
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
      await drop(setting);
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
    await drop(setting);
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
    await drop(setting, { startHi: 9, startLo: 0, endHi: 10, endLo: 0 });
    expect(sizeBytes()).toBe(before);
    setting.disk = setting.disk.crash();
    expect(await setting.open()).toMatchObject({ cells: 20 });
    expect(setting.value("k3")).toBeUndefined();
  });

  it("is reported if its file is damaged beyond use", async () => {
    const setting = await opened();
    await setting.put("a", "value");
    await drop(setting);
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
    await expect(drop(setting)).rejects.toMatchObject({ code: "READ_ONLY" });
    expect(setting.value("a")).toBe("value");
  });
});
