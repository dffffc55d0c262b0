/**
 * The layouts that are in use at one time, and when one of them may be read from or be forgotten.
 *
 * A commit does not replace the present layout, it puts another one on top. All layouts from the
 * oldest that somebody may still read from (the floor) to the newest (the head) are *active*: a
 * write reaches its level in every one of them, so whichever of them a read uses, it meets the write.
 * Three facts that each member tells about itself drive a layout through its life:
 *
 *   ack    this is my head: I take part in no request that leaves it out
 *   sync   I hold everything that this layout gives me
 *   reads  this is the layout that I read from (design: sync-ack)
 *
 * A layout is *sealed* when the acks of all members continue it: then no fork can take its place any
 * more (see compareLayoutVersions). It is *readable* when it is sealed and everybody who gains
 * something in it has synced. A member reads from the newest layout that it knows to be readable,
 * and forgets what is older than what all members read from. Nobody decides anything for others;
 * facts only ever grow, so it does not matter in what order members learn of them.
 *
 * All members means: members of any active layout, except those that the head has removed. A member
 * that is down holds up a change until it is back, or removed; it never holds up reads and writes.
 *
 * Sources: Garage's layout history (ack, sync and sync-ack trackers); Raft's joint consensus for
 * writing to both sides. docs/internals/layout.md proves why it is safe.
 */
import {
  type LayoutVersion,
  compareLayoutVersions,
  continues,
  isSameVersion,
  rootCounter,
} from "../model/layout-version.ts";
import { must } from "../util/assert.ts";
import type { Layout, LayoutMember } from "./layout.ts";
import { type SyncDuty, syncDuties } from "./transition.ts";

export interface LayoutHistory {
  /** The active layouts: the floor first, the head last. */
  readonly layouts: readonly Layout[];
  /** The counter of the one that is read from. */
  readonly reads: number;
}

/** Names one layout in what a member tells about itself. */
export type VersionMark = Pick<LayoutVersion, "counter" | "hash">;

/** What a member has told about itself. */
export interface MemberFacts {
  readonly ack: LayoutVersion | undefined;
  /** The newest layout of which it holds everything. */
  readonly synced: VersionMark | undefined;
  readonly reads: VersionMark | undefined;
}

export type FactsOf = (memberId: string) => MemberFacts | undefined;

/** As syncDuties; whoever asks often remembers the answers (DutyMemo). */
export type DutiesOf = (base: Layout, target: Layout) => readonly SyncDuty[];

/** Ids of those that have to fetch something for `target`, relative to `base`. */
export type GainersOf = (base: Layout, target: Layout) => ReadonlySet<string>;

/** What is known, of the members and of what has to be fetched. */
export interface Knowledge {
  readonly facts: FactsOf;
  readonly gainers: GainersOf;
}

/** What one layout asks for, relative to another one. */
interface Step {
  readonly target: string;
  readonly duties: readonly SyncDuty[];
  readonly gainers: ReadonlySet<string>;
}

/** Remembers the answers of syncDuties: they are asked for with every bit of news. */
export class DutyMemo {
  readonly #steps = new Map<string, Step>();

  readonly duties: DutiesOf = (base, target) => this.#step(base, target).duties;

  readonly gainers: GainersOf = (base, target) => this.#step(base, target).gainers;

  /** Forgets what is for layouts that are not active any more. */
  keep({ layouts }: LayoutHistory): void {
    const active = new Set(layouts.map(({ version }) => version.hash));
    for (const [key, { target }] of this.#steps) {
      if (!active.has(target)) this.#steps.delete(key);
    }
  }

  #step(base: Layout, target: Layout): Step {
    const key = `${base.version.hash} ${target.version.hash}`;
    const known = this.#steps.get(key);
    if (known !== undefined) return known;
    const duties = syncDuties(base, target);
    const gainers = new Set(duties.map(({ receiver }) => receiver));
    const step = { target: target.version.hash, duties, gainers };
    this.#steps.set(key, step);
    return step;
  }
}

