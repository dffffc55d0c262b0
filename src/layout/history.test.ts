/**
 * The promise of history.ts, played out: members commit against each other, learn of each other's
 * histories and facts late, in any order and more than once, and fetch nothing wrong.
 *
 * Data are played along: each write is a bit that is stored by a random quorum in every layout that is
 * active for its writer, at members that live in the writer's head. Each read must then meet every write
 * that was acknowledged before it began. That is the whole point, so it is what is checked.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareLayoutVersions, isSameVersion } from "../model/layout-version.ts";
import { SeededRng, randomBelow, randomChoice, shuffled } from "../util/random.ts";
import { type PlannedContent, commit, genesis } from "./commit.ts";
import {
  DutyMemo,
  type LayoutHistory,
  type MemberFacts,
  type VersionMark,
  activeMembers,
  adopt,
  advance,
  append,
  dutiesOf,
  headOf,
  historyOf,
  mayCommit,
  mayTakeOver,
  newestReadOf,
  readLayoutOf,
  requiredIds,
  rootOf,
} from "./history.ts";
import { keyspaceTable } from "./keyspace-table.ts";
import type { Layout, LayoutMember } from "./layout.ts";
import { keyspace, member, memberId, start } from "./testing.suite.ts";
import { type SyncDuty, covers } from "./transition.ts";
import { tokenHi, tokenLo } from "../ring/token.ts";

/** Bugs that the play has to notice. */
interface Plant {
  readonly readsEarly?: boolean;
  readonly writesHeadOnly?: boolean;
  readonly acceptsOldWrites?: boolean;
  /** Whoever is still in an active layout, leaving or removed, commits. */
  readonly anybodyCommits?: boolean;
}

const POINTS = 16;
/** Points of the ring at which data are looked at. */
const points = Array.from({ length: POINTS }, (_, index) => BigInt(index * 100 + 50));

class Player {
  readonly id: string;
  history: LayoutHistory | undefined;
  synced: VersionMark | undefined;
  /** Of the partition. */
  side = 0;
  /** What it has heard of the others, however old. */
  readonly heard = new Map<string, MemberFacts>();
  /** Writes that it holds, by point. */
  readonly held = points.map(() => new Set<number>());

  constructor(id: string) {
    this.id = id;
  }

  get facts(): MemberFacts {
    if (this.history === undefined) return { ack: undefined, synced: undefined, reads: undefined };
    const ack = headOf(this.history).version;
    return { ack, synced: this.synced, reads: readLayoutOf(this.history).version };
  }

  readonly factsOf = (id: string): MemberFacts | undefined =>
    id === this.id ? this.facts : this.heard.get(id);
}

class Play {
  readonly rng: SeededRng;
  readonly plant: Plant;
  readonly memo = new DutyMemo();
  readonly players = new Map<string, Player>();
  /** Writes that were acknowledged, by point. */
  readonly acked = points.map(() => new Set<number>());
  /** Of each layout that a member of the one before has made, by hash. */
  readonly authors = new Map<string, string>();
  lastWrite = 0;
  reads = 0;
  finished = 0;

  constructor(seed: number, plant: Plant) {
    this.rng = new SeededRng(seed);
    this.plant = plant;
    const founders = [1, 2, 3, 4].map((number) => this.#entry(number));
    const founded = commit(genesis(start(...founders)), {
      kind: "create-keyspace",
      definition: keyspace("k"),
    });
    for (const { id } of founders) {
      const player = this.player(id);
      player.history = historyOf(founded);
    }
  }

  player(id: string): Player {
    const known = this.players.get(id) ?? new Player(id);
    this.players.set(id, known);
    return known;
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      if (step % 60 === 0) this.#partition();
      const actor = randomChoice(this.rng, [...this.players.values()]) as Player;
      const dice = randomBelow(this.rng, 100);
      if (dice < 6) this.#commit(actor);
      else if (dice < 45) this.#tell(actor);
      else if (dice < 60) this.#sync(actor);
      else if (dice < 80) this.#write(actor);
      else this.#read(actor);
    }
  }

