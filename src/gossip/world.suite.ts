/**
 * A small world for the tests of gossip: virtual time, a network that loses, delays and reorders,
 * and members that run the real machine and the real layout, with the thinnest shell around.
 *
 * Messages pass through their bytes, so that what is sent is also what a parser accepts. The same
 * seed gives the same history.
 */
import { Packr } from "msgpackr";
import { type LayoutIntent, applyIntents } from "../layout/intents.ts";
import { type Layout } from "../layout/layout.ts";
import { decodeLayout, encodeLayout } from "../layout/encoding.ts";
import { genesis } from "../layout/commit.ts";
import { winnerOf } from "../layout/testing.suite.ts";
import { SeededRng, randomFraction } from "../util/random.ts";
import { type GossipEffect, type GossipInput, nextGeneration } from "./gossip-io.ts";
import { Gossiper } from "./gossip.ts";
import { parseGossipMessage } from "./messages.ts";

export interface WorldOptions {
  readonly seed: number;
  /** Share of messages lost; default 0. */
  readonly loss?: number;
  readonly minDelayMs?: number;
  readonly maxDelayMs?: number;
}

export interface MemberSettings {
  readonly seeds: readonly number[];
  readonly address?: string;
  readonly clusterName?: string;
  readonly partitioner?: string;
  readonly rejoins?: boolean;
  /** It takes part in gossip and does not want to be in the layout. */
  readonly isStranger?: boolean;
}

/** What survives a restart. */
interface Disk {
  generation: number | undefined;
  layout: Layout | undefined;
}

const WALL_START_MS = 1_700_000_000_000;
const packr = new Packr({ useRecords: false });

