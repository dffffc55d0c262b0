/** What a change of a ring does to a keyspace, as plain values: what `simulate` prints and draws. */
import { quorumLoss, LYNCH_SNYDER_MODEL } from "../../ring/allocation/quorum-loss.ts";
import { type Availability, availabilityOf } from "../../placement/availability.ts";
import {
  type Balance,
  type Movement,
  type RackViolation,
  type Transfer,
  type TransientMovement,
  movementBetween,
} from "../../placement/movement.ts";
import {
  isDatacenterAware,
  parseReplication,
  replicationFactor,
} from "../../placement/strategy.ts";
import { type Changes, type ChangeDeps, changedMembers } from "./changes.ts";
import { type PlacedRing, embeddingOf, placeRing } from "./placed-ring.ts";
import { type RebalanceReport, rebalancedMembers } from "./rebalanced-ring.ts";
import type { RingFile, RingFileKeyspace } from "./ring-file.ts";

/** A member in one of the two rings. */
export interface MemberState {
  readonly weight: number;
  readonly tokens: number;
  /** Share of one copy of the data that it holds; undefined where shares have no meaning. */
  readonly owns: number | undefined;
  /** Share of which it holds what is not yet repaired, as a transient replica. */
  readonly ownsTransient: number | undefined;
  /** How many others hold a part of its data in full and can help to make it again. */
  readonly rebuildMembers: number;
}

export interface MemberReport {
  readonly name: string;
  readonly dc: string;
  readonly rack: string;
  /** Undefined where the member is not in that ring. */
  readonly before: MemberState | undefined;
  readonly after: MemberState | undefined;
}

/** One row of the model of Lynch and Snyder. */
export interface QuorumChance {
  readonly tokensPerMember: number;
  readonly neighbours: number;
  readonly outagesPerCentury: number;
}

export interface QuorumModel {
  /** Undefined where the strategy does not tell datacenters apart. */
  readonly dc: string | undefined;
  readonly members: number;
  readonly rf: number;
  /** Of the ring afterwards, per member on average. */
  readonly tokensPerMember: number;
  readonly rows: readonly QuorumChance[];
}

export interface RingState {
  readonly balance: readonly Balance[];
  readonly rackViolations: readonly RackViolation[];
  readonly availability: Availability;
}

export interface SimulationReport {
  readonly partitioner: string;
  readonly keyspace: string;
  readonly replication: Readonly<Record<string, string>>;
  readonly isChanged: boolean;
  readonly hasShares: boolean;
  readonly members: readonly MemberReport[];
  readonly before: RingState;
  readonly after: RingState;
  readonly transfers: readonly Transfer[];
  readonly moved: number;
  readonly minimum: number;
  readonly withoutSource: number;
  /** Of ranges with a new transient replica; only what is not yet repaired of them moves. */
  readonly transient: TransientMovement;
  /** One per datacenter that was rebalanced. */
  readonly rebalances: readonly RebalanceReport[];
  readonly quorumModels: readonly QuorumModel[];
}

export interface Simulation {
  readonly report: SimulationReport;
  readonly before: PlacedRing;
  readonly after: PlacedRing;
}

const MODEL_TOKENS = [1, 4, 8, 16, 32, 64, 256];

/** What is to be simulated. */
export interface SimulatedChanges extends Changes {
  /** Members that cannot send; replaced ones are down anyway. */
  readonly down: readonly string[];
  /** Most data to move to even out the ring after all other changes; undefined to leave it. */
  readonly rebalanceBudget: number | undefined;
}