  /** Everybody hears everybody, and nothing is committed any more: all have to come to one layout. */
  settle(): void {
    const players = [...this.players.values()];
    for (const player of players) player.side = 0;
    for (let round = 0; round < 10; round++) {
      for (const actor of players) for (const other of players) this.#tellOne(actor, other);
      for (const actor of players) this.#sync(actor);
    }
    const isAgreed = players.some(({ history }) => {
      if (history === undefined) return false;
      const required = requiredIds(history);
      const others = players.filter(({ id }) => required.has(id));
      return others.every((other) => this.#isOneOf(other, history));
    });
    if (!isAgreed) throw new Error("there are several heads for ever");
  }

  #entry(number: number): LayoutMember {
    const tokens = Array.from({ length: 2 }, () => String(randomBelow(this.rng, POINTS) * 100));
    const spread = [...new Set(tokens)].map((token) => String(Number(token) + number));
    return member(number, { tokens: spread.toSorted((a, b) => Number(a) - Number(b)) });
  }

  #commit(actor: Player): void {
    const { history } = actor;
    if (history === undefined) return;
    const head = headOf(history);
    const isActive = activeMembers(history).some(({ id }) => id === actor.id);
    const isNear = (id: string): boolean => this.player(id).side === actor.side;
    const isAble =
      this.plant.anybodyCommits === true ? isActive : mayCommit(history, actor.id, isNear);
    if (!isAble || history.layouts.length > 4) return;
    const content = this.#change(head, history);
    if (content === undefined) return;
    const base = newestReadOf(history, actor.factsOf).version.counter;
    const ground = { base, root: rootOf(history, actor.factsOf) };
    const next = commit(head, { kind: "plan", content }, {}, ground);
    if (head.members.some(({ id }) => id === actor.id)) {
      this.authors.set(next.version.hash, actor.id);
    }
    this.#use(actor, append(history, next));
  }

  /**
   * True if the player has come to live in this history, or cannot, because its own one parts from it
   * with a layout of a removed member: nobody takes that over from somebody who is not waited for from
   * the parting on, a newcomer that met the removed one or a leaving member that reads on.
   */
  #isOneOf({ id, history }: Player, { layouts }: LayoutHistory): boolean {
    if (history === undefined) return true;
    const head = layouts.at(-1)!;
    if (isSameVersion(headOf(history).version, head.version)) return true;
    const isIn = ({ members }: Layout): boolean => members.some((one) => one.id === id);
    const hasLayout = (others: readonly Layout[], { version }: Layout): boolean =>
      others.some((layout) => isSameVersion(layout.version, version));
    const parting = layouts.findLastIndex((layout) => hasLayout(history.layouts, layout));
    const awaited = parting < 0 ? [] : layouts.slice(0, parting + 2);
    if (!awaited.some(isIn)) return true;
    const fork = history.layouts.find((layout) => !hasLayout(layouts, layout));
    const author = this.authors.get(fork?.version.hash ?? "");
    if (author === undefined || !head.removedIds.includes(author)) return false;
    return !awaited.some((layout) => isIn(layout) && layout.version.counter >= history.reads);
  }

  #change(head: Layout, history: LayoutHistory): PlannedContent | undefined {
    const { members, keyspaces, leavingIds, removedIds } = head;
    const rest = { keyspaces, leavingIds, removedIds };
    const dice = randomBelow(this.rng, 5);
    if (dice === 0 && members.length < 6) {
      const number = 1 + randomBelow(this.rng, 9);
      const gone = [...leavingIds, ...removedIds].includes(memberId(number));
      if (gone || members.some(({ id }) => id === memberId(number))) return undefined;
      this.player(memberId(number));
      const joined = [...members, this.#entry(number)];
      return { ...rest, members: joined.toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
    }
    const one = randomChoice(this.rng, members) as LayoutMember;
    if (dice === 1 && members.length > 3) {
      const leaving = [...leavingIds, one.id].toSorted();
      return { ...rest, leavingIds: leaving, members: members.filter(({ id }) => id !== one.id) };
    }
    if (dice === 2) {
      const moved = { ...this.#entry(Number(one.id.slice(-2))), id: one.id };
      return { ...rest, members: members.map((other) => (other === one ? moved : other)) };
    }
    if (dice === 3) {
      const removed = [...removedIds, one.id].toSorted();
      if (members.length < 4 || !staysCovered(history, new Set(removed))) return undefined;
      return { ...rest, removedIds: removed, members: members.filter(({ id }) => id !== one.id) };
    }
    const factor = String(1 + randomBelow(this.rng, 4));
    const changed = keyspaces.map((space) => ({
      ...space,
      replication: { class: "SimpleStrategy", options: { replication_factor: factor } },
    }));
    return { ...rest, members, keyspaces: changed };
  }

  /** For a while some hear only each other, or nobody is cut off. */
  #partition(): void {
    const isCut = randomBelow(this.rng, 2) === 0;
    for (const player of this.players.values()) {
      player.side = isCut ? randomBelow(this.rng, 2) : 0;
    }
  }

  /** Tells one other what it knows: its own facts, those that it heard, and its history. */
  #tell(actor: Player): void {
    this.#tellOne(actor, randomChoice(this.rng, [...this.players.values()]) as Player);
  }

  #tellOne(actor: Player, other: Player): void {
    if (other === actor || other.side !== actor.side) return;
    // Facts of a third member may come late, but never older ones after newer ones.
    other.heard.set(actor.id, actor.facts);
    if (actor.history !== undefined) {
      const present = other.history;
      if (present === undefined) this.#use(other, actor.history);
      else if (mayTakeOver(present, actor.history, actor.id)) {
        this.#use(other, adopt(present, actor.history));
      }
    }
    this.#use(other, other.history);
  }

  #use(actor: Player, history: LayoutHistory | undefined): void {
    if (history === undefined) return;
    const before = actor.history;
    if (before !== undefined) {
      const order = compareLayoutVersions(headOf(history).version, headOf(before).version);
      if (order < 0) throw new Error("a head goes back");
      if (history.reads < before.reads) throw new Error("reads go back");
    }
    actor.history = history;
    const next = advance(history, { facts: actor.factsOf, gainers: this.memo.gainers });
    if (next.layouts.length < history.layouts.length) this.finished++;
    actor.history = next;
    if (this.plant.readsEarly === true) {
      actor.history = { ...next, reads: headOf(next).version.counter };
    }
  }

  /** Fetches everything for its head from those who live in it. */
  #sync(actor: Player): void {
    if (actor.history === undefined) return;
    const head = headOf(actor.history);
    const duties = dutiesOf(actor.history, actor.id, this.memo.duties);
    if (!duties.every((duty) => this.#fetch(actor, duty, head))) return;
    const { counter, hash } = head.version;
    actor.synced = { counter, hash };
    this.#use(actor, actor.history);
  }

  #fetch(actor: Player, duty: SyncDuty, head: Layout): boolean {
    const isAt = (id: string): boolean => {
      const { history } = this.player(id);
      return history !== undefined && headOf(history).version.hash === head.version.hash;
    };
    const isCopied = duty.source !== undefined && isAt(duty.source);
    const asked = isCopied ? [duty.source as string] : duty.holders.filter((id) => isAt(id));
    const reached = (id: string): boolean => id === actor.id || asked.includes(id);
    const isEnough = asked.length === duty.holders.length || covers(duty.replicas, reached);
    if (!isCopied && !isEnough) return false;
    for (const [index, point] of points.entries()) {
      if (!isWithin(point, duty)) continue;
      for (const id of asked) {
        for (const write of this.player(id).held[index]!) actor.held[index]!.add(write);
      }
    }
    return true;
  }

  #write(actor: Player): void {
    const { history } = actor;
    if (history === undefined || isRemoved(history, actor.id)) return;
    const layouts = this.plant.writesHeadOnly === true ? [headOf(history)] : history.layouts;
    const at = randomBelow(this.rng, POINTS);
    const write = ++this.lastWrite;
    const stored = new Set<string>();
    const replicas = new Set(layouts.flatMap((layout) => replicasAt(layout, points[at]!)));
    for (const id of shuffled(this.rng, [...replicas])) {
      if (randomBelow(this.rng, 4) === 0 || !this.#lives(id, headOf(history))) continue;
      this.player(id).held[at]!.add(write);
      stored.add(id);
    }
    const isReached = layouts.every((layout) => {
      const set = replicasAt(layout, points[at]!);
      return set.filter((id) => stored.has(id)).length >= quorumIn(layout);
    });
    if (isReached) this.acked[at]!.add(write);
  }

  #read(actor: Player): void {
    const { history } = actor;
    if (history === undefined || isRemoved(history, actor.id)) return;
    const layout = readLayoutOf(history);
    if (!layout.members.some(({ id }) => id === actor.id)) return;
    const at = randomBelow(this.rng, POINTS);
    const set = replicasAt(layout, points[at]!).filter((id) => this.#lives(id, headOf(history)));
    if (set.length < quorumIn(layout)) return;
    const asked = shuffled(this.rng, set).slice(0, quorumIn(layout));
    const seen = new Set(asked.flatMap((id) => [...this.player(id).held[at]!]));
    for (const write of this.acked[at]!) {
      if (!seen.has(write)) throw new Error(`write ${write} at point ${at} is lost`);
    }
    this.reads++;
  }

  /** The fence: a replica serves only requests of its own head. */
  #lives(id: string, head: Layout): boolean {
    const { history } = this.player(id);
    if (history === undefined) return false;
    if (this.plant.acceptsOldWrites === true) return true;
    return headOf(history).version.hash === head.version.hash;
  }
}

