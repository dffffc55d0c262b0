import { describe, expect, it } from "vitest";
import { simulateSeed } from "../../src/sim/simulate.ts";
import { logHashes } from "./log-hashes.ts";

describe("a seed", () => {
  it("means one history", { timeout: 120_000 }, async () => {
    const first = await logHashes(1, 8);
    expect(await logHashes(1, 8)).toEqual(first);
    expect(new Set(first.map((line) => line.split(" ")[1])).size).toBe(8);
  });

  it(
    "means the same history whether its events are shown or not",
    { timeout: 120_000 },
    async () => {
      const lines: string[] = [];
      const shown = await simulateSeed(3, { print: (line) => lines.push(line) });
      const silent = await simulateSeed(3);
      expect(shown.logHash).toBe(silent.logHash);
      expect(lines.length).toBeGreaterThan(1000);
    },
  );

  it(
    "gives the same operations with the same answers at the same times",
    { timeout: 120_000 },
    async () => {
      const [first, second] = [await simulateSeed(5), await simulateSeed(5)];
      expect(second.history.operations).toEqual(first.history.operations);
      expect(second.history.crashes).toEqual(first.history.crashes);
    },
  );
});
