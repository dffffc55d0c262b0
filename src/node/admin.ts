/** The control plane of a member: what it knows of its ring, as values, and the few changes. */
import type { Coordinator } from "../coordinator/coordinator.ts";
import type { GossipMember } from "../gossip/gossip-io.ts";
import type { LayoutIntent } from "../layout/intents.ts";
import { type LayoutHistory, activeMembers, headOf, readLayoutOf } from "../layout/history.ts";
import {
  type Layout,
  LayoutError,
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
import type { Clock, Logger } from "../model/deps.ts";
import { KvError } from "../model/kv-error.ts";
import type {
  CommitView,
  NetstatsView,
  PlanView,
  StagedChange,
  TaskView,
  TopologyView,
} from "../model/topology-api.ts";
import { effectiveOwnership, primaryOwnership } from "../placement/ownership.ts";
import type { RingPositions } from "../placement/ring-positions.ts";
import { ReplicationError, expandReplication } from "../placement/strategy.ts";
import { tokenFromHalves } from "../ring/token.ts";
import type { Disk } from "../storage/disk.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { must } from "../util/assert.ts";
import { dissenters } from "./agreement.ts";
import type { GossipShell } from "./gossip-shell.ts";
import { densitiesOf } from "./held-data.ts";
import type { Identity } from "./identity.ts";
import type { LayoutKeeper } from "./layout-keeper.ts";
import type { HostFacts } from "./member.ts";
import type { PeerDirectory } from "./peer-directory.ts";
import type { RingWork } from "./ring-work.ts";
import { TopologyAdmin } from "./topology-admin.ts";

const AGREEMENT_TIMEOUT_MS = 10_000;

export interface AdminDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly disk: Disk;
  readonly engine: StorageEngine;
  readonly coordinator: Coordinator;
  /** Of the ring's partitioner. */
  readonly positions: RingPositions;
  readonly keeper: LayoutKeeper;
  readonly work: RingWork;
}

export interface AdminOptions {
  readonly clusterName: string;
  readonly dc: string;
  readonly rack: string;
  readonly weight: number;
  readonly snitch: string;
  readonly releaseVersion: string;
  readonly streamBytesPerSecond: number;
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
  readonly #topology: TopologyAdmin;
  #isDrained = false;
  #isStopped = false;
  #running: AdminRunning | undefined;
  /** Called when gossip brought something new. */
  #waiters: (() => void)[] = [];

