/**
 * The balanced allocator against Cassandra's, in one run: rings grown member by member, the spread of
 * load per weight (largest minus smallest, relative to the mean) at each size, RF 3; and the least
 * spread that any choice of tokens for the last member could have given (`addition-bound.ts`). A row is
 * MISSED if the spread is neither a quarter below Cassandra's nor within a tenth of the least.
 *
 *   npx tsx bench/allocation.bench.ts           a small part of the table
 *   npx tsx bench/allocation.bench.ts large     all of it
 *   npx tsx bench/allocation.bench.ts large growth,racks     some of its parts
 *
 * Parts: growth (one rack), racks (2 to 5), weights (1:2:4), removals (a quarter of the members removed at random,
 * then as many added), rebalance (existing tokens may move), speed (one member to 1000 x 16 tokens).
 */
import { leastSpread } from "../src/ring/allocation/addition-bound.ts";
import { allocateBalanced } from "../src/ring/allocation/balanced.ts";
import { allocateCassandra } from "../src/ring/allocation/cassandra.ts";
import type { AllocationRequest, RingMember } from "../src/ring/allocation/allocation.ts";
import { growRing, relativeLoads, spreadOf } from "../src/ring/allocation/growth.ts";
import { rebalanceTokens } from "../src/ring/allocation/rebalance.ts";
import { MURMUR3_SPACE } from "../src/ring/allocation/token-space.ts";
import { SeededRng, shuffled } from "../src/util/random.ts";

const RF = 3;
const isLarge = process.argv[2] === "large";
const parts = process.argv[3]?.split(",");

function parameter<T>(small: T, large: T): T {
  return isLarge ? large : small;
}

const TOKEN_COUNTS = parameter([4, 8], [4, 8, 16, 32]);
const SIZES = parameter([6, 12], [6, 12, 24, 48, 100]);

type Allocate = (request: AllocationRequest) => bigint[];
type NewMember = Pick<RingMember, "rack" | "weight">;

const dealt = (count: number, racks: number): NewMember[] =>
  Array.from({ length: count }, (_, index) => ({ rack: `r${index % racks}`, weight: 1 }));

const weighted = (count: number): NewMember[] =>
  Array.from({ length: count }, (_, index) => ({ rack: "r0", weight: [1, 2, 4][index % 3] ?? 1 }));

interface Ring {
  readonly tokensPerWeight: number;
  readonly members: readonly NewMember[];
  readonly existing?: readonly RingMember[] | undefined;
}

/** The ring, or undefined where the allocator refuses. */
function grown(allocate: Allocate, ring: Ring): RingMember[] | undefined {
  const rng = new SeededRng(1);
  try {
    return growRing({ space: MURMUR3_SPACE, allocate, rf: RF, rng, ...ring });
  } catch {
    return undefined;
  }
}

/** All sizes of one growth, from one run per allocator. */
function growthRows(part: string, tokensPerWeight: number, members: readonly NewMember[]): void {
  const largest = Math.max(...SIZES);
  const all: Ring = { tokensPerWeight, members: members.slice(0, largest) };
  const theirs = grown(allocateCassandra, all);
  const ours = grown(allocateBalanced, all) ?? [];
  for (const size of SIZES) {
    const mine = ours.slice(0, size);
    row(part, { tokensPerWeight, size }, theirs?.slice(0, size), mine);
  }
}

function row(
  part: string,
  { tokensPerWeight, size }: { tokensPerWeight: number; size: number },
  theirs: readonly RingMember[] | undefined,
  ours: readonly RingMember[],
): void {
  const mine = spreadOf(ours, RF);
  const their = theirs === undefined ? undefined : spreadOf(theirs, RF);
  // What the last addition could have reached at best; nothing was added by a removal.
  const least = part === "removed" ? 0 : leastSpread(ours, RF, mine);
  console.log(
    part.padEnd(10),
    String(tokensPerWeight).padStart(3),
    String(size).padStart(4),
    (their === undefined ? "refused" : their.toFixed(4)).padStart(8),
    mine.toFixed(4).padStart(8),
    (their === undefined ? "-" : (mine / their).toFixed(2)).padStart(6),
    least.toFixed(4).padStart(8),
    (least === 0 ? "-" : (mine / least).toFixed(2)).padStart(6),
    extremes(ours),
    their !== undefined && mine > 0.75 * their && mine > 1.1 * least ? "MISSED" : "",
  );
}