export function idOf(number: number): string {
  return `a0000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

export function addressOf(number: number): string {
  return `10.0.0.${number}:7400`;
}

export class SimMember {
  readonly number: number;
  readonly settings: MemberSettings;
  readonly address: string;
  readonly gossiper: Gossiper;
  readonly disk: Disk;
  readonly effects: (GossipEffect & { readonly atMs: number })[] = [];
  intents: readonly LayoutIntent[];
  isRunning = true;
  stalledUntilMs = 0;
  readonly #world: World;

  constructor(world: World, number: number, settings: MemberSettings, disk: Disk) {
    this.#world = world;
    this.number = number;
    this.settings = settings;
    this.disk = disk;
    this.address = settings.address ?? addressOf(number);
    disk.generation = nextGeneration(disk.generation, world.wallMs);
    this.gossiper = new Gossiper(
      { rng: world.rng },
      {
        id: idOf(number),
        address: this.address,
        generation: disk.generation,
        clusterName: settings.clusterName ?? "test",
        partitioner: settings.partitioner ?? "Murmur3Partitioner",
        seeds: settings.seeds.map(addressOf),
      },
    );
    const entry = { id: idOf(number), dc: "dc1", rack: "r1", weight: 1, tokens: [String(number)] };
    const wishes: LayoutIntent[] = [
      { kind: "join", member: { ...entry, address: this.address } },
      { kind: "addresses", id: entry.id, addresses: { address: this.address } },
    ];
    this.intents = settings.isStranger === true ? [] : wishes;
  }

  start(): void {
    if (this.disk.layout !== undefined) this.#hand(this.disk.layout);
    this.input({ kind: "set-state", name: "STATUS", value: "NORMAL" });
    this.input({ kind: "start" });
  }

  input(input: GossipInput): void {
    if (!this.isRunning) return;
    const { nowMs, wallMs } = this.#world;
    for (const effect of this.gossiper.step(input, { monotonicMs: nowMs, wallMs })) {
      this.#obey(effect);
    }
  }

  /** Adds an intent and acts on it, as an operator's command does. */
  want(intent: LayoutIntent): void {
    this.intents = [...this.intents, intent];
    if (this.disk.layout !== undefined) this.#take(this.disk.layout);
  }

  /** The numbers of the members that this one considers up, itself left out. */
  seesUp(): number[] {
    return this.gossiper
      .members()
      .filter(({ isAlive, isSelf }) => isAlive && !isSelf)
      .map(({ id }) => Number(id.slice(-12)))
      .toSorted((a, b) => a - b);
  }

  #obey(effect: GossipEffect): void {
    this.effects.push({ ...effect, atMs: this.#world.nowMs });
    switch (effect.kind) {
      case "send":
        return this.#world.send(this, effect.address, packr.pack(effect.message));
      case "found":
        return this.#take(
          genesis({
            clusterId: `c0000000-0000-4000-8000-${String(this.number).padStart(12, "0")}`,
            clusterName: "test",
            partitioner: "Murmur3Partitioner",
            members: [],
          }),
        );
      case "running":
        // What was on disk may lack what this start wants, such as a new address.
        return this.disk.layout === undefined ? undefined : this.#take(this.disk.layout);
      case "layout":
        return this.#take(decodeLayout(effect.offer.payload));
      case "generation":
        this.disk.generation = effect.generation;
        return undefined;
      default:
        return undefined;
    }
  }

  #take(layout: Layout): void {
    const winner = this.disk.layout === undefined ? layout : winnerOf(this.disk.layout, layout);
    this.#hand(applyIntents(winner, this.intents).layout ?? winner);
  }

  #hand(layout: Layout): void {
    this.disk.layout = layout;
    const { clusterId, members, removedIds, version } = layout;
    const payload = encodeLayout(layout);
    this.input({
      kind: "layout",
      layout: { ...version, payload, clusterId, members, removedIds },
    });
  }
}

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

export class World {
  readonly rng: SeededRng;
  nowMs = 0;
  /** Shifts everybody's wall clock. */
  wallOffsetMs = 0;
  /** Members by number; a restarted one takes the place of its predecessor. */
  readonly members: Map<number, SimMember> = new Map();
  /** True if the message is not to arrive. */
  isCut: (from: SimMember, to: SimMember) => boolean = () => false;
  /** False: a dead process's host is gone too, nothing refuses. */
  hasRefusals = true;
  messages = 0;
  readonly #options: Required<WorldOptions>;
  readonly #events: Event[] = [];

  constructor(options: WorldOptions) {
    this.#options = { loss: 0, minDelayMs: 0.2, maxDelayMs: 2, ...options };
    this.rng = new SeededRng(options.seed);
  }

  get wallMs(): number {
    return WALL_START_MS + this.nowMs + this.wallOffsetMs;
  }

  /** Starts a member, or starts it anew with what it had on disk. */
  start(number: number, settings: MemberSettings): SimMember {
    const before = this.members.get(number);
    const disk = before?.disk ?? { generation: undefined, layout: undefined };
    const member = new SimMember(this, number, settings, disk);
    this.members.set(number, member);
    member.start();
    this.#tickLater(member, 1000 * randomFraction(this.rng));
    return member;
  }

  /** Starts members 1 .. count. */
  startAll(count: number, seeds: readonly number[] = [1]): SimMember[] {
    return Array.from({ length: count }, (_, index) => this.start(index + 1, { seeds }));
  }

  restart(number: number, settings: Partial<MemberSettings> = {}): SimMember {
    const before = this.get(number);
    before.isRunning = false;
    return this.start(number, { ...before.settings, ...settings });
  }

  crash(number: number): void {
    this.get(number).isRunning = false;
  }

  get(number: number): SimMember {
    return this.members.get(number)!;
  }

  running(): SimMember[] {
    return [...this.members.values()].filter(({ isRunning }) => isRunning);
  }

  send(from: SimMember, address: string, bytes: Uint8Array): void {
    this.messages++;
    const { loss, minDelayMs, maxDelayMs } = this.#options;
    const delayMs = minDelayMs + (maxDelayMs - minDelayMs) * randomFraction(this.rng);
    if (randomFraction(this.rng) < loss) return;
    this.at(this.nowMs + delayMs, () => {
      const to = this.running().find((member) => member.address === address);
      if (to === undefined) {
        if (this.hasRefusals) from.input({ kind: "refused", address });
      } else if (!this.isCut(from, to)) this.#deliver(to, bytes);
    });
  }

  at(atMs: number, run: () => void): void {
    // Sorted by time, latest first; what comes later at the same time runs later.
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.atMs > atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { atMs, run });
  }

  /** Runs for so long. */
  run(durationMs: number): void {
    this.#runWhile(() => true, this.nowMs + durationMs);
  }

  /** Runs until the condition holds and returns how long that took; NaN after the deadline. */
  runUntil(condition: () => boolean, deadlineMs: number): number {
    const startedMs = this.nowMs;
    this.#runWhile(() => !condition(), startedMs + deadlineMs);
    return condition() ? this.nowMs - startedMs : Number.NaN;
  }

  /** Each running member considers exactly the running ones up, and all have one layout. */
  isWhole(): boolean {
    const numbers = this.running().map(({ number }) => number);
    const hashes = this.running().map(({ disk }) => disk.layout?.version.hash);
    return (
      new Set(hashes).size === 1 &&
      this.running().every((member) => {
        const others = numbers.filter((number) => number !== member.number);
        return member.seesUp().join() === others.toSorted((a, b) => a - b).join();
      })
    );
  }

  #runWhile(goesOn: () => boolean, untilMs: number): void {
    while (goesOn()) {
      const event = this.#events.at(-1);
      if (event === undefined || event.atMs > untilMs) {
        this.nowMs = untilMs;
        return;
      }
      this.#events.pop();
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.run();
    }
  }

  #deliver(to: SimMember, bytes: Uint8Array): void {
    if (to.stalledUntilMs > this.nowMs) {
      this.at(to.stalledUntilMs, () => this.#deliver(to, bytes));
      return;
    }
    to.input({ kind: "message", message: parseGossipMessage(packr.unpack(bytes)) });
  }

  #tickLater(member: SimMember, delayMs: number): void {
    const dueMs = Math.max(this.nowMs + delayMs, member.stalledUntilMs);
    this.at(dueMs, () => {
      if (!member.isRunning) return;
      if (member.stalledUntilMs <= this.nowMs) member.input({ kind: "tick" });
      this.#tickLater(member, 1000);
    });
  }
}
