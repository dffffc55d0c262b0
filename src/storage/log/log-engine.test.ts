import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../model/deps.ts";
import { SimulatedDisk } from "../../sim/simulated-disk.ts";
import { SeededRng } from "../../util/random.ts";
import { realClock } from "../../node/real-clock.ts";
import { runEngineSuite } from "../engine.suite.ts";
import { MemoryDisk } from "../memory-disk.ts";
import { RealDisk } from "../real-disk.ts";
import { VirtualClock } from "../virtual-clock.suite.ts";
import { LogEngine } from "./log-engine.ts";

const small = {
  arenaChunkBytes: 16 * 1024,
  indexBucketBits: 8,
  batchBytes: 16 * 1024,
  segmentBytes: 64 * 1024,
};

runEngineSuite("log engine on a memory disk", () => {
  const clock = new VirtualClock();
  const disk = new MemoryDisk({ clock });
  return {
    make: () => new LogEngine({ disk, clock, logger: silentLogger }, small),
    run: (promise) => clock.run(promise),
    dispose: () => {},
  };
});

runEngineSuite("log engine on a simulated disk", () => {
  const clock = new VirtualClock();
  const rng = new SeededRng(5);
  const disk = new SimulatedDisk({ clock, rng }, { syncDelayMs: { min: 1, max: 20 } });
  return {
    make: () => new LogEngine({ disk, clock, logger: silentLogger }, small),
    run: (promise) => clock.run(promise),
    dispose: () => {},
  };
});

runEngineSuite("log engine on a real disk", () => {
  const directory = mkdtempSync(join(tmpdir(), "dynaring-log-"));
  return {
    make: () =>
      new LogEngine({
        disk: new RealDisk(directory),
        clock: realClock,
        logger: silentLogger,
      }),
    run: (promise) => promise,
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
});
