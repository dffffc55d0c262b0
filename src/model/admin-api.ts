/**
 * The control plane as every front end sees it: what `nodetool` shows, as values.
 *
 * Addresses are `host:port` of the internode listener; tokens are decimal text as Cassandra prints
 * them; shares are fractions of 1.
 */
import type { ConsistencyLevel, Durability } from "./consistency.ts";
import type { ReplicationOptions } from "./replication-options.ts";
import type { TopologyApi } from "./topology-api.ts";

export type { ReplicationOptions };

export interface KeyspaceDefinition {
  /** 1 to 48 letters, digits and underscores. */
  readonly name: string;
  /** Strategy and number of replicas, per datacenter where the strategy knows them. */
  readonly replication: ReplicationOptions;
  /** Of reads that name no level. */
  readonly readConsistency: ConsistencyLevel;
  /** Of writes that name no level. */
  readonly writeConsistency: ConsistencyLevel;
  /** Of writes that name none. */
  readonly durability: Durability;
}

export interface KeyspaceView extends KeyspaceDefinition {
  /** The index by which RESP's SELECT knows it: keyspaces are numbered in order of creation. */
  readonly index: number;
}

/** Up, Down; the second letter of `nodetool status` is the state. */
export type MemberState = "NORMAL" | "LEAVING" | "JOINING" | "MOVING" | "DRAINED";

export interface MemberView {
  /** UUID; stays with the data. */
  readonly id: string;
  readonly address: string;
  readonly respAddress: string | undefined;
  readonly httpAddress: string | undefined;
  readonly dc: string;
  readonly rack: string;
  readonly weight: number;
  readonly isUp: boolean;
  readonly isSelf: boolean;
  readonly state: MemberState;
  /** Bytes of live data, as gossiped; undefined while unknown. */
  readonly loadBytes: number | undefined;
  readonly tokens: readonly string[];
  /**
   * Share of the ring that it owns first, without replication. Undefined for ordered partitioners:
   * their rings have no widths.
   */
  readonly ownership: number | undefined;
  /** Suspicion of the failure detector, on the scale of its threshold (8 by default). */
  readonly phi: number | undefined;
  readonly generation: number | undefined;
  readonly releaseVersion: string | undefined;
}

export interface LayoutVersionView {
  readonly counter: number;
  /** Hex digest of the layout's content. */
  readonly hash: string;
}

export interface StatusView {
  readonly clusterName: string;
  readonly partitioner: string;
  readonly snitch: string;
  readonly layout: LayoutVersionView;
  readonly members: readonly MemberView[];
  /** The keyspace whose replication the effective ownership is computed for, if one applies. */
  readonly keyspace: string | undefined;
  /**
   * Member id to share of the data held, counting replicas; absent if no keyspace applies, and for
   * ordered partitioners.
   */
  readonly effectiveOwnership: Readonly<Record<string, number>> | undefined;
}

export interface RangeView {
  readonly startToken: string;
  readonly endToken: string;
  /** Replicas in placement order, by member id. */
  readonly replicas: readonly string[];
}

export interface RingView {
  readonly status: StatusView;
  /** Every token with its owner, in ring order. */
  readonly tokens: readonly { readonly token: string; readonly memberId: string }[];
}

export interface EndpointsView {
  readonly keyspace: string;
  readonly token: string;
  readonly replicas: readonly MemberView[];
}

export interface GossipView {
  readonly id: string;
  readonly address: string;
  readonly generation: number;
  readonly heartbeat: number;
  /** Application state name to (version, text). */
  readonly states: Readonly<Record<string, { readonly version: number; readonly value: string }>>;
}

export interface InfoView {
  readonly member: MemberView;
  readonly clusterName: string;
  readonly clusterId: string;
  readonly releaseVersion: string;
  readonly nodeVersion: string;
  readonly uptimeSeconds: number;
  readonly memory: {
    readonly heapUsedBytes: number;
    readonly heapTotalBytes: number;
    readonly rssBytes: number;
  };
  readonly storage: {
    readonly engine: string;
    readonly keys: number;
    readonly liveBytes: number;
    readonly diskBytes: number;
  };
  readonly dataDirectory: string | undefined;
}

export interface ReadinessView {
  readonly isReady: boolean;
  /** Why not, when not ready. */
  readonly reason: string | undefined;
}

/** Control-plane calls that cannot be done throw a KvError. */
export interface AdminApi extends TopologyApi {
  status(keyspace?: string): StatusView;
  ring(keyspace?: string): RingView;
  describeRing(keyspace: string): readonly RangeView[];
  endpoints(keyspace: string, key: Uint8Array): EndpointsView;
  gossip(): readonly GossipView[];
  info(): InfoView;
  readiness(): ReadinessView;
  /** Calls `listener` whenever this member ceases to serve clients, as soon as it is not ready. */
  onRefusing(listener: (reason: string) => void): void;
  keyspaces(): readonly KeyspaceView[];
  /**
   * Creates a keyspace and resolves when every live member knows it. Creating one that exists with
   * the same definition is no error; with another definition it is KEYSPACE_EXISTS.
   */
  createKeyspace(definition: KeyspaceDefinition): Promise<KeyspaceView>;
}
