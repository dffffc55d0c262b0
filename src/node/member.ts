/**
 * One member of the ring, wired together.
 *
 * Everything that touches the world comes in through `deps`, so this file and everything below it
 * runs unchanged on sockets and disks and in the simulator. Starting goes upwards: identity, store,
 * network, gossip, then the place in the ring; stopping goes the same way back.
 */
import { Coordinator } from "../coordinator/coordinator.ts";
import { FrameType } from "../codec/frames.ts";
import { decodeControl, encodeControl } from "../codec/packed-frames.ts";
import type { GossipEffect } from "../gossip/gossip-io.ts";
import { Gossiper } from "../gossip/gossip.ts";
import { activeMembers, headOf } from "../layout/history.ts";
import type { AdminApi } from "../model/admin-api.ts";
import type { Clock, Logger, Rng, Timer } from "../model/deps.ts";
import type { KvApi } from "../model/kv-api.ts";
import { type RingPositions, ringPositionsOf } from "../placement/ring-positions.ts";
import type { Disk } from "../storage/disk.ts";
import type { StorageEngine } from "../storage/engine.ts";
import type { Link, Transport, TransportHandler } from "../transport/transport.ts";
import { must } from "../util/assert.ts";
import { UntrustedDataError } from "../util/untrusted.ts";
import { HybridClock } from "../versions/hybrid-clock.ts";
import { Admin } from "./admin.ts";
import { requirePartitioner } from "./cluster-check.ts";
import { NEWS, gossipedFacts, spreadFacts } from "./gossiped-facts.ts";
import { GossipShell } from "./gossip-shell.ts";
import { type Identity, keepGeneration, takeIdentity } from "./identity.ts";
import { LayoutExchanges } from "./layout-exchanges.ts";
import { LayoutKeeper } from "./layout-keeper.ts";
import { type FrontEndAddresses, Membership, type MembershipOptions } from "./membership.ts";
import { PeerDirectory } from "./peer-directory.ts";
import { RingWork } from "./ring-work.ts";

const LOAD_INTERVAL_MS = 5000;

export interface MemberDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  /** Holds the member's identity and layout. */
  readonly disk: Disk;
  readonly makeEngine: () => StorageEngine;
  readonly makeTransport: (self: { clusterName: string; memberId: string }) => Transport;
}

export interface MemberOptions extends MembershipOptions {
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
  /** Bytes per second that this member fetches at most when the ring changes. */
  readonly streamBytesPerSecond: number;
  /** What only the process around the member knows of itself. */
  readonly host: HostFacts;
}

export interface HostFacts {
  readonly nodeVersion: string;
  readonly dataDirectory: string | undefined;
  readonly memory: () => { heapUsedBytes: number; heapTotalBytes: number; rssBytes: number };
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
  readonly #positions: RingPositions;
  readonly #exchanges: LayoutExchanges;
  readonly #engine: StorageEngine;
  readonly #hybridClock: HybridClock;
  readonly #coordinator: Coordinator;
  readonly #keeper: LayoutKeeper;
  readonly #membership: Membership;
  readonly #work: RingWork;
  readonly #admin: Admin;
  #running: Running | undefined;
  #loadTimer: Timer | undefined;
  #stopped: Promise<void> | undefined;
  #isNews = false;

