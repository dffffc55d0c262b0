/** The least that moves if each token stays between its neighbours, by a solver for any linear program. */
import { createRequire } from "node:module";
import type Highs from "highs";
import { limitsOf } from "./rebalance.ts";
import type { RingLoads } from "./ring-loads.ts";
import { type LoadLimits, valvesOf } from "./token-flow.ts";

/** Loads and gaps are in parts of this many, as the solver takes 1e-7 for 0. */
const PARTS = 1e4;

/**
 * @returns the share of the ring that moves; undefined if no such plan brings all loads within the tolerance of
 * the evenest that racks and weights allow.
 */
export type LeastInOrder = (ring: RingLoads, tolerance: number) => number | undefined;

/** Loads the solver. */
export async function leastInOrderSolver(): Promise<LeastInOrder> {
  // Its types are those of the CommonJS module only.
  const loader = createRequire(import.meta.url)("highs") as typeof Highs;
  const highs = await loader.default();
  return (ring, tolerance) => {
    if (valvesOf(ring).length === 0) return undefined;
    const program = programOf(ring, limitsOf(ring, tolerance));
    const { Status, ObjectiveValue } = highs.solve(program);
    return Status === "Optimal" ? ObjectiveValue / PARTS : undefined;
  };
}

/** In LP format. How far token 3 goes to the right is `r3`, to the left `l3`. */
function programOf(ring: RingLoads, { lowest, highest }: LoadLimits): string {
  const valves = valvesOf(ring);
  const parts = (share: number): string => (share * PARTS).toFixed(12);
  const gains: string[][] = ring.seats.map(() => []);
  for (const { token, owner, partner } of valves) {
    gains[owner]?.push(`+ r${token} - l${token}`);
    gains[partner]?.push(`- r${token} + l${token}`);
  }
  const loads = [...ring.loads].flatMap((load, seat) => {
    const gain = gains[seat]?.join(" ");
    // A seat without a valve keeps its load: 0 r0 is the program's way to write nothing.
    const sum = gain === "" ? `0 r${valves[0]?.token ?? 0}` : gain;
    return [
      `${sum} >= ${parts((lowest[seat] ?? 0) - load)}`,
      `${sum} <= ${parts((highest[seat] ?? 0) - load)}`,
    ];
  });
  const gaps = Array.from({ length: ring.count }, (_, token) => {
    const before = (token === 0 ? ring.count : token) - 1;
    return `r${before} + l${token} <= ${parts(ring.sizeAt(token))}`;
  });
  const distances = valves.map(({ token }) => `r${token} + l${token}`);
  return `Minimize\n${distances.join(" +\n")}\nSubject To\n${[...loads, ...gaps].join("\n")}\nEnd\n`;
}
