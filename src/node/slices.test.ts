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
  it("pauses after each millisecond for as long", async () => {
    const clock = new ManualClock();
    const startMs = clock.nowMs;
    expect(await clock.settled(inSlices(steps(clock, 20, 0.5), clock))).toBe(20);
    expect(clock.nowMs - startMs).toBe(20);
  });

  it("pauses longer after a step that took longer", async () => {
    const clock = new ManualClock();
    const startMs = clock.nowMs;
    await clock.settled(inSlices(steps(clock, 2, 7), clock));
    expect(clock.nowMs - startMs).toBe(28);
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
