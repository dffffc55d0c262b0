/** What the log engine does when the disk lies, fills up or fails; and the formats on it. */
import { describe, expect, it } from "vitest";
import { type LogFields, type Logger, silentLogger } from "../../model/deps.ts";
import { SimulatedDisk } from "../../sim/simulated-disk.ts";
import { SeededRng } from "../../util/random.ts";
import { WHOLE_RING, bytesOf, put, scanAll, valueOf, write } from "../engine.suite.ts";
import { CorruptRecordError, type PutSink } from "../engine.ts";
import { MemoryDisk } from "../memory-disk.ts";
import { VirtualClock } from "../virtual-clock.suite.ts";
import { LogEngine } from "./log-engine.ts";
import type { LogEngineOptions } from "./options.ts";
import { segmentName } from "./segment.ts";
import { SNAPSHOT_NAME } from "./snapshot-format.ts";

const SMALL: Partial<LogEngineOptions> = {
  arenaChunkBytes: 16 * 1024,
  indexBucketBits: 8,
  segmentBytes: 4096,
  batchBytes: 2048,
  maintenanceMs: 10,
  mergePauseMs: 1,
};

class Setting {
  readonly clock = new VirtualClock();
  readonly events: string[] = [];
  disk = new SimulatedDisk({ clock: this.clock, rng: new SeededRng(1) });
  engine!: LogEngine;

  async open(options: Partial<LogEngineOptions> = SMALL) {
    const note = (event: string, _fields?: LogFields) => void this.events.push(event);
    const logger: Logger = { debug: () => {}, info: note, warn: note, error: note };
    this.engine = new LogEngine({ disk: this.disk, clock: this.clock, logger }, options);
    return this.clock.run(this.engine.open());
  }

  /** The power goes, and comes back with everything that was written, or only what was synced. */
  killProcess() {
    this.disk = this.disk.killProcess();
  }

  async put(key: string, text: string | undefined, timestamp = 1) {
    const value = text === undefined ? undefined : bytesOf(text);
    await this.clock.run(put(this.engine, write({ key: bytesOf(key), value, timestamp }), "fsync"));
  }

  value(key: string) {
    return valueOf(this.engine, write({ key: bytesOf(key) }));
  }

  outcomes: string[] = [];
  sink(name: string): PutSink {
    return {
      stored: () => this.outcomes.push(`${name} stored`),
      putFailed: (error) =>
        this.outcomes.push(`${name} ${"code" in error ? String(error.code) : error.message}`),
    };
  }
}

async function opened(options: Partial<LogEngineOptions> = SMALL): Promise<Setting> {
  const setting = new Setting();
  await setting.open(options);
  return setting;
}

/** The byte at which a text stands in a file. */
function positionOf(setting: Setting, name: string, text: string): number {
  const file = setting.disk.open(name);
  const bytes = Buffer.alloc(file.sizeBytes());
  file.read(bytes, 0, bytes.length, 0);
  return bytes.indexOf(text);
}

