import { describe, expect, it } from "vitest";
import { evenTokens, growthTokens, tokenGeneratorTokens, wikiScriptTokens } from "./even.ts";
import { MURMUR3_SPACE, RANDOM_SPACE } from "./token-space.ts";

describe("evenly spaced tokens", () => {
  it("are Cassandra's for 3, 4 and 6 Murmur3 members", () => {
    expect(evenTokens(MURMUR3_SPACE, 3)).toEqual([
      -9223372036854775808n,
      -3074457345618258603n,
      3074457345618258602n,
    ]);
    expect(evenTokens(MURMUR3_SPACE, 4)).toEqual([-(2n ** 63n), -(2n ** 62n), 0n, 2n ** 62n]);
    expect(evenTokens(MURMUR3_SPACE, 6).map(String)).toEqual([
      "-9223372036854775808",
      "-6148914691236517206",
      "-3074457345618258604",
      "-2",
      "3074457345618258600",
      "6148914691236517202",
    ]);
  });

  it("of two datacenters do not meet when one is shifted", () => {
    const dc1 = evenTokens(MURMUR3_SPACE, 3);
    const dc2 = evenTokens(MURMUR3_SPACE, 3, 100n);
    expect(dc2).toEqual(dc1.map((token) => token + 100n));
    expect(new Set([...dc1, ...dc2]).size).toBe(6);
  });

  it("go on at the beginning when a shift passes the end of the ring", () => {
    expect(evenTokens(RANDOM_SPACE, 2, 2n ** 126n)).toEqual([2n ** 126n, 0n]);
  });

  it("are the seed's: the Cassandra 0.7 manual's script, i * 2^127 / n (seed 004)", () => {
    expect(wikiScriptTokens(2)).toEqual([0n, 85070591730234615865843651857942052864n]);
    expect(wikiScriptTokens(3)).toEqual([
      0n,
      56713727820156410577229101238628035242n,
      113427455640312821154458202477256070485n,
    ]);
    expect(evenTokens(RANDOM_SPACE, 3)[2]).toBe(113427455640312821154458202477256070484n);
  });

  it("are token-generator's for two datacenters of three", () => {
    expect(tokenGeneratorTokens([3, 3])).toEqual([
      [0n, 56713727820156410577229101238628035242n, 113427455640312821154458202477256070484n],
      [
        169417178424467235000914166253263322299n,
        55989722784154413846455963776007251813n,
        112703450604310824423685065014635287055n,
      ],
    ]);
  });
});

describe("a ring that grows by an integer factor (seed 004, Adding Capacity)", () => {
  it("keeps its tokens and ends as the even ring of the new size when doubled", () => {
    const before = evenTokens(RANDOM_SPACE, 4);
    const [halves] = growthTokens(RANDOM_SPACE, before, 2);
    const after = [...before, ...halves!].toSorted((a, b) => (a < b ? -1 : 1));
    expect(after).toEqual(evenTokens(RANDOM_SPACE, 8));
  });

  it("gives half of the calculated tokens to existing members: none has to move", () => {
    const calculated = new Set(wikiScriptTokens(12));
    expect(wikiScriptTokens(6).every((token) => calculated.has(token))).toBe(true);
    expect(wikiScriptTokens(3).every((token) => calculated.has(token))).toBe(true);
  });

  it("is cut in equal parts when tripled, over the end of the ring too", () => {
    const before = [-6n * 2n ** 60n, 0n, 6n * 2n ** 60n];
    const rounds = growthTokens(MURMUR3_SPACE, before, 3);
    expect(rounds).toHaveLength(2);
    expect(rounds.map((round) => round[1])).toEqual([-4n * 2n ** 60n, -2n * 2n ** 60n]);
    expect(rounds.map((round) => round[0]! / 2n ** 60n)).toEqual([7n, -7n]);
  });

  it("does not cut what cannot be cut", () => {
    expect(() => growthTokens(MURMUR3_SPACE, [5n, 6n], 2)).toThrow(
      expect.objectContaining({ code: "TOKEN_TAKEN" }),
    );
    expect(() => growthTokens(MURMUR3_SPACE, [5n, 60n], 1.5)).toThrow(
      expect.objectContaining({ code: "MEMBER" }),
    );
  });
});
