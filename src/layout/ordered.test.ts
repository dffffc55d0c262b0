import { describe, expect, it } from "vitest";
import { commit, genesis } from "./commit.ts";
import { LayoutError } from "./layout.ts";
import { member, start } from "./testing.suite.ts";

function codeOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    if (error instanceof LayoutError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "nothing was refused";
}

describe("a layout of an ordered partitioner", () => {
  const ring = genesis({
    ...start(member(1, { tokens: ["7a", "61ff", "61"] })),
    partitioner: "ByteOrderedPartitioner",
  });
  const joined = (...tokens: string[]): unknown =>
    commit(ring, { kind: "add-member", member: member(2, { tokens }) });

  it("holds tokens in the order of keys", () => {
    expect(ring.members[0]?.tokens).toEqual(["61", "61ff", "7a"]);
  });

  it.each([
    [["7A"], /INVALID: .* expected the canonical spelling '7a'/],
    [["xy"], /INVALID: .* expected hex digits/],
    [["0102030405060708"], /INVALID: .* expected at most 14 hex digits/],
    [["61ff"], /TOKEN_TAKEN: .* belongs to member/],
    [["62", "62"], /INVALID: .* strictly ascending order/],
    [[""], /INVALID: .* printable characters/],
  ])("refuses the tokens %j", (tokens, expected) => {
    expect(codeOf(() => joined(...tokens))).toMatch(expected);
  });

  it("refuses tokens that a running ring cannot tell apart, and unknown partitioners", () => {
    const random = { ...start(member(1, { tokens: ["5"] })), partitioner: "RandomPartitioner" };
    const near = member(2, { tokens: ["6"] });
    expect(codeOf(() => commit(genesis(random), { kind: "add-member", member: near }))).toMatch(
      /TOKEN_TAKEN: token 6 of member .* is too close to 5/,
    );
    expect(codeOf(() => genesis({ ...random, partitioner: "MyPartitioner" }))).toMatch(
      /INVALID: partitioner is 'MyPartitioner', expected one of/,
    );
  });
});
