import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRng } from "../util/random.ts";
import type { HashPartitioner, Partitioner } from "../ring/partitioner.ts";
import { PARTITIONER_NAMES, createPartitioner } from "../ring/partitioners/by-name.ts";
import { primaryOwnership } from "./ownership.ts";
import { RingEmbedding } from "./ring-embedding.ts";

function ringOf(name: string, seed: number, count: number) {
  const partitioner: Partitioner<unknown> = createPartitioner(name);
  const rng = new SeededRng(seed);
  const tokens = Array.from({ length: count }, () => partitioner.random(rng));
  return { partitioner, rng, tokens, embedding: new RingEmbedding(partitioner, tokens) };
}

describe.each(PARTITIONER_NAMES)("%s on 64 bits", (name) => {
  test("keeps the order, the tokens and who owns a key", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 12 }), (seed, count) => {
        const { partitioner, rng, tokens, embedding } = ringOf(name, seed, count);
        const sorted = tokens.toSorted((a, b) => partitioner.compare(a, b));
        for (const [index, token] of sorted.entries()) {
          const position = embedding.positionOf(token);
          expect(position >= -(2n ** 63n) && position < 2n ** 63n).toBe(true);
          expect(partitioner.compare(embedding.tokenAt(position), token)).toBe(0);
          const next = sorted[index + 1];
          if (next === undefined || partitioner.compare(next, token) === 0) continue;
          expect(embedding.positionOf(next) > position).toBe(true);
        }
        const key = partitioner.random(rng);
        const owner = sorted.find((token) => partitioner.compare(token, key) >= 0) ?? sorted[0]!;
        expect(embedding.positionOfRange(key)).toBe(embedding.positionOf(owner));
      }),
      { numRuns: 25 },
    );
  });
});

test.each([
  "Murmur3Partitioner",
  "RandomPartitioner",
  "DynomitePartitioner",
  "RedisSlotPartitioner",
])("%s keeps its shares", (name) => {
  const { partitioner, tokens, embedding } = ringOf(name, 7, 9);
  expect(embedding.hasShares).toBe(true);
  const hash = partitioner as unknown as HashPartitioner;
  const sorted = (tokens as bigint[]).toSorted((a, b) => (a < b ? -1 : 1));
  const shares = primaryOwnership(
    sorted.map((token) => ({ tokens: [embedding.positionOf(token)] })),
  );
  for (const [index, token] of sorted.entries()) {
    expect(shares[index]).toBeCloseTo(hash.size(sorted.at(index - 1)!, token), 9);
  }
});

test("neighbours that scaling makes one stay two, at both ends of the ring", () => {
  const partitioner: Partitioner<unknown> = createPartitioner("RandomPartitioner");
  const tokens = [0n, 1n, 2n, 2n ** 127n - 1n, 2n ** 127n];
  const embedding = new RingEmbedding(partitioner, tokens);
  const positions = tokens.map((token) => embedding.positionOf(token));
  expect(positions).toEqual([
    -(2n ** 63n),
    -(2n ** 63n) + 1n,
    -(2n ** 63n) + 2n,
    2n ** 63n - 2n,
    2n ** 63n - 1n,
  ]);
});