/** Nobody waits for a removed member, so it serves no more as soon as it knows. */
function isRemoved(history: LayoutHistory, id: string): boolean {
  return headOf(history).removedIds.includes(id);
}

/** True if what the removed ones hold is held by others as well, as far as a quorum knows. */
function staysCovered({ layouts }: LayoutHistory, removed: ReadonlySet<string>): boolean {
  return layouts.every((layout) =>
    points.every((point) => {
      const set = replicasAt(layout, point).map((id) => ({ id, dc: "" }));
      return covers(set, (id) => !removed.has(id));
    }),
  );
}

function isWithin(point: bigint, { start: from, end }: SyncDuty): boolean {
  if (from === end) return true;
  return from < end ? point > from && point <= end : point > from || point <= end;
}

const tables = new WeakMap<Layout, ReturnType<typeof keyspaceTable>>();

function replicasAt(layout: Layout, point: bigint): string[] {
  const table = tables.get(layout) ?? keyspaceTable(layout, layout.keyspaces[0]!);
  tables.set(layout, table);
  const set = table.lookup(tokenHi(point), tokenLo(point));
  return set.members.map((index) => layout.members[index]!.id);
}

/** As a coordinator counts: of the replicas that there should be. */
function quorumIn(layout: Layout): number {
  const factor = Number(layout.keyspaces[0]!.replication.options["replication_factor"]);
  return Math.floor(factor / 2) + 1;
}

