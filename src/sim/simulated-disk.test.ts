import { describe, expect, it } from "vitest";
import { DiskError } from "../storage/disk.ts";
import { VirtualClock } from "../storage/virtual-clock.suite.ts";
import { SeededRng } from "../util/random.ts";
import { SimulatedDisk, type SimulatedDiskOptions } from "./simulated-disk.ts";

function setUp(seed = 1, options: SimulatedDiskOptions = {}) {
  const clock = new VirtualClock();
  return { clock, disk: new SimulatedDisk({ clock, rng: new SeededRng(seed) }, options) };
}

function contentOf(disk: SimulatedDisk, name: string): string | undefined {
  if (!disk.list().includes(name)) return undefined;
  const file = disk.open(name);
  const bytes = new Uint8Array(file.sizeBytes());
  file.read(bytes, 0, bytes.length, 0);
  return Buffer.from(bytes).toString();
}

const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text));
const ignore = () => {};

describe("SimulatedDisk", () => {
  it("reads what was written, and zeros in gaps", () => {
    const { disk } = setUp();
    const file = disk.open("a");
    file.write(bytesOf("xyz"), 2);
    file.write(bytesOf("Y"), 3);
    expect(contentOf(disk, "a")).toBe("\0\0xYz");
    file.truncate(3);
    file.truncate(4);
    expect(contentOf(disk, "a")).toBe("\0\0x\0");
    expect(file.read(new Uint8Array(10), 0, 10, 100)).toBe(0);
  });

  it("keeps through every crash what was synced, and its name", () => {
    for (let seed = 0; seed < 50; seed++) {
      const { disk, clock } = setUp(seed);
      const file = disk.open("a");
      file.write(bytesOf("synced"), 0);
      file.sync(ignore);
      disk.syncDirectory(ignore);
      clock.settle();
      file.write(bytesOf("+more"), 6);
      expect(contentOf(disk.crash(), "a")?.startsWith("synced")).toBe(true);
    }
  });

  it("loses, keeps and tears what was not synced", () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const { disk, clock } = setUp(seed);
      const file = disk.open("a");
      disk.syncDirectory(ignore);
      clock.settle();
      file.write(new Uint8Array(2048).fill(1), 0);
      file.write(new Uint8Array(512).fill(2), 2048);
      const after = contentOf(disk.crash(), "a") ?? "";
      const sectors: number[] = [];
      for (let at = 0; at < after.length; at += 512) sectors.push(after.charCodeAt(at));
      found.add(sectors.join(""));
    }
    for (const outcome of ["", "1111", "11112", "00002"]) expect(found).toContain(outcome);
    expect([...found].some((outcome) => /^(?=.*1)(?=.*0)[01]+$/.test(outcome))).toBe(true);
  });

  it("loses or keeps creations, renames and removals until the directory is synced", () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const { disk, clock } = setUp(seed);
      for (const name of ["old", "gone"]) disk.open(name);
      disk.syncDirectory(ignore);
      clock.settle();
      disk.rename("old", "new");
      disk.remove("gone");
      disk.open("made");
      found.add(disk.crash().list().join(" "));
    }
    for (const outcome of ["gone old", "made new", "gone new"]) expect(found).toContain(outcome);
  });

  it("makes durable what was written before a sync began, not what came during it", () => {
    for (let seed = 0; seed < 50; seed++) {
      const { disk, clock } = setUp(seed, { syncDelayMs: { min: 5, max: 10 } });
      const file = disk.open("a");
      disk.syncDirectory(ignore);
      clock.advance(20);
      const ended: number[] = [];
      file.write(bytesOf("1"), 0);
      file.sync(() => ended.push(1));
      file.write(bytesOf("2"), 1);
      file.sync(() => ended.push(2));
      file.write(bytesOf("3"), 2);
      expect(ended).toEqual([]);
      clock.advance(20);
      expect(new Set(ended)).toEqual(new Set([1, 2]));
      expect(["12", "123"]).toContain(contentOf(disk.crash(), "a"));
    }
  });

  it("fills up, and has room again", () => {
    const { disk } = setUp(3, { capacityBytes: 10 });
    const file = disk.open("a");
    file.write(bytesOf("12345678"), 0);
    expect(() => file.write(bytesOf("abcdef"), 8)).toThrow(
      expect.objectContaining({ code: "FULL" }),
    );
    expect(disk.usedBytes()).toBeLessThanOrEqual(10);
    file.write(bytesOf("87654321"), 0);
    disk.setCapacity(20);
    file.write(bytesOf("abcdef"), 8);
    expect(contentOf(disk, "a")).toBe("87654321abcdef");
  });

  it("reports a failed sync, after which the writes may be gone for good", () => {
    const found = new Set<string | undefined>();
    for (let seed = 0; seed < 40; seed++) {
      const { disk, clock } = setUp(seed);
      const file = disk.open("a");
      disk.syncDirectory(ignore);
      clock.settle();
      const errors: (Error | undefined)[] = [];
      disk.failSyncs(1);
      file.write(bytesOf("x"), 0);
      file.sync((error) => errors.push(error));
      clock.settle();
      file.sync((error) => errors.push(error));
      clock.settle();
      expect(errors).toEqual([expect.any(DiskError), undefined]);
      found.add(contentOf(disk.crash(), "a"));
    }
    expect(found).toEqual(new Set(["", "x"]));
  });

  it("throws from everything old after a crash, and never ends its syncs", () => {
    const { disk, clock } = setUp();
    const file = disk.open("a");
    let hasEnded = false;
    file.sync(() => (hasEnded = true));
    disk.crash();
    clock.settle();
    expect(hasEnded).toBe(false);
    expect(() => file.write(bytesOf("x"), 0)).toThrow(DiskError);
    expect(() => file.sizeBytes()).toThrow(DiskError);
    expect(() => disk.list()).toThrow(DiskError);
  });

  it("keeps everything when only the process dies, and may still lose it afterwards", () => {
    const found = new Set<string | undefined>();
    for (let seed = 0; seed < 40; seed++) {
      const { disk } = setUp(seed);
      disk.open("a").write(bytesOf("x"), 0);
      const after = disk.killProcess();
      expect(() => disk.list()).toThrow(DiskError);
      expect(contentOf(after, "a")).toBe("x");
      found.add(contentOf(after.crash(), "a"));
    }
    expect(found).toEqual(new Set([undefined, "", "x"]));
  });

  it("flips a bit that stays flipped", () => {
    const { disk, clock } = setUp();
    const file = disk.open("a");
    file.write(bytesOf("aa"), 0);
    file.sync(ignore);
    disk.syncDirectory(ignore);
    clock.settle();
    disk.flipBit("a", 9);
    expect(contentOf(disk, "a")).toBe("ac");
    expect(contentOf(disk.crash(), "a")).toBe("ac");
  });

  it("does the same for the same seed", () => {
    const run = () => {
      const { disk } = setUp(42);
      for (const name of ["a", "b", "c"]) {
        disk.open(name).write(new Uint8Array(3000).fill(name.charCodeAt(0)), 0);
      }
      const after = disk.crash();
      return after.list().map((name) => [name, contentOf(after, name)]);
    };
    expect(run()).toEqual(run());
  });
});
