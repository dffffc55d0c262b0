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
 */
import { assert, must } from "../util/assert.ts";
import { tokenFromHalves, tokenHi, tokenLo } from "../ring/token.ts";
import { effectiveOwnership } from "./ownership.ts";
import { buildReplicaTable, type PlacementMember, type ReplicaTable } from "./replica-table.ts";
import type { Replication } from "./strategy.ts";

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

export interface Transfer {
  readonly from: string;
  readonly to: string;
  /** Share of the ring. */
  readonly share: number;
  readonly rangeCount: number;
}

export interface MemberMovement {
  readonly id: string;
  readonly dc: string;
  /** Share of the ring that the member holds; 0 where it is not in the ring. */
  readonly before: number;
  readonly after: number;
  readonly receives: number;
  readonly gives: number;
  /** How many other members hold a part of its data afterwards: all that can help to rebuild it. */
  readonly rebuildMemberCount: number;
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
  /** Data that moves: share of the ring, once per replica that receives it. */
  readonly moved: number;
  /** What has to move for this change of ownership, whatever goes where. */
  readonly minimum: number;
  /** Data of which no old replica is available: it is lost to the members that should receive it. */
  readonly withoutSource: number;
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
  const ledger = new Ledger(before, after, options.unavailable ?? new Set());
  for (const segment of segmentsOf(tables.before, tables.after)) ledger.settle(segment);
  const ownedBefore = sharesById(before, tables.before);
  const ownedAfter = sharesById(after, tables.after);
  const rebuild = rebuildMembers(after, tables.after);
  const members = [...ledger.members.values()].map(({ id, dc }) => ({
    id,
    dc,
    before: ownedBefore.get(id) ?? 0,
    after: ownedAfter.get(id) ?? 0,
    receives: ledger.receivedBy(id),
    gives: ledger.givenBy(id),
    rebuildMemberCount: rebuild.get(id)?.size ?? 0,
  }));
  return {
    members,
    transfers: ledger.transfers(),
    moved: members.reduce((sum, { receives }) => sum + receives, 0),
    minimum: members.reduce((sum, member) => sum + Math.max(0, member.after - member.before), 0),
    withoutSource: ledger.withoutSource,
    balanceBefore: balanceOf(before, tables.before),
    balanceAfter: balanceOf(after, tables.after),
    rackViolations: rackViolationsOf(after, tables.after),
  };
}

function tableOf({ members, replication }: MovementRing): ReplicaTable {
  assert(replication.kind !== "local", "data that never leaves its member does not move");
  return buildReplicaTable({ members, replication });
}

/** A piece of the ring in which neither ring's replicas change. */
interface Segment {
  readonly share: number;
  /** Indexes into the members of the old and of the new ring. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

function* segmentsOf(before: ReplicaTable, after: ReplicaTable): Generator<Segment> {
  const ends = new Set<bigint>();
  for (const table of [before, after]) {
    for (const { endHi, endLo } of table.ranges()) ends.add(tokenFromHalves(endHi, endLo));
  }
  const sorted = BigInt64Array.from(ends).sort();
  for (const [index, end] of sorted.entries()) {
    const width = BigInt.asUintN(64, end - (sorted.at(index - 1) ?? end));
    yield {
      share: width === 0n ? 1 : Number(width) / 2 ** 64,
      before: before.lookup(tokenHi(end), tokenLo(end)).members,
      after: after.lookup(tokenHi(end), tokenLo(end)).members,
    };
  }
}

/** Books who gives what to whom. */
class Ledger {
  readonly members: Map<string, MovementMember> = new Map();
  withoutSource = 0;

  readonly #before: MovementRing;
  readonly #after: MovementRing;
  readonly #unavailable: ReadonlySet<string>;
  readonly #received: Map<string, number> = new Map();
  readonly #given: Map<string, number> = new Map();
  readonly #transfers: Map<string, Map<string, { share: number; rangeCount: number }>> = new Map();

  constructor(before: MovementRing, after: MovementRing, unavailable: ReadonlySet<string>) {
    this.#before = before;
    this.#after = after;
    this.#unavailable = unavailable;
    for (const member of before.members) this.members.set(member.id, member);
    for (const member of after.members) this.members.set(member.id, member);
  }

