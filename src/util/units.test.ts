import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from "./units.ts";

test.each([
  ["500ms", 500],
  ["10s", 10_000],
  ["1.5h", 5_400_000],
  ["2 m", 120_000],
  ["1d", 86_400_000],
  ["10", undefined],
  ["10 parsecs", undefined],
  ["-1s", undefined],
  ["", undefined],
])("the duration '%s' is %s ms", (text, expected) => {
  expect(parseDurationMs(text)).toBe(expected);
});

test.each([
  ["64KiB", 65_536],
  ["16 MiB", 16_777_216],
  ["100B", 100],
  ["1KB", undefined],
  ["100", undefined],
])("the size '%s' is %s bytes", (text, expected) => {
  expect(parseSizeBytes(text)).toBe(expected);
});

test("every whole number survives being written and read", () => {
  fc.assert(
    fc.property(fc.nat(), (value) => {
      expect(parseDurationMs(formatDurationMs(value))).toBe(value);
      expect(parseSizeBytes(formatSizeBytes(value))).toBe(value);
    }),
  );
});

test("the text uses the largest unit that is exact", () => {
  expect([0, 500, 1500, 5000, 90_000, 3_600_000].map(formatDurationMs)).toEqual([
    "0ms",
    "500ms",
    "1500ms",
    "5s",
    "90s",
    "1h",
  ]);
  expect([0, 1000, 65_536, 16_777_216].map(formatSizeBytes)).toEqual([
    "0B",
    "1000B",
    "64KiB",
    "16MiB",
  ]);
});
