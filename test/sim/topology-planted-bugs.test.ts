/** Proof that the topology simulation finds bugs: each planted one is noticed within a few seeds. */
import { describe, expect, it } from "vitest";
import { broken } from "../../src/sim/report.ts";
import { PLANTED_TOPOLOGY_BUGS } from "../../src/sim/topology/planted-bugs.ts";
import { simulateTopology } from "../../src/sim/topology/simulate-topology.ts";
import { drawTopologyOptions } from "../../src/sim/topology/topology-options.ts";

const SEEDS_MAX = 36;
const OPERATIONS = 15;

describe("a planted bug of changing rings is found", () => {
  for (const [name, plant] of Object.entries(PLANTED_TOPOLOGY_BUGS)) {
    it(`${name}, as ${plant.breaks.join(" or ")}`, { timeout: 300_000 }, async () => {
      for (let seed = 1; seed <= SEEDS_MAX; seed++) {
        const options = drawTopologyOptions(seed, { operations: OPERATIONS });
        const found = broken(await simulateTopology(options, { plant }));
        if (found.some((invariant) => plant.breaks.includes(invariant))) return;
      }
      expect.unreachable(`no seed up to ${SEEDS_MAX} notices it`);
    });
  }
});
