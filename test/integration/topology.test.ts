/** The ring changes under load, with real processes and a real client, and nobody notices. */
import { expect, it } from "vitest";
import { runScenario } from "./topology-scenario.ts";

it("a ring grows, shrinks, replaces a member, changes RF and tokens without a failed operation", async () => {
  const { problems, cutOffElsewhere, operations, moved } = await runScenario({
    keys: 5000,
    valueBytes: 1000,
    joinBytesPerSecond: 384 * 1024,
    workers: 6,
    pauseMs: 10,
    log: console.log,
  });
  expect(problems).toEqual([]);
  expect(cutOffElsewhere).toEqual([]);
  expect(operations).toBeGreaterThan(1000);
  for (const { what, plannedBytes, movedBytes } of moved) {
    const share = plannedBytes === 0 ? 1 + movedBytes : movedBytes / plannedBytes;
    expect
      .soft(share, `${what}: ${plannedBytes} planned, ${movedBytes} moved`)
      .toBeGreaterThan(0.9);
    expect.soft(share, `${what}: ${plannedBytes} planned, ${movedBytes} moved`).toBeLessThan(1.1);
  }
}, 300_000);
