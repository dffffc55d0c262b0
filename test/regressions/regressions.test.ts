/**
 * Runs in which the simulator once found a bug. Each file holds the options of the run as they were
 * drawn then, so that it stays the same run when the drawing changes, with what broke and why.
 */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { broken, report } from "../../src/sim/report.ts";
import { simulate } from "../../src/sim/simulate.ts";
import { NO_DISTURBANCES, type SimulationOptions, drawOptions } from "../../src/sim/swarm.ts";
import { simulateTopology } from "../../src/sim/topology/simulate-topology.ts";
import type { TopologyOptions } from "../../src/sim/topology/topology-options.ts";

interface Regression {
  /** The invariant that it broke. */
  readonly broke: string;
  readonly story: string;
  /** Of the basic simulation, or of the one that changes the ring. */
  readonly options: SimulationOptions | TopologyOptions;
}

const folder = new URL("./", import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith(".json"));

describe("a run that once broke a promise keeps it now", () => {
  it.each(names)("%s", { timeout: 60_000 }, async (name) => {
    const { broke, options } = JSON.parse(
      readFileSync(new URL(name, folder), "utf8"),
    ) as Regression;
    expect(broke).toMatch(/^(I\d+|scan)$/);
    // What came into the options later is as the seed draws it.
    const disturbances = { ...NO_DISTURBANCES, ...options.disturbances };
    const result =
      "topology" in options
        ? await simulateTopology({ ...options, disturbances })
        : await simulate({ ...drawOptions(options.seed), ...options, disturbances });
    if (result.violations.length > 0) throw new Error(report(result));
    expect(broken(result)).toEqual([]);
  });
});
