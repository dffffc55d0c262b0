/**
 * How much may fail before some range loses its quorum: what tokens and racks do to availability.
 *
 * Replicas vote in groups: those of one datacenter where the strategy counts by datacenter
 * (LOCAL_QUORUM), else all of them. A group works while more than half of it does.
 */
import { must } from "../util/assert.ts";
import type { MovementRing } from "./movement.ts";
import { buildReplicaTable } from "./replica-table.ts";
import { isDatacenterAware } from "./strategy.ts";

export interface Availability {
  /** With how many others a member shares some range, on average over the members with tokens. */
  readonly neighbours: number;
  /** Pairs of members with tokens. */
  readonly pairs: number;
  /** Of these, the pairs whose loss leaves some range without its quorum. */
  readonly fatalPairs: number;
  /** Racks whose loss leaves some range without its quorum, in order of their names. */
  readonly fatalRacks: readonly { readonly dc: string; readonly rack: string }[];
}

/** What the loss of two members, or of a rack, does; exact, by looking at every replica set. */
export function availabilityOf(ring: MovementRing): Availability {
  const { members } = ring;
  const owners = [...members.keys()].filter((index) => (members[index]?.tokens.length ?? 0) > 0);
  const tally = new PairTally(members.length);
  const fatalRacks = new Map<string, { dc: string; rack: string }>();
  for (const { members: replicas } of buildReplicaTable(ring).sets) {
    tally.share(replicas);
    for (const group of groupsOf(ring, replicas)) {
      tally.vote(group);
      for (const rack of racksThatBreak(ring, group)) {
        fatalRacks.set(JSON.stringify([rack.dc, rack.rack]), rack);
      }
    }
  }
  return {
    neighbours: owners.length === 0 ? 0 : (2 * tally.neighbours.size) / owners.length,
    pairs: Math.max(0, (owners.length * (owners.length - 1)) / 2),
    fatalPairs: tally.fatalPairs(owners),
    fatalRacks: [...fatalRacks.entries()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, rack]) => rack),
  };
}

/** How many of a group may be down while more than half of it is up. */
function tolerated(groupSize: number): number {
  return groupSize - (Math.floor(groupSize / 2) + 1);
}

/** Collects pairs of members as numbers. */
class PairTally {
  readonly neighbours: Set<number> = new Set();
  readonly #fatal: Set<number> = new Set();
  /** Members whose loss alone leaves a range without its quorum. */
  readonly #fatalAlone: Set<number> = new Set();
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  share(replicas: readonly number[]): void {
    for (const pair of this.#pairsOf(replicas)) this.neighbours.add(pair);
  }

  vote(group: readonly number[]): void {
    const spare = tolerated(group.length);
    if (spare === 0) for (const member of group) this.#fatalAlone.add(member);
    if (spare === 1) for (const pair of this.#pairsOf(group)) this.#fatal.add(pair);
  }

  fatalPairs(owners: readonly number[]): number {
    const fatal = new Set(this.#fatal);
    for (const member of this.#fatalAlone) {
      for (const other of owners) if (other !== member) fatal.add(this.#pairOf(member, other));
    }
    return fatal.size;
  }

  #pairsOf(group: readonly number[]): readonly number[] {
    return group.flatMap((a, index) => group.slice(index + 1).map((b) => this.#pairOf(a, b)));
  }

  #pairOf(a: number, b: number): number {
    return Math.min(a, b) * this.#count + Math.max(a, b);
  }
}

/** The groups in which the replicas of a set vote. */
function groupsOf(
  { members, replication }: MovementRing,
  replicas: readonly number[],
): readonly (readonly number[])[] {
  if (replicas.length === 0) return [];
  if (!isDatacenterAware(replication)) return [replicas];
  const datacenters = new Set(replicas.map((member) => members[member]?.dc));
  return [...datacenters].map((dc) => replicas.filter((member) => members[member]?.dc === dc));
}

/** The racks that hold so many of a group that the others are no majority. */
function racksThatBreak(
  { members }: MovementRing,
  group: readonly number[],
): readonly { readonly dc: string; readonly rack: string }[] {
  const places = group.map((index) => must(members[index], "a replica is a member"));
  return places
    .filter(({ dc, rack }) => {
      const inRack = places.filter((other) => other.dc === dc && other.rack === rack);
      return inRack.length > tolerated(group.length);
    })
    .map(({ dc, rack }) => ({ dc, rack }));
}