export function historyOf(layout: Layout): LayoutHistory {
  return { layouts: [layout], reads: layout.version.counter };
}

export function headOf({ layouts }: LayoutHistory): Layout {
  return must(layouts.at(-1), "a history has a head");
}

/** The layout that is read from. */
export function readLayoutOf({ layouts, reads }: LayoutHistory): Layout {
  const layout = layouts.find(({ version }) => version.counter === reads);
  return must(layout, "the layout that is read from is active");
}

/**
 * The newest layout that somebody is known to read from. Changes are made from it, because it is what
 * others fetch from next: were it not for its members, a plan could take away too many of its replicas.
 * This member may read from an older one for long, if those died whose facts it has not heard. Nobody
 * forgets the layout before this member tells that it reads from a newer one.
 */
export function newestReadOf(history: LayoutHistory, facts: FactsOf): Layout {
  const marks = activeMembers(history).map(({ id }) => facts(id)?.reads);
  const own = readLayoutOf(history);
  const isRead = (layout: Layout): boolean =>
    layout === own || marks.some((mark) => mark !== undefined && isMark(mark, layout));
  return history.layouts.findLast(isRead) ?? own;
}

/** The layout that data for `layout` are fetched relative to. */
export function baseOf({ layouts }: LayoutHistory, layout: Layout): Layout {
  const older = layouts.filter(({ version }) => version.counter <= layout.base);
  return must(older.at(-1) ?? layouts[0], "a history has a floor");
}

/** The members of all active layouts; of a member with several entries the newest. */
export function activeMembers({ layouts }: LayoutHistory): readonly LayoutMember[] {
  const members = new Map<string, LayoutMember>();
  for (const layout of layouts) for (const member of layout.members) members.set(member.id, member);
  return [...members.values()];
}

/** True if one of the layouts has a place for this member, or had one: it is in, leaving or removed. */
export function isMentioned({ layouts }: LayoutHistory, memberId: string): boolean {
  return layouts.some(
    ({ members, leavingIds, removedIds }) =>
      members.some(({ id }) => id === memberId) ||
      leavingIds.includes(memberId) ||
      removedIds.includes(memberId),
  );
}

/** Ids of everybody who has to live in the head. */
export function requiredIds(history: LayoutHistory): ReadonlySet<string> {
  return new Set(membersBut(history, headOf(history).removedIds));
}

function membersBut(history: LayoutHistory, removedIds: readonly string[]): readonly string[] {
  const removed = new Set(removedIds);
  return activeMembers(history)
    .map(({ id }) => id)
    .filter((id) => !removed.has(id));
}

/** Puts a layout that was made from the head on top. */
export function append(history: LayoutHistory, head: Layout): LayoutHistory {
  return { ...history, layouts: [...history.layouts, head] };
}

/**
 * True if a history may be taken over from the member that sent it. What continues our head may come
 * from anybody. A fork only comes from those whom everybody waits for before a layout behind the point
 * where it parts from ours is sealed: then none of them can bring one afterwards. Others could still
 * have one from a member that was removed while it was cut off.
 *
 * Everybody waits for the members of the layouts from the one that we, or the sender, read from to that
 * point: nobody forgets a layout that a member reads from. Those of older ones somebody may have
 * forgotten already, knowing what all of us read from. And whoever knows our first layout behind that
 * point waits for its members, newcomers among them, before that one or a later one is sealed.
 */