  constructor(deps: MemberDeps, options: MemberOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#positions = ringPositionsOf(options.partitioner);
    this.#exchanges = new LayoutExchanges(deps);
    this.#engine = deps.makeEngine();
    this.#hybridClock = new HybridClock({ clock: deps.clock });
    this.#coordinator = new Coordinator(
      {
        ...deps,
        engine: this.#engine,
        hybridClock: this.#hybridClock,
        hasher: this.#positions.createHasher(),
        positions: this.#positions,
        onLayoutMismatch: (link) => this.#exchangeLayouts(link),
        onStrayWrite: () => this.#work.strayWrite(),
        serveStream: (keyspaceId, body, from) => this.#work.serveStream(keyspaceId, body, from),
      },
      options,
    );
    this.#keeper = new LayoutKeeper({
      ...deps,
      factsOf: (id) =>
        this.#running === undefined ? undefined : gossipedFacts(this.#running.gossip, id),
      isAlive: (id) => this.#running?.gossip.isAlive(id) === true,
      onChange: () => this.#useHistory(),
    });
    const refuseBecause = (reason: string): void => this.#coordinator.refuseBecause(reason);
    const keeper = this.#keeper;
    this.#membership = new Membership({ ...deps, keeper, refuseBecause }, options);
    const shared = {
      ...deps,
      engine: this.#engine,
      hybridClock: this.#hybridClock,
      coordinator: this.#coordinator,
      keeper,
    };
    this.#work = new RingWork(shared, options);
    const positions = this.#positions;
    this.#admin = new Admin({ ...shared, positions, work: this.#work }, options);
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

  /** The layouts that it lives in. */
  get keeper(): LayoutKeeper {
    return this.#keeper;
  }

  get engine(): StorageEngine {
    return this.#engine;
  }

  /** `host:port` at which the other members reach this one. Only while it runs. */
  get address(): string {
    return must(this.#running, "the member runs").address;
  }

  /**
   * Resolves when the member is in the ring and serves; where the ring holds data, that is when the
   * member has fetched its share. Rejects, and is stopped, when it cannot be: its data belong to another
   * ring, its tokens are taken, it has left, or the ring has it in another datacenter or rack.
   */
  async start(frontEnds: FrontEndAddresses = {}): Promise<void> {
    const ready = this.#membership.begin();
    try {
      await this.#engine.open();
      const running = await this.#connect();
      this.#running = running;
      this.#keeper.load(running.identity.memberId);
      requirePartitioner(this.#options.partitioner, this.#keeper.head?.partitioner);
      this.#membership.useRunning({ ...running, frontEnds });
      this.#work.useRunning(running);
      this.#admin.useRunning(running);
      this.#introduce(running, frontEnds);
      await ready;
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
    this.#membership.stop();
    this.#coordinator.refuseBecause("it is stopping");
    this.#loadTimer?.cancel();
    this.#running?.gossip.stop();
    this.#admin.stop();
    await this.#work.stop();
    await this.#running?.transport.stop();
    // A layout that was on its way to the disk may have come into use until here.
    this.#running?.peers.stop();
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
    const { memberId } = identity;
    const peers = new PeerDirectory({ ...this.#deps, transport }, { memberId, address, dc, rack });
    const gossip = this.#makeGossip(identity, transport, address);
    return { identity, transport, address, gossip, peers };
  }

  #makeGossip(identity: Identity, transport: Transport, address: string): GossipShell {
    const { clusterName, partitioner, seeds, gossipIntervalMs, phiConvictThreshold } =
      this.#options;
    const gossiper = new Gossiper(this.#deps, {
      id: identity.memberId,
      generation: identity.generation,
      address,
      clusterName,
      partitioner,
      seeds: seeds.length === 0 ? [address] : seeds,
      intervalMs: gossipIntervalMs,
      phiThreshold: phiConvictThreshold,
    });
    const onEffect = (effect: GossipEffect): void => this.#onGossip(effect);
    const onSettled = (): void => this.#considerNews();
    const deps = { ...this.#deps, transport, gossiper, onEffect, onSettled };
    return new GossipShell(deps, gossipIntervalMs);
  }

  /** Tells gossip about this member, and starts it. */
  #introduce({ identity, gossip }: Running, frontEnds: FrontEndAddresses): void {
    const { dc, rack, releaseVersion } = this.#options;
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
    this.#useHistory();
    gossip.start();
    this.#announceLoad();
  }

  readonly #handler: TransportHandler = {
    frame: (link, bytes, start, end) => {
      if (bytes[start + 4] !== FrameType.control) this.#coordinator.frame(link, bytes, start, end);
      else this.#running?.gossip.frame(link, bytes, start, end);
    },
    linkUp: (link) => this.#running?.gossip.linkUp(link),
    linkDown: (link) => {
      this.#coordinator.linkDown(link);
      this.#running?.gossip.input({ kind: "disconnected", address: link.address });
    },
    linkRefused: (link) => this.#running?.gossip.input({ kind: "refused", address: link.address }),
  };

  #onGossip(effect: GossipEffect): void {
    if (effect.kind !== "changed" || effect.names.some((name) => NEWS.has(name))) {
      this.#isNews = true;
    }
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
        this.#membership.found();
        break;
      case "running":
        this.#membership.ask();
        break;
      case "generation":
        this.#keepGeneration(effect.generation);
        break;
      case "identity-conflict":
        this.#membership.giveWay(effect.otherAddress);
        break;
      case "other-partitioner":
        this.#membership.refusePartitioner(effect.address, effect.partitioner);
        break;
      case "other-cluster":
        this.#membership.refuseCluster(effect.address, effect.clusterId);
        break;
      default:
    }
  }

  /** Once for all that an input has brought: most of it, as heartbeats and loads, changes nothing here. */
  #considerNews(): void {
    if (!this.#isNews) return;
    this.#isNews = false;
    this.#keeper.learn();
    this.#work.review();
    this.#membership.review();
    this.#admin.gossipChanged();
  }

  #takeOver(payload: unknown, from: string): void {
    try {
      if (!Buffer.isBuffer(payload)) throw new UntrustedDataError("payload", "bytes", payload);
      this.#keeper.offer(decodeControl(payload), from);
    } catch (error) {
      this.#deps.logger.error("layout.refused", { from, error: String(error) });
      this.#membership.fail(error as Error);
    }
  }

  #keepGeneration(generation: number): void {
    const { identity } = must(this.#running, "gossip runs only while the member does");
    keepGeneration(this.#deps.disk, identity, generation).catch((error: unknown) => {
      this.#deps.logger.error("member.generation-not-saved", { error: String(error) });
    });
  }

  #useHistory(): void {
    const running = this.#running;
    const { history } = this.#keeper;
    if (running === undefined || history === undefined) return;
    const { peers, gossip } = running;
    peers.useHistory(history);
    this.#coordinator.useHistory(history, (id) => peers.of(id), peers.self);
    const { version, clusterId, removedIds } = headOf(history);
    // Packed once, however many are told of it.
    const payload = encodeControl(this.#keeper.encoded());
    const members = activeMembers(history);
    const layout = { ...version, payload, clusterId, members, removedIds };
    gossip.input({ kind: "layout", layout });
    spreadFacts(gossip, running.identity.memberId, this.#keeper.facts);
    this.#work.review();
    this.#membership.review();
    this.#admin.gossipChanged();
  }

  /** A peer lives in another layout: a round of gossip with it settles which one wins. */
  #exchangeLayouts(link: Link): void {
    if (!this.#exchanges.isDue(link.address)) return;
    this.#running?.gossip.input({ kind: "connected", address: link.address });
  }

  #announceLoad(): void {
    const value = String(this.#engine.stats().liveBytes);
    this.#running?.gossip.input({ kind: "set-state", name: "LOAD", value });
    this.#loadTimer = this.#deps.clock.setTimer(LOAD_INTERVAL_MS, () => this.#announceLoad());
  }
}
