/** The control plane of a member: what it knows of its ring, as values, and the few changes. */
import type { Coordinator } from "../coordinator/coordinator.ts";
import type { GossipMember } from "../gossip/gossip-io.ts";
import type { LayoutIntent } from "../layout/intents.ts";
import {
  type Layout,
  type LayoutError,
  type LayoutKeyspace,
  type LayoutMember,
  datacentersOf,
} from "../layout/layout.ts";
import type {
  AdminApi,
  EndpointsView,
  GossipView,
  InfoView,
  KeyspaceDefinition,
  KeyspaceView,
  MemberState,
  MemberView,
  RangeView,
  ReadinessView,
  RingView,
  StatusView,
} from "../model/admin-api.ts";
import type { Clock } from "../model/deps.ts";
import { KvError } from "../model/kv-error.ts";
import { effectiveOwnership, primaryOwnership } from "../placement/ownership.ts";
import { ReplicationError, expandReplication } from "../placement/strategy.ts";
import { formatToken, parseToken } from "../ring/token.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { must } from "../util/assert.ts";
import { dissenters } from "./agreement.ts";
import type { GossipShell } from "./gossip-shell.ts";
import type { Identity } from "./identity.ts";
import type { LayoutKeeper } from "./layout-keeper.ts";
import type { HostFacts } from "./member.ts";
import type { PeerDirectory } from "./peer-directory.ts";

const AGREEMENT_TIMEOUT_MS = 10_000;

export interface AdminDeps {
  readonly clock: Clock;
  readonly engine: StorageEngine;
  readonly coordinator: Coordinator;
  readonly keeper: LayoutKeeper;
}

export interface AdminOptions {
  readonly clusterName: string;
  readonly dc: string;
  readonly rack: string;
  readonly weight: number;
  readonly snitch: string;
  readonly releaseVersion: string;
  readonly host: HostFacts;
}

/** What the admin needs of a member that runs. */
export interface AdminRunning {
  readonly identity: Identity;
  readonly address: string;
  readonly gossip: GossipShell;
  readonly peers: PeerDirectory;
}

export class Admin implements AdminApi {
  readonly #deps: AdminDeps;
  readonly #options: AdminOptions;
  readonly #startedMs: number;
  #running: AdminRunning | undefined;
  /** Called when gossip brought something new. */
  #waiters: (() => void)[] = [];

  constructor(deps: AdminDeps, options: AdminOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#startedMs = deps.clock.monotonicMs();
  }

  useRunning(running: AdminRunning): void {
    this.#running = running;
  }

  gossipChanged(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  status(keyspace?: string): StatusView {
    const layout = this.#layout();
    const shown = this.#keyspaceToShow(layout, keyspace);
    return {
      clusterName: layout.clusterName,
      partitioner: layout.partitioner,
      snitch: this.#options.snitch,
      layout: layout.version,
      members: this.#members(layout),
      keyspace: shown?.name,
      effectiveOwnership: shown === undefined ? undefined : this.#effective(layout, shown),
    };
  }

  ring(keyspace?: string): RingView {
    const tokens = this.#layout().members.flatMap(({ id, tokens: owned }) =>
      owned.map((token) => ({ token, memberId: id })),
    );
    tokens.sort((left, right) => (parseToken(left.token) < parseToken(right.token) ? -1 : 1));
    return { status: this.status(keyspace), tokens };
  }

  describeRing(keyspace: string): readonly RangeView[] {
    const { members } = this.#layout();
    const { ranges } = this.#deps.coordinator.placement(keyspace);
    return ranges.map(({ startHi, startLo, endHi, endLo, replicas }) => ({
      startToken: formatToken(startHi, startLo),
      endToken: formatToken(endHi, endLo),
      replicas: replicas.members.map((index) => must(members[index], "a member").id),
    }));
  }

  endpoints(keyspace: string, key: Uint8Array): EndpointsView {
    const { hi, lo, plan } = this.#deps.coordinator.locate(keyspace, key);
    const members = this.#members(this.#layout());
    const replicas = plan.replicas.map(({ memberId }) =>
      must(
        members.find(({ id }) => id === memberId),
        "a replica is a member",
      ),
    );
    return { keyspace, token: formatToken(hi, lo), replicas };
  }

  gossip(): readonly GossipView[] {
    return (this.#running?.gossip.members() ?? []).map(
      ({ id, address, generation, heartbeat, states }) => ({
        id,
        address,
        generation,
        heartbeat,
        states,
      }),
    );
  }

