import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenIndex } from "./token-index.ts";
import { tokenFromHalves, tokenHi, tokenLo } from "./token.ts";

/** Tokens crowded at one place, in the space of a 32-bit hash, or over the whole ring. */
const tokenList = fc
  .constantFrom(5, 32, 33, 64)
  .chain((bits) => fc.array(fc.bigInt(-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n)));

const tokenAt = (index: TokenIndex, at: number): bigint =>
  tokenFromHalves(index.hi[at]!, index.lo[at]!);

describe("the token index", () => {
  it("holds all tokens in order, equal ones in order of their owners", () => {
    fc.assert(
      fc.property(fc.array(tokenList, { maxLength: 4 }), (lists) => {
        const index = new TokenIndex(lists);
        const expected = lists
          .flatMap((tokens, owner) => tokens.map((token) => ({ token, owner })))
          .sort((a, b) => (a.token < b.token ? -1 : a.token > b.token ? 1 : a.owner - b.owner));
        const actual = Array.from({ length: index.size }, (_, at) => ({
          token: tokenAt(index, at),
          owner: index.owners[at]!,
        }));
        expect(actual).toEqual(expected);
      }),
    );
  });

  it("finds the first token at or after a token, as a plain search does", () => {
    const query = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
    fc.assert(
      fc.property(fc.array(tokenList, { minLength: 1, maxLength: 4 }), query, (lists, any) => {
        const index = new TokenIndex([...lists, [0n]]);
        const sorted = Array.from({ length: index.size }, (_, at) => tokenAt(index, at));
        for (const token of [any, ...sorted.flatMap((own) => [own - 1n, own, own + 1n])]) {
          const wrapped = BigInt.asIntN(64, token);
          const found = sorted.findIndex((own) => own >= wrapped);
          const successor = index.successor(tokenHi(wrapped), tokenLo(wrapped));
          expect(successor).toBe(found === -1 ? 0 : found);
        }
      }),
    );
  });

  it("finds its way among thousands of tokens in one bucket", () => {
    const tokens = Array.from({ length: 5000 }, (_, at) => BigInt(((at * 7919) % 5000) * 3));
    const index = new TokenIndex([tokens]);
    const found = [-5n, 0n, 1n, 2999n, 3000n, 14997n, 14998n].map((token) =>
      index.successor(tokenHi(token), tokenLo(token)),
    );
    expect(found).toEqual([0, 0, 1, 1000, 1000, 4999, 0]);
  });

  it("tells which tokens repeat the one before", () => {
    const index = new TokenIndex([[1n, 5n], [5n], []]);
    expect([0, 1, 2].map((at) => index.repeatsPrevious(at))).toEqual([false, false, true]);
  });
});
