/**
 * The layout as one coordinator uses it: for each keyspace a table from token to replica plan.
 *
 * It belongs to one layout version. A request takes it once and keeps it.
 */
import { type Layout, type LayoutKeyspace, datacentersOf } from "../layout/layout.ts";
import {
  type ReplicaRange,
  type ReplicaTable,
  buildReplicaTable,
} from "../placement/replica-table.ts";
import {
  type Replication,
  isDatacenterAware,
  parseReplication,
  replicationFactor,
} from "../placement/strategy.ts";
import { parseToken } from "../ring/token.ts";
import { must } from "../util/assert.ts";
import type { Peer } from "./peer.ts";
import { ReplicaPlan } from "./replica-plan.ts";
import type { ReplicationFactors } from "./requirement.ts";

export class KeyspacePlacement {
  readonly keyspace: LayoutKeyspace;
  readonly table: ReplicaTable;
  readonly factors: ReplicationFactors;
  readonly #peers: readonly Peer[];
  readonly #self: Peer;
  #ranges: readonly ReplicaRange[] | undefined;
  /** By id of the replica set; made when first needed. */
  readonly #plans: (ReplicaPlan | undefined)[] = [];

  constructor(keyspace: LayoutKeyspace, layout: Layout, peers: readonly Peer[], self: Peer) {
    const datacenters = datacentersOf(layout);
    const replication = parseReplication(keyspace.replication, datacenters);
    this.keyspace = keyspace;
    this.factors = factorsOf(replication, datacenters, layout);
    this.#peers = peers;
    this.#self = self;
    this.table = buildReplicaTable({
      members: layout.members.map(({ dc, rack, tokens }) => ({
        dc,
        rack,
        tokens: tokens.map(parseToken),
      })),
      replication,
    });
  }

  /** All ranges by ascending end token. */
  get ranges(): readonly ReplicaRange[] {
    return (this.#ranges ??= this.table.ranges());
  }

  plan(tokenHi: number, tokenLo: number): ReplicaPlan {
    const set = this.table.lookup(tokenHi, tokenLo);
    return (this.#plans[set.id] ??= this.#makePlan(set.members));
  }

  #makePlan(members: readonly number[]): ReplicaPlan {
    const replicas = members.map((index) => must(this.#peers[index], "each member has a peer"));
    return new ReplicaPlan(replicas, this.factors, this.#self);
  }
}

function factorsOf(
  replication: Replication,
  datacenters: readonly string[],
  { members }: Layout,
): ReplicationFactors {
  const total = replicationFactor(replication, undefined, members);
  if (!isDatacenterAware(replication)) return { total, perDatacenter: undefined };
  const perDatacenter = new Map<string, number>();
  for (const dc of datacenters) {
    const factor = replicationFactor(replication, dc, members);
    if (factor > 0) perDatacenter.set(dc, factor);
  }
  return { total, perDatacenter };
}