function failingSeed(plant: Plant, steps: number, firstSeed: number): number | undefined {
  for (let seed = firstSeed; seed < firstSeed + 300; seed++) {
    try {
      const play = new Play(seed, plant);
      play.run(steps);
      play.settle();
    } catch {
      return seed;
    }
  }
  return undefined;
}

describe("the layout that changes are made from", () => {
  const first = commit(genesis(start(member(1), member(2), member(3))), {
    kind: "create-keyspace",
    definition: keyspace("k"),
  });
  const second = commit(first, { kind: "create-keyspace", definition: keyspace("l") });
  const fork = commit(first, { kind: "create-keyspace", definition: keyspace("m") });

  /** As seen by a member with these layouts that has heard of one other what it reads from. */
  function base(layouts: readonly Layout[], own: Layout, other: Layout | undefined): Layout {
    const history = { layouts, reads: own.version.counter };
    const told = { ack: undefined, synced: undefined, reads: other?.version };
    return newestReadOf(history, (id) => (id === memberId(2) ? told : undefined));
  }

  test("is the one that this member reads from, or a newer one that another reads from", () => {
    expect(base([first, second], first, undefined)).toBe(first);
    expect(base([first, second], first, second)).toBe(second);
    expect(base([first, second], second, first)).toBe(second);
    expect(base([first, second], first, fork)).toBe(first);
  });
});

describe("layouts that change while data are written and read", () => {
  test("no acknowledged write is ever missed by a quorum read, and all come to agree", () => {
    let [reads, finished] = [0, 0];
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
        const play = new Play(seed, {});
        play.run(600);
        play.settle();
        reads += play.reads;
        finished += play.finished;
      }),
      // Both branches of a fork take in the same newcomers: one play in 4000.
      { numRuns: 150, examples: [[1745768204]] },
    );
    // The play is worth nothing if nothing ever gets through.
    expect(reads).toBeGreaterThan(1000);
    expect(finished).toBeGreaterThan(100);
  });

  // Some plants are met by one seed in hundreds, or in a thousand: the search begins near one.
  test.each<[string, Plant, number]>([
    ["reading from the head at once", { readsEarly: true }, 0],
    ["writing to the head only", { writesHeadOnly: true }, 0],
    ["replicas that serve any version", { acceptsOldWrites: true }, 0],
    ["commits of members that nobody waits for", { anybodyCommits: true }, 5700],
  ])("%s is noticed", (_, plant, firstSeed) => {
    expect(failingSeed(plant, 600, firstSeed)).toBeDefined();
  });
});
