/** What the log engine does when the disk lies, fills up or fails. */
import { describe, expect, it } from "vitest";
import { WHOLE_RING, bytesOf, put, write } from "../engine-harness.suite.ts";
import { CorruptRecordError } from "../engine.ts";
import { SMALL, Setting, opened, positionOf } from "./log-setting.suite.ts";
import { segmentName } from "./segment.ts";
import { SNAPSHOT_NAME } from "./snapshot-format.ts";

describe("damage", () => {
  it("is reported by get and by scans, and never served", async () => {
    const setting = await opened();
    await setting.put("a", "the first value");
    await setting.put("b", "the second value");
    const at = positionOf(setting, segmentName(1), "first");
    setting.disk.flipBit(segmentName(1), at * 8 + 3);
    expect(() => setting.value("a")).toThrow(
      expect.objectContaining({ file: segmentName(1), offset: 1024 }),
    );
    expect(() => setting.value("a")).toThrow(CorruptRecordError);
    expect(setting.value("b")).toBe("the second value");
    expect(setting.engine.stats().corruptRecords).toBe(2);
    expect(setting.events).toContain("storage.corrupt_record");

    const scan = setting.engine.scan(1, WHOLE_RING, { values: true });
    const keys: string[] = [];
    const next = () => scan.next(10, (cell) => keys.push(Buffer.from(cell.key).toString()));
    expect(next).toThrow(CorruptRecordError);
    expect(next()).toBe(1);
    expect(keys).toEqual(["b"]);
    scan.close();
  });

  it("ends when the cell is written again", async () => {
    const setting = await opened();
    await setting.put("a", "damaged soon");
    setting.disk.flipBit(segmentName(1), positionOf(setting, segmentName(1), "soon") * 8);
    await setting.put("a", "repaired", { timestamp: 2 });
    expect(setting.value("a")).toBe("repaired");
  });

  it.each([
    ["value", 5],
    ["key", 0],
    ["head", -20],
  ])("in the %s of a record costs this record only when the log is replayed", async (_, offset) => {
    const setting = await opened({ ...SMALL, segmentBytes: 1_000_000 });
    for (const name of ["a", "b", "c"]) await setting.put(`key-${name}`, `value-${name}`);
    const at = positionOf(setting, segmentName(1), "key-b") + offset;
    setting.disk.flipBit(segmentName(1), at * 8 + 6);
    setting.killProcess();
    const report = await setting.open();
    expect(report).toMatchObject({ cells: 2, recordsReplayed: 2, bytesDropped: 48 + 5 + 7 });
    expect(setting.events).toContain("storage.corrupt_record");
    expect(setting.value("key-a")).toBe("value-a");
    expect(setting.value("key-b")).toBeUndefined();
    expect(setting.value("key-c")).toBe("value-c");
    expect(setting.engine.stats().corruptRecords).toBe(1);
  });

  it("does not make records of bytes that look like some", async () => {
    const setting = await opened({ ...SMALL, segmentBytes: 1_000_000 });
    await setting.put("inner", "forged");
    const file = setting.disk.open(segmentName(1));
    const image = new Uint8Array(file.sizeBytes());
    file.read(image, 0, image.length, 0);
    await setting.put("outer", Buffer.from(image).toString("latin1"), { timestamp: 5 });
    const cell = write({ key: bytesOf("copy"), value: image });
    await setting.clock.run(put(setting.engine, cell, "fsync"));
    await setting.put("last", "one");
    setting.disk.flipBit(segmentName(1), (positionOf(setting, segmentName(1), "copy") - 30) * 8);
    setting.killProcess();
    const report = await setting.open();
    expect(report.recordsReplayed).toBe(3);
    expect(setting.value("last")).toBe("one");
  });

  it("of a whole file header sets the file aside", async () => {
    const setting = await opened();
    await setting.put("a", "x".repeat(3000));
    await setting.put("b", "y".repeat(3000));
    for (const bit of [64, 64 + 512 * 8]) setting.disk.flipBit(segmentName(1), bit);
    setting.killProcess();
    await setting.open();
    expect(setting.value("a")).toBeUndefined();
    expect(setting.value("b")).toBe("y".repeat(3000));
    expect(setting.disk.list()).toContain(`${segmentName(1)}.damaged`);
    expect(setting.events).toContain("storage.segment_set_aside");
  });

  it("of one copy of the file header does nothing", async () => {
    const setting = await opened();
    await setting.put("a", "still here");
    setting.disk.flipBit(segmentName(1), 70);
    setting.killProcess();
    expect(await setting.open()).toMatchObject({ cells: 1, bytesDropped: 0 });
  });

  it("of the end of the log is cut off and reported", async () => {
    const setting = await opened();
    await setting.put("a", "whole");
    await setting.put("b", "torn");
    const file = setting.disk.open(segmentName(1));
    file.truncate(file.sizeBytes() - 2);
    setting.killProcess();
    const report = await setting.open();
    expect(report).toMatchObject({ cells: 1, bytesDropped: 48 + 1 + 4 - 2 });
    expect(setting.events).toContain("storage.torn_tail_dropped");
    expect(setting.engine.stats().corruptRecords).toBe(0);
    await setting.put("c", "after");
    setting.killProcess();
    expect(await setting.open()).toMatchObject({ cells: 2, bytesDropped: 0 });
  });

  it("of the index snapshot falls back to the log", async () => {
    for (const bit of [3, 100, 700, 1500]) {
      const setting = await opened();
      for (let number = 0; number < 20; number++) await setting.put(`k${number}`, `v${number}`);
      await setting.clock.run(setting.engine.close());
      setting.disk.flipBit(SNAPSHOT_NAME, bit);
      setting.killProcess();
      expect(await setting.open()).toMatchObject({ cells: 20, fromSnapshot: false });
      expect(setting.events).toContain("storage.snapshot_unusable");
      expect(setting.value("k7")).toBe("v7");
    }
  });

  it("of a current record keeps its segment from being merged away", async () => {
    const setting = await opened();
    await setting.put("precious", "do not hide me");
    for (let number = 0; number < 40; number++) {
      await setting.put("often", "o".repeat(300), { timestamp: number + 1 });
      if (number === 1) {
        const at = positionOf(setting, segmentName(1), "hide");
        setting.disk.flipBit(segmentName(1), at * 8);
      }
    }
    setting.clock.advance(1000);
    expect(setting.disk.list()).toContain(segmentName(1));
    expect(setting.disk.list()).not.toContain(segmentName(2));
    expect(() => setting.value("precious")).toThrow(CorruptRecordError);
    await setting.put("precious", "written again", { timestamp: 2 });
    setting.clock.advance(1000);
    expect(setting.disk.list()).not.toContain(segmentName(1));
    expect(setting.value("precious")).toBe("written again");
  });

  it("refuses files of a newer format and leaves them alone", async () => {
    const setting = await opened();
    await setting.put("a", "x");
    const file = setting.disk.open(segmentName(1));
    file.write(Uint8Array.of(9), 8);
    // The checksum of a file that says version 9 and means it.
    const newer = Buffer.alloc(24);
    file.read(newer, 0, 24, 0);
    const { hashRange } = await import("../content-hash.ts");
    newer.writeUInt32LE(hashRange(newer, 0, 20, 0x5e9_3e27), 20);
    file.write(newer, 0);
    setting.killProcess();
    await expect(setting.open()).rejects.toThrow(/format version 9; this release reads 1/);
    expect(setting.disk.list()).toContain(segmentName(1));
  });
});

