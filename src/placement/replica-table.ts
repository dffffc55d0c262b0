/**
 * Which members hold a token, precomputed for one keyspace and one version of the layout.
 *
 * A request looks its token up once and keeps the ReplicaSet. Everything that depends on strategy,
 * datacenters and racks happened when the table was built; a lookup is a bucket, a short scan and
 * two array reads (`bench/ring.bench.ts`).
 *
 * The table is immutable: a change of the ring makes a new one.
 */
import { assert } from "../util/assert.ts";
import type { TokenIndex } from "../ring/token-index.ts";
import { placeNetworkTopology } from "./network-topology.ts";
import { ReplicaPicks } from "./replica-picks.ts";
import { type ReplicaSet, ReplicaSets } from "./replica-sets.ts";
import { type PlacementMember, RingWalk } from "./ring-walk.ts";
import { placeSimple } from "./simple.ts";
import type { Replication } from "./strategy.ts";

export type { PlacementMember } from "./ring-walk.ts";
export type { ReplicaSet } from "./replica-sets.ts";

export interface ReplicaTableInput {
  readonly members: readonly PlacementMember[];
  readonly replication: Replication;
}

/** A range `(start, end]` of the ring and who holds it; start equals end in a ring of one token. */
export interface ReplicaRange {
  readonly startHi: number;
  readonly startLo: number;
  readonly endHi: number;
  readonly endLo: number;
  readonly replicas: ReplicaSet;
}

export interface ReplicaTable {
  readonly memberCount: number;
  /** The distinct replica sets, by their id. */
  readonly sets: readonly ReplicaSet[];
  /** The replicas of a token; none in a ring without tokens. Token halves: int32, uint32. */
  lookup(tokenHi: number, tokenLo: number): ReplicaSet;
  /** All ranges in ring order; the first one wraps. */
  ranges(): readonly ReplicaRange[];
}

const EMPTY_SET: ReplicaSet = { id: 0, members: [], transient: undefined };

/** Builds the table in time linear in the number of tokens and replicas. */
export function buildReplicaTable(input: ReplicaTableInput): ReplicaTable {
  const { members, replication } = input;
  const walk = new RingWalk(members);
  const picks = new ReplicaPicks(members.length);
  const replicaSets = new ReplicaSets(walk.index.size);
  const setAt = Array.from<unknown, ReplicaSet>({ length: walk.index.size }, () => EMPTY_SET);
  for (let steps = 0; steps < walk.index.size; steps++) {
    const index = walk.step();
    picks.clear();
    place(walk, picks, replication);
    setAt[index] = replicaSets.intern(picks);
  }
  if (walk.index.size === 0) replicaSets.intern(picks);
  return new IndexedReplicaTable({
    memberCount: members.length,
    index: walk.index,
    sets: replicaSets.sets,
    setAt,
  });
}

function place(walk: RingWalk, picks: ReplicaPicks, replication: Replication): void {
  switch (replication.kind) {
    case "simple":
      return placeSimple(walk, picks, replication.factor);
    case "network-topology":
      return placeNetworkTopology(walk, picks, replication);
  }
}

class IndexedReplicaTable implements ReplicaTable {
  readonly memberCount: number;
  readonly sets: readonly ReplicaSet[];
  readonly #index: TokenIndex;
  /** The set that holds the range which ends at the token of this index. */
  readonly #setAt: readonly ReplicaSet[];

  constructor(parts: {
    readonly memberCount: number;
    readonly index: TokenIndex;
    readonly sets: readonly ReplicaSet[];
    readonly setAt: readonly ReplicaSet[];
  }) {
    assert(parts.setAt.length === parts.index.size, "one set for each token");
    this.memberCount = parts.memberCount;
    this.sets = parts.sets;
    this.#index = parts.index;
    this.#setAt = parts.setAt;
  }

  lookup(tokenHi: number, tokenLo: number): ReplicaSet {
    if (this.#index.size === 0) return this.sets[0] as ReplicaSet;
    const index = this.#index.successor(tokenHi, tokenLo);
    return this.#setAt[index] as ReplicaSet;
  }

  ranges(): readonly ReplicaRange[] {
    const { hi, lo, size } = this.#index;
    const ranges: ReplicaRange[] = [];
    for (let index = 0; index < size; index++) {
      // Equal tokens end the same range, and the first of them is the one that a lookup finds.
      if (this.#index.repeatsPrevious(index)) continue;
      const previous = index === 0 ? size - 1 : index - 1;
      ranges.push({
        startHi: hi[previous] as number,
        startLo: lo[previous] as number,
        endHi: hi[index] as number,
        endLo: lo[index] as number,
        replicas: this.#setAt[index] as ReplicaSet,
      });
    }
    return ranges;
  }
}
