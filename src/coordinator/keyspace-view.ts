/** A keyspace as one layout sees it: who holds which token. */
import {
  type ReplicationFactors,
  keyspaceTable,
  replicationFactors,
} from "../layout/keyspace-table.ts";
import type { Layout, LayoutKeyspace, LayoutMember } from "../layout/layout.ts";
import type { ReplicaTable } from "../placement/replica-table.ts";
import { must } from "../util/assert.ts";
import type { Peer } from "./peer.ts";
import type { PlannedSet } from "./replica-plan.ts";

export class KeyspaceView {
  readonly layout: Layout;
  readonly keyspace: LayoutKeyspace;
  readonly table: ReplicaTable;
  readonly factors: ReplicationFactors;

  /** Of `known`, a view that places all tokens alike lends its table: making one is the dear part. */
  constructor(layout: Layout, keyspace: LayoutKeyspace, known: readonly KeyspaceView[]) {
    this.layout = layout;
    this.keyspace = keyspace;
    const like =
      known.find((view) => view.layout === layout && view.keyspace === keyspace) ??
      known.find((view) => view.#placesLike(layout, keyspace));
    this.table = like?.table ?? keyspaceTable(layout, keyspace);
    this.factors = like?.factors ?? replicationFactors(layout, keyspace);
  }

  /** The replica set with this id. */
  plannedSet(setId: number, self: Peer): PlannedSet {
    const { members } = this.layout;
    const replicas = this.table
      .set(setId)
      .members.map((index) => must(members[index], "a replica is a member of its layout"));
    const local = members.find(({ id }) => id === self.memberId) ?? self;
    return { members: replicas, factors: this.factors, local };
  }

  #placesLike(layout: Layout, keyspace: LayoutKeyspace): boolean {
    const { members } = this.layout;
    return (
      keyspace.id === this.keyspace.id &&
      JSON.stringify(keyspace.replication) === JSON.stringify(this.keyspace.replication) &&
      members.length === layout.members.length &&
      members.every((member, at) => isSamePlace(member, layout.members[at]))
    );
  }
}

function isSamePlace(a: LayoutMember, b: LayoutMember | undefined): boolean {
  if (a === b) return true;
  return (
    a.id === b?.id &&
    a.dc === b.dc &&
    a.rack === b.rack &&
    a.tokens.length === b.tokens.length &&
    a.tokens.every((token, at) => token === b.tokens[at])
  );
}
