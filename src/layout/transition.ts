/**
 * What has to be fetched for a layout before anybody may read from it, and from whom.
 *
 * The promise that a change of the ring must keep is: whatever was acknowledged by a quorum of the
 * old replicas is met by every quorum of the new ones. A new replica can see to that in two ways.
 *
 *   copy     It takes over from one replica that loses the range and fetches exactly what that one
 *            has. Who held a write before and who holds it afterwards then correspond one to one, so
 *            as many hold it as before ("consistent movement", Cassandra's consistent range movement).
 *   compare  It fetches what any of the old replicas has. Whoever holds everything can be in any
 *            quorum. It needs so many of them that no write can have been acknowledged without one.
 *
 * Copying does where a replica takes the place of another. Replicas that come on top, or in place
 * of a dead one, compare. Where replicas become fewer, the same number of holders is not enough:
 * then those that stay compare as well. All of it per datacenter, because of LOCAL_QUORUM.
 *
 * Source of the rule of sources: Dynamo, section 4.3 and 6.2; CASSANDRA-2434 (consistent bootstrap).
 */
import type { ReplicaSet, ReplicaTable } from "../placement/replica-table.ts";
import { tokenFromHalves, tokenHi, tokenLo } from "../ring/token.ts";
import { must } from "../util/assert.ts";
import { keyspaceTable, replicationFactors } from "./keyspace-table.ts";
import type { Layout, LayoutContent, LayoutKeyspace, LayoutMember } from "./layout.ts";

/** A range that a member must fetch for a layout. */
export interface SyncDuty {
  readonly keyspaceId: number;
  /** (start, end] in token order; equal: the whole ring. */
  readonly start: bigint;
  readonly end: bigint;
  readonly receiver: string;
  /** The replica that loses the range to the receiver; undefined: compare. */
  readonly source: string | undefined;
  /** The replicas in the base layout, removed ones and the receiver itself included. */
  readonly replicas: readonly DutyHolder[];
  /** Those of them that can be asked: neither removed nor the receiver. */
  readonly holders: readonly string[];
  /** The replicas in the layout to come, in placement order. */
  readonly target: readonly string[];
}

export interface DutyHolder {
  readonly id: string;
  /** Its datacenter; "" where the strategy knows none. */
  readonly dc: string;
}

/** What the members have to fetch for `target`, relative to `base`. In ring order per keyspace. */
export function syncDuties(base: Layout, target: LayoutContent): readonly SyncDuty[] {
  const duties: SyncDuty[] = [];
  for (const keyspace of target.keyspaces) {
    const before = base.keyspaces.find(({ id }) => id === keyspace.id);
    if (before === undefined) continue;
    duties.push(...new KeyspaceTransition(base, target, { before, after: keyspace }).duties());
  }
  return duties;
}

/**
 * True if no write can have been acknowledged by a quorum, of a datacenter or of all, without one of
 * the replicas in `reached`.
 */
export function covers(replicas: readonly DutyHolder[], reached: (id: string) => boolean): boolean {
  const groups = new Map<string, { size: number; reached: number }>();
  for (const { id, dc } of replicas) {
    const group = groups.get(dc) ?? { size: 0, reached: 0 };
    group.size++;
    if (reached(id)) group.reached++;
    groups.set(dc, group);
  }
  const all = { size: replicas.length, reached: replicas.filter(({ id }) => reached(id)).length };
  return [...groups.values(), all].every(
    (group) => group.reached > group.size - (Math.floor(group.size / 2) + 1),
  );
}

interface Holder extends DutyHolder {
  readonly isRemoved: boolean;
}

/** What a receiver has to fetch of every range that changes hands in one way. */
interface Handover {
  readonly duty: Omit<SyncDuty, "start" | "end">;
  /** Index of the duty of the newest such range; -1 if there is none yet. */
  newest: number;
}

/** One keyspace on its way from one layout to another. */
class KeyspaceTransition {
  readonly #base: Layout;
  readonly #target: LayoutContent;
  readonly #keyspace: { readonly before: LayoutKeyspace; readonly after: LayoutKeyspace };
  readonly #isGrouped: boolean;

