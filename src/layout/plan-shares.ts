/** Who holds how much before and after a plan, all keyspaces together. */
import type { PlannedMember } from "../model/topology-api.ts";
import { effectiveOwnership, primaryOwnership } from "../placement/ownership.ts";
import { ringPositionsOf } from "../placement/ring-positions.ts";
import { must } from "../util/assert.ts";
import type { Layout } from "./layout.ts";
import type { PlanContext } from "./plan-context.ts";

/** All members of the layouts by id: those of the present one first, then those that come. */
export function plannedMembers(context: PlanContext): readonly PlannedMember[] {
  const { head, base, target, facts } = context;
  const before = sharesById(context, head);
  const after = sharesById(context, target);
  const ids = new Set(
    [...head.members, ...target.members, ...base.members].map((member) => member.id),
  );
  return [...ids].map((id) => {
    const { address, dc, rack } = must(context.member(id), "a member of one of the layouts");
    return {
      id,
      address,
      dc,
      rack,
      isUp: facts.aliveIds.has(id),
      ownershipBefore: before && (before.get(id) ?? 0),
      ownershipAfter: after && (after.get(id) ?? 0),
      tokensBefore: tokenCountOf(head, id),
      tokensAfter: tokenCountOf(target, id),
    };
  });
}

/**
 * The share of all data of which a member is a replica: the mean of its effective ownership over the
 * keyspaces, weighted by their sizes; unweighted while all are empty; without keyspaces its primary one.
 * Undefined where tokens have no widths.
 */
export function sharesById(
  context: PlanContext,
  layout: Layout,
): ReadonlyMap<string, number> | undefined {
  if (context.hasNoWidths) return undefined;
  const { members, keyspaces } = layout;
  const sizes = keyspaces.map(({ id }) => context.facts.densities.get(id)?.bytes ?? 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const shares = new Float64Array(members.length);
  for (const [index, keyspace] of keyspaces.entries()) {
    const part = total > 0 ? (sizes[index] ?? 0) / total : 1 / keyspaces.length;
    if (part === 0) continue;
    for (const [member, share] of effectiveOwnership(context.table(layout, keyspace)).entries()) {
      shares[member] = (shares[member] ?? 0) + part * share;
    }
  }
  const positions = ringPositionsOf(layout.partitioner);
  const tokens = (): { tokens: bigint[] }[] =>
    members.map((member) => ({
      tokens: member.tokens.map((token) => positions.positionOf(token)),
    }));
  const chosen = keyspaces.length > 0 ? shares : primaryOwnership(tokens());
  return new Map(members.map(({ id }, index) => [id, chosen[index] ?? 0]));
}

function tokenCountOf({ members }: Layout, id: string): number {
  return members.find((member) => member.id === id)?.tokens.length ?? 0;
}
