import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fairLoads } from "./fair-loads.ts";
import type { RingSeat } from "./ring-loads.ts";

const TINY = 1e-9;

const racksOf = (...sizes: readonly number[]): RingSeat[] =>
  sizes.flatMap((size, rack) => Array.from({ length: size }, () => ({ rack, weight: 1 })));

const loads = (seats: readonly RingSeat[], replicas: number): number[] =>
  [...fairLoads(seats, replicas)].map((load) => Number(load.toFixed(6)));

/** All sets of seats that a walk may choose, as bit masks: as many as replicas, of as many racks as possible. */
function replicaSets(seats: readonly RingSeat[], replicas: number): number[] {
  const racks = new Set(seats.map(({ rack }) => rack)).size;
  return Array.from({ length: 2 ** seats.length }, (_, set) => set).filter((set) => {
    const inside = seats.filter((_, seat) => set & (1 << seat));
    const met = new Set(inside.map(({ rack }) => rack)).size;
    return inside.length === replicas && met === Math.min(replicas, racks);
  });
}

const bitsOf = (set: number): number => set.toString(2).replaceAll("0", "").length;

describe("fair loads", () => {
  it("are in proportion to the weights where that can be had", () => {
    expect(loads(racksOf(4), 3)).toEqual([0.75, 0.75, 0.75, 0.75]);
    const weighted = [1, 2, 3].map((weight) => ({ rack: 0, weight }));
    expect(loads(weighted, 2)).toEqual([0.333333, 0.666667, 1]);
  });

  it("are the whole ring in each of as many racks as replicas", () => {
    expect(loads(racksOf(4, 2), 2)).toEqual([0.25, 0.25, 0.25, 0.25, 0.5, 0.5]);
  });

  it("are the whole ring at most for a member, whatever its weight", () => {
    const weighted = [1, 1, 6].map((weight) => ({ rack: 0, weight }));
    expect(loads(weighted, 2)).toEqual([0.5, 0.5, 1]);
  });

  it("share what fewer racks than replicas repeat", () => {
    expect(loads(racksOf(1, 4), 3)).toEqual([1, 0.5, 0.5, 0.5, 0.5]);
    expect(loads(racksOf(6, 2), 3)).toEqual(Array(6).fill(0.333333).concat([0.5, 0.5]));
  });

  it("are the evenest that any choice of replicas could give", () => {
    const seat = fc.record({ rack: fc.nat(3), weight: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(
        fc.array(seat, { minLength: 1, maxLength: 7 }),
        fc.integer({ min: 1, max: 4 }),
        (seats, wanted) => {
          const replicas = Math.min(wanted, seats.length);
          const fair = fairLoads(seats, replicas);
          const sets = replicaSets(seats, replicas);
          // What a set of members can hold at most, less what it does.
          const rooms = Array.from({ length: 2 ** seats.length }, (_, members) => {
            const held = fair.reduce((sum, load, at) => sum + (members & (1 << at) ? load : 0), 0);
            return Math.max(...sets.map((set) => bitsOf(set & members))) - held;
          });
          expect(Math.min(...rooms)).toBeGreaterThan(-TINY);
          expect(rooms.at(-1)).toBeCloseTo(0, 9);
          // Nobody with more per weight can give any to somebody with less.
          for (const [rich, { weight }] of seats.entries()) {
            for (const [poor, other] of seats.entries()) {
              if (fair[rich]! / weight <= fair[poor]! / other.weight + TINY) continue;
              const isStuck = rooms.some(
                (room, members) =>
                  room < TINY && (members & (1 << poor)) > 0 && (members & (1 << rich)) === 0,
              );
              expect(isStuck).toBe(true);
            }
          }
        },
      ),
    );
  });
});
