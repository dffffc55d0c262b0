import fc from "fast-check";
import { expect, test } from "vitest";
import { matchesGlob, plainBeginning } from "./glob.ts";

/** The dumb second implementation: every way in which a star may match. */
function matchesSlowly(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern[0] === "*") {
    return (
      matchesSlowly(pattern.slice(1), text) ||
      (text !== "" && matchesSlowly(pattern, text.slice(1)))
    );
  }
  if (text === "") return false;
  const escaped = pattern[0] === "\\" && pattern.length > 1;
  if (escaped) return pattern[1] === text[0] && matchesSlowly(pattern.slice(2), text.slice(1));
  if (pattern[0] !== "?" && pattern[0] !== text[0]) return false;
  return matchesSlowly(pattern.slice(1), text.slice(1));
}

const matches = (pattern: string, text: string): boolean =>
  matchesGlob(Buffer.from(pattern, "latin1"), Buffer.from(text, "latin1"));

test("stars, question marks and escapes match as the simple definition says", () => {
  const pattern = fc.string({ unit: fc.constantFrom("*", "?", "\\", "a", "b"), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "\\"), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (one, other) => {
      expect(matches(one, other)).toBe(matchesSlowly(one, other));
    }),
    { numRuns: 3000 },
  );
});

test("whatever matches begins as the pattern does up to its first sign", () => {
  const pattern = fc.string({ unit: fc.constantFrom("*", "?", "[", "\\", "a", "b"), maxLength: 6 });
  const text = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 6 });
  fc.assert(
    fc.property(pattern, text, (one, other) => {
      const beginning = Buffer.from(plainBeginning(Buffer.from(one))).toString();
      fc.pre(matches(one, other));
      expect(other.startsWith(beginning)).toBe(true);
    }),
  );
  expect(plainBeginning(Buffer.from("user:?*")).length).toBe(5);
  expect(plainBeginning(Buffer.from("user")).length).toBe(4);
});

test.each<[string, string, boolean]>([
  ["h[ae]llo", "hello", true],
  ["h[ae]llo", "hillo", false],
  ["h[^e]llo", "hello", false],
  ["h[^e]llo", "hallo", true],
  ["[a-c]x", "bx", true],
  ["[c-a]x", "bx", true],
  ["[a-c]x", "dx", false],
  ["[\\]]", "]", true],
  ["[a", "a", true],
  ["[", "a", false],
  ["\\[a]", "[a]", true],
  ["user:*:name", "user:17:name", true],
  ["\xff*", "\xff\x00\xfe", true],
])("%j on %j is %s", (pattern, text, isMatch) => {
  expect(matches(pattern, text)).toBe(isMatch);
});

test("a pattern of many stars on a long text ends soon", () => {
  expect(matches(`${"*a".repeat(50)}*b`, "a".repeat(20_000))).toBe(false);
});
