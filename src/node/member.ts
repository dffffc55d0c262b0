/**
 * One member of the ring, wired together.
 *
 * Everything that touches the world comes in through `deps`, so this file and everything below it
 * runs unchanged on sockets and disks and in the simulator. Starting goes upwards: identity, store,
 * network, gossip, then the place in the ring; stopping goes the same way back.
 */
import { Coordinator, type KeyHasher } from "../coordinator/coordinator.ts";
import { FrameType } from "../codec/frames.ts";
import type { GossipEffect } from "../gossip/gossip-io.ts";
import { Gossiper } from "../gossip/gossip.ts";
import type { LayoutIntent } from "../layout/intents.ts";
import type { Layout, LayoutMember } from "../layout/layout.ts";
import type { AdminApi } from "../model/admin-api.ts";
import type { Clock, Logger, Rng, Timer } from "../model/deps.ts";
import type { KvApi } from "../model/kv-api.ts";
import { Murmur3 } from "../ring/murmur3.ts";
import type { Disk } from "../storage/disk.ts";
import type { StorageEngine } from "../storage/engine.ts";
import type { Link, Transport, TransportHandler } from "../transport/transport.ts";
import { InvariantError, must } from "../util/assert.ts";
import { randomUuid } from "../util/random.ts";
import { HybridClock } from "../versions/hybrid-clock.ts";
import { Admin } from "./admin.ts";
import { dissenters, unheard } from "./agreement.ts";
import { GossipShell } from "./gossip-shell.ts";
import { type Identity, keepGeneration, takeIdentity } from "./identity.ts";
import { LayoutKeeper } from "./layout-keeper.ts";
import { PeerDirectory } from "./peer-directory.ts";
import { type TokenChoice, chooseTokens } from "./token-choice.ts";

export const PARTITIONER = "Murmur3Partitioner";
const LOAD_INTERVAL_MS = 5000;
/** How long a new member waits to hear of every other one: some may be down. */
const GRACE_MS = 10_000;

export interface MemberDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  /** Holds the member's identity and layout. */
  readonly disk: Disk;
  readonly makeEngine: () => StorageEngine;
  readonly makeTransport: (self: { clusterName: string; memberId: string }) => Transport;
}

export interface MemberOptions extends TokenChoice {
  readonly clusterName: string;
  readonly dc: string;
  readonly rack: string;
  readonly weight: number;
  /** Internode addresses. The first one founds the ring; without any this member does. */
  readonly seeds: readonly string[];
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly speculativeRetryMs: number;
  readonly gossipIntervalMs: number;
  readonly phiConvictThreshold: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  readonly inFlightBytesMax: number;
  readonly snitch: string;
  readonly releaseVersion: string;
  /** What only the process around the member knows of itself. */
  readonly host: HostFacts;
}

export interface HostFacts {
  readonly nodeVersion: string;
  readonly dataDirectory: string | undefined;
  readonly memory: () => { heapUsedBytes: number; heapTotalBytes: number; rssBytes: number };
}

/** Where clients reach the member's front ends. */
export interface FrontEndAddresses {
  readonly respAddress?: string | undefined;
  readonly httpAddress?: string | undefined;
}

/** What exists while a member runs. */
interface Running {
  readonly identity: Identity;
  readonly transport: Transport;
  readonly address: string;
  readonly gossip: GossipShell;
  readonly peers: PeerDirectory;
}

export class Member {
  readonly #deps: MemberDeps;
  readonly #options: MemberOptions;
  readonly #engine: StorageEngine;
  readonly #hybridClock: HybridClock;
  readonly #coordinator: Coordinator;
  readonly #keeper: LayoutKeeper;
  readonly #admin: Admin;
  #running: Running | undefined;
  #loadTimer: Timer | undefined;
  #graceTimer: Timer | undefined;
  #stopped: Promise<void> | undefined;
  #fail: (error: Error) => void = () => {};
  #joined: () => void = () => {};
  #isGossiping = false;
  /** It was not in the layout that it found when it started, and others have yet to confirm it. */
  #isNew = false;
  #isJoined = false;
  #frontEnds: FrontEndAddresses = {};

