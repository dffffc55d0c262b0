import { describe, expect, test } from "vitest";
import { ShadowRound } from "./shadow-round.ts";

const first = { hasLayout: false, mayFound: true };
const other = { hasLayout: false, mayFound: false };
const veteran = { hasLayout: true, mayFound: false };

function roundOf(...contacts: string[]): ShadowRound {
  return new ShadowRound({ contacts, retryMs: 1000, limitMs: 5000 }, 100);
}

describe("round of questions", () => {
  test("all contacts are asked, and again after the retry interval", () => {
    const round = roundOf("a", "b");
    expect(round.due(100)).toEqual(["a", "b"]);
    expect(round.due(1099)).toEqual([]);
    expect(round.due(1100)).toEqual(["a", "b"]);
  });

  test("without contacts it is over at once", () => {
    expect(roundOf().verdict(100, first)).toBe("found");
    expect(roundOf().verdict(100, veteran)).toBe("run");
    expect(roundOf().verdict(100, other)).toBe("wait");
  });

  test("it is over when each contact has said something", () => {
    const round = roundOf("a", "b");
    round.settle("a");
    round.settle("a");
    round.settle("nobody");
    expect(round.verdict(100, first)).toBe("wait");
    round.settle("b");
    expect(round.verdict(100, first)).toBe("found");
    expect(round.verdict(100, { hasLayout: true, mayFound: true })).toBe("run");
  });

  test("it is over after the limit", () => {
    const round = roundOf("a");
    expect(round.verdict(5099, first)).toBe("wait");
    expect(round.verdict(5100, first)).toBe("found");
    expect(round.verdict(5100, veteran)).toBe("run");
    expect(round.verdict(1e9, other)).toBe("wait");
  });

  test("a contact that turned out to be this member is not waited for", () => {
    const round = roundOf("a", "alias");
    round.settle("a");
    round.drop("alias");
    expect(round.verdict(100, first)).toBe("found");
    expect(round.isContact("alias")).toBe(false);
    expect(round.due(100)).toEqual(["a"]);
  });
});
