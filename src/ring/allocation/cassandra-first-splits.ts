/**
 * How Cassandra's allocators choose tokens while there is nothing to balance yet: cut the largest gap,
 * unevenly, again and again (`TokenAllocatorBase.generateSplits`).
 *
 * The ratio is about 0.55 to 0.63 instead of one half on purpose: gaps of varied size give the
 * allocators something to choose from later. The generator is seeded with the number of tokens in the
 * ring, so only the very first token of a ring is a matter of chance.
 */
import { must } from "../../util/assert.ts";
import { JavaRandom } from "./java-compat.ts";
import type { TokenSpace } from "./token-space.ts";

const MIN_SPLIT_RATIO = 1.0 - 1.0 / Math.sqrt(5.0);
/** As Cassandra computes it, in doubles: 0.07499999999999996, not 0.075. */
const SPLIT_RATIO_RANGE = MIN_SPLIT_RATIO + 0.075 - MIN_SPLIT_RATIO;

/**
 * @param ring - all tokens of the considered ring, ascending; not changed.
 * @param firstToken - gives the first token of an empty ring.
 * @returns `count` new tokens in the order in which they were chosen.
 */
export function splitLargestGaps(
  space: TokenSpace,
  ring: readonly bigint[],
  count: number,
  firstToken: () => bigint,
): bigint[] {
  const tokens = [...ring];
  const random = new JavaRandom(BigInt(ring.length));
  const chosen: bigint[] = [];
  if (tokens.length === 0 && count > 0) {
    const first = firstToken();
    tokens.push(first);
    chosen.push(first);
  }
  while (chosen.length < count) {
    const { left, right, index } = largestGap(space, tokens);
    const ratio = MIN_SPLIT_RATIO + SPLIT_RATIO_RANGE * random.nextDouble();
    const token = space.split(left, right, ratio);
    chosen.push(token);
    // A cut of the wrapping gap may land on either side of the ring's seam.
    if (index > 0) tokens.splice(index, 0, token);
    else tokens.splice(token > left ? tokens.length : 0, 0, token);
  }
  return chosen;
}

/** The first strictly largest gap, in token order; index is that of its right end. */
function largestGap(
  space: TokenSpace,
  tokens: readonly bigint[],
): { left: bigint; right: bigint; index: number } {
  let left = must(tokens.at(-1), "a token in the ring");
  let best = { left, right: left, index: 0 };
  let bestSize = 0;
  for (const [index, right] of tokens.entries()) {
    const size = space.sizeBetween(left, right);
    if (size > bestSize) {
      bestSize = size;
      best = { left, right, index };
    }
    left = right;
  }
  return best;
}
