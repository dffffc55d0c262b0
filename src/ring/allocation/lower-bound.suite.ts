/**
 * How even a ring can possibly be after an addition that touches no existing token, by counting: simpler
 * and weaker than the search of addition-bound.ts, which the tests measure against it.
 *
 * One token relieves at most RF members. Let B be the replicas chosen by the walk that starts right
 * behind the new token p (RF members). A range before p whose walk passes p chooses from behind p
 * only among B: what a greedy walk over a matroid skips when it starts at p, it skips as well when it
 * has chosen more before. The member that the newcomer displaces stands behind it in the walk, so it
 * is one of B. Hence an addition of V tokens relieves at most k = V x RF members, and no existing
 * member ever gains. Two bounds follow (loads per weight, relative to the new mean):
 *
 * For one addition to a given ring: the member with the (k+1)-th largest load, or a larger one, keeps it,
 * and the smallest one stays the smallest: spread >= (k+1)-th largest - smallest. `smallestSpread`.
 *
 * For growth, whatever the ring: the newcomer's load, at least the new minimum b, comes from at most k
 * members, so one of them gave b / k and had at least b (1 + 1/k) before. With n members before,
 * c = n / (n+1) (1 + 1/k), and spreads s before and s' after (equal weights):
 *
 *     1 + s (n-1)/n  >=  c (1 - s' n/(n+1))
 *
 * so the larger of two consecutive spreads is at least `growthBound`, about (1/k - 1/n) / 2.
 * A test confirms both by exhaustive search on small rings.
 */
import { must } from "../../util/assert.ts";
import type { RingMember } from "./allocation.ts";
import { relativeLoads } from "./growth.ts";
import { MURMUR3_SPACE, type TokenSpace } from "./token-space.ts";

/**
 * The smallest spread that any choice of tokens for the last member could have given.
 *
 * @param members - members of one datacenter; the last one joined last.
 */
export function smallestSpread(
  members: readonly RingMember[],
  rf: number,
  space: TokenSpace = MURMUR3_SPACE,
): number {
  const before = members.slice(0, -1);
  const last = must(members.at(-1), "a member that joined last");
  if (before.length === 0) return 0;
  const weightOf = (list: readonly RingMember[]): number =>
    list.reduce((sum, { weight }) => sum + weight, 0);
  // Relative to the mean after the addition, which is lower once there are RF members.
  const replicasBefore = Math.min(rf, before.length) / weightOf(before);
  const replicasAfter = Math.min(rf, members.length) / weightOf(members);
  const loads = relativeLoads(before, rf, space)
    .map((load) => (load * replicasBefore) / replicasAfter)
    .toSorted((a, b) => b - a);
  const unrelieved = loads[last.tokens.length * rf];
  if (unrelieved === undefined) return 0;
  return Math.max(unrelieved, 1) - Math.min(must(loads.at(-1), "a smallest load"), 1);
}

/** The larger of the spreads of `members` and `members` + 1 equal members is at least this. */
export function growthBound(members: number, tokenCount: number, rf: number): number {
  const relieved = Math.min(members, tokenCount * rf);
  const drop = (members / (members + 1)) * (1 + 1 / relieved);
  const share = (members - 1) / members + (drop * members) / (members + 1);
  return Math.max(0, (drop - 1) / share);
}
