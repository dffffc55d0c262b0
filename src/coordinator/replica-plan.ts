/**
 * The replicas of a key as one coordinator sees them: the members behind them, who is closest, and
 * what each consistency level asks of them. Computed once per replica set, not per request.
 *
 * While the layout changes a key has a replica set in each active layout. The plan is over all their
 * members then: a write needs its level in every set, a read in the first one, which is the one of
 * the layout that is read from.
 */
import type { ReplicationFactors } from "../layout/keyspace-table.ts";
import type { LayoutKeyspace, LayoutMember } from "../layout/layout.ts";
import type { Consistency } from "../model/consistency.ts";
import { must } from "../util/assert.ts";
import type { Peer } from "./peer.ts";
import {
  type PlacedInput,
  type Requirement,
  overlapsItself,
  requirementOver,
} from "./requirement.ts";

/** The replicas of a key in one layout. */
export interface PlannedSet {
  /** In placement order, with the places that they have in that layout. */
  readonly members: readonly Pick<LayoutMember, "id" | "dc" | "rack">[];
  readonly factors: ReplicationFactors;
  /** Where this member is in that layout. */
  readonly local: { readonly dc: string; readonly rack: string };
}

/** What a level asks of a read. */
export interface ReadRequirement {
  /** Replicas that have to answer. */
  readonly answers: Requirement;
  /**
   * Replicas that have to hold what is returned, in every active layout, so that the next read cannot
   * return anything older when it uses the next layout; undefined if those that answer are enough.
   */
  readonly holders: Requirement | undefined;
  /** Positions in the order in which they are asked. */
  readonly order: readonly number[];
}

/** From whose side a plan is made. */
export interface PlanOwner {
  readonly keyspace: LayoutKeyspace;
  /** The peer of a member of any active layout. */
  readonly peerOf: (memberId: string) => Peer;
  readonly self: Peer;
}

export class ReplicaPlan {
  readonly keyspace: LayoutKeyspace;
  /** In placement order, those of the layout that is read from first. */
  readonly replicas: readonly Peer[];
  /** Positions in `replicas`: this member first, then its rack, its datacenter, the rest. */
  readonly byProximity: readonly number[];
  /** This member's own position; -1 if it is no replica. */
  readonly selfPosition: number;
  readonly #sets: readonly (PlacedInput & { readonly places: PlannedSet["members"] })[];
  readonly #writeRequirements = new Map<Consistency, Requirement>();
  readonly #readRequirements = new Map<Consistency, ReadRequirement>();

  /** `sets` are those of the active layouts, without repetition; the one that is read from first. */
  constructor(sets: readonly PlannedSet[], { keyspace, peerOf, self }: PlanOwner) {
    this.keyspace = keyspace;
    const ids = [...new Set(sets.flatMap(({ members }) => members.map(({ id }) => id)))];
    this.replicas = ids.map((id) => peerOf(id));
    this.selfPosition = ids.indexOf(self.memberId);
    this.#sets = sets.map(({ members, factors, local }) => ({
      places: members,
      factors,
      datacenters: members.map(({ dc }) => dc),
      localDatacenter: local.dc,
      positions: members.map(({ id }) => ids.indexOf(id)),
    }));
    this.byProximity = byDistance(ids, sets, self.memberId);
  }

  /** What a write has to reach. Throws KvError if the level cannot be used with this replication. */
  writeRequirement(consistency: Consistency): Requirement {
    const known = this.#writeRequirements.get(consistency);
    if (known !== undefined) return known;
    const requirement = requirementOver(consistency, this.#sets, this.replicas.length);
    this.#writeRequirements.set(consistency, requirement);
    return requirement;
  }

  /** Throws KvError if the level cannot be used with this replication. */
  readRequirement(consistency: Consistency): ReadRequirement {
    const known = this.#readRequirements.get(consistency);
    if (known !== undefined) return known;
    const requirement = this.#makeReadRequirement(consistency);
    this.#readRequirements.set(consistency, requirement);
    return requirement;
  }

  /** -1 if it is none of the replicas. Of a member that has moved meanwhile there are two peers. */
  positionOf(peer: Peer): number {
    const position = this.replicas.indexOf(peer);
    if (position >= 0) return position;
    return this.replicas.findIndex(({ memberId }) => memberId === peer.memberId);
  }

  /** The addresses of the replicas whose position is wanted, in placement order. */
  addresses(isWanted: (position: number) => boolean): string[] {
    return this.replicas.filter((_, at) => isWanted(at)).map(({ address }) => address);
  }

  #makeReadRequirement(consistency: Consistency): ReadRequirement {
    const [first, ...others] = this.#sets;
    const readSet = must(first, "a plan has a set to read from");
    const answers = requirementOver(consistency, [readSet], this.replicas.length);
    const order = this.byProximity;
    // A level that may miss what it has read before has no promise to keep.
    if (others.length === 0 || !overlapsItself(answers)) {
      return { answers, holders: undefined, order };
    }
    const holders = this.writeRequirement(consistency);
    return { answers, holders, order: this.#mostShared() };
  }

  /** Replicas that are in most sets first: what they hold counts for the layouts to come as well. */
  #mostShared(): number[] {
    const shares = this.replicas.map(
      (_, position) => this.#sets.filter(({ positions }) => positions.includes(position)).length,
    );
    return [...this.byProximity].sort((a, b) => (shares[b] as number) - (shares[a] as number));
  }
}

/** Positions sorted by distance; equally distant ones keep the strategy's order. */
function byDistance(ids: readonly string[], sets: readonly PlannedSet[], selfId: string): number[] {
  const distances = ids.map((id) => {
    if (id === selfId) return 0;
    for (const { members, local } of sets) {
      const place = members.find((one) => one.id === id);
      if (place === undefined) continue;
      if (place.dc !== local.dc) return 3;
      return place.rack === local.rack ? 1 : 2;
    }
    return 3;
  });
  return [...ids.keys()].sort((a, b) => (distances[a] as number) - (distances[b] as number));
}
