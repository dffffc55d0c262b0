/**
 * Ranges of the ring: `(start, end]`, clockwise, start excluded, end included.
 *
 *     start < end    the tokens between
 *     start > end    wraps: from start over the top of the ring and up to end
 *     start = end    the whole ring
 *
 * A member owns the range from its predecessor's token to its own; the member with the lowest
 * token also owns what lies above the highest. A range that ends at the minimum token is the tail
 * of the ring and does not count as wrapping.
 *
 * The functions work for every partitioner: they take its order of tokens as their first argument.
 *
 * Source: Cassandra `dht/Range`; Dynamo paper, section 4.2.
 */

/** How a partitioner orders its tokens, and the least of them. */
export interface TokenOrder<T> {
  /** Lies before every token of a key and bounds the ring: a range may start or end there. */
  readonly minimum: T;
  /** Negative, zero or positive, as `a` lies before, at or after `b`. */
  compare(a: T, b: T): number;
}

/** The tokens after `start` up to and including `end`. */
export interface TokenRange<T = bigint> {
  /** Excluded: it ends the range before, in ring order. */
  readonly start: T;
  /** Included. Equal to the start when the range is the whole ring. */
  readonly end: T;
}

/** The 64-bit ring of tokens as bigint; also right for every other numeric ring but its minimum. */
export const INT64_ORDER: TokenOrder<bigint> = {
  minimum: -(2n ** 63n),
  compare: (a, b) => (a === b ? 0 : a < b ? -1 : 1),
};

/** True if the range passes the top of the ring; one that only reaches it does not. */
export function isWrapping<T>(order: TokenOrder<T>, range: TokenRange<T>): boolean {
  const reachesTop = order.compare(range.end, order.minimum) === 0;
  return !reachesTop && order.compare(range.start, range.end) >= 0;
}

/** True if the token lies after the start and up to the end, clockwise. */
export function rangeContains<T>(order: TokenOrder<T>, range: TokenRange<T>, token: T): boolean {
  const isAfterStart = order.compare(token, range.start) > 0;
  const isUpToEnd = order.compare(token, range.end) <= 0;
  const passesTop = order.compare(range.start, range.end) >= 0;
  return passesTop ? isAfterStart || isUpToEnd : isAfterStart && isUpToEnd;
}

/** The same tokens as ranges that do not wrap: `(start, minimum]` and `(minimum, end]`. */
export function unwrapRange<T>(
  order: TokenOrder<T>,
  range: TokenRange<T>,
): readonly TokenRange<T>[] {
  if (!isWrapping(order, range)) return [range];
  const head = { start: order.minimum, end: range.end };
  return [{ start: range.start, end: order.minimum }, head];
}

/** The ranges between sorted distinct tokens, each `(previous, own]`, in order of their ends. */
export function rangesOf<T>(sortedTokens: readonly T[]): readonly TokenRange<T>[] {
  return sortedTokens.map((end, index) => ({
    start: sortedTokens.at(index - 1) as T,
    end,
  }));
}
