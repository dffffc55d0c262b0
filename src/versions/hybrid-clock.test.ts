import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HybridClock } from "./hybrid-clock.ts";

function clockAt(wallMs: number): { wallMs: () => number; set: (ms: number) => void } {
  let nowMs = wallMs;
  return {
    wallMs: () => nowMs,
    set: (ms) => {
      nowMs = ms;
    },
  };
}

describe("hybrid clock", () => {
  test("it shows the wall clock in microseconds, fractions of a millisecond included", () => {
    const clock = clockAt(1_700_000_000_000.25);
    expect(new HybridClock({ clock }).now()).toBe(1_700_000_000_000_250);
  });

  test("timestamps of one millisecond differ", () => {
    const hybrid = new HybridClock({ clock: clockAt(5) });
    expect([hybrid.now(), hybrid.now(), hybrid.now()]).toEqual([5000, 5001, 5002]);
  });

  test("a wall clock that jumps back does not take the timestamps along", () => {
    const clock = clockAt(1000);
    const hybrid = new HybridClock({ clock });
    hybrid.now();
    clock.set(10);
    expect(hybrid.now()).toBe(1_000_001);
  });

  test("what follows an observed timestamp is newer than it", () => {
    const hybrid = new HybridClock({ clock: clockAt(1000) });
    expect(hybrid.observe(1_030_000)).toBe(true);
    expect(hybrid.last).toBe(1_030_000);
    expect(hybrid.now()).toBe(1_030_001);
  });

  test("a timestamp at the limit of the drift is taken, one beyond is refused and changes nothing", () => {
    const hybrid = new HybridClock({ clock: clockAt(1000) }, { maxDriftMs: 50 });
    expect(hybrid.observe(1_050_001)).toBe(false);
    expect(hybrid.last).toBe(0);
    expect(hybrid.observe(1_050_000)).toBe(true);
  });

  test("a timestamp once taken stays acceptable when the wall clock jumps back", () => {
    const clock = clockAt(1_000_000);
    const hybrid = new HybridClock({ clock });
    const taken = hybrid.now();
    clock.set(0);
    expect(hybrid.observe(taken)).toBe(true);
  });

  test.each([Number.NaN, Infinity, -1, 1.5, 2 ** 53])("%s is no timestamp", (value) => {
    const hybrid = new HybridClock({ clock: clockAt(2 ** 53) }, { maxDriftMs: 2 ** 53 });
    expect(hybrid.observe(value)).toBe(false);
    expect(hybrid.last).toBe(0);
  });

  test("whatever the wall clock and the others do, timestamps are safe integers that increase", () => {
    const event = fc.oneof(
      fc.record({ wallMs: fc.double({ min: 0, max: 4e12, noNaN: true }) }),
      fc.record({ seen: fc.double({ noNaN: false }) }),
      fc.record({ seen: fc.integer({ min: 0, max: 4e9 }).map((ms) => ms * 1_000_000) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 50 }), (events) => {
        const clock = clockAt(0);
        const hybrid = new HybridClock({ clock });
        for (const one of events) {
          const before = hybrid.last;
          if ("wallMs" in one) clock.set(one.wallMs);
          const taken = "seen" in one && hybrid.observe(one.seen) ? one.seen : 0;
          expect(hybrid.last).toBeGreaterThanOrEqual(Math.max(before, taken));
          const stamp = hybrid.now();
          expect(stamp).toBeGreaterThan(before);
          expect(Number.isSafeInteger(stamp)).toBe(true);
        }
      }),
    );
  });
});
