import { describe, expect, test } from "vitest";
import {
  UntrustedDataError,
  asBoolean,
  asInteger,
  asList,
  asMatch,
  asOneOf,
  asOptional,
  asRecord,
  asText,
} from "./untrusted.ts";

const range = { min: 1, max: 3 };
const digits = { pattern: /^\d+$/, expected: "digits" };

describe("reading outside data", () => {
  test("what has the right shape is returned as it is", () => {
    const record = { a: 1 };
    expect(asRecord(record, "x")).toBe(record);
    expect(asList([1], "x", 1)).toEqual([1]);
    expect(asText("ab", "x", 2)).toBe("ab");
    expect(asMatch("12", "x", digits)).toBe("12");
    expect(asInteger(3, "x", range)).toBe(3);
    expect(asBoolean(false, "x")).toBe(false);
    expect(asOneOf("b", "x", ["a", "b"])).toBe("b");
    expect(asOptional(undefined, "x", asBoolean)).toBeUndefined();
    expect(asOptional(null, "x", asBoolean)).toBeUndefined();
    expect(asOptional(true, "x", asBoolean)).toBe(true);
  });

  test.each<[string, () => unknown, string]>([
    ["an object", () => asRecord([], "x"), "a list of 0 items"],
    ["an object", () => asRecord(null, "x"), "null"],
    ["a list of at most 1 items", () => asList([1, 2], "x", 1), "a list of 2 items"],
    ["a list of at most 1 items", () => asList({ length: 1 }, "x", 1), "an object"],
    ["text of at most 2 characters", () => asText("abc", "x", 2), '"abc"'],
    ["digits", () => asMatch("1a", "x", digits), '"1a"'],
    ["digits", () => asMatch(12, "x", digits), "12"],
    ["a whole number from 1 to 3", () => asInteger(0, "x", range), "0"],
    ["a whole number from 1 to 3", () => asInteger(4, "x", range), "4"],
    ["a whole number from 1 to 3", () => asInteger(1.5, "x", range), "1.5"],
    ["a whole number from 1 to 3", () => asInteger("2", "x", range), '"2"'],
    ["true or false", () => asBoolean(0, "x"), "0"],
    ["one of a, b", () => asOneOf("c", "x", ["a", "b"]), '"c"'],
    ["true or false", () => asOptional(1, "x", asBoolean), "1"],
  ])("what is not %s is refused", (expected, read, found) => {
    expect(read).toThrowError(expect.objectContaining({ path: "x", expected, found }));
    expect(read).toThrowError(UntrustedDataError);
  });

  test("long values are shortened in the message", () => {
    expect(() => asInteger("y".repeat(1000), "x", range)).toThrowError(/^.{20,120}$/);
  });
});
