/**
 * Fixed seeds over the whole store. `npm run sim -- --seed N` repeats one and shows
 * what it broke; more of them run in CI at night.
 */
import { describe, expect, it } from "vitest";
import { report } from "../../src/sim/report.ts";
import { simulateSeed } from "../../src/sim/simulate.ts";

const SEEDS = 80;
const PER_TEST = 20;

describe("the ring keeps its promises", () => {
  for (let first = 1; first <= SEEDS; first += PER_TEST) {
    it(
      `under the faults of seeds ${first} to ${first + PER_TEST - 1}`,
      { timeout: 300_000 },
      async () => {
        for (let seed = first; seed < first + PER_TEST; seed++) {
          const result = await simulateSeed(seed);
          if (result.violations.length > 0) throw new Error(report(result));
          expect(result.history.operations.length).toBeGreaterThan(50);
        }
      },
    );
  }
});
