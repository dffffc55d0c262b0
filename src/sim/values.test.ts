import fc from "fast-check";
import { expect, it } from "vitest";
import { identify, makeValue } from "./values.ts";

it("turns every value back into its operation", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.nat(2000), (operation, bytes) => {
      expect(identify(makeValue(operation, bytes))).toEqual({ operation });
    }),
  );
});

it("notices any flipped bit and any missing end", () => {
  const value = makeValue(77, 40);
  for (let bit = 0; bit < value.length * 8; bit++) {
    const damaged = value.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(identify(damaged).problem).toBeDefined();
  }
  for (let length = 0; length < value.length; length++) {
    expect(identify(value.subarray(0, length)).problem).toBeDefined();
  }
});
