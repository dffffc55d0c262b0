import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FailureDetector } from "./failure-detector.ts";

/** The definition, computed from the whole history each time. */
function naivePhi(reportsMs: readonly number[], nowMs: number, windowMax: number): number {
  const intervals = [2000];
  for (let index = 1; index < reportsMs.length; index++) {
    const intervalMs = reportsMs[index]! - reportsMs[index - 1]!;
    if (intervalMs <= 2000) intervals.push(intervalMs);
  }
  const window = intervals.slice(-windowMax);
  const meanMs = window.reduce((sum, one) => sum + one, 0) / window.length;
  return (nowMs - reportsMs.at(-1)!) / meanMs / Math.log(10);
}

function heardEachSecond(seconds: number, options = {}): FailureDetector {
  const detector = new FailureDetector(options);
  for (let second = 0; second <= seconds; second++) detector.report("a", second * 1000);
  return detector;
}

/** Judges each second, as the gossip rounds do, and returns when the member was convicted. */
function convictedAtMs(detector: FailureDetector, fromMs: number, untilMs: number): number {
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 100) {
    detector.beginRound(nowMs);
    if (detector.interpret("a", nowMs)) return nowMs;
  }
  return Number.NaN;
}

describe("failure detector", () => {
  test("phi is exactly the silence over the mean interval over ln 10", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 2500 }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 60_000 }), (intervals, silenceMs) => {
        const detector = new FailureDetector({ windowMax: 20 });
        const reportsMs = [1_000_000];
        for (const intervalMs of intervals) reportsMs.push(reportsMs.at(-1)! + intervalMs);
        for (const atMs of reportsMs) detector.report("a", atMs);
        const nowMs = reportsMs.at(-1)! + silenceMs;
        const expected = naivePhi(reportsMs, nowMs, 20);
        expect(detector.phi("a", nowMs)).toBe(expected);
      }),
    );
  });

  test("a member heard each second is convicted after 18.4 means of silence", () => {
    const detector = heardEachSecond(999);
    const meanMs = (2000 + 999 * 1000) / 1000;
    const silenceMs = convictedAtMs(detector, 999_000, 1_100_000) - 999_000;
    expect(silenceMs).toBe(Math.ceil((8 * Math.LN10 * meanMs) / 100) * 100);
    expect(silenceMs).toBe(18_500);
  });

  test("a member heard once is convicted after 18.4 times the first interval", () => {
    expect(convictedAtMs(heardEachSecond(0), 0, 100_000)).toBe(36_900);
  });

  test("a higher threshold waits longer", () => {
    const silenceMs = (threshold: number): number =>
      convictedAtMs(heardEachSecond(999, { threshold }), 999_000, 1_100_000) - 999_000;
    expect([silenceMs(5), silenceMs(16)]).toEqual([11_600, 36_900]);
  });

  test.each([4.9, 16.1, Number.NaN])("a threshold of %s is refused", (threshold) => {
    expect(() => new FailureDetector({ threshold })).toThrowError(/expected 5 to 16/);
  });

  test("an outage survived does not make the next one harder to see", () => {
    const detector = heardEachSecond(100);
    const before = detector.phi("a", 100_000 + 5000);
    detector.report("a", 700_000);
    expect(detector.phi("a", 700_000 + 5000)).toBe(before);
  });

  test("somebody never heard of is not convicted", () => {
    const detector = new FailureDetector();
    expect(detector.interpret("a", 1e9)).toBe(false);
    expect(detector.phi("a", 1e9)).toBe(0);
  });

  test("who was itself stalled convicts nobody then, nor for as long again", () => {
    const detector = heardEachSecond(100);
    detector.beginRound(100_000);
    const wakesAtMs = 200_000;
    const convictedMs = convictedAtMs(detector, wakesAtMs, 300_000);
    expect(convictedMs).toBe(wakesAtMs + 5100);
  });

  test("who was stalled and then hears the others convicts nobody at all", () => {
    const detector = heardEachSecond(100);
    detector.beginRound(100_000);
    detector.beginRound(200_000);
    detector.report("a", 200_900);
    expect(convictedAtMs(detector, 201_000, 218_000)).toBeNaN();
  });

  test("a pause of exactly the limit is none", () => {
    const detector = heardEachSecond(100);
    detector.beginRound(100_000);
    detector.beginRound(105_000);
    expect(detector.isPaused(105_000)).toBe(false);
    detector.beginRound(110_001);
    expect(detector.isPaused(110_001)).toBe(true);
  });

  test("a forced conviction holds until the next sign of life, pause or not", () => {
    const detector = heardEachSecond(10);
    detector.convict("a", 10_000);
    expect(detector.interpret("a", 10_000)).toBe(true);
    expect(detector.phi("a", 10_000)).toBe(Number.POSITIVE_INFINITY);
    detector.report("a", 11_000);
    expect(detector.interpret("a", 11_000)).toBe(false);
  });

  test("who was forgotten is a stranger again", () => {
    const detector = heardEachSecond(10);
    detector.forget("a");
    expect(detector.phi("a", 1e6)).toBe(0);
  });

  test("fractions of a millisecond do not add up to an error", () => {
    const detector = new FailureDetector({ windowMax: 10 });
    let nowMs = 0;
    for (let beat = 0; beat < 100_000; beat++) {
      detector.report("a", nowMs);
      nowMs += beat % 2 === 0 ? 0.1 : 1000.3;
    }
    const lastMs = nowMs - 1000.3;
    expect(detector.phi("a", lastMs + 1000)).toBeCloseTo(1000 / 500.2 / Math.LN10, 9);
  });
});
