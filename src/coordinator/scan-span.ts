/** Stretches of the ring that the same members hold: what a scan asks for at one time. */
import type { ScanQuery } from "../codec/packed-frames.ts";
import { MIN_TOKEN, compareHalves, tokenFromHalves, tokenHi, tokenLo } from "../ring/token.ts";
import { must } from "../util/assert.ts";
import type { KeyspacePlacement } from "./keyspace-placement.ts";
import type { ReplicaPlan } from "./replica-plan.ts";

/** Positions on the ring, counted from its minimum token: 0 .. 2^64 - 1. */
export const RING_SIZE: bigint = 2n ** 64n;
const LAST_POSITION = RING_SIZE - 1n;
const RANGES_PER_SPAN_MAX = 1024;

/** A stretch of the ring held by one set of members: positions first .. last. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
  /** For the layout that is read from. */
  readonly plan: ReplicaPlan;
}

export interface Halves {
  readonly tokenHi: number;
  readonly tokenLo: number;
}

/** A stretch from `first` on, over as many ranges as the same members hold. */
export function spanAt(placement: KeyspacePlacement, first: bigint): Span {
  const plan = planAt(placement, first);
  const members = new Set(plan.replicas);
  let last = rangeEnd(placement, first);
  for (let ranges = 1; ranges < RANGES_PER_SPAN_MAX && last < LAST_POSITION; ranges++) {
    const { replicas } = planAt(placement, last + 1n);
    if (replicas.length !== members.size || !replicas.every((peer) => members.has(peer))) break;
    last = rangeEnd(placement, last + 1n);
  }
  return { first, last, plan };
}

/** Where the range that holds a position ends. */
function rangeEnd({ ranges }: KeyspacePlacement, position: bigint): bigint {
  const token = position + MIN_TOKEN;
  let below = 0;
  let above = ranges.length;
  while (below < above) {
    const middle = (below + above) >>> 1;
    const { endHi, endLo } = must(ranges[middle], "a range in bounds");
    if (compareHalves(endHi, endLo, tokenHi(token), tokenLo(token)) < 0) below = middle + 1;
    else above = middle;
  }
  const range = ranges[below];
  // After the last token comes the first one's range, which wraps.
  return range === undefined
    ? LAST_POSITION
    : tokenFromHalves(range.endHi, range.endLo) - MIN_TOKEN;
}

function planAt(placement: KeyspacePlacement, position: bigint): ReplicaPlan {
  const token = position + MIN_TOKEN;
  return placement.readPlan(tokenHi(token), tokenLo(token));
}

export function queryOf({ first, last }: Pick<Span, "first" | "last">, limit: number): ScanQuery {
  const start = BigInt.asIntN(64, first + MIN_TOKEN - 1n);
  const end = last + MIN_TOKEN;
  return {
    startHi: tokenHi(start),
    startLo: tokenLo(start),
    endHi: tokenHi(end),
    endLo: tokenLo(end),
    limit,
  };
}

/** The position of a token given by its halves. */
export function positionOf({ tokenHi: hi, tokenLo: lo }: Halves): bigint {
  return tokenFromHalves(hi, lo) - MIN_TOKEN;
}
