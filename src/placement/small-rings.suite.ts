/** Small rings and replications, written short. */
import { tokenHi, tokenLo } from "../ring/token.ts";
import { type PlacementMember, buildReplicaTable } from "./replica-table.ts";
import type { NetworkTopologyReplication, Replication, ReplicationFactor } from "./strategy.ts";

export const factor = (total: number, transient = 0): ReplicationFactor => ({ total, transient });
export const simple = (total: number, transient = 0): Replication => ({
  kind: "simple",
  factor: factor(total, transient),
});
export const oldNetwork = (total: number): Replication => ({
  kind: "old-network-topology",
  factor: factor(total),
});
export const network = (
  factors: Record<string, ReplicationFactor>,
  order: NetworkTopologyReplication["order"] = "current",
): NetworkTopologyReplication => ({
  kind: "network-topology",
  factors: new Map(Object.entries(factors)),
  order,
});

export function replicasAt(
  members: readonly PlacementMember[],
  replication: Replication,
  token: bigint,
): readonly number[] {
  const table = buildReplicaTable({ members, replication });
  return table.lookup(tokenHi(token), tokenLo(token)).members;
}

/** Members with these tokens, in `dc1` / `r1` unless said otherwise. */
export function ring(
  tokens: readonly (readonly bigint[])[],
  dcs = "",
  racks = "",
): PlacementMember[] {
  return tokens.map((own, member) => ({
    dc: dcs[member] ?? "1",
    rack: racks[member] ?? "1",
    tokens: own,
  }));
}
