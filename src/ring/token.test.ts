import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  MAX_TOKEN,
  MIN_TOKEN,
  TokenError,
  compareHalves,
  formatToken,
  parseToken,
  tokenFromHalves,
  tokenHi,
  tokenLo,
} from "./token.ts";

const anyToken = fc.oneof(
  fc.bigInt(MIN_TOKEN, MAX_TOKEN),
  fc.constantFrom(MIN_TOKEN, MAX_TOKEN, -1n, 0n, 1n, 0xffff_ffffn, 0x1_0000_0000n, -0x1_0000_0000n),
);

describe("a token", () => {
  it("survives the way through halves and text", () => {
    fc.assert(
      fc.property(anyToken, (token) => {
        const [hi, lo] = [tokenHi(token), tokenLo(token)];
        expect(hi).toBe(hi | 0);
        expect(lo).toBe(lo >>> 0);
        expect(tokenFromHalves(hi, lo)).toBe(token);
        expect(formatToken(hi, lo)).toBe(String(token));
        expect(parseToken(String(token))).toBe(token);
      }),
    );
  });

  it("compares by halves as it does by value", () => {
    fc.assert(
      fc.property(anyToken, anyToken, (a, b) => {
        const order = compareHalves(tokenHi(a), tokenLo(a), tokenHi(b), tokenLo(b));
        expect(Math.sign(order)).toBe(a === b ? 0 : a < b ? -1 : 1);
      }),
    );
  });

  it("is read with space around it", () => {
    expect(parseToken(" -42\n")).toBe(-42n);
  });

  it.each(["", "-", "1.5", "1e3", "0x10", "abc", "1 2", "9".repeat(30)])(
    "is refused as text that is no decimal integer: %j",
    (text) => {
      expect(() => parseToken(text)).toThrow(
        expect.objectContaining({ name: "TokenError", value: text }),
      );
    },
  );

  it.each([String(MIN_TOKEN - 1n), String(MAX_TOKEN + 1n)])(
    "is refused outside 64 bits: %s",
    (text) => {
      expect(() => parseToken(text)).toThrow(TokenError);
      expect(() => parseToken(text)).toThrow(/from -9223372036854775808 to 9223372036854775807/);
    },
  );
});
