/** The dumb second implementation of placement. */
import type { PlacementMember } from "./replica-table.ts";
import type { NetworkTopologyReplication, Replication } from "./strategy.ts";

export interface NaiveReplica {
  readonly at: number;
  readonly isTransient: boolean;
}

/** Placement as the classes of Cassandra do it: one forward walk for one token. */
export function naivePlacement(
  members: readonly PlacementMember[],
  replication: Replication,
  token: bigint,
): NaiveReplica[] {
  const sorted = members
    .flatMap(({ tokens }, at) => tokens.map((own) => ({ own, at })))
    .sort((a, b) => (a.own < b.own ? -1 : 1));
  const found = sorted.findIndex(({ own }) => own >= token);
  const start = found === -1 ? 0 : found;
  const walk = [...sorted.slice(start), ...sorted.slice(0, start)].map(({ at }) => at);
  switch (replication.kind) {
    case "simple": {
      const { total, transient } = replication.factor;
      const distinct = [...new Set(walk)].slice(0, total);
      return distinct.map((at, pick) => ({ at, isTransient: pick >= total - transient }));
    }
    case "network-topology":
      return replication.order === "current"
        ? naiveCurrent(members, replication, walk)
        : naiveOlder(members, replication, walk).map((at) => ({ at, isTransient: false }));
    case "old-network-topology":
      return naiveOldNetworkTopology(members, replication.factor.total, walk).map((at) => ({
        at,
        isTransient: false,
      }));
    case "rack-per-replica": {
      const racks = new Map<string, number>();
      for (const at of walk) {
        const rack = `${members[at]!.dc}/${members[at]!.rack}`;
        if (!racks.has(rack)) racks.set(rack, at);
      }
      return Array.from(racks.values(), (at) => ({ at, isTransient: false }));
    }
    case "everywhere":
    case "local":
      throw new Error("no walk needed");
  }
}

function naiveCurrent(
  members: readonly PlacementMember[],
  replication: NetworkTopologyReplication,
  walk: readonly number[],
): NaiveReplica[] {
  const states = new Map(
    Array.from(replication.factors, ([dc, { total, transient }]) => {
      const inDc = members.filter((member) => member.dc === dc && member.tokens.length > 0);
      const left = Math.min(total, inDc.length);
      const repeats = total - new Set(inDc.map((member) => member.rack)).size;
      return [dc, { left, repeats, transient: Math.max(0, transient - (total - left)) }];
    }),
  );
  const taken: NaiveReplica[] = [];
  const racks = new Set<string>();
  for (const at of walk) {
    const { dc, rack } = members[at]!;
    const state = states.get(dc);
    if (state === undefined || state.left === 0) continue;
    if (taken.some((replica) => replica.at === at)) continue;
    if (racks.has(`${dc}/${rack}`)) {
      if (state.repeats <= 0) continue;
      state.repeats--;
    }
    racks.add(`${dc}/${rack}`);
    taken.push({ at, isTransient: state.left <= state.transient });
    state.left--;
  }
  return taken;
}

function naiveOldNetworkTopology(
  members: readonly PlacementMember[],
  total: number,
  walk: readonly number[],
): number[] {
  const primary = members[walk[0]!]!;
  const taken = walk.slice(0, 1);
  let [hasOtherDc, hasOtherRack] = [false, false];
  for (const at of walk.slice(1)) {
    const { dc, rack } = members[at]!;
    if (taken.length >= total) break;
    if (dc !== primary.dc) {
      if (!hasOtherDc) taken.push(at);
      hasOtherDc = true;
    } else if (rack !== primary.rack) {
      if (!hasOtherRack) taken.push(at);
      hasOtherRack = true;
    }
  }
  for (const at of walk) if (taken.length < total && !taken.includes(at)) taken.push(at);
  return taken;
}

function naiveOlder(
  members: readonly PlacementMember[],
  replication: NetworkTopologyReplication,
  walk: readonly number[],
): number[] {
  const taken = new Set<number>();
  const states = new Map(
    Array.from(replication.factors, ([dc, { total }]) => {
      const inDc = members.filter((member) => member.dc === dc && member.tokens.length > 0);
      const racks = new Set(inDc.map((member) => member.rack));
      return [
        dc,
        {
          wanted: Math.min(total, inDc.length),
          rackCount: racks.size,
          seen: new Set<string>(),
          own: new Set<number>(),
          aside: new Set<number>(),
        },
      ];
    }),
  );
  for (const at of walk) {
    const { dc, rack } = members[at]!;
    const state = states.get(dc);
    if (state === undefined || state.own.size === state.wanted) continue;
    const take = (member: number): void => {
      if (state.own.size === state.wanted) return;
      state.own.add(member);
      taken.add(member);
    };
    if (state.seen.size === state.rackCount) take(at);
    else if (state.seen.has(rack)) state.aside.add(at);
    else {
      take(at);
      state.seen.add(rack);
      if (state.seen.size === state.rackCount) for (const other of state.aside) take(other);
    }
  }
  return [...taken];
}