  constructor(
    base: Layout,
    target: LayoutContent,
    keyspace: { readonly before: LayoutKeyspace; readonly after: LayoutKeyspace },
  ) {
    this.#base = base;
    this.#target = target;
    this.#keyspace = keyspace;
    this.#isGrouped =
      replicationFactors(base, keyspace.before).perDatacenter !== undefined &&
      replicationFactors(target, keyspace.after).perDatacenter !== undefined;
  }

  duties(): readonly SyncDuty[] {
    const before = keyspaceTable(this.#base, this.#keyspace.before);
    const after = keyspaceTable(this.#target, this.#keyspace.after);
    const duties: SyncDuty[] = [];
    const handovers = new Map<string, readonly Handover[]>();
    for (const { start, end } of segmentsOf(before, after)) {
      const [hi, lo] = [tokenHi(end), tokenLo(end)];
      const [old, next] = [before.lookup(hi, lo), after.lookup(hi, lo)];
      const key = `${old.id} ${next.id}`;
      const known = handovers.get(key) ?? this.#handovers(old, next);
      handovers.set(key, known);
      for (const handover of known) addRange(duties, handover, { start, end });
    }
    return duties;
  }

  /** What is to be fetched of every range that goes from one set of replicas to another. */
  #handovers(before: ReplicaSet, after: ReplicaSet): readonly Handover[] {
    const old = this.#holders(this.#base.members, before.members);
    const next = this.#holders(this.#target.members, after.members);
    const replicas = old.map(({ id, dc }) => ({ id, dc }));
    const target = next.map(({ id }) => id);
    return assign(old, next).map(({ receiver, source }) => {
      const asked = old.filter((one) => one.id !== receiver && !one.isRemoved);
      const holders = asked.map(({ id }) => id);
      const keyspaceId = this.#keyspace.after.id;
      return { duty: { keyspaceId, receiver, source, replicas, holders, target }, newest: -1 };
    });
  }

  #holders(members: readonly LayoutMember[], indexes: readonly number[]): Holder[] {
    return indexes.map((index) => {
      const { id, dc } = must(members[index], "a member of the layout");
      const isRemoved = this.#target.removedIds.includes(id);
      return { id, dc: this.#isGrouped ? dc : "", isRemoved };
    });
  }
}

/** Neighbouring ranges with the same duty become one. */
function addRange(
  duties: SyncDuty[],
  handover: Handover,
  { start, end }: { readonly start: bigint; readonly end: bigint },
): void {
  const last = duties[handover.newest];
  if (last?.end === start) duties[handover.newest] = { ...last, end };
  else handover.newest = duties.push({ ...handover.duty, start, end }) - 1;
}

/** Who of the new replicas must fetch the range, and from which single one if that is enough. */
function assign(
  old: readonly Holder[],
  next: readonly Holder[],
): { receiver: string; source: string | undefined }[] {
  if (old.length === 0 || isSameSet(old, next)) return [];
  const groups = new Set([...old, ...next].map(({ dc }) => dc));
  const sizeIn = (holders: readonly Holder[], group: string): number =>
    holders.filter(({ dc }) => dc === group).length;
  const isFewer = [...groups].some((group) => sizeIn(next, group) < sizeIn(old, group));
  if (isFewer) return next.map(({ id }) => ({ receiver: id, source: undefined }));
  const assigned: { receiver: string; source: string | undefined }[] = [];
  for (const group of groups) {
    const losers = without(old, next).filter(({ dc, isRemoved }) => dc === group && !isRemoved);
    const gainers = without(next, old).filter(({ dc }) => dc === group);
    for (const [index, { id }] of gainers.entries()) {
      assigned.push({ receiver: id, source: losers[index]?.id });
    }
  }
  return assigned;
}

function without(holders: readonly Holder[], others: readonly Holder[]): Holder[] {
  return holders.filter(
    ({ id, dc }) => !others.some((other) => other.id === id && other.dc === dc),
  );
}

function isSameSet(left: readonly Holder[], right: readonly Holder[]): boolean {
  return left.length === right.length && without(left, right).length === 0;
}

function segmentsOf(before: ReplicaTable, after: ReplicaTable): { start: bigint; end: bigint }[] {
  const ends = new Set<bigint>();
  for (const table of [before, after]) {
    for (const { endHi, endLo } of table.ranges()) ends.add(tokenFromHalves(endHi, endLo));
  }
  const sorted = BigInt64Array.from(ends).sort();
  return Array.from(sorted, (end, index) => ({ start: sorted.at(index - 1) ?? end, end }));
}
