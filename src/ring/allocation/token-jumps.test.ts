import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { fairLoads } from "./fair-loads.ts";
import { RingLoads, type PlacedToken, type RingSeat } from "./ring-loads.ts";
import { tokenJumps } from "./token-jumps.ts";

const TOLERANCE = 0.05;

function goalOf(seats: readonly RingSeat[], rf: number) {
  const ringOf = (tokens: readonly PlacedToken[]): RingLoads => {
    const ring = new RingLoads(seats, rf, tokens.length);
    ring.load(tokens);
    return ring;
  };
  const fair = fairLoads(seats, Math.min(rf, seats.length));
  const [lowest, highest] = [1 - TOLERANCE, 1 + TOLERANCE].map((factor) =>
    fair.map((load) => load * factor),
  );
  return { ringOf, limits: { lowest: lowest!, highest: highest! } };
}

describe("jumps of tokens", () => {
  it("say truly what they bring, one for each token, the best first", () => {
    const seat = fc.record({ rack: fc.nat(2), weight: fc.integer({ min: 1, max: 3 }) });
    fc.assert(
      fc.property(
        fc.array(seat, { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(),
        (seats, rf, seed) => {
          const rng = new SeededRng(seed);
          const tokens = seats
            .flatMap((_, at) => [at, at, at])
            .map((at) => ({ position: rng.uint32() / 2 ** 32, seat: at }))
            .toSorted((a, b) => a.position - b.position);
          const goal = goalOf(seats, rf);
          const { limits } = goal;
          const jumps = tokenJumps(tokens, goal);
          expect(jumps.map(({ token }) => token).toSorted((a, b) => a - b)).toEqual([
            ...tokens.keys(),
          ]);
          expect(jumps).toEqual(jumps.toSorted((a, b) => a.outside - b.outside));
          for (const { token, position, outside } of jumps) {
            const after = goal.ringOf(tokens.with(token, { position, seat: tokens[token]!.seat }));
            const sum = after.loads.reduce(
              (so, load, at) =>
                so + Math.max(0, limits.lowest[at]! - load, load - limits.highest[at]!),
              0,
            );
            expect(outside).toBeCloseTo(sum, 9);
          }
        },
      ),
    );
  });

  it("are none in a ring of one token", () => {
    const seats = [0, 1].map((rack) => ({ rack, weight: 1 }));
    expect(tokenJumps([{ position: 0.5, seat: 0 }], goalOf(seats, 1))).toEqual([]);
  });

  it("are those of the members that are farthest outside, in a ring too large to try all", () => {
    const rng = new SeededRng(1);
    const seats = Array.from({ length: 100 }, () => ({ rack: 0, weight: 1 }));
    const tokens = seats.flatMap((_, seat) =>
      Array.from({ length: 10 }, () => ({ position: rng.uint32() / 2 ** 32, seat })),
    );
    const goal = goalOf(seats, 2);
    const inOrder = tokens.toSorted((a, b) => a.position - b.position);
    const { loads } = goal.ringOf(inOrder);
    const away = (seat: number): number => Math.abs(loads[seat]! - 2 / 100);
    const farthest = [...seats.keys()].toSorted((a, b) => away(b) - away(a));
    const tried = new Set(tokenJumps(inOrder, goal).map(({ token }) => inOrder[token]!.seat));
    expect(tried.size).toBeLessThan(30);
    expect(farthest.slice(0, tried.size).toSorted((a, b) => a - b)).toEqual(
      [...tried].toSorted((a, b) => a - b),
    );
  });
});
