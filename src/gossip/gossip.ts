/**
 * Gossip as a machine without I/O: inputs and the time go in, effects come out, and the same inputs
 * with the same chance give the same effects.
 *
 * Each interval a member raises its heartbeat and exchanges what it knows with one random live
 * member, sometimes with one that is considered down, and sometimes with a seed, called by address.
 * What anybody learned reaches everybody in a number of rounds that grows with the logarithm of the
 * members.
 *
 * Three decisions carry the rest:
 *
 * - **Members that are down are called for ever**, also those that only the layout knows. Two halves
 *   of a ring that considered each other dead find each other again without help, and so do two
 *   single members; systems that stopped calling had to be restarted by hand (ringpop #42).
 * - **Up needs a round trip.** A heartbeat that moves says that a member lives; only its answer to
 *   us says that it can be reached. So news of a down member makes us call it, and an ack or ack2 of
 *   its own makes it up (see liveness.ts).
 * - **A new layout is pushed**, not left to the rounds: whoever takes one over calls a few members at
 *   once, so that a change is everywhere after a few round trips. Only versions travel until
 *   somebody turns out to lack it.
 *
 * The failure detector hears of states only, not also of digests as in Cassandra, where one heartbeat
 * counts twice and halves the mean interval.
 *
 * Sources: Cassandra `gms/Gossiper`, `gms/GossipDigestSynVerbHandler`; Dynamo (2007) section 4.8.
 */
import { type LayoutVersion, compareLayoutVersions } from "../model/layout-version.ts";
import { assert, unreachable } from "../util/assert.ts";
import { shuffled } from "../util/random.ts";
import { type Endpoint, EndpointTable, snapshotOf, versionOf } from "./endpoint-table.ts";
import { FailureDetector } from "./failure-detector.ts";
import { isForeign } from "./foreign-cluster.ts";
import type {
  GossipEffect,
  GossipInput,
  GossipInstant,
  GossipMember,
  GossiperDeps,
  GossiperOptions,
  KnownLayout,
} from "./gossip-io.ts";
import { Liveness, formatLayoutState } from "./liveness.ts";
import {
  type EndpointSnapshot,
  type GossipAck,
  type GossipAck2,
  type GossipMessage,
  type GossipSyn,
  STATE_NAME,
} from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { chooseCalls } from "./peer-choice.ts";
import { ShadowRound } from "./shadow-round.ts";
import { Twins } from "./twins.ts";

export type GossipPhase = "created" | "shadow" | "running" | "stopped";

/** A start that claims to lie further ahead than this is a broken clock. */
const GENERATION_AHEAD_MAX_SECONDS = 365 * 86_400;
/** Starting members that are remembered until there is a layout to tell them. */
const WAITERS_MAX = 1000;
/** Members that are called when this one has just started. */
const INTRODUCTIONS_MAX = 32;
/** Members of the layout that are asked at the start, besides the seeds. */
const EXTRA_CONTACTS = 3;
/** For so long a member that lives, as others tell, is called each interval until it answers. */
const PROBE_INTERVALS = 10;
export class Gossiper {
  readonly #rng: GossiperDeps["rng"];
  readonly #options: GossiperOptions;
  readonly #intervalMs: number;
  readonly #table: EndpointTable;
  readonly #detector: FailureDetector;
  readonly #liveness: Liveness;
  readonly #outbox: Outbox;
  readonly #twins: Twins;
  /** Addresses that turned out to be this member's own. */
  readonly #ownAddresses: Set<string>;
  /** Who asked for a layout while there was none. */
  readonly #waiters = new Map<string, GossipSyn>();
  #phase: GossipPhase = "created";
  #shadow: ShadowRound | undefined;
  /** Somebody has a layout, so there is a ring already, whatever becomes of the offer. */
  #wasOffered = false;
  #layout: KnownLayout | undefined;
  #now: GossipInstant = { monotonicMs: 0, wallMs: 0 };

