/**
 * What a change of the ring does: ownership and balance before and after, what data goes from whom to whom, how
 * many members take part in rebuilding each one, and which replicas share a rack without need. Pure:
 * for the plan that is reviewed before a commit, for `simulate`, for the console.
 *
 * The two rings are cut at the tokens of both, so within a segment neither's replicas change. In each
 * segment a member that is a replica only afterwards receives the segment's data once. Its source is,
 * in this order: the replica that it displaces (nobody else loses the data, so the strict choice
 * of Cassandra's bootstrap), another old replica in the same rack, in the same datacenter, anywhere;
 * among equals the one that has given least so far, so that one rebuild is spread over many.
 *
 * Transient replicas hold only what is not yet repaired to the full ones, which is little. Therefore
 * shares, balance and movement count full replicas, and transient data stands apart: of its shares
 * only the part that is not yet repaired is there to move. A transient replica that becomes a full one
 * receives everything, and only a full one can send that; a full one that becomes transient receives
 * nothing.
 */
import { assert, must } from "../util/assert.ts";
import { tokenFromHalves, tokenHi, tokenLo } from "../ring/token.ts";
import { MovementLedger, type Transfer } from "./movement-ledger.ts";
import { fullOwnership, transientOwnership } from "./ownership.ts";
import {
  buildReplicaTable,
  type PlacementMember,
  type ReplicaSet,
  type ReplicaTable,
} from "./replica-table.ts";
import type { Replication } from "./strategy.ts";

export type { Transfer } from "./movement-ledger.ts";

export interface MovementMember extends PlacementMember {
  readonly id: string;
  /** Relative capacity, above 0. */
  readonly weight: number;
}

/** One keyspace on one ring. */
export interface MovementRing {
  readonly members: readonly MovementMember[];
  readonly replication: Replication;
}

/** What a member holds and moves. */
export interface MemberShares {
  /** Share of the ring that the member holds; 0 where it is not in the ring. */
  readonly before: number;
  readonly after: number;
  readonly receives: number;
  readonly gives: number;
}

export interface MemberMovement extends MemberShares {
  readonly id: string;
  readonly dc: string;
  /** The same of the ranges of which it is a transient replica. */
  readonly transient: MemberShares;
  /** How many others are full replicas of its data afterwards: all that can help to rebuild it. */
  readonly rebuildMemberCount: number;
}

/** Ranges that get a new transient replica: what is not yet repaired of them moves. */
export interface TransientMovement {
  /** Largest first. */
  readonly transfers: readonly Transfer[];
  /** Share of the ring, once per transient replica that receives it. */
  readonly moved: number;
  readonly withoutSource: number;
}

/** Load per weight in one datacenter, relative to the datacenter's mean (1 = fair). */
export interface Balance {
  readonly dc: string;
  readonly max: number;
  readonly min: number;
  readonly standardDeviation: number;
}

/** Ranges whose replicas in a datacenter stand in fewer racks than they could. */
export interface RackViolation {
  readonly dc: string;
  readonly members: readonly string[];
  readonly share: number;
  readonly rangeCount: number;
}

export interface Movement {
  /** Members of either ring; those of the old one first. */
  readonly members: readonly MemberMovement[];
  /** Largest first. */
  readonly transfers: readonly Transfer[];
  /** Data that moves: share of the ring, once per full replica that receives it. */
  readonly moved: number;
  /** What has to move for this change of ownership, whatever goes where. */
  readonly minimum: number;
  /** Data of which no old full replica is available: it is lost to those that should receive it. */
  readonly withoutSource: number;
  readonly transient: TransientMovement;
  readonly balanceBefore: readonly Balance[];
  readonly balanceAfter: readonly Balance[];
  readonly rackViolations: readonly RackViolation[];
}

export interface MovementOptions {
  /** Members that cannot give data, because they are dead. */
  readonly unavailable?: ReadonlySet<string> | undefined;
}