/** Throws CliError if a change makes no sense. */
export function simulate(
  ring: RingFile,
  keyspace: RingFileKeyspace,
  changes: SimulatedChanges,
  deps: Omit<ChangeDeps, "replication">,
): Simulation {
  const changed = {
    ...ring,
    members: changedMembers(ring, changes, { ...deps, replication: keyspace.replication }),
  };
  const { members, rebalances } = rebalancedRing(changed, keyspace, changes.rebalanceBudget);
  const next = { ...ring, members };
  const embedding = embeddingOf(ring, next);
  const before = placeRing(ring, keyspace.replication, embedding);
  const after = placeRing(next, replicationAfter(ring, next, keyspace), embedding);
  const unavailable = new Set([...changes.down, ...changes.replace]);
  const movement = movementBetween(before, after, { unavailable });
  const start = movementBetween(before, before);
  const { transfers, moved, minimum, withoutSource, transient } = movement;
  const { hasShares } = embedding;
  return {
    before,
    after,
    report: {
      partitioner: ring.partitioner.name,
      keyspace: keyspace.name,
      replication: keyspace.options,
      isChanged:
        members.some((member, index) => member !== ring.members[index]) ||
        members.length !== ring.members.length,
      hasShares,
      members: memberReports(before, after, { start, movement }),
      before: stateOf(before, start),
      after: stateOf(after, movement),
      transfers,
      moved,
      minimum,
      withoutSource,
      transient,
      rebalances,
      quorumModels: quorumModels(after),
    },
  };
}

function rebalancedRing(ring: RingFile, keyspace: RingFileKeyspace, budget: number | undefined) {
  if (budget === undefined) return { members: ring.members, rebalances: [] };
  return rebalancedMembers(ring, replicationAfter(ring, ring, keyspace), budget);
}

/** A datacenter that comes with a new member takes part as the keyspace says. */
function replicationAfter(ring: RingFile, next: RingFile, { options }: RingFileKeyspace) {
  const datacenters = [...new Set([...ring.members, ...next.members].map(({ dc }) => dc))];
  const { class: strategy = "", ...factors } = options;
  return parseReplication({ class: strategy, options: factors }, datacenters);
}

function stateOf(placed: PlacedRing, movement: Movement): RingState {
  return {
    balance: placed.embedding.hasShares ? movement.balanceAfter : [],
    rackViolations: movement.rackViolations,
    availability: availabilityOf(placed),
  };
}

function memberReports(
  before: PlacedRing,
  after: PlacedRing,
  { start, movement }: { readonly start: Movement; readonly movement: Movement },
): readonly MemberReport[] {
  return movement.members.map(({ id }) => {
    const states = [memberState(before, start, id), memberState(after, movement, id)] as const;
    const place = [...before.members, ...after.members].find((member) => member.id === id);
    const { dc = "", rack = "" } = place ?? {};
    return { name: id, dc, rack, before: states[0], after: states[1] };
  });
}

function memberState(
  { members, embedding }: PlacedRing,
  movement: Movement,
  id: string,
): MemberState | undefined {
  const member = members.find((one) => one.id === id);
  const moves = movement.members.find((one) => one.id === id);
  if (member === undefined || moves === undefined) return undefined;
  return {
    weight: member.weight,
    tokens: member.tokens.length,
    owns: embedding.hasShares ? moves.after : undefined,
    ownsTransient: embedding.hasShares ? moves.transient.after : undefined,
    rebuildMembers: moves.rebuildMemberCount,
  };
}

/** The model counts on a second failure to break a quorum: three or four replicas. */
function quorumModels({ members, replication }: PlacedRing): readonly QuorumModel[] {
  const owners = members.filter(({ tokens }) => tokens.length > 0);
  const datacenters = isDatacenterAware(replication)
    ? [...new Set(owners.map(({ dc }) => dc))]
    : [undefined];
  return datacenters.flatMap((dc) => {
    const inside = owners.filter((member) => dc === undefined || member.dc === dc);
    const rf = replicationFactor(replication, dc, members);
    if ((rf !== 3 && rf !== 4) || inside.length <= rf) return [];
    const tokens = inside.reduce((sum, member) => sum + member.tokens.length, 0);
    const own = Math.max(1, Math.round(tokens / inside.length));
    const counts = [...new Set([...MODEL_TOKENS, own])].toSorted((a, b) => a - b);
    const rows = counts.map((tokensPerMember) => {
      const shape = { members: inside.length, rf, tokensPerMember };
      const { neighbours, outagesPerCentury } = quorumLoss({ ...LYNCH_SNYDER_MODEL, ...shape });
      return { tokensPerMember, neighbours, outagesPerCentury };
    });
    return [{ dc, members: inside.length, rf, tokensPerMember: own, rows }];
  });
}
