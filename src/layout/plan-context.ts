/** What all parts of a plan look at: three layouts, the tables of their keyspaces, and the duties. */
import type { StagedChange } from "../model/topology-api.ts";
import type { ReplicaRange, ReplicaTable } from "../placement/replica-table.ts";
import { tokenFromHalves } from "../ring/token.ts";
import { keyspaceTable } from "./keyspace-table.ts";
import type { Layout, LayoutKeyspace, LayoutMember } from "./layout.ts";
import { type RingMeasure, hasNoWidths, ringMeasure } from "./ring-measure.ts";
import { type SyncDuty, syncDuties } from "./transition.ts";

/** How much of a keyspace there is: one replica of the whole ring. */
export interface KeyspaceDensity {
  readonly bytes: number;
  readonly keys: number;
}

/** What the planning member knows besides the layouts. */
export interface PlanFacts {
  /** Members and waiting ones that are alive, this one included. */
  readonly aliveIds: ReadonlySet<string>;
  /** By keyspace id; a keyspace without an entry holds nothing. */
  readonly densities: ReadonlyMap<number, KeyspaceDensity>;
  /** The throttle of one receiver, above 0. */
  readonly streamBytesPerSecond: number;
}

/** What a plan is made for. */
export interface PlanInput {
  /** The present layout. */
  readonly head: Layout;
  /** The layout that is read from, from which data are fetched. */
  readonly base: Layout;
  /** The layout that a commit would make. */
  readonly target: Layout;
  readonly changes: readonly StagedChange[];
  readonly facts: PlanFacts;
}

/** The input with what is computed from it more than once. */
export class PlanContext {
  readonly head: Layout;
  readonly base: Layout;
  readonly target: Layout;
  readonly changes: readonly StagedChange[];
  readonly facts: PlanFacts;
  readonly duties: readonly SyncDuty[];
  /** True where shares of the ring count ranges, because tokens have no widths. */
  readonly hasNoWidths: boolean;
  readonly #measure: RingMeasure;
  readonly #members: ReadonlyMap<string, LayoutMember>;
  readonly #tables: Map<Layout, Map<number, ReplicaTable>> = new Map();

  constructor({ head, base, target, changes, facts }: PlanInput) {
    this.head = head;
    // The tables of one layout are made once, even if it came here twice.
    this.base = base.version.hash === head.version.hash ? head : base;
    this.target = target;
    this.changes = changes;
    this.facts = facts;
    this.duties = syncDuties(base, target);
    this.hasNoWidths = hasNoWidths(head.partitioner);
    this.#measure = ringMeasure([base, head, target]);
    this.#members = new Map(
      [...base.members, ...head.members, ...target.members].map((member) => [member.id, member]),
    );
  }

  /** The replicas of each token in one of the three layouts; made when first asked for. */
  table(layout: Layout, keyspace: LayoutKeyspace): ReplicaTable {
    const tables = this.#tables.get(layout) ?? new Map<number, ReplicaTable>();
    this.#tables.set(layout, tables);
    const table = tables.get(keyspace.id) ?? keyspaceTable(layout, keyspace);
    tables.set(keyspace.id, table);
    return table;
  }

  /** Share of the ring in (start, end]; the whole of it if they are equal. */
  shareBetween(start: bigint, end: bigint): number {
    return this.#measure(start, end);
  }

  /** As shareBetween. */
  shareOfRange({ startHi, startLo, endHi, endLo }: ReplicaRange): number {
    return this.#measure(tokenFromHalves(startHi, startLo), tokenFromHalves(endHi, endLo));
  }

  /** The entry of a member in the newest of the layouts that has one. */
  member(id: string): LayoutMember | undefined {
    return this.#members.get(id);
  }

  /** As steps and warnings name a member. */
  name(id: string): string {
    return this.#members.get(id)?.address ?? id;
  }

  isAlive(id: string): boolean {
    return this.facts.aliveIds.has(id);
  }

  isRemoved(id: string): boolean {
    return this.target.removedIds.includes(id);
  }
}
