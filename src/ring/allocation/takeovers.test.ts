import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Takeovers } from "./takeovers.ts";

interface Found {
  readonly partLoser: number;
  readonly taken: readonly (readonly [number, number])[];
}

function find(takeovers: Takeovers, index: number, seat: number): Found {
  takeovers.find(index, seat);
  const { size, distances, losers, partLoser } = takeovers;
  return {
    partLoser,
    taken: Array.from({ length: size }, (_, at) => [distances[at] ?? 0, losers[at] ?? 0]),
  };
}

/** What the seat would take in each gap. */
function findAll(takeovers: Takeovers, seat: number): Found[] {
  return Array.from({ length: takeovers.count }, (_, index) => find(takeovers, index, seat));
}

describe("what a token takes over", () => {
  it("is the same whether it is remembered or found afresh", () => {
    const ring = fc.record({
      racks: fc.array(fc.nat(3), { minLength: 1, maxLength: 8 }),
      rf: fc.integer({ min: 1, max: 4 }),
      owners: fc.array(fc.nat(), { minLength: 1, maxLength: 120 }),
      newcomer: fc.nat(),
      steps: fc.array(fc.record({ at: fc.nat(), seat: fc.nat(), isRemoval: fc.boolean() }), {
        maxLength: 12,
      }),
    });
    fc.assert(
      fc.property(ring, ({ racks, rf, owners, steps, ...rest }) => {
        const newcomer = rest.newcomer % racks.length;
        const takeovers = new Takeovers({ racks, rf, capacity: owners.length + steps.length });
        takeovers.load(owners.map((owner) => owner % racks.length));
        for (const { at, seat, isRemoval } of steps) {
          const { count } = takeovers;
          if (isRemoval && count > 1) takeovers.remove(at % count);
          else takeovers.insert(at % (count + 1), seat % racks.length);
          const afresh = new Takeovers({ racks, rf, capacity: takeovers.count });
          afresh.load(takeovers.owners());
          expect(findAll(takeovers, newcomer)).toEqual(findAll(afresh, newcomer));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("refuses a token for which there is no room", () => {
    const takeovers = new Takeovers({ racks: [0], rf: 1, capacity: 1 });
    takeovers.load([0]);
    expect(() => takeovers.insert(0, 0)).toThrow("no room");
    expect(() => takeovers.load([0, 0])).toThrow("more tokens");
  });
});
