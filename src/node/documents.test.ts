import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { SimulatedDisk } from "../sim/simulated-disk.ts";
import { bytesOf, put, valueOf, write } from "../storage/engine-harness.suite.ts";
import { LogEngine } from "../storage/log/log-engine.ts";
import { VirtualClock } from "../storage/virtual-clock.suite.ts";
import { SeededRng } from "../util/random.ts";
import { loadDocument, saveDocument } from "./documents.ts";

const CHANCES = Array.from({ length: 40 }, (_, chance) => chance + 1);
const NAME = "layout.json";

/** Syncs take their time, so that several run at once and end in any order. */
function setUp(chance: number) {
  const clock = new VirtualClock();
  const syncDelayMs = { min: 1, max: 10 };
  return { clock, disk: new SimulatedDisk({ clock, rng: new SeededRng(chance) }, { syncDelayMs }) };
}

/** Whether it was fulfilled. */
async function outcome(clock: VirtualClock, promise: Promise<unknown>): Promise<boolean> {
  return clock.run(
    promise.then(
      () => true,
      () => false,
    ),
  );
}

async function openStore(clock: VirtualClock, disk: SimulatedDisk): Promise<LogEngine> {
  const ignore = () => {};
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const engine = new LogEngine({ disk, clock, logger }, { segmentBytes: 4096 });
  await clock.run(engine.open());
  return engine;
}

describe("a document", () => {
  it("that was saved survives a power failure, whatever happened to other syncs", async () => {
    const saved: number[] = [];
    const lost: number[] = [];
    for (const chance of CHANCES) {
      const { clock, disk } = setUp(chance);
      await clock.run(saveDocument(disk, NAME, { is: 1 }));
      const saving = saveDocument(disk, NAME, { is: 2 });
      while (disk.list().includes(`${NAME}.new`)) {
        clock.nextTimer();
        await Promise.resolve();
      }
      disk.failSyncs(1);
      disk.syncDirectory(() => {});
      if (!(await outcome(clock, saving))) continue;
      saved.push(chance);
      if (!isDeepStrictEqual(loadDocument(disk.crash(), NAME), { is: 2 })) lost.push(chance);
    }
    expect(lost).toEqual([]);
    expect(saved.length).toBeGreaterThan(0);
    expect(saved.length).toBeLessThan(CHANCES.length);
  });

  it("that cannot be saved loses no write of the store beside it, nor of the next process", async () => {
    for (const chance of CHANCES) {
      const { clock, disk } = setUp(chance);
      const store = await openStore(clock, disk);
      const old = write({ key: bytesOf("old"), value: new Uint8Array(3000) });
      await clock.run(put(store, old, "fsync"));
      // Begins a new segment, whose name is not on stable storage.
      const young = write({ key: bytesOf("young"), value: new Uint8Array(3000) });
      await clock.run(put(store, young, "memory"));
      const saving = saveDocument(disk, NAME, { is: 1 });
      disk.failSyncs(1);
      expect(await outcome(clock, saving)).toBe(false);

      const afterKill = disk.killProcess();
      const next = await openStore(clock, afterKill);
      const last = write({ key: bytesOf("last"), value: new Uint8Array(10) });
      await clock.run(put(next, last, "fsync"));
      const afterCrash = await openStore(clock, afterKill.crash());
      for (const kept of [old, young, last]) expect(valueOf(afterCrash, kept)).toBeDefined();
    }
  });
});
