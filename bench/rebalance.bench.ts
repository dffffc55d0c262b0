/**
 * Rings of the allocation table rebalanced, RF 3: grown by the balanced allocator and by Cassandra's, at each size, as
 * they are and after a quarter of the members left. Loads are relative to the evenest that racks and weights allow
 * (`fair-loads.ts`), the largest and the smallest of all rings of a row. What moved is compared with the least of
 * plans that keep each token between its neighbours, over the rings where such plans are enough, and with what somebody
 * has too much or too little, which has to move in any case. The largest ratios of a row are printed. A row is MISSED if a
 * load is not within a hundredth, or if a tenth more than the least in order moved.
 *
 *   npx tsx bench/rebalance.bench.ts           a small part of the table
 *   npx tsx bench/rebalance.bench.ts large     all of it
 */
import type { RingMember } from "../src/ring/allocation/allocation.ts";
import { allocateBalanced } from "../src/ring/allocation/balanced.ts";
import { allocateCassandra } from "../src/ring/allocation/cassandra.ts";
import { loadsOfFair } from "../src/ring/allocation/growth.ts";
import { leastInOrderSolver } from "../src/ring/allocation/least-in-order.suite.ts";
import { ringOfMembers } from "../src/ring/allocation/member-ring.ts";
import { rebalanceTokens } from "../src/ring/allocation/rebalance.ts";
import { MURMUR3_SPACE } from "../src/ring/allocation/token-space.ts";
import { RF, dealt, grown, weighted, withoutQuarter, type NewMember } from "./grown-rings.ts";

const isLarge = process.argv[2] === "large";
const TOKEN_COUNTS = isLarge ? [4, 8, 16, 32] : [4];
const SIZES = isLarge ? [6, 12, 24, 48, 100] : [6, 12];
const SEEDS = isLarge ? [1, 2, 3, 4] : [1];
const TOLERANCE = 0.01;
/** The rebalance stays inside the tolerance; this is rounding. */
const ROUNDING = 1e-9;
/** Most that may move, relative to the least in order. */
const MOVED_MAX = 1.1;

const SHAPES: Record<string, readonly NewMember[]> = {
  "one rack": dealt(100, 1),
  "2 racks": dealt(100, 2),
  "3 racks": dealt(100, 3),
  "4 racks": dealt(100, 4),
  "5 racks": dealt(100, 5),
  "1:2:4": weighted(100),
};
const ALLOCATORS = { balanced: allocateBalanced, cassandra: allocateCassandra };
type Allocator = keyof typeof ALLOCATORS;

interface Run {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly moved: number;
  /** In any case, and of plans that keep each token between its neighbours, if those are enough. */
  readonly least: number;
  readonly leastInOrder: number | undefined;
  readonly tookMs: number;
}

const solveInOrder = await leastInOrderSolver();

function rebalanced(members: readonly RingMember[]): Run {
  const startMs = performance.now();
  const request = { space: MURMUR3_SPACE, members, rf: RF, tolerance: TOLERANCE };
  const { members: evened, moved, minimum } = rebalanceTokens(request);
  const tookMs = performance.now() - startMs;
  return {
    before: loadsOfFair(members, RF),
    after: loadsOfFair(evened, RF),
    moved,
    least: minimum,
    leastInOrder: solveInOrder(ringOfMembers(members, RF), TOLERANCE),
    tookMs,
  };
}

function extremes(loads: readonly number[]): string {
  return `${Math.max(...loads).toFixed(3)}/${Math.min(...loads).toFixed(3)}`;
}

/** The largest ratio of what moved to a least, of the rings for which that is known. */
function largestRatio(runs: readonly Run[], leastOf: (run: Run) => number | undefined) {
  const ratios = runs.flatMap((run) => {
    const least = leastOf(run);
    return least === undefined || least < ROUNDING ? [] : [run.moved / least];
  });
  return ratios.length === 0 ? undefined : Math.max(...ratios);
}

const ratioText = (ratio: number | undefined): string => (ratio?.toFixed(3) ?? "-").padStart(7);

/** Rebalances the rings of a row and prints it; true if it is missed. */
function row(name: string, tokensPerWeight: number, rings: readonly RingMember[][]): boolean {
  const runs = rings.map(rebalanced);
  const after = runs.flatMap((run) => run.after);
  const inOrder = largestRatio(runs, ({ leastInOrder }) => leastInOrder);
  const enough = runs.filter(({ leastInOrder }) => leastInOrder !== undefined).length;
  const isInside = after.every((load) => Math.abs(load - 1) <= TOLERANCE + ROUNDING);
  const isMissed = !isInside || (inOrder ?? 1) > MOVED_MAX;
  console.log(
    name.padEnd(27),
    String(tokensPerWeight).padStart(4),
    String(rings[0]?.length ?? 0).padStart(4),
    extremes(runs.flatMap(({ before }) => before)).padStart(13),
    extremes(after).padStart(12),
    (runs.reduce((sum, { moved }) => sum + moved, 0) / runs.length).toFixed(4).padStart(8),
    `${ratioText(inOrder)} (${enough}/${runs.length})`,
    ratioText(largestRatio(runs, ({ least }) => least)),
    `${Math.max(...runs.map(({ tookMs }) => tookMs)).toFixed(0)} ms`.padStart(9),
    isMissed ? "MISSED" : "",
  );
  return isMissed;
}

/** The rows of all sizes; whether each is missed. */
function rowsOf(by: Allocator, shape: string, tokensPerWeight: number): boolean[] {
  const members = (SHAPES[shape] ?? []).slice(0, Math.max(...SIZES));
  // Cassandra's allocator refuses two racks.
  const rings = SEEDS.flatMap((seed) => {
    const ring = grown(ALLOCATORS[by], { tokensPerWeight, members }, seed);
    return ring === undefined ? [] : [{ ring, seed }];
  });
  if (rings.length === 0) return [];
  return SIZES.flatMap((size) => {
    const full = rings.map(({ ring }) => ring.slice(0, size));
    const left = rings.map(({ ring, seed }) => withoutQuarter(ring.slice(0, size), seed));
    return [
      row(`${shape}, ${by}`, tokensPerWeight, full),
      row(`${shape}, ${by}, removed`, tokensPerWeight, left),
    ];
  });
}

console.log(
  "ring                        tok size        before        after    moved  of least in order, in any case",
);
const verdicts = (["balanced", "cassandra"] as const).flatMap((by) =>
  Object.keys(SHAPES).flatMap((shape) => TOKEN_COUNTS.flatMap((count) => rowsOf(by, shape, count))),
);
console.log(`${verdicts.length} rows, ${verdicts.filter((isMissed) => isMissed).length} MISSED`);
