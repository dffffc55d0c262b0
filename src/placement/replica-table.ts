/**
 * Which members hold a token, precomputed for one keyspace and one version of the layout.
 *
 * A request looks its token up once and keeps the set. Everything that depends on strategy,
 * datacenters and racks happened when the table was built; a lookup is a bucket, a short scan and
 * one more read, all in typed arrays that together fit into the second level of a cache or nearly
 * (`bench/ring.bench.ts`). That is `setIdOf`: who keeps something of its own for each set, as a
 * coordinator does, needs no more. `lookup` reads the object of the set too, and with random
 * tokens on a large ring that one read is most of the time.
 *
 * The table is immutable: a change of the ring makes a new one.
 */
import { assert } from "../util/assert.ts";
import type { TokenIndex } from "../ring/token-index.ts";
import { placeNetworkTopology } from "./network-topology.ts";
import { ReplicaPicks } from "./replica-picks.ts";
import { type ReplicaSet, type ReplicaSets, ReplicaSetsBuilder } from "./replica-sets.ts";
import { type PlacementMember, RingWalk } from "./ring-walk.ts";
import { placeOldNetworkTopology } from "./old-network-topology.ts";
import { placeRackPerReplica } from "./rack-per-replica.ts";
import { placeSimple } from "./simple.ts";
import type { Replication } from "./strategy.ts";

export type { PlacementMember } from "./ring-walk.ts";
export type { ReplicaSet } from "./replica-sets.ts";

/** A ring and how a keyspace replicates on it. */
export interface ReplicaTableInput {
  readonly members: readonly PlacementMember[];
  readonly replication: Replication;
  /** The member that computes the table; LocalReplication needs it. */
  readonly self?: number | undefined;
}

/** A range `(start, end]` of the ring and who holds it; start equals end in a ring of one token. */
export interface ReplicaRange {
  readonly startHi: number;
  readonly startLo: number;
  readonly endHi: number;
  readonly endLo: number;
  readonly replicas: ReplicaSet;
}

/** From any token to its replicas; immutable. */
export interface ReplicaTable {
  /** How many members the ring has, those without tokens included. */
  readonly memberCount: number;
  /** How many distinct replica sets there are; their ids are 0 .. `setCount` - 1. */
  readonly setCount: number;
  /** The distinct replica sets, by their id; made of all of them when first read. */
  readonly sets: readonly ReplicaSet[];
  /**
   * The id of the set that holds a token; 0, the empty set, in a ring without tokens. The token's
   * halves: int32, uint32.
   */
  setIdOf(tokenHi: number, tokenLo: number): number;
  /** The set of an id, always the same object. */
  set(id: number): ReplicaSet;
  /** The replicas of a token; none in a ring without tokens. The token's halves: int32, uint32. */
  lookup(tokenHi: number, tokenLo: number): ReplicaSet;
  /** All ranges in ring order; the first one wraps. */
  ranges(): readonly ReplicaRange[];
}

/** Builds the table in time linear in the number of tokens and replicas. */
export function buildReplicaTable(input: ReplicaTableInput): ReplicaTable {
  const walk = new RingWalk(input.members);
  const { size } = walk.index;
  const builder = new ReplicaSetsBuilder(Math.max(1, size));
  const picks = new ReplicaPicks(input.members.length);
  const setIds = new Int32Array(size);
  if (size === 0 || placesAllTokensAlike(input, picks)) builder.intern(picks);
  else placeEachToken(walk, picks, input.replication, (at) => (setIds[at] = builder.intern(picks)));
  const memberCount = input.members.length;
  return new IndexedReplicaTable({
    memberCount,
    index: walk.index,
    sets: builder.finish(),
    setIds,
  });
}

/** Picks the replicas if they are the same for all tokens. */
function placesAllTokensAlike(input: ReplicaTableInput, picks: ReplicaPicks): boolean {
  const { members, replication, self } = input;
  if (replication.kind === "everywhere") {
    for (const [member, { tokens }] of members.entries()) {
      if (tokens.length > 0) picks.add(member, 0);
    }
    return true;
  }
  if (replication.kind === "local") {
    assert(self !== undefined && self < members.length, "local placement needs to know its member");
    picks.add(self, 0);
    return true;
  }
  return false;
}

function placeEachToken(
  walk: RingWalk,
  picks: ReplicaPicks,
  replication: Replication,
  put: (at: number) => void,
): void {
  for (let at = walk.index.size - 1; at >= 0; at--) {
    walk.step();
    picks.clear();
    place(walk, picks, replication);
    put(at);
  }
}

function place(walk: RingWalk, picks: ReplicaPicks, replication: Replication): void {
  switch (replication.kind) {
    case "simple":
      return placeSimple(walk, picks, replication.factor);
    case "network-topology":
      return placeNetworkTopology(walk, picks, replication);
    case "old-network-topology":
      return placeOldNetworkTopology(walk, picks, replication.factor);
    case "rack-per-replica":
      return placeRackPerReplica(walk, picks);
    case "everywhere":
    case "local":
      return assert(false, "placed without a walk");
  }
}

class IndexedReplicaTable implements ReplicaTable {
  readonly memberCount: number;
  readonly #index: TokenIndex;
  readonly #sets: ReplicaSets;
  /** The id of the set that holds the range which ends at the token of this index. */
  readonly #setIds: Int32Array;
  #allSets: readonly ReplicaSet[] | undefined;

  constructor(parts: {
    readonly memberCount: number;
    readonly index: TokenIndex;
    readonly sets: ReplicaSets;
    readonly setIds: Int32Array;
  }) {
    assert(parts.setIds.length === parts.index.size, "one set for each token");
    this.memberCount = parts.memberCount;
    this.#index = parts.index;
    this.#sets = parts.sets;
    this.#setIds = parts.setIds;
  }

  get setCount(): number {
    return this.#sets.count;
  }

  get sets(): readonly ReplicaSet[] {
    return (this.#allSets ??= this.#sets.all());
  }

  setIdOf(tokenHi: number, tokenLo: number): number {
    if (this.#index.size === 0) return 0;
    return this.#setIds[this.#index.successor(tokenHi, tokenLo)] as number;
  }

  set(id: number): ReplicaSet {
    return this.#sets.get(id);
  }

  lookup(tokenHi: number, tokenLo: number): ReplicaSet {
    return this.#sets.get(this.setIdOf(tokenHi, tokenLo));
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
        replicas: this.#sets.get(this.#setIds[index] as number),
      });
    }
    return ranges;
  }
}
