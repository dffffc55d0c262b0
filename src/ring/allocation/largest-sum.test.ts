import fc from "fast-check";
import { expect, it } from "vitest";
import { LargestSum } from "./largest-sum.ts";

it("adds the largest of all numbers since it began", () => {
  const counts = fc.integer({ min: 0, max: 4 });
  const values = fc.array(fc.nat(20), { maxLength: 12 });
  const sum = new LargestSum(4);
  fc.assert(
    fc.property(counts, values, (count, numbers) => {
      sum.reset(count);
      for (const number of numbers) sum.add(number);
      const largest = numbers.toSorted((a, b) => b - a).slice(0, count);
      expect(sum.sum).toBe(largest.reduce((total, each) => total + each, 0));
    }),
  );
});
