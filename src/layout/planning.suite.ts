/** Layouts for the tests of staging and planning. */
import type { ReplicationOptions } from "../model/replication-options.ts";
import { SeededRng } from "../util/random.ts";
import type { Layout, LayoutKeyspace, LayoutMember } from "./layout.ts";
import type { StagedContent, StagingFacts, WaitingMember } from "./staging.ts";
import { CLUSTER_ID, keyspace, member } from "./testing.suite.ts";

/** A layout as if committed; `counter` makes its hash. */
export function layoutOf(parts: Partial<Omit<Layout, "version">>, counter = 1): Layout {
  const hash = String(counter).padStart(32, "0");
  return {
    clusterId: CLUSTER_ID,
    clusterName: "test",
    partitioner: "Murmur3Partitioner",
    members: [],
    keyspaces: [],
    leavingIds: [],
    removedIds: [],
    base: counter - 1,
    parent: "",
    ...parts,
    version: { counter, hash, lineage: hash.slice(0, 8) },
  };
}

/** The layout that staged changes make, as if committed on the base. */
export function targetOf(head: Layout, content: StagedContent, base: Layout = head): Layout {
  const counter = head.version.counter + 1;
  return { ...layoutOf({}, counter), ...content, base: base.version.counter };
}

export function keyspaceWith(
  id: number,
  options: Readonly<Record<string, string>>,
  className = "NetworkTopologyStrategy",
): LayoutKeyspace {
  const replication: ReplicationOptions = { class: className, options };
  return { ...keyspace(`keyspace_${id}`, { replication }), id, index: id - 1 };
}

export function waiting(number: number, fields: Partial<WaitingMember> = {}): WaitingMember {
  const { tokens: _, ...place } = member(number);
  return { ...place, numTokens: 4, allocator: "balanced", initialToken: [], ...fields };
}

/** Everybody is alive, those who wait included. */
export function factsOf(head: Layout, fields: Partial<StagingFacts> = {}): StagingFacts {
  const outside = fields.waiting ?? [];
  const aliveIds = new Set([...head.members, ...outside].map(({ id }) => id));
  return { waiting: [], aliveIds, rng: new SeededRng(1), ...fields };
}

/** The same facts without these members among the living. */
export function withDown(facts: StagingFacts, ...down: readonly LayoutMember[]): StagingFacts {
  const dead = new Set(down.map(({ id }) => id));
  return { ...facts, aliveIds: new Set([...facts.aliveIds].filter((id) => !dead.has(id))) };
}
