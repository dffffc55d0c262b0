import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { INT64_ORDER, isWrapping, rangeContains, rangesOf, unwrapRange } from "./range.ts";

const MIN = -(2n ** 63n);
const range = (start: bigint, end: bigint): { start: bigint; end: bigint } => ({ start, end });
const contains = (start: bigint, end: bigint, token: bigint): boolean =>
  rangeContains(INT64_ORDER, range(start, end), token);

describe("a range", () => {
  it("excludes its start and includes its end", () => {
    expect([0n, 1n, 5n, 6n].map((token) => contains(0n, 5n, token))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it("goes over the top of the ring when it ends before it starts", () => {
    expect([6n, 100n, MIN, -7n, -6n, 5n].map((token) => contains(5n, -7n, token))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it("is the whole ring when it ends where it starts", () => {
    expect([4n, 5n, 6n, MIN].every((token) => contains(5n, 5n, token))).toBe(true);
  });

  it("does not count as wrapping when it ends at the minimum: that is the tail of the ring", () => {
    expect(isWrapping(INT64_ORDER, range(5n, MIN))).toBe(false);
    expect(isWrapping(INT64_ORDER, range(MIN, MIN))).toBe(false);
    expect(isWrapping(INT64_ORDER, range(5n, 5n))).toBe(true);
    expect(isWrapping(INT64_ORDER, range(5n, 4n))).toBe(true);
    expect(isWrapping(INT64_ORDER, range(4n, 5n))).toBe(false);
    expect(contains(5n, MIN, 6n)).toBe(true);
    expect(contains(5n, MIN, 5n)).toBe(false);
  });

  it("unwraps into its tail and its head", () => {
    expect(unwrapRange(INT64_ORDER, range(5n, -7n))).toEqual([range(5n, MIN), range(MIN, -7n)]);
    expect(unwrapRange(INT64_ORDER, range(-7n, 5n))).toEqual([range(-7n, 5n)]);
    expect(unwrapRange(INT64_ORDER, range(5n, MIN))).toEqual([range(5n, MIN)]);
  });

  it("holds after unwrapping exactly the tokens that it held before", () => {
    const few = fc.oneof(fc.bigInt(-9n, 9n), fc.constantFrom(MIN, MIN + 1n, 2n ** 63n - 1n));
    fc.assert(
      fc.property(few, few, few, (start, end, token) => {
        const parts = unwrapRange(INT64_ORDER, range(start, end));
        expect(parts.some((part) => isWrapping(INT64_ORDER, part))).toBe(false);
        const holders = parts.filter((part) => rangeContains(INT64_ORDER, part, token));
        expect(holders).toHaveLength(contains(start, end, token) ? 1 : 0);
      }),
      { numRuns: 1000 },
    );
  });
});

it("the ranges between tokens run from the previous one, the first from the last", () => {
  expect(rangesOf([1n, 5n, 9n])).toEqual([range(9n, 1n), range(1n, 5n), range(5n, 9n)]);
  expect(rangesOf([3n])).toEqual([range(3n, 3n)]);
  expect(rangesOf([])).toEqual([]);
});