/** What changes between two rings; members are the same if their ids are. */
export function movementBetween(
  before: MovementRing,
  after: MovementRing,
  options: MovementOptions = {},
): Movement {
  const tables = { before: tableOf(before), after: tableOf(after) };
  const unavailable = options.unavailable ?? new Set();
  const full = new MovementLedger(unavailable);
  const transient = new MovementLedger(unavailable);
  for (const segment of segmentsOf(before, after, tables)) {
    // A range that had no replicas had no data.
    if (segment.before.all.length === 0) continue;
    full.settle(segment.share, segment.before.full, segment.after.full);
    transient.settle(segment.share, segment.before.all, segment.after.all, segment.after.transient);
  }
  const members = memberMovements(before, after, { tables, full, transient });
  return {
    members,
    transfers: full.transfers(),
    moved: full.moved,
    minimum: members.reduce((sum, member) => sum + Math.max(0, member.after - member.before), 0),
    withoutSource: full.withoutSource,
    transient: {
      transfers: transient.transfers(),
      moved: transient.moved,
      withoutSource: transient.withoutSource,
    },
    balanceBefore: balanceOf(before, tables.before),
    balanceAfter: balanceOf(after, tables.after),
    rackViolations: rackViolationsOf(after, tables.after),
  };
}

interface Tables {
  readonly before: ReplicaTable;
  readonly after: ReplicaTable;
}

/** What has been added up, for all members of either ring. */
function memberMovements(
  before: MovementRing,
  after: MovementRing,
  sums: { tables: Tables; full: MovementLedger; transient: MovementLedger },
): readonly MemberMovement[] {
  const { tables, full, transient } = sums;
  const rebuild = rebuildMembers(after, tables.after);
  const all = new Map([...before.members, ...after.members].map((member) => [member.id, member]));
  const sharesOf = (ledger: MovementLedger, owned: typeof fullOwnership) => {
    const [old, now] = [
      sharesById(before, owned(tables.before)),
      sharesById(after, owned(tables.after)),
    ];
    return (id: string): MemberShares => ({
      before: old?.get(id) ?? 0,
      after: now?.get(id) ?? 0,
      receives: ledger.receivedBy(id),
      gives: ledger.givenBy(id),
    });
  };
  const [fullOf, transientOf] = [
    sharesOf(full, fullOwnership),
    sharesOf(transient, transientOwnership),
  ];
  return [...all.values()].map(({ id, dc }) => ({
    id,
    dc,
    ...fullOf(id),
    transient: transientOf(id),
    rebuildMemberCount: rebuild.get(id)?.size ?? 0,
  }));
}

function tableOf({ members, replication }: MovementRing): ReplicaTable {
  assert(replication.kind !== "local", "data that never leaves its member does not move");
  return buildReplicaTable({ members, replication });
}

/** Who holds a piece of the ring, and how. */
interface Holders {
  readonly all: readonly MovementMember[];
  readonly full: readonly MovementMember[];
  readonly transient: readonly MovementMember[];
}

/** A piece of the ring in which neither ring's replicas change. */
interface Segment {
  readonly share: number;
  readonly before: Holders;
  readonly after: Holders;
}

function* segmentsOf(
  before: MovementRing,
  after: MovementRing,
  tables: Tables,
): Generator<Segment> {
  const ends = new Set<bigint>();
  for (const table of [tables.before, tables.after]) {
    for (const { endHi, endLo } of table.ranges()) ends.add(tokenFromHalves(endHi, endLo));
  }
  const sorted = BigInt64Array.from(ends).sort();
  for (const [index, end] of sorted.entries()) {
    const width = BigInt.asUintN(64, end - (sorted.at(index - 1) ?? end));
    yield {
      share: width === 0n ? 1 : Number(width) / 2 ** 64,
      before: holdersOf(before, tables.before.lookup(tokenHi(end), tokenLo(end))),
      after: holdersOf(after, tables.after.lookup(tokenHi(end), tokenLo(end))),
    };
  }
}

