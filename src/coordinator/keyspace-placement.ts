/**
 * A keyspace as one coordinator uses it: from any token to the plan for its requests.
 *
 * It belongs to one state of the history. A request takes a plan once and keeps it.
 *
 * Most of the time there is one layout, or the active ones place the keyspace alike: then it is one
 * look-up and a plan by the id of the replica set. Otherwise a token has one set in each layout that
 * differs, and the plan goes by their combination. Combinations are numbered as they are met, one
 * layout after the other, so that no product of set counts has to fit a number.
 */
import { type LayoutHistory, headOf } from "../layout/history.ts";
import type { Layout, LayoutKeyspace } from "../layout/layout.ts";
import type { ReplicaRange, ReplicaTable } from "../placement/replica-table.ts";
import { must } from "../util/assert.ts";
import { KeyspaceView } from "./keyspace-view.ts";
import { type PlanOwner, type PlannedSet, ReplicaPlan } from "./replica-plan.ts";

export type PlacementPeers = Omit<PlanOwner, "keyspace">;

/** A layout that places the keyspace differently, and the numbers of the combinations up to it. */
class Combined {
  readonly view: KeyspaceView;
  readonly #numbers = new Map<number, number>();

  constructor(view: KeyspaceView) {
    this.view = view;
  }

  number(before: number, tokenHi: number, tokenLo: number): number {
    const { table } = this.view;
    const key = before * table.setCount + table.setIdOf(tokenHi, tokenLo);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}

export class KeyspacePlacement {
  /** As the head has it. */
  readonly keyspace: LayoutKeyspace;
  /** The views of all active layouts that have the keyspace, the oldest first. */
  readonly views: readonly KeyspaceView[];
  readonly #read: KeyspaceView;
  readonly #others: readonly Combined[];
  readonly #owner: PlanOwner;
  #ranges: readonly ReplicaRange[] | undefined;
  /** By id of the replica set that is read from; made when first needed. */
  readonly #readPlans: (ReplicaPlan | undefined)[] = [];
  /** By the number of the combination. */
  readonly #plans: (ReplicaPlan | undefined)[] = [];

  /** `known` are views that were made before. */
  constructor(
    keyspace: LayoutKeyspace,
    history: LayoutHistory,
    known: readonly KeyspaceView[],
    peers: PlacementPeers,
  ) {
    this.keyspace = keyspace;
    this.#owner = { ...peers, keyspace };
    this.views = viewsOf(keyspace, history, known);
    const read = this.views.find(({ layout }) => layout.version.counter === history.reads);
    this.#read = must(read ?? this.views[0], "the head has the keyspace");
    const tables = new Set([this.#read.table]);
    const others: Combined[] = [];
    for (const view of this.views) {
      if (tables.has(view.table)) continue;
      tables.add(view.table);
      others.push(new Combined(view));
    }
    this.#others = others;
  }

  /** The layout that is read from; `table` and `ranges` have indexes into its members. */
  get readLayout(): Layout {
    return this.#read.layout;
  }

  get table(): ReplicaTable {
    return this.#read.table;
  }

  /** All ranges of the layout that is read from, by ascending end token. */
  get ranges(): readonly ReplicaRange[] {
    return (this.#ranges ??= this.table.ranges());
  }

  /** The replicas in the layout that is read from. */
  readPlan(tokenHi: number, tokenLo: number): ReplicaPlan {
    const setId = this.#read.table.setIdOf(tokenHi, tokenLo);
    return (this.#readPlans[setId] ??= this.#makePlan([
      this.#read.plannedSet(setId, this.#owner.self),
    ]));
  }

  /** The replicas in all active layouts. */
  plan(tokenHi: number, tokenLo: number): ReplicaPlan {
    if (this.#others.length === 0) return this.readPlan(tokenHi, tokenLo);
    let combination = this.#read.table.setIdOf(tokenHi, tokenLo);
    for (const other of this.#others) combination = other.number(combination, tokenHi, tokenLo);
    return (this.#plans[combination] ??= this.#combine(tokenHi, tokenLo));
  }

  /** True if this member is a replica of the token in an active layout. */
  isReplicaHere(tokenHi: number, tokenLo: number): boolean {
    return this.plan(tokenHi, tokenLo).selfPosition >= 0;
  }

  #combine(tokenHi: number, tokenLo: number): ReplicaPlan {
    const sets: PlannedSet[] = [];
    for (const view of [this.#read, ...this.#others.map((other) => other.view)]) {
      const set = view.plannedSet(view.table.setIdOf(tokenHi, tokenLo), this.#owner.self);
      if (!sets.some((one) => countsAlike(one, set))) sets.push(set);
    }
    return sets.length === 1 ? this.readPlan(tokenHi, tokenLo) : this.#makePlan(sets);
  }

  #makePlan(sets: readonly PlannedSet[]): ReplicaPlan {
    return new ReplicaPlan(sets, this.#owner);
  }
}

function viewsOf(
  keyspace: LayoutKeyspace,
  { layouts }: LayoutHistory,
  known: readonly KeyspaceView[],
): readonly KeyspaceView[] {
  const views: KeyspaceView[] = [];
  for (const layout of layouts) {
    const same = layout.keyspaces.find(({ id }) => id === keyspace.id);
    if (same !== undefined) views.push(new KeyspaceView(layout, same, [...views, ...known]));
  }
  return views;
}

/** True if a level asks the same of both, in whatever order their replicas are. */
function countsAlike(a: PlannedSet, b: PlannedSet): boolean {
  return (
    a.local.dc === b.local.dc &&
    a.members.length === b.members.length &&
    a.members.every(({ id, dc }) =>
      b.members.some((other) => other.id === id && other.dc === dc),
    ) &&
    a.factors.total === b.factors.total &&
    isSameMap(a.factors.perDatacenter, b.factors.perDatacenter)
  );
}

function isSameMap(
  a: ReadonlyMap<string, number> | undefined,
  b: ReadonlyMap<string, number> | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.size === b.size && [...a].every(([name, count]) => b.get(name) === count);
}

/** Keyspaces by name in the present history; views are taken over from the placements before. */
export function placementsOf(
  history: LayoutHistory,
  before: ReadonlyMap<string, KeyspacePlacement>,
  peers: PlacementPeers,
): ReadonlyMap<string, KeyspacePlacement> {
  const known = [...before.values()].flatMap(({ views }) => views);
  return new Map(
    headOf(history).keyspaces.map((keyspace) => [
      keyspace.name,
      new KeyspacePlacement(
        keyspace,
        history,
        known.filter((view) => view.keyspace.id === keyspace.id),
        peers,
      ),
    ]),
  );
}
