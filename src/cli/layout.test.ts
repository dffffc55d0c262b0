import { expect, test } from "vitest";
import { alignedRows, groupedBy, percentText, sizeText, spanText } from "./layout.ts";

test.each([
  [undefined, "?"],
  [0, "0 bytes"],
  [1, "1 bytes"],
  [1000, "1000 bytes"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [72_940, "71.23 KiB"],
  [1_048_576, "1 MiB"],
  [3_221_225_472, "3 GiB"],
  [2 ** 50, "1024 TiB"],
])("%s bytes are written as %s", (sizeBytes, expected) => {
  expect(sizeText(sizeBytes)).toBe(expected);
});

test.each([
  [undefined, 1, "?"],
  [0, 1, "0.0%"],
  [1, 1, "100.0%"],
  [0.667, 1, "66.7%"],
  // Exact halves go to the even neighbour, as in Java.
  [0.1225, 1, "12.2%"],
  [0.1275, 1, "12.8%"],
  [0.12125, 2, "12.12%"],
  [0.125, 2, "12.50%"],
  [0.0025, 0, "0%"],
])("the share %s with %s decimals is %s", (share, decimals, expected) => {
  expect(percentText(share, decimals)).toBe(expected);
});

test("every cell is padded to the widest of its column, the last one too", () => {
  expect(
    alignedRows([
      ["a", "bbb"],
      ["aaa", "b"],
    ]),
  ).toEqual(["a    bbb", "aaa  b  "]);
});

test("groups come in the order of their names and keep the order inside", () => {
  const grouped = groupedBy(["b2", "a1", "b1"], (item) => item.charAt(0));
  expect(grouped).toEqual([
    ["a", ["a1"]],
    ["b", ["b2", "b1"]],
  ]);
});

test.each([
  [undefined, "?"],
  [Number.POSITIVE_INFINITY, "?"],
  [0, "0s"],
  [0.2, "1s"],
  [59.9, "1m 0s"],
  [75, "1m 15s"],
  [3600, "1h 0m"],
  [90_061, "25h 1m"],
])("a span of %s seconds is '%s'", (seconds, text) => {
  expect(spanText(seconds)).toBe(text);
});
