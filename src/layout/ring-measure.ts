/**
 * How large a part of the ring is, of 1.
 *
 * Hashes spread keys evenly, so there the width says it. Keys of an ordered partitioner lie as people
 * name them: a wide range may be empty. There every range between neighbouring tokens counts alike,
 * which is a guess; whoever shows figures made of it has to say so.
 */
import { ringPositionsOf } from "../placement/ring-positions.ts";
import type { LayoutContent } from "./layout.ts";

/** The share of the ring in (start, end]; the whole of it if they are equal. */
export type RingMeasure = (start: bigint, end: bigint) => number;

/** True where shares of the ring are guesses. */
export function hasNoWidths(partitioner: string): boolean {
  return ringPositionsOf(partitioner).compareKeys !== undefined;
}

/** A measure for layouts of one ring: ranges are those between the tokens of all of them. */
export function ringMeasure(
  layouts: readonly Pick<LayoutContent, "members" | "partitioner">[],
): RingMeasure {
  const [first] = layouts;
  if (first === undefined || !hasNoWidths(first.partitioner)) return widthBetween;
  const positions = ringPositionsOf(first.partitioner);
  const owned = new Set<bigint>();
  for (const { members } of layouts) {
    for (const { tokens } of members) {
      for (const token of tokens) owned.add(positions.positionOf(token));
    }
  }
  const sorted = BigInt64Array.from(owned).sort();
  return (start, end) => {
    if (start === end) return 1;
    const isInside =
      start < end
        ? (position: bigint) => position > start && position <= end
        : (position: bigint) => position > start || position <= end;
    return sorted.filter(isInside).length / sorted.length;
  };
}

function widthBetween(start: bigint, end: bigint): number {
  const width = BigInt.asUintN(64, end - start);
  return width === 0n ? 1 : Number(width) / 2 ** 64;
}
