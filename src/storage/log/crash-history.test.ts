import { describe, expect, it } from "vitest";
import { emptyCounts, runCrashHistory } from "./crash-history.suite.ts";

describe("crash histories of the log engine", () => {
  it("keep what was acknowledged and invent nothing", async () => {
    const counts = emptyCounts();
    for (let seed = 0; seed < 1000; seed++) await runCrashHistory(seed, counts);
    // A history that never reaches the rare paths proves nothing about them.
    expect(Object.entries(counts).filter(([, count]) => count < 30)).toEqual([]);
  }, 60_000);
});
