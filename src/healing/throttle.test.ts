import { expect, test } from "vitest";
import { Throttle, type ThrottleOptions } from "./throttle.ts";

const LIMITS = { bytesPerSecond: 1000, cellsPerSecond: 100 };

/** Lets chunks of ten cells through for so long, with timers that are so late; returns how many. */
async function chunksIn(seconds: number, latenessMs: number, throttle: Throttle, clock: Clock) {
  const endMs = clock.nowMs + 1000 * seconds;
  let chunks = 0;
  while (clock.nowMs < endMs) {
    await throttle.pass((delayMs) => {
      clock.nowMs += delayMs + latenessMs;
      return Promise.resolve();
    });
    throttle.spend(1, 10);
    chunks++;
  }
  return chunks;
}

interface Clock {
  nowMs: number;
}

function makeThrottle(limits: ThrottleOptions = LIMITS): { throttle: Throttle; clock: Clock } {
  const clock = { nowMs: 5000 };
  return { throttle: new Throttle({ clock: { monotonicMs: () => clock.nowMs } }, limits), clock };
}

test("on an idle machine it comes to full speed within ten seconds or so, and never above", async () => {
  const { throttle, clock } = makeThrottle();
  await chunksIn(15, 1, throttle, clock);
  const chunks = await chunksIn(100, 1, throttle, clock);
  expect(chunks).toBeGreaterThan(950);
  expect(chunks).toBeLessThanOrEqual(1001);
});

test("woken late it slows down to a twentieth, never stops, and recovers", async () => {
  const { throttle, clock } = makeThrottle({ bytesPerSecond: 1e6, cellsPerSecond: 1000 });
  await chunksIn(15, 0, throttle, clock);
  await chunksIn(20, 10, throttle, clock);
  // Ten milliseconds each at full speed.
  const busy = await chunksIn(105, 10, throttle, clock);
  expect(busy).toBeGreaterThan(450);
  expect(busy).toBeLessThan(550);
  await chunksIn(15, 0, throttle, clock);
  expect(await chunksIn(10, 0, throttle, clock)).toBeGreaterThan(950);
});

test("a limit that is slow by itself is hardly slowed down", async () => {
  const { throttle, clock } = makeThrottle({ bytesPerSecond: 1000, cellsPerSecond: 5 });
  expect(await chunksIn(100, 10, throttle, clock)).toBeGreaterThan(35);
});

test("the dearer of bytes and cells counts, and no pause is saved up for a burst", async () => {
  const { throttle, clock } = makeThrottle();
  await chunksIn(15, 0, throttle, clock);
  clock.nowMs += 60_000;
  const startMs = clock.nowMs;
  for (let count = 0; count < 3; count++) {
    throttle.spend(1000, 1);
    await throttle.pass((delayMs) => {
      clock.nowMs += delayMs;
      return Promise.resolve();
    });
  }
  expect(clock.nowMs - startMs).toBeCloseTo(3000, 3);
});
