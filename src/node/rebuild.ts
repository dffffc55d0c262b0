/** What a member fetches when an operator wants it rebuilt: everything that it holds, from the others. */
import { keyspaceTable, replicationFactors } from "../layout/keyspace-table.ts";
import type { Layout } from "../layout/layout.ts";
import type { SyncDuty } from "../layout/transition.ts";
import { tokenFromHalves } from "../ring/token.ts";
import { must } from "../util/assert.ts";

/**
 * Every range that the member holds, to be compared with its other replicas; with `sourceDc` only with those
 * in that datacenter.
 */
export function rebuildDuties(
  layout: Layout,
  memberId: string,
  sourceDc: string | undefined,
): readonly SyncDuty[] {
  const duties: SyncDuty[] = [];
  for (const keyspace of layout.keyspaces) {
    const isGrouped = replicationFactors(layout, keyspace).perDatacenter !== undefined;
    for (const range of keyspaceTable(layout, keyspace).ranges()) {
      const target = range.replicas.members.map((at) => must(layout.members[at], "a member"));
      if (!target.some(({ id }) => id === memberId)) continue;
      const others = target.filter(({ id }) => id !== memberId);
      const asked = others.filter(({ dc }) => sourceDc === undefined || dc === sourceDc);
      if (asked.length === 0) continue;
      duties.push({
        keyspaceId: keyspace.id,
        start: tokenFromHalves(range.startHi, range.startLo),
        end: tokenFromHalves(range.endHi, range.endLo),
        receiver: memberId,
        source: undefined,
        replicas: asked.map(({ id, dc }) => ({ id, dc: isGrouped ? dc : "" })),
        holders: asked.map(({ id }) => id),
        target: target.map(({ id }) => id),
      });
    }
  }
  return duties;
}
