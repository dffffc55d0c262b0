/** A keyspace of one layout as a table from token to members, and how many replicas that should be. */
import { ringPositionsOf } from "../placement/ring-positions.ts";
import { type ReplicaTable, buildReplicaTable } from "../placement/replica-table.ts";
import {
  type Replication,
  isDatacenterAware,
  parseReplication,
  replicationFactor,
} from "../placement/strategy.ts";
import { type LayoutContent, type LayoutKeyspace, datacentersOf } from "./layout.ts";

/** How a keyspace is replicated, as far as counting goes. */
export interface ReplicationFactors {
  readonly total: number;
  /** Per datacenter; undefined for strategies that know no datacenters. */
  readonly perDatacenter: ReadonlyMap<string, number> | undefined;
}

/** The replicas of each position, as indexes into the layout's members. */
export function keyspaceTable(layout: LayoutContent, keyspace: LayoutKeyspace): ReplicaTable {
  const positions = ringPositionsOf(layout.partitioner);
  return buildReplicaTable({
    members: layout.members.map(({ dc, rack, tokens }) => ({
      dc,
      rack,
      tokens: tokens.map((token) => positions.positionOf(token)),
    })),
    replication: parseReplication(keyspace.replication, datacentersOf(layout)),
  });
}

export function replicationFactors(
  layout: LayoutContent,
  keyspace: LayoutKeyspace,
): ReplicationFactors {
  const { members } = layout;
  const datacenters = datacentersOf(layout);
  const replication: Replication = parseReplication(keyspace.replication, datacenters);
  const total = replicationFactor(replication, undefined, members);
  if (!isDatacenterAware(replication)) return { total, perDatacenter: undefined };
  const perDatacenter = new Map<string, number>();
  for (const dc of datacenters) {
    const factor = replicationFactor(replication, dc, members);
    if (factor > 0) perDatacenter.set(dc, factor);
  }
  return { total, perDatacenter };
}
