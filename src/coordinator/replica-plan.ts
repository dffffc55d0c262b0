/**
 * A replica set as one coordinator sees it: the members behind it, who is closest, and what each
 * consistency level asks of them. Computed once per replica set, not per request.
 */
import type { Consistency } from "../model/consistency.ts";
import type { Peer } from "./peer.ts";
import { type ReplicationFactors, type Requirement, requirementFor } from "./requirement.ts";

export class ReplicaPlan {
  /** In placement order. */
  readonly replicas: readonly Peer[];
  /** Positions in `replicas`: this member first, then its rack, its datacenter, the rest. */
  readonly byProximity: readonly number[];
  readonly #factors: ReplicationFactors;
  readonly #localDatacenter: string;
  readonly #requirements = new Map<Consistency, Requirement>();

  constructor(replicas: readonly Peer[], factors: ReplicationFactors, self: Peer) {
    this.replicas = replicas;
    this.byProximity = byDistance(replicas, self);
    this.#factors = factors;
    this.#localDatacenter = self.dc;
  }

  /** Throws KvError if the level cannot be used with this replication. */
  requirement(consistency: Consistency): Requirement {
    const known = this.#requirements.get(consistency);
    if (known !== undefined) return known;
    const requirement = requirementFor(consistency, {
      factors: this.#factors,
      datacenters: this.replicas.map(({ dc }) => dc),
      localDatacenter: this.#localDatacenter,
    });
    this.#requirements.set(consistency, requirement);
    return requirement;
  }

  positionOf(peer: Peer): number {
    return this.replicas.indexOf(peer);
  }

  /** The addresses of the replicas whose position is wanted, in placement order. */
  addresses(isWanted: (position: number) => boolean): string[] {
    return this.replicas.filter((_, at) => isWanted(at)).map(({ address }) => address);
  }
}

/** Positions sorted by distance; equally distant ones keep the strategy's order. */
function byDistance(replicas: readonly Peer[], self: Peer): number[] {
  const distance = ({ memberId, dc, rack }: Peer): number => {
    if (memberId === self.memberId) return 0;
    if (dc !== self.dc) return 3;
    return rack === self.rack ? 1 : 2;
  };
  return [...replicas.keys()].sort(
    (left, right) => distance(replicas[left] as Peer) - distance(replicas[right] as Peer),
  );
}
