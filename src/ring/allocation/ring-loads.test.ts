import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RingLoads, type PlacedToken, type RingSeat } from "./ring-loads.ts";
import { ABSENT } from "./takeovers.ts";

/** NetworkTopologyStrategy written down as it is told, without a thought about speed. */
function naiveReplicas(
  tokens: readonly PlacedToken[],
  seats: readonly RingSeat[],
  walk: { rf: number; from: number },
): number[] {
  const sorted = tokens.toSorted((a, b) => a.position - b.position);
  const racks = new Set(seats.map(({ rack }) => rack)).size;
  const chosen: number[] = [];
  let repeats = walk.rf - racks;
  for (const { seat } of [...sorted.slice(walk.from), ...sorted.slice(0, walk.from)]) {
    if (chosen.length === Math.min(walk.rf, seats.length)) break;
    if (chosen.includes(seat)) continue;
    const isRackNew = !chosen.some((other) => seats[other]!.rack === seats[seat]!.rack);
    if (!isRackNew && repeats-- <= 0) continue;
    chosen.push(seat);
  }
  return chosen;
}

function naiveLoads(tokens: readonly PlacedToken[], seats: readonly RingSeat[], rf: number) {
  const sorted = tokens.toSorted((a, b) => a.position - b.position);
  const loads = seats.map(() => 0);
  for (const [index, { position }] of sorted.entries()) {
    const before = index === 0 ? sorted.at(-1)!.position - 1 : sorted[index - 1]!.position;
    for (const seat of naiveReplicas(sorted, seats, { rf, from: index })) {
      loads[seat]! += sorted.length === 1 ? 1 : position - before;
    }
  }
  return loads;
}

const rings = fc
  .record({
    racks: fc.array(fc.nat(3), { minLength: 1, maxLength: 7 }),
    rf: fc.integer({ min: 1, max: 5 }),
    slots: fc.uniqueArray(fc.nat(999), { minLength: 2, maxLength: 24 }),
    owners: fc.array(fc.nat(), { minLength: 24, maxLength: 24 }),
  })
  .map(({ racks, rf, slots, owners }) => ({
    rf,
    seats: racks.map((rack) => ({ rack, weight: 1 })),
    tokens: slots.map((slot, index) => ({
      position: slot / 1000,
      seat: owners[index]! % racks.length,
    })),
  }));

/** The largest difference between the loads kept up to date and those of the naive walk. */
function error(ring: RingLoads, rf: number): number {
  const naive = naiveLoads(ring.tokens(), ring.seats, rf);
  return Math.max(...naive.map((load, seat) => Math.abs(load - ring.loads[seat]!)));
}

describe("the loads of a ring", () => {
  it("are those of a naive walk, for any racks and RF", () => {
    fc.assert(
      fc.property(rings, ({ seats, rf, tokens }) => {
        const ring = new RingLoads(seats, rf, tokens.length);
        ring.load(tokens);
        expect(error(ring, rf)).toBeLessThan(1e-9);
      }),
    );
  });

  it("stay right when tokens are put in and taken out one by one", () => {
    fc.assert(
      fc.property(rings, fc.infiniteStream(fc.nat()), ({ seats, rf, tokens }, choices) => {
        const ring = new RingLoads(seats, rf, tokens.length);
        for (const { position, seat } of tokens) ring.insertAt(position, seat);
        expect(error(ring, rf)).toBeLessThan(1e-9);
        while (ring.count > 1) {
          ring.removeAt(choices.next().value! % ring.count);
          expect(error(ring, rf)).toBeLessThan(1e-9);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("leave out a rack as if its members were not in the ring", () => {
    fc.assert(
      fc.property(rings, fc.nat(3), ({ seats, rf, tokens }, absent) => {
        const isPresent = (seat: number): boolean => seats[seat]!.rack !== absent;
        const ring = new RingLoads(
          seats.map((seat) => (seat.rack === absent ? { ...seat, rack: ABSENT } : seat)),
          rf,
          tokens.length,
        );
        const [first, second] = [tokens.slice(0, 12), tokens.slice(12)];
        ring.load(first);
        // The tokens of members that are not there part ranges, and change nothing.
        for (const { position, seat } of second) if (isPresent(seat)) ring.insertAt(position, seat);
        for (let index = ring.count - 1; index > 0; index--) {
          if (index % 3 === 0 && isPresent(ring.ownerAt(index))) ring.removeAt(index);
        }
        const present = seats.flatMap((seat, index) => (isPresent(index) ? [{ seat, index }] : []));
        const rest = ring.tokens().filter(({ seat }) => isPresent(seat));
        const renumbered = rest.map(({ position, seat }) => ({
          position,
          seat: present.findIndex(({ index }) => index === seat),
        }));
        const presentSeats = present.map(({ seat }) => seat);
        const naive = rest.length > 0 ? naiveLoads(renumbered, presentSeats, rf) : [];
        const wanted = seats.map(() => 0);
        for (const [at, load] of naive.entries()) wanted[present[at]!.index] = load;
        for (const [seat, load] of wanted.entries()) expect(ring.loads[seat]).toBeCloseTo(load, 9);
      }),
    );
  });

  it("put a token into the range over the seam of the ring", () => {
    const ring = new RingLoads(
      [0, 0].map((rack) => ({ rack, weight: 1 })),
      1,
      4,
    );
    ring.load([
      { position: 0.2, seat: 0 },
      { position: 0.8, seat: 0 },
    ]);
    expect(ring.insertInto(0, 0.1, 1)).toBe(2);
    expect(ring.positionAt(2)).toBeCloseTo(0.9);
    expect(ring.insertInto(0, 0.2, 1)).toBe(0);
    expect(ring.positionAt(0)).toBeCloseTo(0.1);
    expect(error(ring, 1)).toBeLessThan(1e-9);
  });
});