describe("group commit", () => {
  it("acknowledges with one sync everything written before it, the rest with the next", async () => {
    const setting = await opened();
    setting.disk = new SimulatedDisk(
      { clock: setting.clock, rng: new SeededRng(1) },
      { syncDelayMs: { min: 10, max: 10 } },
    );
    await setting.open();
    const { engine, clock } = setting;
    const put3 = (round: string) => {
      for (const name of ["a", "b", "c"]) {
        engine.put(write({ key: bytesOf(name + round) }), "fsync", setting.sink(name + round));
      }
    };
    const syncs = () => engine.stats().details["syncs"]!;
    const before = syncs();
    put3("1");
    clock.settle();
    expect(syncs()).toBe(before + 1);
    put3("2");
    clock.settle();
    put3("3");
    clock.settle();
    expect(setting.outcomes).toEqual([]);
    expect(syncs()).toBe(before + 1);
    clock.advance(10);
    expect(setting.outcomes).toEqual(["a1 stored", "b1 stored", "c1 stored"]);
    clock.advance(10);
    expect(setting.outcomes).toHaveLength(9);
    expect(syncs()).toBe(before + 2);
    expect(engine.stats().details["writes"]).toBe(3);
  });

  it("acknowledges at memory at once, at interval after the write, and syncs later", async () => {
    const setting = await opened({ ...SMALL, syncIntervalMs: 100 });
    const { engine, clock } = setting;
    engine.put(write({ key: bytesOf("m") }), "memory", setting.sink("m"));
    engine.put(write({ key: bytesOf("i") }), "interval", setting.sink("i"));
    expect(setting.outcomes).toEqual(["m stored"]);
    const { syncs, writes } = engine.stats().details;
    clock.turn();
    expect(setting.outcomes).toEqual(["m stored", "i stored"]);
    expect(engine.stats().details).toMatchObject({ syncs, writes: writes! + 1 });
    clock.advance(100);
    expect(engine.stats().details).toMatchObject({ syncs: syncs! + 1, writes: writes! + 1 });
    clock.advance(1000);
    expect(engine.stats().details).toMatchObject({ syncs: syncs! + 1 });
  });

  it("acknowledges a put that loses only when the winner is as durable", async () => {
    const setting = await opened();
    setting.disk = new SimulatedDisk(
      { clock: setting.clock, rng: new SeededRng(1) },
      { syncDelayMs: { min: 10, max: 10 } },
    );
    await setting.open();
    const { engine, clock } = setting;
    engine.put(write({ timestamp: 9 }), "memory", setting.sink("winner"));
    engine.put(write({ timestamp: 3 }), "fsync", setting.sink("loser"));
    clock.settle();
    expect(setting.outcomes).toEqual(["winner stored"]);
    clock.advance(10);
    expect(setting.outcomes).toEqual(["winner stored", "loser stored"]);
  });
});

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
    await setting.put("a", "repaired", 2);
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
    await setting.put("outer", Buffer.from(image).toString("latin1"), 5);
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
      await setting.put("often", "o".repeat(300), number + 1);
      if (number === 1) {
        const at = positionOf(setting, segmentName(1), "hide");
        setting.disk.flipBit(segmentName(1), at * 8);
      }
    }
    setting.clock.advance(1000);
    expect(setting.disk.list()).toContain(segmentName(1));
    expect(setting.disk.list()).not.toContain(segmentName(2));
    expect(() => setting.value("precious")).toThrow(CorruptRecordError);
    await setting.put("precious", "written again", 2);
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
});

describe("merging", () => {
  it("gives back space, keeps every cell and leaves nothing behind", async () => {
    const setting = await opened();
    for (let number = 0; number < 400; number++) {
      const key = `k${number % 17}`;
      await setting.put(key, number % 5 === 0 ? undefined : `v${number} `.repeat(10), number + 1);
    }
    setting.clock.advance(2000);
    const expected = scanAll(setting.engine, WHOLE_RING);
    const stats = setting.engine.stats();
    expect(stats.details["removedSegments"]).toBeGreaterThan(5);
    expect(stats.diskBytes).toBeLessThan(4 * 4096);
    for (const crash of [false, true]) {
      setting.disk = crash ? setting.disk.crash() : setting.disk.killProcess();
      await setting.open();
      expect(scanAll(setting.engine, WHOLE_RING)).toEqual(expected);
      expect(setting.engine.stats()).toMatchObject({
        cells: 17,
        tombstones: stats.tombstones,
        liveBytes: stats.liveBytes,
        corruptRecords: 0,
      });
    }
  });

  it("keeps segments that an open scan needs, and removes them afterwards", async () => {
    const setting = await opened();
    for (let number = 0; number < 30; number++) await setting.put(`k${number}`, "old".repeat(50));
    const scan = setting.engine.scan(1, WHOLE_RING, { values: true });
    for (let number = 0; number < 30; number++) await setting.put(`k${number}`, "new", 2);
    setting.clock.advance(2000);
    expect(setting.disk.list()).toContain(segmentName(1));
    expect(setting.engine.stats().details["keptStates"]).toBe(30);
    const values: string[] = [];
    while (scan.next(4, (cell) => values.push(Buffer.from(cell.value!).toString())) > 0);
    expect(values).toEqual(Array.from({ length: 30 }, () => "old".repeat(50)));
    scan.close();
    expect(setting.disk.list()).not.toContain(segmentName(1));
    expect(setting.engine.stats().details["keptStates"]).toBe(0);
    expect(setting.value("k3")).toBe("new");
  });
});

