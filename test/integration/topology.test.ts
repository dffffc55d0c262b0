/** The ring changes under load, with real processes and a real client, and nobody notices. */
import { expect, it } from "vitest";
import { runScenario } from "./topology-scenario.ts";

const VALUE_BYTES = 1000;
/** Cells of the load that one of the replicas may lack. */
const MISSED_MAX = 50;

it("a ring grows, shrinks, replaces a member, changes RF and tokens without a failed operation", async () => {
  const { problems, cutOffElsewhere, operations, moved } = await runScenario({
    keys: 2500,
    valueBytes: VALUE_BYTES,
    joinBytesPerSecond: 512 * 1024,
    workers: 6,
    pauseMs: 10,
    operationsBefore: 200,
    log: () => {},
  });
  expect(problems).toEqual([]);
  expect(cutOffElsewhere).toEqual([]);
  expect(operations).toBeGreaterThan(500);
  for (const { what, plannedBytes, movedBytes } of moved) {
    // Replicas that compare fetch what they have missed, which no plan can know.
    const toleranceBytes = 0.1 * plannedBytes + MISSED_MAX * VALUE_BYTES;
    const message = `${what}: ${plannedBytes} planned, ${movedBytes} moved`;
    expect.soft(Math.abs(movedBytes - plannedBytes), message).toBeLessThan(toleranceBytes);
  }
}, 300_000);
