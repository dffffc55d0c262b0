/** What the log engine does beside serving: merging segments, and snapshots of its index. */
import { describe, expect, it } from "vitest";
import { WHOLE_RING, scanAll } from "../engine-harness.suite.ts";
import { SMALL, opened } from "./log-setting.suite.ts";
import { segmentName } from "./segment.ts";

describe("merging", () => {
  it("gives back space, keeps every cell and leaves nothing behind", async () => {
    const setting = await opened();
    for (let number = 0; number < 400; number++) {
      const key = `k${number % 17}`;
      await setting.put(key, number % 5 === 0 ? undefined : `v${number} `.repeat(10), {
        timestamp: number + 1,
      });
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
    for (let number = 0; number < 30; number++)
      await setting.put(`k${number}`, "new", { timestamp: 2 });
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
      await setting.put(`k${number % 50}`, `value ${number}`, { timestamp: number + 1 });
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