describe("index snapshots", () => {
  it("are written at closing and spare the replay", async () => {
    const setting = await opened();
    for (let number = 0; number < 50; number++) await setting.put(`k${number}`, `v${number}`);
    await setting.clock.run(setting.engine.close());
    expect(await setting.open()).toMatchObject({
      cells: 50,
      recordsReplayed: 0,
      fromSnapshot: true,
    });
    await setting.put("k51", "after");
    setting.killProcess();
    expect(await setting.open()).toMatchObject({ recordsReplayed: 1, fromSnapshot: true });
    expect(setting.value("k49")).toBe("v49");
    expect(setting.value("k51")).toBe("after");
  });

  it("are written now and then while the engine works", async () => {
    const setting = await opened({ ...SMALL, snapshotLogBytes: 5000 });
    for (let number = 0; number < 200; number++) {
      await setting.put(`k${number % 50}`, `value ${number}`, number + 1);
      setting.clock.advance(5);
    }
    expect(setting.engine.stats().details["snapshots"]).toBeGreaterThan(1);
    setting.disk = setting.disk.crash();
    const report = await setting.open();
    expect(report).toMatchObject({ cells: 50, fromSnapshot: true });
    expect(report.recordsReplayed).toBeLessThan(150);
    expect(setting.value("k49")).toBe("value 199");
  });

  it("are not written at closing when there is nothing new", async () => {
    const setting = await opened();
    await setting.put("a", "x");
    await setting.clock.run(setting.engine.close());
    await setting.open();
    await setting.clock.run(setting.engine.close());
    expect(setting.engine.stats().details["snapshots"]).toBe(0);
  });
});

describe("the stored format", () => {
  // What the first release wrote for the three cells below.
  const header = "44594e4152494e47010000000100000075da4a9ae40ea879";
  const records = [
    "6f80eac60100070003000000050000000089806090281843000000c585317a42efbeadde00000080",
    "ffffffff27159f046b657976616c75654094f739010007000000000000000000000000000000f03f",
    "00000000000000000000000005000000060000000378d8df43c40e89020007000400000000000000",
    "0000000000000040000000000000000003000000ffffff7f000000004fc12800676f6e65",
  ].join("");
  const snapshot = [
    "150000009b1deac50144594e494e44455801000000010000009c040000a4000000512d39ba020700",
    "0000000000000500000006000000000000000000f03f0000000000000000000000000378d8df0000",
    "000001000000380400000700010004000000ffffff7f000000000000000000000040000000000000",
    "0000030000004fc12800000000000100000068040000676f6e65070000000300000000000080ffff",
    "ffff0089806090281843000000c585317a42efbeadde27159f040500000001000000000400006b65",
    "7909000000f3e38161030000000000000840",
  ].join("");

  async function openStored(files: { isWithSnapshot: boolean }) {
    const clock = new VirtualClock();
    const disk = new MemoryDisk({ clock });
    const segment = disk.open(segmentName(1));
    for (const at of [0, 512]) segment.write(Buffer.from(header, "hex"), at);
    segment.write(Buffer.from(records, "hex"), 1024);
    if (files.isWithSnapshot) disk.open(SNAPSHOT_NAME).write(Buffer.from(snapshot, "hex"), 0);
    const engine = new LogEngine({ disk, clock, logger: silentLogger }, SMALL);
    return { engine, report: await clock.run(engine.open()) };
  }

  it.each([true, false])("of version 1 stays readable, snapshot: %s", async (isWithSnapshot) => {
    const { engine, report } = await openStored({ isWithSnapshot });
    expect(report).toEqual({
      cells: 3,
      bytesDropped: 0,
      fromSnapshot: isWithSnapshot,
      recordsReplayed: isWithSnapshot ? 0 : 3,
    });
    const highest = { startHi: 0x7fff_ffff, startLo: 0xffff_ffff };
    const span = { ...highest, endHi: 0x7fff_ffff, endLo: 0xffff_ffff };
    expect(scanAll(engine, span, { keyspaceId: 7 })).toEqual([
      "-2147483648,4294967295,key=value",
      "5,6,=",
      "2147483647,0,gone=-",
    ]);
    expect(engine.head(7, -0x8000_0000, 0xffff_ffff, bytesOf("key"))).toEqual({
      timestamp: 1_700_000_000_123_456,
      writer: 0xdead_beef,
      expiresAtMs: 1_800_000_000_000,
      isTombstone: false,
      contentHash: 77_534_503,
      valueBytes: 5,
    });
  });
});