describe("a full disk", () => {
  it("fails puts, serves reads, and is over when there is space", async () => {
    const setting = await opened({ ...SMALL, fullRetryMs: 50 });
    const { engine, clock, disk } = setting;
    await setting.put("a", "before");
    disk.setCapacity(disk.usedBytes() + 10);
    engine.put(write({ key: bytesOf("f") }), "fsync", setting.sink("f"));
    engine.put(write({ key: bytesOf("i") }), "interval", setting.sink("i"));
    engine.put(write({ key: bytesOf("m") }), "memory", setting.sink("m"));
    clock.settle();
    expect(setting.outcomes).toEqual(["m stored", "i FULL", "f FULL"]);
    engine.put(write({ key: bytesOf("n") }), "memory", setting.sink("n"));
    expect(setting.outcomes.at(-1)).toBe("n FULL");
    expect(setting.value("a")).toBe("before");
    expect(setting.value("m")).toBe("value");
    expect(setting.value("n")).toBeUndefined();
    clock.advance(500);
    expect(setting.events.filter((event) => event === "storage.disk_full")).toHaveLength(1);
    disk.setCapacity(1_000_000);
    clock.advance(100);
    await setting.put("z", "after");
    setting.disk = disk.crash();
    await setting.open();
    expect(setting.value("m")).toBe("value");
    expect(setting.value("z")).toBe("after");
  });

  it("also fails puts that need a new segment, and large ones", async () => {
    const setting = await opened({ ...SMALL, fullRetryMs: 50 });
    const { clock, disk } = setting;
    await setting.put("a", "x".repeat(1500));
    disk.setCapacity(disk.usedBytes() + 100);
    const large = write({ key: bytesOf("l"), value: new Uint8Array(3000) });
    await expect(clock.run(put(setting.engine, large, "fsync"))).rejects.toMatchObject({
      code: "FULL",
    });
    disk.setCapacity(1_000_000);
    clock.advance(100);
    await clock.run(put(setting.engine, large, "fsync"));
    setting.disk = disk.crash();
    expect(await setting.open()).toMatchObject({ cells: 2 });
  });
});

