import { expect, it } from "vitest";
import { measureLatencies } from "../../bench/latency-while-moving.ts";

it("latencies are measured beside those before, and data move meanwhile", async () => {
  const rows = await measureLatencies({
    keys: 2000,
    valueBytes: 100,
    workers: 4,
    pauseMs: 2,
    windowSeconds: 0.3,
    rounds: 1,
  });
  expect(rows.map(({ change }) => change)).toHaveLength(4);
  for (const { before, during, seconds } of rows) {
    expect(before.length).toBeGreaterThan(0);
    expect(during.length).toBeGreaterThan(0);
    expect(seconds).toBeGreaterThan(0);
  }
  expect(rows.at(-1)?.movedBytes).toBeGreaterThan(100_000);
}, 60_000);
