/** When puts are acknowledged, and with how many writes and syncs. */
import { describe, expect, it } from "vitest";
import { SimulatedDisk } from "../../sim/simulated-disk.ts";
import { SeededRng } from "../../util/random.ts";
import { bytesOf, write } from "../engine-harness.suite.ts";
import { SMALL, type Setting, opened } from "./log-setting.suite.ts";

/** An engine on a disk that takes 10 ms for each sync. */
async function openedWithSlowSyncs(): Promise<Setting> {
  const setting = await opened();
  setting.disk = new SimulatedDisk(
    { clock: setting.clock, rng: new SeededRng(1) },
    { syncDelayMs: { min: 10, max: 10 } },
  );
  await setting.open();
  return setting;
}

describe("group commit", () => {
  it("acknowledges with one sync everything written before it, the rest with the next", async () => {
    const setting = await openedWithSlowSyncs();
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
    const setting = await openedWithSlowSyncs();
    const { engine, clock } = setting;
    engine.put(write({ timestamp: 9 }), "memory", setting.sink("winner"));
    engine.put(write({ timestamp: 3 }), "fsync", setting.sink("loser"));
    clock.settle();
    expect(setting.outcomes).toEqual(["winner stored"]);
    clock.advance(10);
    expect(setting.outcomes).toEqual(["winner stored", "loser stored"]);
  });
});