function extremes(members: readonly RingMember[]): string {
  const loads = relativeLoads(members, RF);
  return `${Math.max(...loads).toFixed(3)}/${Math.min(...loads).toFixed(3)}`;
}

function removalRows(tokensPerWeight: number): void {
  const rng = new SeededRng(2);
  for (const size of SIZES) {
    const keep = shuffled(rng, [...Array(size).keys()]).slice(0, size - Math.ceil(size / 4));
    const rings = [allocateCassandra, allocateBalanced].map((allocate) => {
      const full = grown(allocate, { tokensPerWeight, members: dealt(size, 1) }) ?? [];
      const rest = full.filter((_, index) => keep.includes(index));
      const added = dealt(size - keep.length, 1);
      return {
        rest,
        again: grown(allocate, { tokensPerWeight, members: added, existing: rest }) ?? [],
      };
    });
    const [theirs, ours] = rings;
    row("removed", { tokensPerWeight, size: keep.length }, theirs?.rest, ours?.rest ?? []);
    row("refilled", { tokensPerWeight, size }, theirs?.again, ours?.again ?? []);
  }
}

function rebalanceRows(tokensPerWeight: number): void {
  const all: Ring = { tokensPerWeight, members: dealt(Math.max(...SIZES), 1) };
  for (const [name, allocate] of Object.entries({ allocateCassandra, allocateBalanced })) {
    const ring = grown(allocate, all) ?? [];
    for (const size of SIZES) rebalanceRow(name.slice("allocate".length), ring.slice(0, size));
  }
}

function rebalanceRow(name: string, members: readonly RingMember[]): void {
  const result = rebalanceTokens({ space: MURMUR3_SPACE, members, rf: RF, tolerance: 0.01 });
  const { moved, minimum, minimumInOrder = NaN } = result;
  const ratio = (least: number): string => (moved === 0 ? "-" : (moved / least).toFixed(3));
  console.log(
    "rebalance ",
    name.padEnd(9),
    String(members[0]?.tokens.length).padStart(3),
    String(members.length).padStart(4),
    `before ${extremes(members)} after ${extremes(result.members)} moved ${moved.toFixed(4)}`,
    `least of any plan ${minimum.toFixed(4)} (ratio ${ratio(minimum)})`,
    `in order ${minimumInOrder.toFixed(4)} (ratio ${ratio(minimumInOrder)})`,
  );
}

function speedRow(): void {
  const rng = new SeededRng(3);
  const members = Array.from({ length: 1000 }, (_, index) => ({
    id: String(index),
    dc: "dc1",
    rack: "r0",
    weight: 1,
    tokens: Array.from({ length: 16 }, () => MURMUR3_SPACE.random(rng)),
  }));
  const joining = { id: "new", dc: "dc1", rack: "r0", weight: 1 };
  const replication = { kind: "network", rf: { dc1: RF } } as const;
  const startMs = performance.now();
  allocateBalanced({ space: MURMUR3_SPACE, members, joining, tokenCount: 16, replication, rng });
  const tookMs = performance.now() - startMs;
  console.log(`one member to 1000 x 16 tokens: ${tookMs.toFixed(0)} ms`);
}

const PARTS: Record<string, () => void> = {
  growth: () => {
    for (const count of TOKEN_COUNTS) growthRows("one rack", count, dealt(100, 1));
  },
  racks: () => {
    for (const racks of parameter([2, 3], [2, 3, 4, 5])) {
      for (const count of TOKEN_COUNTS) growthRows(`${racks} racks`, count, dealt(100, racks));
    }
  },
  weights: () => {
    for (const count of TOKEN_COUNTS) growthRows("1:2:4", count, weighted(100));
  },
  removals: () => {
    for (const count of TOKEN_COUNTS) removalRows(count);
  },
  rebalance: () => {
    for (const count of TOKEN_COUNTS) rebalanceRows(count);
  },
  speed: speedRow,
};

console.log("ring       tok size  Cassandra  ours  ratio    least  ratio  ours max/min");
for (const [name, run] of Object.entries(PARTS)) if (parts?.includes(name) ?? true) run();
