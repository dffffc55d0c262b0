/**
 * A fixed share of the topology simulation. `npm run sim:topology -- --seed N` repeats a seed and shows
 * what it broke; long ranges of seeds run by hand and at night.
 */
import { describe, expect, it } from "vitest";
import { broken, violationLines } from "../../src/sim/report.ts";
import { simulateTopology } from "../../src/sim/topology/simulate-topology.ts";
import { drawTopologyOptions } from "../../src/sim/topology/topology-options.ts";

const SEEDS = 6;
const PER_TEST = 2;
/** Of each seed; long runs do more. */
const OPERATIONS = 15;

describe("a ring that changes keeps its promises", () => {
  for (let first = 1; first <= SEEDS; first += PER_TEST) {
    it(
      `under the operations and faults of seeds ${first} to ${first + PER_TEST - 1}`,
      { timeout: 300_000 },
      async () => {
        let commits = 0;
        for (let seed = first; seed < first + PER_TEST; seed++) {
          const result = await simulateTopology(
            drawTopologyOptions(seed, { operations: OPERATIONS }),
          );
          const lines = [`seed ${seed}`, ...violationLines(result)];
          if (result.violations.length > 0) throw new Error(lines.join("\n"));
          commits += result.commits;
        }
        // A ring in which nothing ever changes proves nothing.
        expect(commits).toBeGreaterThan(2);
      },
    );
  }

  it("means one history by one seed", { timeout: 120_000 }, async () => {
    const options = drawTopologyOptions(8, { operations: OPERATIONS });
    const [first, second] = [await simulateTopology(options), await simulateTopology(options)];
    expect(second.logHash).toBe(first.logHash);
    expect(broken(second)).toEqual(broken(first));
  });
});
