/**
 * What each member of a ring holds when it is as even as it can be.
 *
 * Loads in proportion to the weights are not always to be had: a member holds the ring once at most, and so does each
 * rack where there are as many as replicas or more. With three replicas in racks of 4, 3 and 3 members, each of the four
 * holds a quarter less than the others, wherever the tokens lie.
 *
 * The sets of replicas are the bases of a matroid (`takeovers.ts`). So the loads that can be had are the points of its
 * base polytope, with x for the members and X for the racks:
 *
 *       x <= 1        sum of max(0, X - 1) over the racks <= repeats        sum of x = replicas
 *
 * The evenest of them comes of raising the load per weight of all together, and leaving behind whoever cannot rise any
 * more. It has the largest minimum and the smallest maximum at once.
 *
 * Source: Fujishige, "Lexicographically optimal base of a polymatroid with respect to a weight vector", 1980.
 */
import type { RingSeat } from "./ring-loads.ts";

/** Bounds of a level are halved so often: a double has no more digits. */
const HALVINGS = 64;

/**
 * The loads as shares of the ring, by seat. No seat is ABSENT.
 *
 * @param replicas - per range; no more than there are seats.
 */
export function fairLoads(seats: readonly RingSeat[], replicas: number): Float64Array {
  const racks = new Map<number, number[]>();
  for (const { rack, weight } of seats) racks.set(rack, [...(racks.get(rack) ?? []), weight]);
  const repeats = Math.max(0, replicas - racks.size);
  const beyond = (level: number): number =>
    sumOf([...racks.values()], (rack) => Math.max(0, heldAt(level, rack) - 1));
  const weights = seats.map(({ weight }) => weight);
  const mean = replicas / sumOf(weights, (weight) => weight);
  const isWithin = mean * Math.max(...weights) <= 1 && beyond(mean) <= repeats;
  if (isWithin) return Float64Array.from(weights, (weight) => mean * weight);
  // At this level everybody holds the whole ring.
  const highest = 1 / Math.min(...weights);
  // Racks that hold more than the ring share the repeats, and stop together; others stop when they hold all of it.
  const together = levelOf(highest, repeats, beyond);
  const stops = new Map(
    [...racks].map(([rack, inside]) => {
      const alone = levelOf(highest, 1, (level) => heldAt(level, inside));
      return [rack, Math.max(together, alone)];
    }),
  );
  const loadsAt = (level: number): Float64Array =>
    Float64Array.from(seats, ({ rack, weight }) =>
      Math.min(1, weight * Math.min(level, stops.get(rack) ?? highest)),
    );
  return loadsAt(levelOf(highest, replicas, (level) => sumOf([...loadsAt(level)], (load) => load)));
}

function sumOf<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0);
}

/** What members of these weights hold at a load per weight. */
function heldAt(level: number, weights: readonly number[]): number {
  return sumOf(weights, (weight) => Math.min(1, level * weight));
}

/** The highest level up to `highest` at which a rising function is no more than `limit`. */
function levelOf(highest: number, limit: number, rising: (level: number) => number): number {
  if (rising(highest) <= limit) return highest;
  let [below, above] = [0, highest];
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (below + above) / 2;
    if (rising(middle) <= limit) below = middle;
    else above = middle;
  }
  return below;
}
