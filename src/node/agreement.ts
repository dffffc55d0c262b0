/**
 * Whether the members agree on the layout.
 *
 * Layouts are committed without consensus: a member that has committed its own place may lose it to
 * a fork that somebody else committed at the same time. Therefore a new member is not in the ring
 * before every member of its layout has that same layout. Whoever had a layout keeps its members
 * when a fork wins (layout-keeper.ts), so from then on nobody can commit one without the new member:
 * take any two members; the one that was confirmed later was confirmed by the other one, too.
 */
import type { GossipMember } from "../gossip/gossip-io.ts";
import type { Layout } from "../layout/layout.ts";
import { compareLayoutVersions } from "../model/layout-version.ts";

/**
 * The addresses of live members that have another layout, or believe to be in the ring and are not
 * in this one. Who is still joining does not count: it will find out by itself.
 */
export function dissenters(layout: Layout, members: readonly GossipMember[]): readonly string[] {
  return members
    .filter(({ isSelf, isAlive }) => isAlive && !isSelf)
    .filter((member) => !agrees(layout, member))
    .map(({ address }) => address);
}

/** The addresses of members of the layout that are not known to be alive. */
export function unheard(layout: Layout, members: readonly GossipMember[]): readonly string[] {
  const heard = new Set(
    members.filter(({ isSelf, isAlive }) => isSelf || isAlive).map(({ id }) => id),
  );
  return layout.members.filter(({ id }) => !heard.has(id)).map(({ address }) => address);
}

function agrees(layout: Layout, member: GossipMember): boolean {
  const isInside = layout.members.some(({ id }) => id === member.id);
  if (!isInside) return member.states["STATUS"]?.value !== "NORMAL";
  return member.layout !== undefined && compareLayoutVersions(member.layout, layout.version) === 0;
}