  constructor(deps: GossiperDeps, options: GossiperOptions) {
    assert(options.seeds.length > 0, "gossip needs at least one seed");
    this.#rng = deps.rng;
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? 1000;
    this.#ownAddresses = new Set([options.address]);
    this.#table = new EndpointTable(options);
    this.#detector = new FailureDetector({
      intervalMs: options.intervalMs,
      threshold: options.phiThreshold,
      pauseMaxMs: options.pauseMaxMs,
    });
    const { clusterName: name, partitioner } = options;
    this.#outbox = new Outbox({ table: this.#table }, { name, partitioner, id: undefined });
    this.#twins = new Twins({ table: this.#table, outbox: this.#outbox });
    this.#liveness = new Liveness(
      { table: this.#table, detector: this.#detector, outbox: this.#outbox },
      { strangerTimeoutMs: options.strangerTimeoutMs ?? 30_000 },
    );
  }

  get phase(): GossipPhase {
    return this.#phase;
  }

  /** Takes one input and returns what is to be done, in order. */
  step(input: GossipInput, now: GossipInstant): readonly GossipEffect[] {
    if (this.#phase === "stopped") return [];
    this.#now = now;
    this.#take(input);
    return this.#outbox.takeAll();
  }

  /** Everybody known, this member first. */
  members(): readonly GossipMember[] {
    return [this.#table.self, ...this.#table.others()].map((endpoint) => this.#view(endpoint));
  }

  member(id: string): GossipMember | undefined {
    const endpoint = this.#table.get(id);
    return endpoint === undefined ? undefined : this.#view(endpoint);
  }

  layoutOf(id: string): LayoutVersion | undefined {
    return this.#table.get(id)?.layout;
  }

  state(id: string, name: string): string | undefined {
    return this.#table.get(id)?.states.get(name)?.value;
  }

  isAlive(id: string): boolean {
    return id === this.#options.id || (this.#table.get(id)?.isAlive ?? false);
  }

  /** Suspicion of a member on the scale of the threshold; undefined for this member itself. */
  phi(id: string, monotonicMs: number): number | undefined {
    return id === this.#options.id ? undefined : this.#detector.phi(id, monotonicMs);
  }

  #take(input: GossipInput): void {
    switch (input.kind) {
      case "start":
        return this.#start();
      case "tick":
        return this.#tick();
      case "message":
        return this.#hear(input.message);
      case "set-state":
        return this.#setState(input.name, input.value, input.isUrgent === true);
      case "layout":
        return this.#takeLayout(input.layout);
      case "connected":
      case "disconnected":
        return this.#callAgain(input.address);
      case "refused":
        return this.#refused(input.address);
      case "shutdown":
        return this.#shutdown();
      default:
        return unreachable(input);
    }
  }

  #start(): void {
    assert(this.#phase === "created", "gossip was started twice");
    const { shadowRetryMs, shadowLimitMs, seeds, id } = this.#options;
    const others = (this.#layout?.members ?? [])
      .filter((member) => member.id !== id && !seeds.includes(member.address))
      .map(({ address }) => address);
    const extra = shuffled(this.#rng, others).slice(0, EXTRA_CONTACTS);
    this.#phase = "shadow";
    this.#shadow = new ShadowRound(
      {
        contacts: [...seeds, ...extra].filter((address) => !this.#ownAddresses.has(address)),
        retryMs: shadowRetryMs ?? 1000,
        limitMs: shadowLimitMs ?? 5000,
      },
      this.#now.monotonicMs,
    );
    this.#ask(this.#shadow);
  }

  #ask(shadow: ShadowRound): void {
    for (const address of shadow.due(this.#now.monotonicMs)) this.#call(address);
    this.#leaveShadow(shadow);
  }

  #leaveShadow(shadow: ShadowRound): void {
    const isFirst = this.#ownAddresses.has(this.#options.seeds[0] ?? "");
    const mayFound = isFirst && !this.#wasOffered;
    const hasLayout = this.#layout !== undefined;
    const verdict = shadow.verdict(this.#now.monotonicMs, { hasLayout, mayFound });
    if (verdict === "wait") return this.#tellOfSearch(shadow);
    if (verdict === "found") this.#outbox.emit({ kind: "found" });
    this.#run();
  }

  /** People have to know that the seeds may be wrong, or all gone. */
  #tellOfSearch(shadow: ShadowRound): void {
    if (this.#layout !== undefined || !shadow.isLate(this.#now.monotonicMs)) return;
    const { seeds } = this.#options;
    const reason = "none of the seeds has told of a ring; this member goes on asking them";
    this.#complain("gossip.ring-not-found", seeds.join(), { seeds, reason });
  }

  #run(): void {
    this.#phase = "running";
    this.#shadow = undefined;
    this.#table.beat();
    this.#detector.beginRound(this.#now.monotonicMs);
    this.#outbox.emit({ kind: "running" });
    this.#answerWaiters();
    const { seeds } = this.#options;
    const known = this.#liveness.alive().map(({ address }) => address);
    const addresses = new Set([...known, ...this.#downAddresses(), ...seeds]);
    const strangers = [...addresses].filter((address) => !this.#ownAddresses.has(address));
    for (const address of shuffled(this.#rng, strangers).slice(0, INTRODUCTIONS_MAX)) {
      this.#call(address);
    }
  }

  #tick(): void {
    if (this.#shadow !== undefined) this.#ask(this.#shadow);
    if (this.#phase !== "running") return;
    this.#table.beat();
    this.#callSome();
    const nowMs = this.#now.monotonicMs;
    const freshMs = PROBE_INTERVALS * this.#intervalMs;
    this.#probe(
      this.#liveness
        .down()
        .filter((one) => one.hasProgressed && nowMs - one.lastProgressMs < freshMs),
    );
    this.#liveness.judge(nowMs);
    const layout = this.#layout;
    if (layout === undefined) return;
    const ids = new Set(layout.members.map(({ id }) => id));
    this.#liveness.forgetStrangers((id) => ids.has(id), nowMs);
  }

  #callSome(): void {
    const peers = {
      alive: this.#liveness.alive().map(({ address }) => address),
      down: this.#downAddresses(),
      seeds: this.#options.seeds.filter((address) => !this.#ownAddresses.has(address)),
    };
    for (const address of chooseCalls(this.#rng, peers)) this.#call(address);
  }

  /** Addresses of the known members that are not up, those that only the layout knows included. */
  #downAddresses(): string[] {
    const unheard = (this.#layout?.members ?? [])
      .filter(({ id }) => this.#table.get(id) === undefined)
      .map(({ address }) => address);
    return [...this.#liveness.down().map(({ address }) => address), ...unheard];
  }

  #hear(message: GossipMessage): void {
    if (this.#phase === "created" || !this.#isFromPeer(message)) return;
    this.#liveness.noteLayout(message.from.id, message.layout);
    switch (message.kind) {
      case "syn":
        return this.#hearSyn(message);
      case "ack":
        return this.#hearAck(message);
      case "ack2":
        if (this.#phase === "running") this.#learn(message);
        return this.#considerOffer(message);
      default:
        return unreachable(message);
    }
  }

  #hearSyn(syn: GossipSyn): void {
    const isHelpless = this.#phase === "shadow" || this.#layout === undefined;
    if (syn.isShadow && isHelpless && this.#waiters.size < WAITERS_MAX) {
      this.#waiters.set(syn.from.id, syn);
    }
    // Who runs already has answers for us: ask instead of answering.
    if (this.#phase === "shadow" && !syn.isShadow) this.#call(syn.from.address);
    else this.#answer(syn);
  }

  #answer(syn: GossipSyn): void {
    const isShadow = this.#phase === "shadow";
    const { wanted, states } = isShadow
      ? { wanted: [], states: [] }
      : this.#table.compare(syn.digests, (id, generation) => this.#ignores(id, generation));
    const { dialed, layout } = syn;
    const offer = this.#offerFor(layout);
    const body = { kind: "ack", dialed, isShadow, wanted, states, offer } as const;
    this.#outbox.send(syn.from.address, body);
  }

  #answerWaiters(): void {
    if (this.#layout === undefined || this.#phase !== "running") return;
    for (const syn of this.#waiters.values()) this.#answer(syn);
    this.#waiters.clear();
  }

  #hearAck(ack: GossipAck): void {
    const shadow = this.#shadow;
    if (shadow !== undefined) return this.#hearAnswer(ack, shadow);
    if (!ack.isShadow) this.#learn(ack);
    this.#considerOffer(ack);
    const states = this.#table.answer(ack.wanted);
    const offer = this.#offerFor(ack.layout);
    if (states.length === 0 && offer === undefined) return;
    this.#outbox.send(ack.from.address, { kind: "ack2", states, offer });
  }

  /** An answer to a question of the shadow round. */
  #hearAnswer(ack: GossipAck, shadow: ShadowRound): void {
    shadow.settle(ack.dialed);
    this.#considerOffer(ack);
    if (ack.isShadow) return this.#leaveShadow(shadow);
    this.#learn(ack);
    const hasLayout = this.#layout !== undefined || ack.offer !== undefined;
    if (hasLayout && !shadow.isProbing(this.#now.monotonicMs)) this.#run();
    else this.#leaveShadow(shadow);
  }

  /** Merges what the message brings; its sender has answered us. */
  #learn({ states, from }: GossipAck | GossipAck2): void {
    const nowMs = this.#now.monotonicMs;
    const news: Endpoint[] = [];
    for (const snapshot of states) {
      if (snapshot.id === this.#options.id) this.#hearOfSelf(snapshot);
      else if (!this.#ignores(snapshot.id, snapshot.generation)) {
        const merged = this.#table.merge(snapshot, nowMs);
        if (merged === undefined) continue;
        this.#liveness.merged(merged, nowMs);
        if (merged.hasProgressed) news.push(merged.endpoint);
      }
    }
    this.#liveness.proven(from);
    if (this.#phase === "running") this.#probe(news);
  }

  /** Calls members that live, as it seems, but have not answered us yet. */
  #probe(news: readonly Endpoint[]): void {
    const nowMs = this.#now.monotonicMs;
    for (const endpoint of news) {
      if (endpoint.isAlive || nowMs - endpoint.lastProbeMs < this.#intervalMs) continue;
      endpoint.lastProbeMs = nowMs;
      this.#call(endpoint.address);
    }
  }

  #ignores(id: string, generation: number): boolean {
    const ahead = generation - this.#now.wallMs / 1000;
    if (ahead > GENERATION_AHEAD_MAX_SECONDS) {
      this.#complain("gossip.generation-ahead", id, { memberId: id, generation });
      return true;
    }
    return this.#liveness.ignores(id, generation, this.#now.monotonicMs);
  }

  /** False if the message is not to be heard. */
  #isFromPeer(message: GossipMessage): boolean {
    const { from } = message;
    if (isForeign(message, this.#outbox, this.#now)) return false;
    if (from.id !== this.#options.id) return true;
    if (from.address !== this.#options.address)
      return this.#twins.isHeard(message, this.#phase === "shadow", this.#now);
    // Our own message: the address that we called is ours as well.
    if (message.kind === "syn") {
      this.#ownAddresses.add(message.dialed);
      this.#shadow?.drop(message.dialed);
      if (this.#shadow !== undefined) this.#leaveShadow(this.#shadow);
    }
    return false;
  }

  /** What others tell about this member itself. */
  #hearOfSelf(snapshot: EndpointSnapshot): void {
    const self = this.#table.self;
    const { address, generation } = snapshot;
    if (generation < self.generation) {
      if (address !== self.address) this.#probeTwin(address);
      return;
    }
    if (address !== self.address) return this.#twins.conflict(address, generation);
    const version = snapshot.states.reduce((max, [, one]) => Math.max(max, one), 0);
    const isOurs = Math.max(version, snapshot.heartbeat) <= versionOf(self);
    // Before anybody has heard of this start, whatever they know comes from an earlier one.
    if (generation === self.generation && isOurs && this.#phase === "running") return;
    if (this.#ignores(snapshot.id, generation)) return;
    self.generation = generation + 1;
    this.#outbox.emit({ kind: "generation", generation: self.generation });
  }

  /** Asks whether the process at an address that this identity had is still alive. */
  #probeTwin(address: string): void {
    if (this.#shadow === undefined || this.#shadow.isContact(address)) return;
    this.#shadow.probe(address);
    this.#call(address);
  }

  #takeLayout(layout: KnownLayout): void {
    const previous = this.#layout;
    const order = previous === undefined ? 1 : compareLayoutVersions(layout, previous);
    assert(order >= 0, "a member's layout went back to an older version");
    this.#layout = layout;
    this.#outbox.cluster = { ...this.#outbox.cluster, id: layout.clusterId };
    const { counter, hash, lineage } = layout;
    this.#table.self.layout = { counter, hash, lineage };
    this.#table.set("LAYOUT", formatLayoutState(layout));
    this.#liveness.remove(layout.removedIds);
    if (this.#shadow !== undefined) this.#leaveShadow(this.#shadow);
    if (this.#phase !== "running" || order === 0) return;
    this.#answerWaiters();
    this.#callSeveral();
  }

  /** Spreads news at once instead of with the next rounds. */
  #callSeveral(): void {
    const alive = shuffled(this.#rng, this.#liveness.alive());
    for (const { address } of alive.slice(0, this.#options.pushFanout ?? 5)) this.#call(address);
  }

  #considerOffer({ offer, from }: GossipAck | GossipAck2): void {
    if (offer === undefined) return;
    this.#wasOffered = true;
    if (this.#layout !== undefined && compareLayoutVersions(offer, this.#layout) <= 0) return;
    this.#outbox.emit({ kind: "layout", offer, from: from.id });
  }

  /** Our layout, if it wins against what the other one has. */
  #offerFor(theirs: GossipMessage["layout"]): GossipAck["offer"] {
    if (this.#layout === undefined) return undefined;
    if (theirs !== undefined && compareLayoutVersions(this.#layout, theirs) <= 0) return undefined;
    const { counter, hash, lineage, payload } = this.#layout;
    return { counter, hash, lineage, payload };
  }

  #setState(name: string, value: string, isUrgent: boolean): void {
    assert(STATE_NAME.test(name), () => `'${name}' is no name of an application state`);
    this.#table.set(name, value);
    if (isUrgent && this.#phase === "running") this.#callSeveral();
  }

  /** Something happened to the connection: see at once whether the member answers. */
  #callAgain(address: string): void {
    if (this.#phase !== "running" && this.#shadow?.isContact(address) !== true) return;
    const alive = this.#liveness.alive().map((endpoint) => endpoint.address);
    const known = [...this.#options.seeds, ...alive, ...this.#downAddresses()];
    if (known.includes(address) && !this.#ownAddresses.has(address)) this.#call(address);
  }

  #refused(address: string): void {
    const shadow = this.#shadow;
    shadow?.settle(address);
    if (shadow !== undefined) this.#leaveShadow(shadow);
    else this.#liveness.refused(address, this.#now.monotonicMs);
  }

  #shutdown(): void {
    const wasRunning = this.#phase === "running";
    this.#table.set("STATUS", "shutdown,true");
    this.#table.beatLast();
    this.#phase = "stopped";
    if (!wasRunning) return;
    const states = [snapshotOf(this.#table.self, 0)];
    for (const { address } of this.#liveness.alive()) {
      this.#outbox.send(address, { kind: "ack2", states, offer: undefined });
    }
  }

  #call(address: string): void {
    this.#outbox.call(address, this.#phase === "shadow");
  }

  #complain(event: string, about: string, fields: Readonly<Record<string, unknown>>): void {
    this.#outbox.complain(event, about, { fields, now: this.#now });
  }

  #view(endpoint: Endpoint): GossipMember {
    const isSelf = endpoint === this.#table.self;
    const { id, address, generation, heartbeat, layout } = endpoint;
    const isAlive = isSelf ? this.#phase === "running" : endpoint.isAlive;
    const states = Object.fromEntries(endpoint.states);
    return { id, address, generation, heartbeat, isAlive, isSelf, layout, states };
  }
}
