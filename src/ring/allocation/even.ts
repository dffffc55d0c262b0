/**
 * Evenly spaced tokens, as everybody computed them before there were allocators, and the tools that
 * did: the Cassandra wiki's script, `token-generator`, and doubling.
 */
import { AllocationError, compareTokens } from "./allocation.ts";
import { RANDOM_SPACE, type TokenSpace } from "./token-space.ts";

/**
 * `count` evenly spaced tokens, ascending by slot: minimum + slot * floor(width / count) + offset.
 * The first of a Murmur3 ring without offset is the reserved minimum, which Cassandra accepts and
 * many guides use.
 *
 * @param offset - added to each token; give every datacenter of a cluster another one (guides: 100 per
 *   datacenter), because two members of a cluster may not share a token.
 */
export function evenTokens(space: TokenSpace, count: number, offset = 0n): bigint[] {
  checkCount(count);
  const step = space.width / BigInt(count);
  return Array.from({ length: count }, (_, slot) =>
    wrap(space, space.minimum + BigInt(slot) * step + offset),
  );
}

/**
 * The Cassandra wiki's script for the Random partitioner, i * 2^127 / n: it multiplies before it
 * divides, so its last digits differ from those of `evenTokens` (n = 3: ...085 instead of ...084).
 */
export function wikiScriptTokens(count: number): bigint[] {
  checkCount(count);
  return Array.from({ length: count }, (_, slot) => (BigInt(slot) * 2n ** 127n) / BigInt(count));
}

/**
 * Cassandra's old `token-generator` (up to 2.x, Random partitioner): an even ring per datacenter, each
 * shifted backwards far enough that no two share a token.
 *
 * @param membersPerDc - how many members each datacenter has.
 * @returns a list of tokens per datacenter.
 */
export function tokenGeneratorTokens(
  membersPerDc: readonly number[],
  ring: bigint = RANDOM_SPACE.width,
): bigint[][] {
  const largest = Math.max(0, ...membersPerDc);
  const parts = BigInt(Math.max(membersPerDc.length * largest * 2, 235));
  // The script divides the negative ring, and Python rounds that down: away from zero.
  const shift = (ring + parts - 1n) / parts;
  return membersPerDc.map((count, dc) => {
    if (count === 0) return [];
    const step = ring / BigInt(count);
    return Array.from({ length: count }, (_, slot) => {
      const token = (BigInt(slot) * step - shift * BigInt(dc)) % ring;
      return token < 0n ? token + ring : token;
    });
  });
}

/**
 * The tokens that new members take when a ring grows by an integer factor: the existing tokens stay,
 * and every gap is cut into `factor` equal parts. With factor 2 new members take the halves.
 *
 * @param tokens - all tokens of the ring (or of one rack, where each rack holds the ring once).
 * @returns factor - 1 lists, one per round of new members, each with one token per gap, in the order
 *   of the tokens that end the gaps.
 */
export function growthTokens(
  space: TokenSpace,
  tokens: readonly bigint[],
  factor: number,
): bigint[][] {
  if (!Number.isInteger(factor) || factor < 2) {
    throw new AllocationError(
      "MEMBER",
      `a ring grows by an integer factor from 2 on, not ${factor}`,
    );
  }
  const sorted = tokens.toSorted(compareTokens);
  return Array.from({ length: factor - 1 }, (_, round) =>
    sorted.map((right, index) => {
      const left = sorted.at(index - 1) ?? right;
      const gap = right > left ? right - left : right - left + space.width;
      if (gap < BigInt(factor)) {
        throw new AllocationError(
          "TOKEN_TAKEN",
          `the gap before token ${right} is too small to cut`,
        );
      }
      return wrap(space, left + (gap * BigInt(round + 1)) / BigInt(factor));
    }),
  );
}

/** The token at this place of the ring, whose end is followed by its beginning. */
function wrap(space: TokenSpace, token: bigint): bigint {
  const distance = (token - space.minimum) % space.width;
  return space.minimum + (distance < 0n ? distance + space.width : distance);
}

function checkCount(count: number): void {
  if (Number.isInteger(count) && count > 0) return;
  throw new AllocationError("TOKEN_COUNT", `a ring has 1 or more tokens, not ${count}`);
}