  constructor(deps: AdminDeps, options: AdminOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#startedMs = deps.clock.monotonicMs();
    this.#topology = new TopologyAdmin(
      {
        ...deps,
        members: () => this.#running?.gossip.members() ?? [],
        news: () => this.#gossipNews(),
        densities: () => this.#densities(),
      },
      options,
    );
  }

  /** Takes up what was staged in an earlier run. Throws DocumentError. */
  useRunning(running: AdminRunning): void {
    this.#running = running;
    this.#topology.load();
  }

  gossipChanged(): void {
    this.#topology.review();
    this.#wake();
  }

  /** Ends every wait for the others. */
  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  status(keyspace?: string): StatusView {
    const layout = this.#shownLayout();
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
    const owned = this.#shownLayout().members.flatMap(({ id, tokens }) =>
      tokens.map((token) => ({
        position: this.#deps.positions.positionOf(token),
        view: { token, memberId: id },
      })),
    );
    owned.sort((left, right) => (left.position < right.position ? -1 : 1));
    return { status: this.status(keyspace), tokens: owned.map(({ view }) => view) };
  }

  describeRing(keyspace: string): readonly RangeView[] {
    const { ranges, readLayout } = this.#deps.coordinator.placement(keyspace);
    const { members } = readLayout;
    const texts = new Map(
      members.flatMap(({ tokens }) =>
        tokens.map((token) => [this.#deps.positions.positionOf(token), token]),
      ),
    );
    const textAt = (hi: number, lo: number): string =>
      must(texts.get(tokenFromHalves(hi, lo)), "ranges end at tokens of members");
    return ranges.map(({ startHi, startLo, endHi, endLo, replicas }) => ({
      startToken: textAt(startHi, startLo),
      endToken: textAt(endHi, endLo),
      replicas: replicas.members.map((index) => must(members[index], "a member").id),
    }));
  }

  endpoints(keyspace: string, key: Uint8Array): EndpointsView {
    const { plan } = this.#deps.coordinator.locate(keyspace, key);
    const members = this.#members(this.#shownLayout());
    const replicas = plan.replicas.map(({ memberId }) =>
      must(
        members.find(({ id }) => id === memberId),
        "a replica is a member",
      ),
    );
    return { keyspace, token: this.#deps.positions.tokenOf(key), replicas };
  }

  gossip(): readonly GossipView[] {
    const members = this.#running?.gossip.members() ?? [];
    return members.map(({ id, address, generation, heartbeat, states }) => {
      return { id, address, generation, heartbeat, states };
    });
  }

  info(): InfoView {
    const { engine, clock } = this.#deps;
    const { host, releaseVersion } = this.#options;
    const layout = this.#shownLayout();
    const stats = engine.stats();
    const member = this.#members(layout).find(({ isSelf }) => isSelf);
    if (member === undefined) {
      const reason = this.#deps.coordinator.refusal ?? "it is not in the ring";
      throw new KvError({ code: "NOT_READY", reason });
    }
    return {
      member,
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

  onRefusing(listener: (reason: string) => void): void {
    this.#deps.coordinator.onRefusing(listener);
  }

  keyspaces(): readonly KeyspaceView[] {
    return [...(this.#deps.keeper.head?.keyspaces ?? [])]
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
    await this.#agreement("the keyspace is created, but not everybody has confirmed it");
    const created = this.#layout().keyspaces.find(({ name }) => name === definition.name);
    return keyspaceView(must(created, "a wanted keyspace is in the layout"));
  }

  topology(): TopologyView {
    return this.#topology.topology();
  }

  stage(change: StagedChange): Promise<readonly StagedChange[]> {
    return this.#topology.stage(change);
  }

  unstage(): Promise<void> {
    return this.#topology.unstage();
  }

  plan(): Promise<PlanView> {
    return new Promise((resolve) => resolve(this.#topology.plan()));
  }

  commit(planHash: string): Promise<CommitView> {
    return this.#topology.commit(planHash);
  }

  revert(): Promise<CommitView> {
    return this.#topology.revert();
  }

  tasks(): readonly TaskView[] {
    return this.#deps.work.tasks.list();
  }

  controlTask(id: string, action: "pause" | "resume" | "cancel"): Promise<TaskView> {
    return this.#deps.work.tasks.control(id, action);
  }

  netstats(): NetstatsView {
    return this.#deps.work.netstats(this.#mode());
  }

  cleanup(): Promise<{ readonly cells: number; readonly bytes: number }> {
    return this.#deps.work.cleanup();
  }

  rebuild(sourceDc?: string): Promise<TaskView> {
    return new Promise((resolve) => {
      this.#history();
      resolve(this.#deps.work.rebuild(sourceDc));
    });
  }

  async drain(): Promise<void> {
    const { coordinator, engine } = this.#deps;
    this.#isDrained = true;
    coordinator.refuseBecause("it is drained");
    await coordinator.drained();
    await engine.sync();
    const status = { name: "STATUS", value: "DRAINED", isUrgent: true };
    this.#running?.gossip.input({ kind: "set-state", ...status });
  }

  #mode(): NetstatsView["mode"] {
    const { history } = this.#deps.keeper;
    const id = this.#running?.identity.memberId;
    if (history === undefined || id === undefined) return "STARTING";
    if (this.#isDrained) return "DRAINED";
    const isIn = ({ members }: Layout): boolean => members.some((one) => one.id === id);
    if (isIn(headOf(history))) return isIn(readLayoutOf(history)) ? "NORMAL" : "JOINING";
    if (history.layouts.some(isIn)) return "LEAVING";
    const { leavingIds, removedIds } = headOf(history);
    return [...leavingIds, ...removedIds].includes(id) ? "LEFT" : "STARTING";
  }

  #densities(): ReturnType<typeof densitiesOf> {
    const { memberId } = must(this.#running, "a member with layouts runs").identity;
    return densitiesOf(readLayoutOf(this.#history()), memberId, this.#deps);
  }

  /** Resolves when what is wanted is in use here, and all live members have the newest layout. */
  async #agreement(wanted: string): Promise<void> {
    await this.#deps.keeper.saved();
    const deadlineMs = this.#deps.clock.monotonicMs() + AGREEMENT_TIMEOUT_MS;
    for (;;) {
      const others = dissenters(this.#history(), this.#running?.gossip.members() ?? []);
      if (others.length === 0) return;
      if (this.#deps.clock.monotonicMs() >= deadlineMs) {
        const reason = `${wanted}: ${others.join(", ")} live in another layout`;
        throw new KvError({ code: "NOT_READY", reason });
      }
      await this.#gossipNews();
    }
  }

  /** Rejects when the member stops: nobody waits for news any more. */
  #gossipNews(): Promise<void> {
    if (this.#isStopped) {
      const reason = "it is stopping";
      return Promise.reject(new KvError({ code: "NOT_READY", reason }));
    }
    return new Promise((resolve) => {
      const timer = this.#deps.clock.setTimer(100, resolve);
      this.#waiters.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Throws KvError while this member has no layout. */
  #history(): LayoutHistory {
    const { history } = this.#deps.keeper;
    if (history !== undefined && this.#running !== undefined) return history;
    throw new KvError({ code: "NOT_READY", reason: "it is not in a ring yet" });
  }

  /** The newest layout. */
  #layout(): Layout {
    return headOf(this.#history());
  }

  /** What people are shown: the newest layout, and who is still to leave. */
  #shownLayout(): Layout {
    const history = this.#history();
    const head = headOf(history);
    const members = activeMembers(history).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    return { ...head, members: members.filter(({ id }) => !head.removedIds.includes(id)) };
  }

  #members(layout: Layout): MemberView[] {
    const gossip = new Map(this.#running?.gossip.members().map((member) => [member.id, member]));
    const ownership = this.#primary(layout);
    return layout.members.map((member, index) =>
      this.#memberView(member, ownership && (ownership[index] ?? 0), gossip.get(member.id)),
    );
  }

  /** Undefined where tokens have no widths. */
  #primary(layout: Layout): readonly number[] | undefined {
    const { positions } = this.#deps;
    if (positions.compareKeys !== undefined) return undefined;
    return primaryOwnership(
      layout.members.map(({ tokens }) => ({
        tokens: tokens.map((token) => positions.positionOf(token)),
      })),
    );
  }

  #memberView(
    member: LayoutMember,
    ownership: number | undefined,
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
      state: stateOf(this.#history(), member, gossip),
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

  /** Of the layout that is read from: what is held now, not what will be. */
  #effective(shown: Layout, { name }: LayoutKeyspace): Record<string, number> | undefined {
    const hasWidths = this.#deps.positions.compareKeys === undefined;
    if (this.#deps.coordinator.refusal !== undefined || !hasWidths) return undefined;
    const { table, readLayout } = this.#deps.coordinator.placement(name);
    const shares = effectiveOwnership(table);
    const held = readLayout.members.map(({ id }, index) => [id, shares[index] ?? 0] as const);
    const none = shown.members.map(({ id }) => [id, 0] as const);
    return Object.fromEntries([...none, ...held]);
  }
}

function stateOf(
  history: LayoutHistory,
  { id }: LayoutMember,
  gossip: GossipMember | undefined,
): MemberState {
  const entryIn = ({ members }: Layout): LayoutMember | undefined =>
    members.find((member) => member.id === id);
  const [now, next] = [entryIn(readLayoutOf(history)), entryIn(headOf(history))];
  if (next === undefined) return "LEAVING";
  if (now === undefined) return "JOINING";
  if (now.tokens.join() !== next.tokens.join()) return "MOVING";
  return gossip?.states["STATUS"]?.value === "DRAINED" ? "DRAINED" : "NORMAL";
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

function asKvError(error: Error, definition: KeyspaceDefinition): KvError {
  if (error instanceof LayoutError && error.code === "KEYSPACE_EXISTS") {
    return new KvError({ code: "KEYSPACE_EXISTS", keyspace: definition.name });
  }
  return new KvError({
    code: "INVALID_ARGUMENT",
    argument: "keyspace",
    value: definition.name,
    expected: error.message,
  });
}
