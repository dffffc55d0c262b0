import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { JavaMaxQueue, JavaRandom } from "./java-compat.ts";
import { MURMUR3_SPACE as M, RANDOM_SPACE as R } from "./token-space.ts";

const MIN = M.minimum;
const MAX = M.maximum;

describe("the Murmur3 ring", () => {
  it.each([
    [0n, 11n, 5n],
    [-3n, 0n, -2n],
    [-1n, 0n, -1n],
    [-4n, -1n, -3n],
    [MIN, 0n, -4611686018427387904n],
    [0n, MIN, 4611686018427387903n],
    [MIN, MIN, -1n],
    [0n, 0n, MAX],
    [100n, -100n, MAX],
    [5n, 5n, -9223372036854775803n],
    [MAX, MIN, MAX],
    [MAX - 1n, MIN + 1n, MAX],
    [MAX - 100n, 100n, -4611686018427387904n],
  ])("has Cassandra's midpoint of %d and %d", (left, right, middle) => {
    expect(M.midpoint(left, right)).toBe(middle);
  });

  it.each([
    [-10n, 0n, 0.25, -7n],
    [-10n, 0n, 0.1, -9n],
    [-3n, 0n, 0.5, -1n],
    [-3n, 0n, 0.25, -2n],
    [-7n, -2n, 0.5, -4n],
    [-7n, -2n, 0.25, -5n],
    [0n, 0n, 0.5, MAX],
    [0n, 0n, 0.25, 4611686018427387903n],
    [0n, 0n, 0.1, 1844674407370955161n],
    [100n, -100n, 0.25, 4611686018427387953n],
    [100n, -100n, 0.1, 1844674407370955241n],
    [MAX - 100n, 100n, 0.5, -4611686018427387904n],
    [MAX - 100n, 100n, 0.25, -6917529027641081906n],
    [MAX - 100n, 100n, 0.1, -8301034833169298308n],
  ])("has Cassandra's split of %d and %d at %d", (left, right, ratio, token) => {
    expect(M.split(left, right, ratio)).toBe(token);
  });

  it("counts the whole ring from a token to itself", () => {
    expect(M.sizeBetween(5n, 5n)).toBe(1);
    expect(M.sizeBetween(MIN, 0n)).toBe(0.5);
    expect(M.sizeBetween(0n, MIN)).toBe(0.5);
  });

  it("never draws the reserved minimum", () => {
    expect(M.random({ uint32: sequence([0x8000_0000, 0]) })).toBe(MAX);
    expect(M.isValid(M.random(new SeededRng(3)))).toBe(true);
  });
});

describe("the Random ring", () => {
  it.each([
    [-1n, -1n, 2n ** 126n],
    [0n, 11n, 5n],
    [2n ** 127n, 2n ** 127n, 2n ** 126n],
    [2n ** 127n - 1n, 1n, 0n],
    [10n, 5n, 85070591730234615865843651857942052871n],
    [-1n, 5n, 2n],
    [100n, 0n, 85070591730234615865843651857942052914n],
  ])("has Cassandra's midpoint of %d and %d", (left, right, middle) => {
    expect(R.midpoint(left, right)).toBe(middle);
  });

  it.each([
    [0n, 100n, 0.1, 10n],
    [-1n, -1n, 0.25, 42535295865117307932921825928971026432n],
    [2n ** 127n - 10n, 10n, 0.75, 5n],
    [100n, 50n, 0.1, 17014118346046923173168730371588410667n],
    [3n, 10n, 0.5, 6n],
  ])("has Cassandra's split of %d and %d at %d", (left, right, ratio, token) => {
    expect(R.split(left, right, ratio)).toBe(token);
  });
});

describe("the Java classes that show in tokens", () => {
  it("draw java.util.Random's doubles", () => {
    const zero = new JavaRandom(0n);
    expect([zero.nextDouble(), zero.nextDouble()]).toEqual([
      0.730967787376657, 0.24053641567148587,
    ]);
    expect(new JavaRandom(42n).nextDouble()).toBe(0.7275636800328681);
  });

  it("hand out equal weights in java.util.PriorityQueue's order", () => {
    const queue = new JavaMaxQueue<string>();
    for (const value of ["a", "b", "c", "d", "e"]) queue.add({ weight: 1, value });
    const order = Array.from({ length: 5 }, () => queue.remove().value);
    expect(order).toEqual(["a", "e", "d", "c", "b"]);
  });
});

function sequence(values: readonly number[]): () => number {
  const rest = [...values];
  return () => rest.shift()!;
}