export function mayTakeOver(history: LayoutHistory, other: LayoutHistory, from: string): boolean {
  const head = headOf(other).version;
  if (continues(head, headOf(history).version)) return true;
  if (headOf(history).removedIds.includes(from)) return false;
  // Everybody had agreed on something newer than all that we know: they have stopped to wait for us.
  if (rootCounter(head) > headOf(history).version.counter) return true;
  const parting = partingOf(history, other)?.version;
  if (parting === undefined) return false;
  const behind = history.layouts.find(({ version }) => version.counter > parting.counter);
  const last =
    behind !== undefined && behind.version.counter > history.reads ? behind.version : parting;
  return history.layouts.some(
    ({ version: { counter }, members }) =>
      counter >= Math.min(history.reads, other.reads) &&
      counter <= last.counter &&
      members.some(({ id }) => id === from),
  );
}

/** The newest layout that both have. A lineage may begin behind it, the layouts themselves do not. */
function partingOf(history: LayoutHistory, other: LayoutHistory): Layout | undefined {
  const head = headOf(other).version;
  return history.layouts.findLast(
    ({ version }) =>
      continues(head, version) ||
      other.layouts.some((layout) => isSameVersion(layout.version, version)),
  );
}

/**
 * True if a member may commit something on top of its head: if everybody waits for it before anything
 * else that follows the head is sealed. That is so if it is a member of the head. One that is removed
 * is not waited for, even before it lives in the layout that removes it.
 *
 * A member that is leaving is waited for while it reads from a layout that it is in. But it goes on, and
 * its fork may be one that nobody takes over from it any more; so it commits only where nobody else can:
 * nobody could change a ring whose last remaining members have died while others were leaving.
 */
export function mayCommit(
  history: LayoutHistory,
  memberId: string,
  isAlive: (id: string) => boolean,
): boolean {
  const head = headOf(history);
  const isIn = ({ members }: Layout): boolean => members.some(({ id }) => id === memberId);
  if (isIn(head)) return true;
  const isStranded = !head.members.some(({ id }) => isAlive(id));
  return isStranded && head.leavingIds.includes(memberId) && isIn(readLayoutOf(history));
}

/**
 * The history after meeting another one: the one with the winning head, without what this one knows
 * to be over. The same object if nothing changes. Throws if the other one denies what everybody here
 * had agreed on: it comes from a member that was removed while it was cut off.
 */
export function adopt(history: LayoutHistory, other: LayoutHistory): LayoutHistory {
  const head = headOf(other).version;
  if (compareLayoutVersions(head, headOf(history).version) <= 0) return history;
  const reads = readLayoutOf(history).version;
  if (rootCounter(head) <= reads.counter && !continues(head, reads)) {
    throw new Error(
      `layout ${head.counter} (${head.hash}) leaves out layout ${reads.counter} (${reads.hash}), ` +
        "which every member had agreed on",
    );
  }
  const floor = must(history.layouts[0], "a history has a floor").version.counter;
  const layouts = other.layouts.filter(({ version }) => version.counter >= floor);
  const theirFloor = must(layouts[0], "the winning head is newer than the floor");
  return { layouts, reads: Math.max(history.reads, theirFloor.version.counter) };
}

/** True if no fork can take the place of this layout any more. */
export function isSealed(history: LayoutHistory, layout: Layout, facts: FactsOf): boolean {
  return layout.version.counter <= (newestSealed(history, facts)?.version.counter ?? 0);
}

/**
 * Ids of those that are not known to live in the layout or in one made from it.
 *
 * A member that is removed counts as long as not everybody knows that it is: whoever does not know it
 * yet may still follow it to a fork. So a layout excuses only those that it removes itself, and the
 * layouts before it are sealed together with it.
 */
export function missingAcks(
  history: LayoutHistory,
  layout: Layout,
  facts: FactsOf,
): readonly string[] {
  const head = headOf(history).version;
  return membersBut(history, layout.removedIds).filter((id) => {
    const ack = facts(id)?.ack;
    // An ack that the head does not contain is of a fork, or of a layout still unknown here.
    if (ack === undefined || !continues(head, ack)) return true;
    return ack.counter < layout.version.counter;
  });
}

