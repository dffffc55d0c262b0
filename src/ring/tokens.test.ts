import { describe, expect, it } from "vitest";
import { SeededRng } from "../util/random.ts";
import { MAX_TOKEN, TokenError } from "./token.ts";
import {
  explicitTokens,
  parseTokens,
  randomToken,
  randomTokens,
  weightedTokenCount,
} from "./tokens.ts";

describe("tokens given by the operator", () => {
  it("are read from a list with commas and sorted", () => {
    expect(parseTokens("5, -3,0")).toEqual([-3n, 0n, 5n]);
  });

  it.each([
    ["7,7", "7"],
    ["1,,2", ""],
    ["1,x", "x"],
    ["", ""],
  ])("are refused when one is wrong or repeats: %j", (text, value) => {
    expect(() => parseTokens(text)).toThrow(expect.objectContaining({ name: "TokenError", value }));
  });

  it("are refused when a member owns one already, or when one is no int64", () => {
    expect(() => explicitTokens([1n, 2n], new Set([2n]))).toThrow(TokenError);
    expect(() => explicitTokens([2n ** 63n], new Set())).toThrow(TokenError);
    expect(explicitTokens([2n, 1n], new Set([3n]))).toEqual([1n, 2n]);
  });
});

describe("random tokens", () => {
  it("are distinct, sorted, as many as asked for, and the same for the same seed", () => {
    const draw = (): readonly bigint[] => randomTokens(new SeededRng(7), 256, new Set());
    const tokens = draw();
    expect(new Set(tokens).size).toBe(256);
    expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)));
    expect(draw()).toEqual(tokens);
  });

  it("skip those that another member owns (seed 001_4380ae4ee4483f1b.txt)", () => {
    const [first, second] = randomTokens(new SeededRng(7), 2, new Set());
    const others = randomTokens(new SeededRng(7), 2, new Set([first!]));
    expect(others).not.toContain(first);
    expect(others).toContain(second);
  });

  it("never are the minimum", () => {
    const words = [0x8000_0000, 0];
    expect(randomToken({ uint32: () => words.shift()! })).toBe(MAX_TOKEN);
  });
});

it("a member of twice the weight gets twice the tokens, and every member one", () => {
  expect([1, 2, 0.5, 1.5, 0.001].map((weight) => weightedTokenCount(16, weight))).toEqual([
    16, 32, 8, 24, 1,
  ]);
});
