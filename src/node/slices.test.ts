import { describe, expect, it } from "vitest";
import { ManualClock } from "../model/manual-clock.suite.ts";
import type { Stepwise } from "../util/stepwise.ts";
import { inSlices } from "./slices.ts";

/** Each step takes so long. */
function* steps(clock: ManualClock, count: number, stepMs: number): Stepwise<number> {
  for (let step = 0; step < count; step++) {
    clock.nowMs += stepMs;
    yield;
  }
  return count;
}

describe("work in slices", () => {
  it("lets the event loop turn every two milliseconds", async () => {
    const clock = new ManualClock();
    let isDone = false;
    const work = inSlices(steps(clock, 20, 0.5), clock).finally(() => (isDone = true));
    let turns = 0;
    while (!isDone) {
      await new Promise((resolve) => setImmediate(resolve));
      if (clock.runDeferred()) turns += 1;
    }
    expect(await work).toBe(20);
    expect(turns).toBe(5);
  });

  it("is done at once where time stands still, as in the simulator", async () => {
    const clock = new ManualClock();
    expect(await inSlices(steps(clock, 1000, 0), clock)).toBe(1000);
  });

  it("fails as the work does", async () => {
    const clock = new ManualClock();
    const fails = function* (): Stepwise<void> {
      yield;
      throw new Error("no tokens");
    };
    await expect(inSlices(fails(), clock)).rejects.toThrow("no tokens");
  });
});
