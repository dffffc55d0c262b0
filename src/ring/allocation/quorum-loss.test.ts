import { describe, expect, it } from "vitest";
import { LYNCH_SNYDER_MODEL, expectedNeighbours, quorumLoss } from "./quorum-loss.ts";

const TOKENS = [1, 4, 8, 16, 32, 64, 256];

describe("the paper's table of outages per century", () => {
  it.each([
    [96, [0.47, 0.67, 1.18, 1.9, 2.59, 2.94, 2.99]],
    [300, [1.46, 2.25, 4.33, 8.01, 13.8, 21.1, 29.0]],
    [1000, [4.87, 7.7, 15.2, 29.7, 56.7, 103, 254]],
  ])("for %d members", (members, outages) => {
    const computed = TOKENS.map(
      (tokensPerMember) =>
        quorumLoss({ ...LYNCH_SNYDER_MODEL, members, tokensPerMember }).outagesPerCentury,
    );
    // The table gives three digits.
    for (const [index, value] of computed.entries()) {
      expect(Math.abs(value / outages[index]! - 1)).toBeLessThan(0.008);
    }
  });

  it("has the paper's neighbours", () => {
    const neighbours = (members: number, tokensPerMember: number): number =>
      Number(expectedNeighbours({ members, rf: 3, tokensPerMember }).toFixed(1));
    expect([4, 16, 256].map((tokens) => neighbours(60, tokens))).toEqual([13.3, 32.1, 40]);
    expect([4, 16, 256].map((tokens) => neighbours(300, tokens))).toEqual([15.4, 54.9, 198.8]);
    expect(neighbours(96, 4)).toBe(14.3);
  });
});