  constructor(deps: MemberDeps, options: MemberOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#engine = deps.makeEngine();
    this.#hybridClock = new HybridClock({ clock: deps.clock });
    this.#coordinator = new Coordinator(
      {
        ...deps,
        engine: this.#engine,
        hybridClock: this.#hybridClock,
        hasher: new Murmur3() satisfies KeyHasher,
        onLayoutMismatch: (link) => this.#exchangeLayouts(link),
      },
      options,
    );
    this.#keeper = new LayoutKeeper({ ...deps, onChange: (layout) => this.#useLayout(layout) });
    this.#admin = new Admin(
      {
        clock: deps.clock,
        engine: this.#engine,
        coordinator: this.#coordinator,
        keeper: this.#keeper,
      },
      options,
    );
  }

  get kv(): KvApi {
    return this.#coordinator;
  }

  get admin(): AdminApi {
    return this.#admin;
  }

  get coordinator(): Coordinator {
    return this.#coordinator;
  }

  get engine(): StorageEngine {
    return this.#engine;
  }

  /** `host:port` at which the other members reach this one. Only while it runs. */
  get address(): string {
    return must(this.#running, "the member runs").address;
  }

  /**
   * Resolves when the member is in the ring and serves. Rejects, and is stopped, when it cannot be:
   * its data belong to another cluster, its tokens are taken, the ring holds data already.
   */
  async start(frontEnds: FrontEndAddresses = {}): Promise<void> {
    const ready = new Promise<void>((resolve, reject) => {
      this.#joined = resolve;
      this.#fail = reject;
    });
    ready.catch(() => {});
    this.#frontEnds = frontEnds;
    try {
      await this.#engine.open();
      this.#keeper.load();
      const running = await this.#connect();
      this.#running = running;
      this.#admin.useRunning(running);
      this.#introduce(running);
      await ready;
      await this.#keeper.saved();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#coordinator.serve();
    this.#deps.logger.info("member.ready", { address: this.address });
  }

  /** Says goodbye, finishes what is on its way to disk, and releases everything. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#release());
  }

  async #release(): Promise<void> {
    this.#fail(new Error("the member was stopped before it was in the ring"));
    this.#coordinator.refuseBecause("it is stopping");
    this.#loadTimer?.cancel();
    this.#graceTimer?.cancel();
    this.#running?.gossip.stop();
    await this.#running?.transport.stop();
    this.#running = undefined;
    this.#coordinator.stop();
    await this.#keeper.stop();
    await this.#engine.close();
  }

  async #connect(): Promise<Running> {
    const { clusterName } = this.#options;
    const identity = await takeIdentity(this.#deps, { clusterName, engine: this.#engine.name });
    const transport = this.#deps.makeTransport({ clusterName, memberId: identity.memberId });
    const address = await transport.start(this.#handler);
    this.#coordinator.identify(identity.memberId, identity.generation);
    const { dc, rack } = this.#options;
    const peers = new PeerDirectory(transport, { memberId: identity.memberId, address, dc, rack });
    const gossip = this.#makeGossip(identity, transport, address);
    return { identity, transport, address, gossip, peers };
  }

  #makeGossip(identity: Identity, transport: Transport, address: string): GossipShell {
    const { clusterName, seeds, gossipIntervalMs, phiConvictThreshold } = this.#options;
    const gossiper = new Gossiper(this.#deps, {
      id: identity.memberId,
      generation: identity.generation,
      address,
      clusterName,
      partitioner: PARTITIONER,
      seeds: seeds.length === 0 ? [address] : seeds,
      intervalMs: gossipIntervalMs,
      phiThreshold: phiConvictThreshold,
    });
    const onEffect = (effect: GossipEffect): void => this.#onGossip(effect);
    return new GossipShell({ ...this.#deps, transport, gossiper, onEffect }, gossipIntervalMs);
  }

  /** Tells gossip about this member, and starts it. */
  #introduce({ identity, gossip }: Running): void {
    const { dc, rack, releaseVersion } = this.#options;
    const frontEnds = this.#frontEnds;
    const states = {
      STATUS: "JOINING",
      DC: dc,
      RACK: rack,
      RELEASE_VERSION: releaseVersion,
      HOST_ID: identity.memberId,
      ...(frontEnds.respAddress !== undefined && { RESP_ADDRESS: frontEnds.respAddress }),
      ...(frontEnds.httpAddress !== undefined && { HTTP_ADDRESS: frontEnds.httpAddress }),
    };
    for (const [name, value] of Object.entries(states)) {
      gossip.input({ kind: "set-state", name, value });
    }
    if (this.#keeper.layout !== undefined) this.#useLayout(this.#keeper.layout);
    gossip.start();
    this.#announceLoad();
  }

  readonly #handler: TransportHandler = {
    frame: (link, bytes, start, end) => {
      if (bytes[start + 4] !== FrameType.control) this.#coordinator.frame(link, bytes, start, end);
      else this.#running?.gossip.frame(bytes, start, end);
    },
    linkUp: (link) => this.#running?.gossip.linkUp(link),
    linkDown: (link) => {
      this.#coordinator.linkDown(link);
      this.#running?.gossip.input({ kind: "disconnected", address: link.address });
    },
    linkRefused: (link) => this.#running?.gossip.input({ kind: "refused", address: link.address }),
  };

  #onGossip(effect: GossipEffect): void {
    switch (effect.kind) {
      case "up":
      case "down": {
        const peer = this.#running?.peers.get(effect.memberId);
        if (peer !== undefined) peer.isConvicted = effect.kind === "down";
        this.#deps.logger.info(`member.${effect.kind}`, { ...effect, address: peer?.address });
        break;
      }
      case "layout":
        this.#takeOver(effect.offer.payload, effect.from);
        break;
      case "found":
        this.#orFail(() => this.#found());
        break;
      case "running":
        this.#isGossiping = true;
        this.#orFail(() => this.#join());
        break;
      case "generation":
        this.#keepGeneration(effect.generation);
        break;
      case "identity-conflict":
        this.#giveWay(effect.otherAddress);
        break;
      default:
    }
    this.#checkJoined();
    this.#admin.gossipChanged();
  }

  /** Another process has this identity: serving on would make one version of two writers. */
  #giveWay(otherAddress: string): void {
    const reason =
      `another member with this one's id is alive at ${otherAddress}; ` +
      "one of them was probably started from a copy of the other's data directory";
    this.#deps.logger.error("member.identity-conflict", { otherAddress });
    this.#coordinator.refuseBecause(reason);
    this.#fail(new Error(reason));
  }

  #takeOver(payload: unknown, from: string): void {
    try {
      this.#keeper.offer(payload);
    } catch (error) {
      this.#deps.logger.error("layout.refused", { from, error: String(error) });
      if (!this.#isJoined) this.#fail(error as Error);
    }
  }

  /** What cannot be done, e.g. by the allocator chosen, ends the start. */
  #orFail(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      this.#fail(error as Error);
    }
  }

  #keepGeneration(generation: number): void {
    const { identity } = must(this.#running, "gossip runs only while the member does");
    keepGeneration(this.#deps.disk, identity, generation).catch((error: unknown) => {
      this.#deps.logger.error("member.generation-not-saved", { error: String(error) });
    });
  }

  #found(): void {
    this.#keeper.found({
      clusterId: randomUuid(this.#deps.rng),
      clusterName: this.#options.clusterName,
      partitioner: PARTITIONER,
      members: [this.#entry(undefined)],
    });
  }

  /** Wants to be in the ring from now on; a member that was in it before keeps its tokens. */
  #join(): void {
    const { identity, address } = must(this.#running, "gossip runs only while the member does");
    this.#isNew =
      this.#keeper.layout !== undefined && entryOf(this.#keeper.layout, identity) === undefined;
    this.#graceTimer = this.#deps.clock.setTimer(GRACE_MS, () => this.#stopWaitingForTheDead());
    this.#keeper.want(this.#place);
    const addresses = { address, ...this.#frontEnds };
    this.#keeper.want(() => ({ kind: "addresses", id: identity.memberId, addresses }));
    this.#checkJoined();
  }

  #stopWaitingForTheDead(): void {
    this.#isNew = false;
    this.#checkJoined();
  }

  /** The wish to be in the ring, with tokens chosen for the layout that it is committed on. */
  readonly #place = (base: Layout): LayoutIntent => {
    const { identity } = must(this.#running, "the member runs");
    return { kind: "join", member: entryOf(base, identity) ?? this.#entry(base) };
  };

  #entry(base: Layout | undefined): LayoutMember {
    const { identity, address } = must(this.#running, "the member runs");
    const { dc, rack, weight } = this.#options;
    const joining = { id: identity.memberId, dc, rack, weight };
    const chosen = chooseTokens(this.#options, joining, base, this.#deps.rng);
    return { ...joining, address, ...this.#frontEnds, tokens: chosen.map(String) };
  }

  #useLayout(layout: Layout): void {
    const running = this.#running;
    if (running === undefined) return;
    running.peers.useLayout(layout);
    this.#coordinator.useLayout(layout, running.peers.peers, running.peers.self);
    const { version, clusterId, members, removedIds } = layout;
    const payload = this.#keeper.encoded();
    running.gossip.input({
      kind: "layout",
      layout: { ...version, payload, clusterId, members, removedIds },
    });
    this.#checkJoined();
  }

  /**
   * The start is over when gossip runs, the layout holds this member as it is configured, and the
   * live members agree on that layout.
   */
  #checkJoined(): void {
    const { layout } = this.#keeper;
    if (this.#running === undefined || layout === undefined) return;
    const { gossip, identity } = this.#running;
    const entry = entryOf(layout, identity);
    if (entry === undefined) return this.#checkObstacle();
    if (!this.#isGossiping || this.#isJoined) return;
    const { dc, rack, weight } = this.#options;
    if (entry.dc !== dc || entry.rack !== rack || entry.weight !== weight) {
      const ring = `dc ${entry.dc}, rack ${entry.rack}, weight ${entry.weight}`;
      const own = `dc ${dc}, rack ${rack}, weight ${weight}`;
      this.#fail(new Error(`in the ring this member has ${ring}, in its configuration ${own}`));
      return;
    }
    const members = gossip.members();
    if (this.#isNew && unheard(layout, members).length > 0) return;
    if (dissenters(layout, members).length > 0) return;
    this.#isJoined = true;
    gossip.input({ kind: "set-state", name: "TOKENS", value: entry.tokens.join(",") });
    gossip.input({ kind: "set-state", name: "STATUS", value: "NORMAL" });
    this.#joined();
  }

  /** Not in the ring, and not to be had in it: a start ends with that, a member stops to serve. */
  #checkObstacle(): void {
    const obstacle = this.#keeper.obstacle(this.#place);
    if (obstacle === undefined) return;
    this.#fail(obstacle);
    if (!this.#isJoined) return;
    this.#deps.logger.error("member.place-lost", { reason: obstacle.message });
    this.#coordinator.refuseBecause(`it has lost its place in the ring: ${obstacle.message}`);
  }

  /** A peer lives in another layout: a round of gossip with it settles which one wins. */
  #exchangeLayouts(link: Link): void {
    this.#running?.gossip.input({ kind: "connected", address: link.address });
  }

  #announceLoad(): void {
    const value = String(this.#engine.stats().liveBytes);
    this.#running?.gossip.input({ kind: "set-state", name: "LOAD", value });
    this.#loadTimer = this.#deps.clock.setTimer(LOAD_INTERVAL_MS, () => this.#announceLoad());
  }
}

function entryOf(layout: Layout, { memberId }: Identity): LayoutMember | undefined {
  return layout.members.find(({ id }) => id === memberId);
}
