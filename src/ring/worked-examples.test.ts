/** The examples that the project's sources (seeds) work out, as far as they are about the ring. */
import { describe, expect, it } from "vitest";
import { SeededRng } from "../util/random.ts";
import { RandomPartitioner } from "./partitioners/random.ts";
import { Murmur3Partitioner } from "./partitioners/murmur3.ts";
import { type TokenOrder, type TokenRange, rangeContains, rangesOf } from "./range.ts";
import { randomTokens, weightedTokenCount } from "./tokens.ts";

describe("the ring of 16 tokens (seed 001_4380ae4ee4483f1b.txt)", () => {
  const order: TokenOrder<number> = { minimum: -8, compare: (a, b) => a - b };
  const all = Array.from({ length: 16 }, (_, index) => index - 8);
  const [a, b] = rangesOf([-7, 1]) as [TokenRange<number>, TokenRange<number>];

  it("gives A, whose token is -7, the range (1, -7]", () => {
    expect(a).toEqual({ start: 1, end: -7 });
    // The seed lists 1 as well; the range excludes it, and the same page gives it to B.
    expect(all.filter((token) => rangeContains(order, a, token))).toEqual([
      -8, -7, 2, 3, 4, 5, 6, 7,
    ]);
  });

  it("gives B, whose token is 1, the range (-7, 1]", () => {
    expect(b).toEqual({ start: -7, end: 1 });
    expect(all.filter((token) => rangeContains(order, b, token))).toEqual([
      -6, -5, -4, -3, -2, -1, 0, 1,
    ]);
  });
});

describe("virtual nodes (seed 001_4380ae4ee4483f1b.txt)", () => {
  it("split the ring of two members with two tokens each into four ranges", () => {
    const tokens = randomTokens(new SeededRng(1), 4, new Set());
    expect(rangesOf(tokens)).toHaveLength(4);
  });

  it("share the ring out more evenly the more there are", () => {
    const partitioner = new Murmur3Partitioner();
    const rng = new SeededRng(2);
    const meanImbalance = (tokensEach: number): number => {
      const rounds = 40;
      let sum = 0;
      for (let round = 0; round < rounds; round++) {
        const own = new Set(randomTokens(rng, tokensEach, new Set()));
        const other = randomTokens(rng, tokensEach, own);
        const shares = partitioner.ownership([...own, ...other]);
        const share = [...own].reduce((total, token) => total + (shares.get(token) ?? 0), 0);
        sum += Math.abs(share - 0.5);
      }
      return sum / rounds;
    };
    const [few, some, many] = [meanImbalance(2), meanImbalance(16), meanImbalance(256)];
    expect(some).toBeLessThan(few);
    expect(many).toBeLessThan(some);
  });

  it("give a powerful member more: 512 tokens where others have 256", () => {
    expect(weightedTokenCount(256, 2)).toBe(512);
  });
});

describe("calculated tokens (seed 004_8ac4267dc1ab63f8.txt)", () => {
  const random = new RandomPartitioner();

  it("are i * 2^127 / n, as its script prints them", () => {
    expect(random.even(4)).toEqual([
      0n,
      42535295865117307932921825928971026432n,
      85070591730234615865843651857942052864n,
      127605887595351923798765477786913079296n,
    ]);
    expect(random.even(3)).toEqual([
      0n,
      56713727820156410577229101238628035242n,
      113427455640312821154458202477256070485n,
    ]);
  });

  it("of a doubled or tripled ring contain those of the ring before", () => {
    for (const count of [1, 2, 3, 5, 7, 12]) {
      for (const factor of [2, 3]) {
        const grown = random.even(count * factor);
        expect(grown.filter((_, index) => index % factor === 0)).toEqual(random.even(count));
      }
    }
  });
});

describe("replacing a dead node (seed 004_8ac4267dc1ab63f8.txt)", () => {
  const random = new RandomPartitioner();
  const before = 78197033789183047700859117509977881938n;
  const after = 95315431979199388464207182617231204396n;
  const dead = 86756232884191218082533150063604543167n;
  const replacement = 86756232884191218082533150063604543166n;

  it("by bootstrap took the token half way between two members", () => {
    expect(random.midpoint(before, after)).toBe(dead);
  });

  it("by a chosen token takes the dead one minus one, and with it all but one token", () => {
    expect(random.parse(String(dead)) - 1n).toBe(replacement);
    const ranges = rangesOf([before, replacement, dead, after]);
    expect(ranges[1]).toEqual({ start: before, end: replacement });
    expect(ranges[2]).toEqual({ start: replacement, end: dead });
    expect(random.next(replacement)).toBe(dead);
  });

  it("leaves the ring whole when the dead token is removed", () => {
    expect(rangesOf([before, replacement, after])).toEqual([
      { start: after, end: before },
      { start: before, end: replacement },
      { start: replacement, end: after },
    ]);
  });
});