describe("a failed sync", () => {
  it("fails the puts that waited and makes the store read-only", async () => {
    const setting = await opened();
    const { engine, clock, disk } = setting;
    await setting.put("a", "before");
    disk.failSyncs(1);
    engine.put(write({ key: bytesOf("b") }), "fsync", setting.sink("b"));
    clock.settle();
    engine.put(write({ key: bytesOf("c") }), "memory", setting.sink("c"));
    await expect(clock.run(engine.sync())).rejects.toMatchObject({ code: "READ_ONLY" });
    expect(setting.outcomes).toEqual(["b READ_ONLY", "c READ_ONLY"]);
    expect(setting.value("a")).toBe("before");
    expect(setting.events).toContain("storage.read_only");
    await clock.run(engine.close());
    setting.killProcess();
    await setting.open();
    expect(setting.events).toContain("storage.rewritten_after_failed_sync");
    await setting.put("d", "works again");
    setting.disk = setting.disk.crash();
    await setting.open();
    expect(setting.value("d")).toBe("works again");
    expect(setting.value("b")).toBe("value");
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "while the store is opened is not forgotten by the next process (chance %i)",
    async (chance) => {
      const setting = new Setting(chance);
      setting.disk.failSyncs(1);
      await expect(setting.open()).rejects.toThrow(/sync failed/);
      setting.killProcess();
      await setting.open();
      await setting.put("a", "kept");
      setting.disk = setting.disk.crash();
      await setting.open();
      expect(setting.value("a")).toBe("kept");
    },
  );

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "of the directory for somebody else is heard by the store (chance %i)",
    async (chance) => {
      const setting = new Setting(chance);
      await setting.open();
      const acknowledged: string[] = [];
      for (let number = 0; number < 8; number++) {
        const write = setting.put(`k${number}`, "x".repeat(1500));
        if (number === 4) {
          // The write that begins a new segment, whose name this sync leaves behind.
          setting.disk.failSyncs(1);
          setting.disk.syncDirectory(() => {});
        }
        await write.then(
          () => acknowledged.push(`k${number}`),
          (error: unknown) => expect(error).toMatchObject({ code: "READ_ONLY" }),
        );
      }
      expect(acknowledged.length).toBeLessThan(8);
      setting.disk = setting.disk.crash();
      await setting.open();
      for (const key of acknowledged) expect(setting.value(key)).toBe("x".repeat(1500));
    },
  );
});
