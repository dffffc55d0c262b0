/**
 * Back to the layout that is read from, while another one is on its way.
 *
 * It is a commit like any other, on top of what is to be undone. As every write has reached its level in
 * the layout that is read from, nothing has to be fetched for it. Who was to come in leaves again, for
 * good: that member holds an incomplete copy. One that is dead may be the reason why somebody reverts,
 * so it is removed; one that is alive may have changed the ring at the same time, and is waited for,
 * as any member that leaves. Who was to leave stays. A removal cannot be undone: nobody has waited for
 * the removed one since.
 */
import type { PlannedContent } from "./commit.ts";
import { type Layout, LayoutError } from "./layout.ts";
import { compareText } from "./rules.ts";

/** `read` is the newest layout that anybody reads from. Throws LayoutError (CHANGE_REFUSED). */
export function revertedContent(
  head: Layout,
  read: Layout,
  isAlive: (id: string) => boolean,
): PlannedContent {
  if (head.version.hash === read.version.hash) {
    throw refused("no change is under way: every member reads from the newest layout");
  }
  const removed = read.members.filter(({ id }) => head.removedIds.includes(id));
  if (removed.length > 0) {
    const names = removed.map(({ id, address }) => `${address} (${id})`).join(", ");
    throw refused(`${names} was removed in it, and a removed member never comes back`);
  }
  const staying = new Set(read.members.map(({ id }) => id));
  const outsiders = head.members.map(({ id }) => id).filter((id) => !staying.has(id));
  const leaving = [
    ...head.leavingIds.filter((id) => !staying.has(id)),
    ...outsiders.filter(isAlive),
  ];
  const dead = outsiders.filter((id) => !isAlive(id));
  return {
    members: read.members,
    keyspaces: withNewKeyspaces(head, read),
    leavingIds: leaving.toSorted(compareText),
    removedIds: [...head.removedIds, ...dead].toSorted(compareText),
  };
}

/** Keyspaces that were created meanwhile stay: they may hold data. */
function withNewKeyspaces(head: Layout, read: Layout): Layout["keyspaces"] {
  return head.keyspaces.map(
    (keyspace) => read.keyspaces.find(({ id }) => id === keyspace.id) ?? keyspace,
  );
}

function refused(reason: string): LayoutError {
  return new LayoutError("CHANGE_REFUSED", `there is nothing to revert: ${reason}`, {});
}
