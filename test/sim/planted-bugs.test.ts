/** Proof that the simulator finds bugs: each planted one has to be noticed within a few seeds. */
import { describe, expect, it } from "vitest";
import { PLANTED_BUGS } from "../../src/sim/planted-bugs.ts";
import { broken } from "../../src/sim/report.ts";
import { simulateSeed } from "../../src/sim/simulate.ts";

const SEEDS_MAX = 25;

describe("a planted bug is found", () => {
  for (const [name, plant] of Object.entries(PLANTED_BUGS)) {
    it(`${name}, as ${plant.breaks.join(" or ")}`, { timeout: 300_000 }, async () => {
      for (let seed = 1; seed <= SEEDS_MAX; seed++) {
        const found = broken(await simulateSeed(seed, { plant }));
        if (found.some((invariant) => plant.breaks.includes(invariant))) return;
      }
      expect.unreachable(`no seed up to ${SEEDS_MAX} notices it`);
    });
  }
});
