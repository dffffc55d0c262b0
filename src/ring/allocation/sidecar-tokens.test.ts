import { describe, expect, it } from "vitest";
import {
  closestToken,
  dynomiteManagerOffset,
  dynomiteManagerToken,
  dynomiteScriptTokens,
  javaHashOffset,
  nextPriamSlot,
  priamToken,
} from "./sidecar-tokens.ts";
import { MURMUR3_SPACE, RANDOM_SPACE } from "./token-space.ts";

describe("Dynomite-manager's tokens (seed 000: slots divide the ring of a rack)", () => {
  it.each([
    [1, [1383429731n]],
    [2, [1383429731n, 3530913378n]],
    [3, [1383429731n, 2815085496n, 4246741261n]],
    [4, [1383429731n, 2457171554n, 3530913377n, 309687905n]],
    [6, [1383429731n, 2099257613n, 2815085495n, 3530913377n, 4246741259n, 667601846n]],
  ])("for a rack of %d", (slots, tokens) => {
    expect(tokens.map((_, slot) => dynomiteManagerToken({ slot, slots }))).toEqual(tokens);
  });

  it("begin at the offset, whatever the region", () => {
    expect(dynomiteManagerOffset()).toBe(1383429731n);
  });

  it("refuse the slot -1 of an instance that is not in its group", () => {
    expect(() => dynomiteManagerToken({ slot: -1, slots: 3 })).toThrow(
      expect.objectContaining({ code: "MEMBER" }),
    );
  });

  it("are found again by nearness", () => {
    expect(closestToken(12n, [1n, 10n, 20n])).toBe(10n);
    expect(closestToken(12n, [])).toBeUndefined();
  });

  it("differ from those of Dynomite's own script", () => {
    expect(dynomiteScriptTokens(3)).toEqual([1431655765n, 2863311530n, 4294967295n]);
  });
});

describe("Priam's tokens", () => {
  it("have the offsets of their regions", () => {
    expect(javaHashOffset("us-east-1")).toBe(1808575600n);
    expect(javaHashOffset("us-west-2")).toBe(1967372893n);
    expect(javaHashOffset("eu-west-1")).toBe(372748112n);
  });

  it("divide the ring by all slots of all racks", () => {
    expect(priamToken(RANDOM_SPACE, { slot: 0, slots: 6 }, "us-east-1")).toBe(1808575600n);
    expect(priamToken(RANDOM_SPACE, { slot: 3, slots: 6 }, "us-east-1")).toBe(
      (2n ** 127n / 6n) * 3n + 1808575600n,
    );
    expect(priamToken(MURMUR3_SPACE, { slot: 1, slots: 4 }, "eu-west-1")).toBe(
      -(2n ** 62n) + 372748112n,
    );
  });

  it("never lie beyond the end of the ring", () => {
    expect(() => priamToken(MURMUR3_SPACE, { slot: 6, slots: 6 }, "us-east-1")).toThrow(
      expect.objectContaining({ code: "TOKEN_INVALID" }),
    );
  });

  it("alternate the racks", () => {
    expect(nextPriamSlot([], { index: 2, count: 3 })).toBe(2);
    expect(nextPriamSlot([2, 5], { index: 2, count: 3 })).toBe(8);
  });
});
