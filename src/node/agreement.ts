/**
 * Who among the live members does not live in the newest layout yet.
 *
 * Only for answering people: "everybody knows it". Nothing that has to be safe depends on who seems
 * to be alive; that is what history.ts counts, over all members.
 */
import type { GossipMember } from "../gossip/gossip-io.ts";
import { type LayoutHistory, headOf, requiredIds } from "../layout/history.ts";
import { type LayoutVersion, compareLayoutVersions, continues } from "../model/layout-version.ts";

/** The addresses of live members that have another layout than the head. */
export function dissenters(
  history: LayoutHistory,
  members: readonly GossipMember[],
): readonly string[] {
  const head = headOf(history).version;
  const required = requiredIds(history);
  return members
    .filter(({ id, isAlive, isSelf }) => isAlive && !isSelf && required.has(id))
    .filter(({ layout }) => layout === undefined || !continues(layout, head))
    .map(({ address }) => address);
}

/** True if a live member has a newer layout than this one, or one that wins against it. */
export function isBehind(history: LayoutHistory, members: readonly GossipMember[]): boolean {
  const head = headOf(history).version;
  return members.some(
    ({ isAlive, layout }) =>
      isAlive && layout !== undefined && compareLayoutVersions(layout, head) > 0,
  );
}

/** Addresses of members, alive or not, that have not confirmed a version or one made from it. */
export function unconfirmed(
  history: LayoutHistory,
  version: LayoutVersion,
  members: readonly GossipMember[],
): readonly { readonly id: string; readonly isAlive: boolean }[] {
  const byId = new Map(members.map((member) => [member.id, member]));
  return [...requiredIds(history)]
    .map((id) => ({ id, member: byId.get(id) }))
    .filter(({ member }) => member?.layout === undefined || !continues(member.layout, version))
    .map(({ id, member }) => ({ id, isAlive: member?.isAlive === true }));
}

/**
 * True if this member is the one to commit what is nobody's own wish: the sponsor, if it is a live member
 * of the head, otherwise the live member with the least id.
 */
export function isCommitter(
  history: LayoutHistory,
  members: readonly GossipMember[],
  { selfId, sponsor }: { readonly selfId: string; readonly sponsor?: string | undefined },
): boolean {
  const alive = new Set(
    members.filter(({ isAlive, isSelf }) => isAlive || isSelf).map(({ id }) => id),
  );
  const able = headOf(history).members.filter(({ id }) => alive.has(id));
  return (able.find(({ id }) => id === sponsor) ?? able[0])?.id === selfId;
}
