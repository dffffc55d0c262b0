import fc from "fast-check";
import { expect, it } from "vitest";
import { RandomPartitioner } from "../partitioners/random.ts";
import { bigintFromBytes } from "../partitioners/numeric.ts";
import { tokenFromHalves } from "../token.ts";
import { RandomHasher, RandomPositions } from "./random.ts";

it("a digest has the position of its token, also where nearly all of its bits are alike", () => {
  const positions = new RandomPositions(new RandomPartitioner());
  const hasher = new RandomHasher();
  const bytes = fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff);
  const word = fc.oneof(
    fc.constantFrom(0x00, 0xff).map((byte) => [byte, byte, byte, byte]),
    fc.array(bytes, { minLength: 4, maxLength: 4 }),
  );
  const digests = fc
    .array(word, { minLength: 4, maxLength: 4 })
    .map((words) => Uint8Array.from(words.flat()));
  const lowest = Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? 0x80 : 0));
  fc.assert(
    fc.property(digests, (digest) => {
      const signed = BigInt.asIntN(128, bigintFromBytes(digest));
      hasher.place(digest);
      const position = tokenFromHalves(hasher.hi, hasher.lo);
      expect(position).toBe(positions.positionOf(signed < 0n ? -signed : signed));
    }),
    { seed: 1, numRuns: 3000, examples: [[lowest]] },
  );
});