  settle(segment: Segment): void {
    if (segment.before.length === 0) return;
    const old = segment.before.map((index) => this.#memberOf(this.#before, index));
    const next = segment.after.map((index) => this.#memberOf(this.#after, index));
    const oldIds = new Set(old.map(({ id }) => id));
    const nextIds = new Set(next.map(({ id }) => id));
    const sources = old.filter(({ id }) => !this.#unavailable.has(id));
    const displaced = sources.filter(({ id }) => !nextIds.has(id));
    for (const receiver of next) {
      if (oldIds.has(receiver.id)) continue;
      add(this.#received, receiver.id, segment.share);
      const source =
        takeNearest(displaced, receiver) ?? this.#leastBusy(nearestOf(sources, receiver));
      if (source === undefined) this.withoutSource += segment.share;
      else this.#book(source.id, receiver.id, segment.share);
    }
  }

  receivedBy(id: string): number {
    return this.#received.get(id) ?? 0;
  }

  givenBy(id: string): number {
    return this.#given.get(id) ?? 0;
  }

  transfers(): Transfer[] {
    const all = [...this.#transfers].flatMap(([from, receivers]) =>
      [...receivers].map(([to, { share, rangeCount }]) => ({ from, to, share, rangeCount })),
    );
    return all.toSorted((a, b) => b.share - a.share);
  }

  #memberOf(ring: MovementRing, index: number): MovementMember {
    return must(ring.members[index], "a member of the ring");
  }

  #leastBusy(sources: readonly MovementMember[]): MovementMember | undefined {
    return sources.reduce<MovementMember | undefined>(
      (best, source) =>
        best === undefined || this.givenBy(source.id) < this.givenBy(best.id) ? source : best,
      undefined,
    );
  }

  #book(from: string, to: string, share: number): void {
    add(this.#given, from, share);
    const receivers = this.#transfers.get(from) ?? new Map();
    this.#transfers.set(from, receivers);
    const known = receivers.get(to) ?? { share: 0, rangeCount: 0 };
    receivers.set(to, { share: known.share + share, rangeCount: known.rangeCount + 1 });
  }
}

function add(sums: Map<string, number>, id: string, share: number): void {
  sums.set(id, (sums.get(id) ?? 0) + share);
}

/** 0 in the same rack, 1 in the same datacenter, 2 elsewhere. */
function distance(a: PlacementMember, b: PlacementMember): number {
  if (a.dc !== b.dc) return 2;
  return a.rack === b.rack ? 0 : 1;
}

function nearestOf(
  sources: readonly MovementMember[],
  receiver: MovementMember,
): readonly MovementMember[] {
  const nearest = Math.min(...sources.map((source) => distance(source, receiver)));
  return sources.filter((source) => distance(source, receiver) === nearest);
}

/** Takes out of the list the displaced replica of the receiver's datacenter that is nearest. */
function takeNearest(
  displaced: MovementMember[],
  receiver: MovementMember,
): MovementMember | undefined {
  const source = nearestOf(displaced, receiver)[0];
  if (source === undefined || source.dc !== receiver.dc) return undefined;
  displaced.splice(displaced.indexOf(source), 1);
  return source;
}

function sharesById({ members }: MovementRing, table: ReplicaTable): ReadonlyMap<string, number> {
  const shares = effectiveOwnership(table);
  return new Map(members.map(({ id }, index) => [id, shares[index] ?? 0]));
}

function balanceOf({ members }: MovementRing, table: ReplicaTable): Balance[] {
  const shares = effectiveOwnership(table);
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

/** For each member who else holds a part of its data. */
function rebuildMembers(
  { members }: MovementRing,
  table: ReplicaTable,
): ReadonlyMap<string, ReadonlySet<number>> {
  const partners = new Map(members.map(({ id }) => [id, new Set<number>()]));
  for (const set of table.sets) {
    for (const member of set.members) {
      const own = partners.get(must(members[member], "a replica").id);
      for (const other of set.members) if (other !== member) own?.add(other);
    }
  }
  return partners;
}

function rackViolationsOf(
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