  info(): InfoView {
    const { engine, clock } = this.#deps;
    const { host, releaseVersion } = this.#options;
    const layout = this.#layout();
    const stats = engine.stats();
    const member = this.#members(layout).find(({ isSelf }) => isSelf);
    return {
      member: must(member, "a member that serves is in its layout"),
      clusterName: layout.clusterName,
      clusterId: layout.clusterId,
      releaseVersion,
      nodeVersion: host.nodeVersion,
      uptimeSeconds: Math.floor((clock.monotonicMs() - this.#startedMs) / 1000),
      memory: host.memory(),
      storage: {
        engine: engine.name,
        keys: stats.cells - stats.tombstones,
        liveBytes: stats.liveBytes,
        diskBytes: stats.diskBytes,
      },
      dataDirectory: host.dataDirectory,
    };
  }

  readiness(): ReadinessView {
    const reason = this.#deps.coordinator.refusal;
    return { isReady: reason === undefined, reason };
  }

  keyspaces(): readonly KeyspaceView[] {
    return (this.#deps.keeper.layout?.keyspaces ?? [])
      .toSorted((left, right) => left.index - right.index)
      .map(keyspaceView);
  }

  async createKeyspace(wanted: KeyspaceDefinition): Promise<KeyspaceView> {
    await this.#agreement("the ring is still forming");
    const definition = withExpandedReplication(wanted, this.#layout());
    const wish = (): LayoutIntent => ({ kind: "keyspace", definition });
    this.#deps.keeper.want(wish);
    const obstacle = this.#deps.keeper.obstacle(wish);
    if (obstacle !== undefined) {
      this.#deps.keeper.giveUp(wish);
      throw asKvError(obstacle, definition);
    }
    await this.#deps.keeper.saved();
    await this.#agreement("the keyspace is created, but not everybody has confirmed it");
    const created = this.#layout().keyspaces.find(({ name }) => name === definition.name);
    return keyspaceView(must(created, "a wanted keyspace is in the layout"));
  }

  /** Resolves when all live members have the present layout and are in it. */
  async #agreement(wanted: string): Promise<void> {
    const deadlineMs = this.#deps.clock.monotonicMs() + AGREEMENT_TIMEOUT_MS;
    for (;;) {
      const others = dissenters(this.#layout(), this.#running?.gossip.members() ?? []);
      if (others.length === 0) return;
      if (this.#deps.clock.monotonicMs() >= deadlineMs) {
        const reason = `${wanted}: ${others.join(", ")} live in another layout`;
        throw new KvError({ code: "NOT_READY", reason });
      }
      await this.#gossipNews();
    }
  }

  #gossipNews(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#deps.clock.setTimer(100, resolve);
      this.#waiters.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Throws KvError while this member has no layout. */
  #layout(): Layout {
    const { layout } = this.#deps.keeper;
    if (layout !== undefined && this.#running !== undefined) return layout;
    throw new KvError({ code: "NOT_READY", reason: "it is not in a ring yet" });
  }

  #members(layout: Layout): MemberView[] {
    const gossip = new Map(this.#running?.gossip.members().map((member) => [member.id, member]));
    const ownership = primaryOwnership(
      layout.members.map(({ tokens }) => ({ tokens: tokens.map(parseToken) })),
    );
    return layout.members.map((member, index) =>
      this.#memberView(member, ownership[index] ?? 0, gossip.get(member.id)),
    );
  }

  #memberView(
    member: LayoutMember,
    ownership: number,
    gossip: GossipMember | undefined,
  ): MemberView {
    const isSelf = member.id === this.#running?.identity.memberId;
    const gossipedLoad = gossip?.states["LOAD"]?.value;
    const loadBytes = isSelf ? this.#deps.engine.stats().liveBytes : Number(gossipedLoad);
    return {
      id: member.id,
      address: member.address,
      respAddress: member.respAddress,
      httpAddress: member.httpAddress,
      dc: member.dc,
      rack: member.rack,
      weight: member.weight,
      isUp: isSelf || (this.#running?.peers.get(member.id)?.isAlive ?? false),
      isSelf,
      state: stateOf(gossip),
      loadBytes: Number.isNaN(loadBytes) ? undefined : loadBytes,
      tokens: member.tokens,
      ownership,
      phi: isSelf ? undefined : this.#running?.gossip.phi(member.id),
      generation: gossip?.generation,
      releaseVersion: gossip?.states["RELEASE_VERSION"]?.value,
    };
  }

  /** As nodetool: the keyspace asked for, or any if all are replicated alike. */
  #keyspaceToShow(layout: Layout, keyspace: string | undefined): LayoutKeyspace | undefined {
    if (keyspace !== undefined) return this.#deps.coordinator.placement(keyspace).keyspace;
    const [first, ...others] = layout.keyspaces;
    const replication = JSON.stringify(first?.replication);
    const isUniform = others.every((other) => JSON.stringify(other.replication) === replication);
    return isUniform ? first : undefined;
  }

  #effective(layout: Layout, { name }: LayoutKeyspace): Record<string, number> | undefined {
    if (this.#deps.coordinator.refusal !== undefined) return undefined;
    const shares = effectiveOwnership(this.#deps.coordinator.placement(name).table);
    return Object.fromEntries(layout.members.map(({ id }, index) => [id, shares[index] ?? 0]));
  }
}

function stateOf(gossip: GossipMember | undefined): MemberState {
  const status = gossip?.states["STATUS"]?.value ?? "NORMAL";
  const states: readonly MemberState[] = ["NORMAL", "LEAVING", "JOINING", "MOVING"];
  return states.find((state) => state === status) ?? "NORMAL";
}

function keyspaceView(keyspace: LayoutKeyspace): KeyspaceView {
  const { name, replication, readConsistency, writeConsistency, durability, index } = keyspace;
  return { name, replication, readConsistency, writeConsistency, durability, index };
}

/**
 * A datacenter that comes later must not get replicas by itself, so `replication_factor` is written
 * out for those that are known now.
 */
function withExpandedReplication(
  definition: KeyspaceDefinition,
  layout: Layout,
): KeyspaceDefinition {
  try {
    const replication = expandReplication(definition.replication, datacentersOf(layout));
    return { ...definition, replication };
  } catch (error) {
    if (!(error instanceof ReplicationError)) throw error;
    const { field, value, expected } = error;
    throw new KvError({
      code: "INVALID_ARGUMENT",
      argument: `replication of keyspace '${definition.name}': ${field}`,
      value,
      expected,
    });
  }
}

function asKvError(error: LayoutError, definition: KeyspaceDefinition): KvError {
  if (error.code === "KEYSPACE_EXISTS") {
    return new KvError({ code: "KEYSPACE_EXISTS", keyspace: definition.name });
  }
  return new KvError({
    code: "INVALID_ARGUMENT",
    argument: "keyspace",
    value: definition.name,
    expected: error.message,
  });
}
