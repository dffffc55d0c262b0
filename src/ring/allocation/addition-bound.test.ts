import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { leastSpread } from "./addition-bound.ts";
import type { RingMember } from "./allocation.ts";
import { allocateCassandra } from "./cassandra.ts";
import { growRing, spreadOf } from "./growth.ts";
import { smallestSpread } from "./lower-bound.suite.ts";
import { MURMUR3_SPACE } from "./token-space.ts";

const CELLS = 32;

/** The token of a place on a grid. */
const tokenAt = (cell: number): bigint =>
  BigInt.asIntN(64, (BigInt(cell) * 2n ** 64n) / BigInt(CELLS));

const member = (id: number, rack: number, tokens: readonly bigint[], weight = 1): RingMember => ({
  id: String(id),
  dc: "dc1",
  rack: `r${rack}`,
  weight,
  tokens,
});

interface Shape {
  readonly rf: number;
  readonly racks: number;
  readonly count: number;
  readonly tokens: number;
  readonly weights: readonly number[];
  /** In how many of the racks there are members; all if missing. */
  readonly peopled?: number;
}

/** A ring on the grid, tokens drawn without repetition. */
function drawnRing(
  { racks, peopled = racks, count, tokens, weights }: Shape,
  rng: SeededRng,
): RingMember[] {
  const free = Array.from({ length: CELLS }, (_, cell) => cell);
  const draw = (): bigint => tokenAt(free.splice(rng.uint32() % free.length, 1)[0]!);
  return Array.from({ length: count }, (_, id) =>
    member(id, id % peopled, Array.from({ length: tokens }, draw), weights[id % weights.length]),
  );
}

/** The best spread over all ways to put the tokens of a new member on free places of the grid. */
function bestAddition(ring: readonly RingMember[], { rf, racks, tokens, weights }: Shape): number {
  const taken = new Set(ring.flatMap((each) => each.tokens));
  const free = Array.from({ length: CELLS }, (_, cell) => tokenAt(cell)).filter(
    (token) => !taken.has(token),
  );
  const { length: count } = ring;
  const joined = (own: readonly bigint[]): number =>
    spreadOf([...ring, member(count, count % racks, own, weights[count % weights.length])], rf);
  let best = Infinity;
  for (const [index, first] of free.entries()) {
    if (tokens === 1) best = Math.min(best, joined([first]));
    else for (const second of free.slice(index + 1)) best = Math.min(best, joined([first, second]));
  }
  return best;
}

describe("the least spread after one addition", () => {
  const shapes: readonly Shape[] = [
    { rf: 1, racks: 1, count: 6, tokens: 1, weights: [1] },
    { rf: 2, racks: 1, count: 6, tokens: 1, weights: [1] },
    { rf: 3, racks: 1, count: 7, tokens: 1, weights: [1] },
    { rf: 3, racks: 1, count: 7, tokens: 2, weights: [1] },
    { rf: 3, racks: 2, count: 7, tokens: 1, weights: [1] },
    { rf: 3, racks: 3, count: 7, tokens: 2, weights: [1] },
    { rf: 3, racks: 4, count: 7, tokens: 1, weights: [1] },
    { rf: 3, racks: 4, count: 8, tokens: 2, weights: [1] },
    { rf: 3, racks: 5, count: 8, tokens: 1, weights: [1] },
    { rf: 3, racks: 3, peopled: 2, count: 8, tokens: 1, weights: [1] },
    { rf: 2, racks: 3, count: 6, tokens: 1, weights: [1, 2, 4] },
    { rf: 3, racks: 1, count: 7, tokens: 1, weights: [1, 2, 4] },
  ];

  it.each(shapes)(
    "is below what any choice gives: RF $rf, $racks racks, $count members of $tokens tokens, weights $weights",
    (shape) => {
      const rng = new SeededRng(shape.count * 100 + shape.racks * 10 + shape.tokens);
      const rounds = shape.tokens === 1 ? 40 : 6;
      for (let round = 0; round < rounds; round++) {
        const ring = drawnRing(shape, rng);
        const best = bestAddition(ring, shape);
        const { count, racks, weights, tokens } = shape;
        const weight = weights[count % weights.length];
        const newcomer = member(count, count % racks, Array(tokens).fill(0n), weight);
        expect(leastSpread([...ring, newcomer], shape.rf, best)).toBeLessThanOrEqual(best + 1e-9);
        // A search that is told a spread that is too small must rule it out entirely.
        expect(leastSpread([...ring, newcomer], shape.rf, 2 * best + 1)).toBeLessThanOrEqual(
          best + 1e-9,
        );
      }
    },
  );

  it("comes near what the best choice gives, nearer than counting who can be relieved", () => {
    const shape = { rf: 2, racks: 1, count: 8, tokens: 1, weights: [1] };
    const rng = new SeededRng(7);
    let [found, proven, counted] = [0, 0, 0];
    for (let round = 0; round < 40; round++) {
      const ring = drawnRing(shape, rng);
      const best = bestAddition(ring, shape);
      const all = [...ring, member(shape.count, 0, [0n])];
      found += best;
      proven += leastSpread(all, shape.rf, best);
      counted += smallestSpread(all, shape.rf);
    }
    expect(proven / found).toBeGreaterThan(0.9);
    expect(proven).toBeGreaterThan(1.1 * counted);
  });

  it("is more than counting gives on a ring as Cassandra allocates it", () => {
    const ring = growRing({
      space: MURMUR3_SPACE,
      allocate: allocateCassandra,
      rf: 3,
      tokensPerWeight: 4,
      members: Array.from({ length: 60 }, () => ({ rack: "r0", weight: 1 })),
      rng: new SeededRng(1),
    });
    const spread = spreadOf(ring, 3);
    const least = leastSpread(ring, 3, spread);
    expect(least).toBeGreaterThan(smallestSpread(ring, 3));
    expect(least).toBeLessThanOrEqual(spread);
  });
});
