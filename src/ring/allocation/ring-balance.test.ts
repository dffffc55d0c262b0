import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RingBalance, type Quadratic } from "./ring-balance.ts";
import { RingLoads, type PlacedToken, type RingSeat } from "./ring-loads.ts";

/** Sum of the squared differences from what each seat should have, computed afresh. */
function squares(ring: RingLoads, fairShare: number): number {
  const afresh = new RingLoads(ring.seats, ring.replicas, ring.count);
  afresh.load(ring.tokens());
  const newcomer = ring.seats.length - 1;
  return ring.seats.reduce((sum, { weight }, seat) => {
    const aim = ring.mean * (seat === newcomer ? fairShare : 1);
    return sum + ((afresh.loads[seat] ?? 0) / weight - aim) ** 2;
  }, 0);
}

const rings = fc.record({
  racks: fc.array(fc.nat(3), { minLength: 2, maxLength: 7 }),
  rf: fc.integer({ min: 1, max: 4 }),
  slots: fc.uniqueArray(fc.nat(499), { minLength: 3, maxLength: 24 }),
  owners: fc.array(fc.nat(), { minLength: 24, maxLength: 24 }),
  steps: fc.array(fc.record({ slot: fc.nat(499), seat: fc.nat(), isRemoval: fc.boolean() }), {
    maxLength: 6,
  }),
  fairShare: fc.constantFrom(0.25, 1),
});

function built({
  racks,
  rf,
  slots,
  owners,
}: {
  racks: number[];
  rf: number;
  slots: number[];
  owners: number[];
}) {
  const seats: RingSeat[] = racks.map((rack, index) => ({ rack, weight: 1 + (index % 3) }));
  const tokens: PlacedToken[] = slots.map((slot, at) => ({
    position: slot / 500,
    seat: (owners[at] ?? 0) % racks.length,
  }));
  const ring = new RingLoads(seats, rf, tokens.length + 8);
  ring.load(tokens);
  return ring;
}

describe("what one more token changes", () => {
  it("is what the loads computed afresh say, in every gap, while tokens come and go", () => {
    fc.assert(
      fc.property(rings, ({ steps, fairShare, ...shape }) => {
        const ring = built(shape);
        const balance = new RingBalance(ring);
        const newcomer = ring.seats.length - 1;
        for (const { slot, seat, isRemoval } of [...steps, undefined].map(
          (step) => step ?? { slot: -1, seat: 0, isRemoval: false },
        )) {
          if (isRemoval && ring.count > 2) ring.removeAt(slot % ring.count);
          else if (slot >= 0) ring.insertAt((slot + 0.5) / 500, seat % ring.seats.length);
          balance.lookFor(newcomer, fairShare);
          const before = squares(ring, fairShare);
          for (let index = 0; index < ring.count; index++) {
            const change: Quadratic = { c0: 0, c1: 0, c2: 0 };
            balance.addChange(index, 2, change);
            const offset = ring.sizeAt(index) * 0.4;
            const told = change.c0 + (change.c1 + change.c2 * offset) * offset;
            const other = new RingLoads(ring.seats, shape.rf, ring.count + 1);
            other.load(ring.tokens());
            other.insertInto(index, offset, newcomer);
            expect(told / 2).toBeCloseTo(squares(other, fairShare) - before, 9);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
