/**
 * The layout of a cluster: who is in the ring, with which tokens, and which keyspaces there are.
 *
 * It is an immutable value. Every change makes a new one with the next counter, and the version,
 * counter and hash of the content, names it for good: two layouts with the same version are equal,
 * so members can compare a few bytes instead of rings. Everything in it has one canonical order, for
 * the hash to depend on the content alone.
 */
import type { KeyspaceDefinition } from "../model/admin-api.ts";
import type { LayoutVersion } from "../model/layout-version.ts";

export interface LayoutMember {
  /** UUID in lower case; stays with the data, whatever the addresses. */
  readonly id: string;
  /** `host:port` of the internode listener. No two members have the same. */
  readonly address: string;
  readonly respAddress?: string | undefined;
  readonly httpAddress?: string | undefined;
  readonly dc: string;
  readonly rack: string;
  /** Share of the data wanted, relative to the other members; positive. */
  readonly weight: number;
  /** Decimal text in ascending order; at least one; no token has two owners. */
  readonly tokens: readonly string[];
}

export interface LayoutKeyspace extends KeyspaceDefinition {
  /**
   * By which cells are stored, 1 .. 65535. It is made from the name and not counted up, because two
   * sides of a partition must not give one number to two keyspaces: data written on the losing side
   * would show up in the other keyspace afterwards.
   */
  readonly id: number;
  /** By which RESP's SELECT knows it: the order of creation, from 0. */
  readonly index: number;
}

/** Everything that the version is the hash of, besides the counter. */
export interface LayoutContent {
  /** UUID made when the ring was founded: tells apart two rings of one name. */
  readonly clusterId: string;
  readonly clusterName: string;
  readonly partitioner: string;
  /** By ascending id. */
  readonly members: readonly LayoutMember[];
  /** By ascending id. */
  readonly keyspaces: readonly LayoutKeyspace[];
  /**
   * Identities that hand over what they hold, ascending: in `members` no more, asked to agree still.
   * They are removed when nobody reads from an older layout.
   */
  readonly leavingIds: readonly string[];
  /** Identities that have left for good, ascending. They never come back, and nobody waits for them. */
  readonly removedIds: readonly string[];
  /**
   * The counter of the layout that the author read from, which everybody had agreed on: data that a
   * member gains in this layout are fetched from the replicas in that one. 0 for the first layout.
   */
  readonly base: number;
}

export interface Layout extends LayoutContent {
  readonly version: LayoutVersion;
  /** The hash of the layout that it was made from; empty for the first one. */
  readonly parent: string;
}

/** The names of the datacenters that have members, sorted. */
export function datacentersOf({ members }: Pick<LayoutContent, "members">): string[] {
  return [...new Set(members.map(({ dc }) => dc))].sort();
}

export type LayoutErrorCode =
  /** A member with this id is there with another entry. */
  | "ID_TAKEN"
  /** The identity has left the ring for good. */
  | "ID_REMOVED"
  | "ADDRESS_TAKEN"
  | "TOKEN_TAKEN"
  | "UNKNOWN_MEMBER"
  /** Datacenter, rack and weight decide who holds what: a planned change. */
  | "NEEDS_PLAN"
  | "KEYSPACE_EXISTS"
  | "KEYSPACES_FULL"
  | "UNKNOWN_KEYSPACE"
  | "INVALID_REPLICATION"
  /** A change that is staged cannot be made to this ring. */
  | "CHANGE_REFUSED"
  /** Some other part of the content is not what it must be. */
  | "INVALID"
  /** Two layouts that have nothing to do with each other. */
  | "OTHER_CLUSTER";

export type LayoutErrorFields = Readonly<Record<string, string | number>>;

/** A change that cannot be made to a layout. Callers switch on `code`. */
export class LayoutError extends Error {
  readonly code: LayoutErrorCode;
  readonly fields: LayoutErrorFields;

  constructor(code: LayoutErrorCode, message: string, fields: LayoutErrorFields) {
    super(message);
    this.name = "LayoutError";
    this.code = code;
    this.fields = fields;
  }
}

/** Two rings that were founded separately never become one. Throws LayoutError (OTHER_CLUSTER). */
export function requireSameCluster(ours: LayoutContent, theirs: LayoutContent): void {
  if (ours.clusterId === theirs.clusterId) return;
  throw new LayoutError(
    "OTHER_CLUSTER",
    `cluster '${ours.clusterName}' (${ours.clusterId}) and cluster '${theirs.clusterName}' ` +
      `(${theirs.clusterId}) were founded separately and cannot become one`,
    { clusterId: ours.clusterId, otherClusterId: theirs.clusterId },
  );
}