/** As if `missingAcks` were empty for it; it is asked for with every bit of news. */
function newestSealed(history: LayoutHistory, facts: FactsOf): Layout | undefined {
  const head = headOf(history).version;
  const acked = activeMembers(history).map(({ id }) => {
    const ack = facts(id)?.ack;
    return { id, counter: ack !== undefined && continues(head, ack) ? ack.counter : 0 };
  });
  return history.layouts.findLast(({ version, removedIds }) =>
    acked.every(({ id, counter }) => counter >= version.counter || removedIds.includes(id)),
  );
}

/** Ids of those that gain something in the layout and have not got it yet. */
export function missingSyncs(
  history: LayoutHistory,
  layout: Layout,
  { facts, gainers }: Knowledge,
): readonly string[] {
  const base = baseOf(history, layout);
  if (isSameVersion(base.version, layout.version)) return [];
  return [...gainers(base, layout)].filter((id) => {
    const synced = facts(id)?.synced;
    return synced === undefined || !isMark(synced, layout);
  });
}

/** The counter of the newest layout that everybody is known to live in. */
export function rootOf(history: LayoutHistory, facts: FactsOf): number {
  return Math.max(newestSealed(history, facts)?.version.counter ?? 0, history.reads);
}

/** Goes on as far as the facts allow: reads from a newer layout, forgets older ones. */
export function advance(history: LayoutHistory, known: Knowledge): LayoutHistory {
  if (history.layouts.length === 1) return history;
  const facts = askedOnce(known.facts);
  const sealed = newestSealed(history, facts);
  if (sealed === undefined) return history;
  const next = history.layouts.findLast(
    (layout) =>
      layout.version.counter > history.reads &&
      layout.version.counter <= sealed.version.counter &&
      missingSyncs(history, layout, { ...known, facts }).length === 0,
  );
  const reads = next?.version.counter ?? history.reads;
  const floor = Math.min(reads, floorFor({ ...history, reads }, sealed, facts));
  const layouts = history.layouts.filter(({ version }) => version.counter >= floor);
  if (reads === history.reads && layouts.length === history.layouts.length) return history;
  return { layouts, reads };
}

/** What each member tells is read once, however many layouts it is about. */
function askedOnce(facts: FactsOf): FactsOf {
  const known = new Map<string, MemberFacts | undefined>();
  return (id) => {
    if (!known.has(id)) known.set(id, facts(id));
    return known.get(id);
  };
}

/** What this member has to fetch for a layout, by default the head. */
export function dutiesOf(
  history: LayoutHistory,
  memberId: string,
  duties: DutiesOf,
  layout: Layout = headOf(history),
): readonly SyncDuty[] {
  const base = baseOf(history, layout);
  if (isSameVersion(base.version, layout.version)) return [];
  return duties(base, layout).filter(({ receiver }) => receiver === memberId);
}

/** The counter below which nobody needs a layout any more, as far as known. */
function floorFor(history: LayoutHistory, sealed: Layout, facts: FactsOf): number {
  const present = must(history.layouts[0], "a history has a floor").version.counter;
  const head = headOf(history).version;
  let floor = history.reads;
  for (const id of membersBut(history, sealed.removedIds)) {
    const { ack, reads } = facts(id) ?? {};
    // Who has a head that is unknown here may fetch data relative to a layout that would be forgotten.
    if (ack === undefined || !continues(head, ack) || reads === undefined) return present;
    const layout = history.layouts.find((one) => isMark(reads, one));
    if (layout === undefined && reads.counter < history.reads) return present;
    floor = Math.min(floor, reads.counter);
  }
  // Data for layouts that are still to be read from are fetched relative to their base.
  for (const { version, base } of history.layouts) {
    if (version.counter > history.reads) floor = Math.min(floor, Math.max(base, present));
  }
  return Math.max(floor, present);
}

function isMark(mark: VersionMark, { version }: Layout): boolean {
  return mark.counter === version.counter && mark.hash === version.hash;
}
