/**
 * The balanced allocator against Cassandra's, in one run: rings grown member by member, the spread of
 * load per weight (largest minus smallest, relative to the mean) at each size, RF 3; and the least
 * spread that any choice of tokens for the last member could have given (`addition-bound.ts`), where
 * the comparison alone does not decide. Both allocators begin with chance and rings differ by a factor
 * of two, so a row is the mean of several rings of each. It is MISSED if the spread is neither a quarter
 * below Cassandra's nor within a tenth of the least. The rows right after a removal are for information: no allocator has
 * chosen anything there.
 *
 *   npx tsx bench/allocation.bench.ts           a small part of the table
 *   npx tsx bench/allocation.bench.ts large     all of it
 *   npx tsx bench/allocation.bench.ts large growth,racks     some of its parts
 *
 * Parts: growth (one rack), racks (2 to 5), weights (1:2:4), removals (a quarter of the members removed at random;
 * then as many added), speed (one member to 1000 x 16 tokens).
 */
import { leastSpread } from "../src/ring/allocation/addition-bound.ts";
import { allocateBalanced } from "../src/ring/allocation/balanced.ts";
import { allocateCassandra } from "../src/ring/allocation/cassandra.ts";
import type { RingMember } from "../src/ring/allocation/allocation.ts";
import { relativeLoads, spreadOf } from "../src/ring/allocation/growth.ts";
import { MURMUR3_SPACE } from "../src/ring/allocation/token-space.ts";
import { SeededRng } from "../src/util/random.ts";
import {
  RF,
  dealt,
  grown,
  weighted,
  withoutQuarter,
  type Allocate,
  type NewMember,
  type Ring,
} from "./grown-rings.ts";

const isLarge = process.argv[2] === "large";
const parts = process.argv[3]?.split(",");

function parameter<T>(small: T, large: T): T {
  return isLarge ? large : small;
}

const TOKEN_COUNTS = parameter([4, 8], [4, 8, 16, 32]);
const SIZES = parameter([6, 12], [6, 12, 24, 48, 100]);
/** Each grows a ring per row and allocator. */
const SEEDS = parameter([1, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
/** Of so many of them the least is proven, which takes long. */
const PROVEN_RINGS = 6;

/** Rings of one shape: what each allocator made of it. */
interface Pair {
  readonly theirs: readonly RingMember[] | undefined;
  readonly ours: readonly RingMember[];
}

/** All sizes of one growth, from one run per allocator and seed. */
function growthRows(part: string, tokensPerWeight: number, members: readonly NewMember[]): void {
  const all: Ring = { tokensPerWeight, members: members.slice(0, Math.max(...SIZES)) };
  const pairs = SEEDS.map((seed) => ({
    theirs: grown(allocateCassandra, all, seed),
    ours: grown(allocateBalanced, all, seed) ?? [],
  }));
  for (const size of SIZES) {
    const cut = pairs.map(({ theirs, ours }) => ({
      theirs: theirs?.slice(0, size),
      ours: ours.slice(0, size),
    }));
    row(part, { tokensPerWeight, size }, cut);
  }
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function row(
  part: string,
  { tokensPerWeight, size }: { tokensPerWeight: number; size: number },
  pairs: readonly Pair[],
): void {
  const mine = mean(pairs.map(({ ours }) => spreadOf(ours, RF)));
  const known = pairs.flatMap(({ theirs }) => (theirs === undefined ? [] : [theirs]));
  const their =
    known.length < pairs.length ? undefined : mean(known.map((ring) => spreadOf(ring, RF)));
  const isCloser = their !== undefined && mine <= 0.75 * their;
  const isJudged = their !== undefined && part !== "removed";
  // The proof takes long, so it is only done where it decides.
  const proven = isCloser || part === "removed" ? [] : pairs.slice(0, PROVEN_RINGS);
  const ofLeast = proven.length === 0 ? undefined : timesLeast(proven.map(({ ours }) => ours));
  const isNearLeast = ofLeast !== undefined && ofLeast <= 1.1;
  console.log(
    part.padEnd(10),
    String(tokensPerWeight).padStart(3),
    String(size).padStart(4),
    (their === undefined ? "refused" : their.toFixed(4)).padStart(8),
    mine.toFixed(4).padStart(8),
    (their === undefined ? "-" : (mine / their).toFixed(2)).padStart(6),
    (ofLeast === undefined ? "-" : ofLeast.toFixed(2)).padStart(6),
    extremes(pairs.flatMap(({ ours }) => relativeLoads(ours, RF))),
    isJudged && !isCloser && !isNearLeast ? "MISSED" : "",
  );
}

/**
 * The spreads of the rings, relative to what was the least when their last member was added; undefined if nothing
 * is proven of that.
 */
function timesLeast(rings: readonly (readonly RingMember[])[]): number | undefined {
  const spreads = rings.map((ring) => spreadOf(ring, RF));
  const least = mean(rings.map((ring, at) => leastSpread(ring, RF, spreads[at] ?? 0)));
  return least === 0 ? undefined : mean(spreads) / least;
}

function extremes(loads: readonly number[]): string {
  return `${Math.max(...loads).toFixed(3)}/${Math.min(...loads).toFixed(3)}`;
}

function removalRows(tokensPerWeight: number): void {
  for (const size of SIZES) {
    const runs = SEEDS.map((seed) =>
      removalRun({ tokensPerWeight, members: dealt(size, 1) }, seed),
    );
    const left = size - Math.ceil(size / 4);
    const rest = runs.map(({ theirs, ours }) => ({ theirs: theirs.rest, ours: ours.rest }));
    const again = runs.map(({ theirs, ours }) => ({ theirs: theirs.again, ours: ours.again }));
    row("removed", { tokensPerWeight, size: left }, rest);
    row("refilled", { tokensPerWeight, size }, again);
  }
}

/** A quarter of the members of a ring leave it, and as many are added; the same ones for both allocators. */
function removalRun(ring: Ring, seed: number) {
  const run = (allocate: Allocate) => {
    const full = grown(allocate, ring, seed) ?? [];
    const rest = withoutQuarter(full, seed);
    const added = { ...ring, members: dealt(full.length - rest.length, 1), existing: rest };
    return { rest, again: grown(allocate, added, seed) ?? [] };
  };
  return { theirs: run(allocateCassandra), ours: run(allocateBalanced) };
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
  speed: speedRow,
};

console.log("ring       tok size  Cassandra  ours  ratio  of least  max/min of ours");
for (const [name, run] of Object.entries(PARTS)) if (parts?.includes(name) ?? true) run();
