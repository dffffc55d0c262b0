import fc from "fast-check";
import { expect, test } from "vitest";
import { parseInteger } from "./arguments.ts";
import { DYNOMITE_LEVELS, LEVEL_NAMES, parseLevel } from "./levels.ts";

test("parseInteger reads 64-bit integers in Redis's strict notation", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }), (value) => {
      const isInRange = value >= -(2n ** 63n) && value < 2n ** 63n;
      expect(parseInteger(String(value))).toBe(isInRange ? Number(value) : undefined);
    }),
  );
  for (const text of ["", " 1", "1 ", "+1", "01", "-0", "1.0", "1e3", "0x1", "-", "x"]) {
    expect(parseInteger(text)).toBeUndefined();
  }
});

test("parseLevel knows Cassandra's names, Dynomite's, and numbers of replicas", () => {
  for (const name of LEVEL_NAMES) {
    expect(parseLevel(name.toLowerCase())).toBe(DYNOMITE_LEVELS[name] ?? name);
  }
  expect(parseLevel("2")).toBe(2);
  expect(parseLevel("255")).toBe(255);
  for (const text of ["0", "256", "-1", "1.5", "", "MOST", "toString"]) {
    expect(parseLevel(text)).toBeUndefined();
  }
});
