/**
 * What a token of the newcomer in each gap takes from whom, in a ring that stays as it is: what
 * `window-search.ts` combines. Loads and shares are relative to a fair load.
 */
import type { RingLoads } from "./ring-loads.ts";
import { NOBODY } from "./takeovers.ts";

export class Reliefs {
  readonly seatCount: number;
  readonly gapCount: number;
  /** Load per weight of all but the newcomer. */
  readonly loads: Float64Array;
  /** The gaps, large ones first: it is better for the members to come if those are cut. */
  readonly gaps: readonly number[];
  /** Whom a token in the gap relieves, each once. */
  readonly relieved: readonly Int32Array[];
  /** Whole ranges that a token in the gap takes, and from whom. */
  readonly ranges: readonly Int32Array[];
  readonly losers: readonly Int32Array[];
  /** The gaps in which a token takes the range, or a part of it. */
  readonly takers: readonly Int32Array[];
  /** Who loses the part of the gap that lies before the token; negative if nobody does. */
  readonly partLosers: Int32Array;
  /** Size of the gap, also as a range of its own. */
  readonly sizes: Float64Array;
  /** True if the loser of the range depends on which token its walk meets. */
  readonly isAmbiguous: Uint8Array;
  /** What a share of the ring is for each seat, and for the newcomer as the last. */
  readonly units: Float64Array;

  /** @param ring - the newcomer sits last and has no tokens yet. */
  constructor(ring: RingLoads) {
    const newcomer = ring.seats.length - 1;
    this.seatCount = newcomer;
    this.gapCount = ring.count;
    this.units = Float64Array.from(ring.seats, ({ weight }) => 1 / weight / ring.mean);
    this.loads = ring.loads.slice(0, newcomer).map((load, seat) => load * (this.units[seat] ?? 0));
    this.sizes = Float64Array.from({ length: ring.count }, (_, gap) => ring.sizeAt(gap));
    this.partLosers = new Int32Array(ring.count);
    this.isAmbiguous = new Uint8Array(ring.count);
    const [ranges, losers]: [Int32Array[], Int32Array[]] = [[], []];
    const { sizes } = this;
    this.gaps = Array.from(sizes.keys()).toSorted((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
    const loserOf = new Map<number, number>();
    const note = (range: number, loser: number): void => {
      if (loser < NOBODY) return;
      if ((loserOf.get(range) ?? loser) !== loser) this.isAmbiguous[range] = 1;
      loserOf.set(range, loser);
    };
    for (let gap = 0; gap < ring.count; gap++) {
      ring.effectsOf(gap, newcomer);
      this.partLosers[gap] = ring.partLoser;
      ranges.push(ring.ranges.slice(0, ring.effectCount));
      losers.push(ring.losers.slice(0, ring.effectCount));
      note(gap, ring.partLoser);
      for (let at = 0; at < ring.effectCount; at++) {
        note(ring.ranges[at] ?? 0, ring.losers[at] ?? NOBODY);
      }
    }
    this.ranges = ranges;
    this.losers = losers;
    const takers: number[][] = ranges.map((_, gap) => [gap]);
    for (const [gap, whole] of ranges.entries())
      for (const range of whole) takers[range]?.push(gap);
    this.takers = takers.map((gaps) => Int32Array.from(gaps));
    this.relieved = losers.map((whole, gap) => {
      const seats = new Set([...whole, this.partLosers[gap] ?? NOBODY]);
      return Int32Array.from([...seats].filter((seat) => seat >= 0));
    });
  }
}