function holdersOf({ members }: MovementRing, replicas: ReplicaSet): Holders {
  const all = replicas.members.map((index) => must(members[index], "a member of the ring"));
  const isTransient = (index: number): boolean => replicas.transient?.[index] === true;
  return {
    all,
    full: all.filter((_, index) => !isTransient(index)),
    transient: all.filter((_, index) => isTransient(index)),
  };
}

function sharesById(
  { members }: MovementRing,
  shares: readonly number[],
): ReadonlyMap<string, number> {
  return new Map(members.map(({ id }, index) => [id, shares[index] ?? 0]));
}

function balanceOf({ members }: MovementRing, table: ReplicaTable): Balance[] {
  const shares = fullOwnership(table);
  const dcs = new Set(members.filter(({ tokens }) => tokens.length > 0).map(({ dc }) => dc));
  return [...dcs].map((dc) => {
    const indexes = [...members.keys()].filter((index) => {
      const member = must(members[index], "a member of the ring");
      return member.dc === dc && member.tokens.length > 0;
    });
    const weightOf = (index: number): number => must(members[index], "a member").weight;
    const total = indexes.reduce((sum, index) => sum + (shares[index] ?? 0), 0);
    const mean = total / indexes.reduce((sum, index) => sum + weightOf(index), 0);
    // A datacenter without replicas is even.
    const loads = indexes.map((index) =>
      mean === 0 ? 1 : (shares[index] ?? 0) / weightOf(index) / mean,
    );
    const squares = loads.reduce((sum, load) => sum + (load - 1) ** 2, 0);
    const standardDeviation = Math.sqrt(squares / loads.length);
    return { dc, max: Math.max(...loads), min: Math.min(...loads), standardDeviation };
  });
}

/** For each member who else is a full replica of a part of its data. */
function rebuildMembers(
  { members }: MovementRing,
  table: ReplicaTable,
): ReadonlyMap<string, ReadonlySet<number>> {
  const partners = new Map(members.map(({ id }) => [id, new Set<number>()]));
  for (const set of table.sets) {
    for (const member of set.members) {
      const own = partners.get(must(members[member], "a replica").id);
      for (const [index, other] of set.members.entries()) {
        if (other !== member && set.transient?.[index] !== true) own?.add(other);
      }
    }
  }
  return partners;
}

/** Where replicas stand in fewer racks than they could, largest share first. */
export function rackViolationsOf(
  { members, replication }: MovementRing,
  table: ReplicaTable,
): RackViolation[] {
  if (replication.kind === "everywhere") return [];
  const racksOfDc = new Map<string, Set<string>>();
  for (const { dc, rack, tokens } of members) {
    if (tokens.length === 0) continue;
    racksOfDc.set(dc, (racksOfDc.get(dc) ?? new Set()).add(rack));
  }
  const found = new Map<string, RackViolation>();
  for (const range of table.ranges()) {
    const replicas = range.replicas.members.map((index) => must(members[index], "a replica"));
    for (const [dc, racks] of racksOfDc) {
      const inDc = replicas.filter((member) => member.dc === dc);
      const used = new Set(inDc.map(({ rack }) => rack));
      if (used.size >= Math.min(inDc.length, racks.size)) continue;
      const ids = inDc.map(({ id }) => id);
      const key = JSON.stringify([dc, ...ids.toSorted()]);
      const known = found.get(key) ?? { dc, members: ids, share: 0, rangeCount: 0 };
      const share = known.share + shareOf(range);
      found.set(key, { ...known, share, rangeCount: known.rangeCount + 1 });
    }
  }
  return [...found.values()].toSorted((a, b) => b.share - a.share);
}

function shareOf(range: ReturnType<ReplicaTable["ranges"]>[number]): number {
  const start = tokenFromHalves(range.startHi, range.startLo);
  const width = BigInt.asUintN(64, tokenFromHalves(range.endHi, range.endLo) - start);
  return width === 0n ? 1 : Number(width) / 2 ** 64;
}
