/**
 * The words that all allocation strategies share: who is in the ring, who joins, and how keyspaces
 * are replicated. Pure values, so that a plan can be computed in a browser as well as on a member.
 */
import type { Uint32Source } from "../../util/random.ts";
import type { TokenSpace } from "./token-space.ts";

/** A member that owns tokens: everything the allocators look at. */
export interface RingMember {
  readonly id: string;
  readonly dc: string;
  readonly rack: string;
  /** Relative capacity, above 0. A member of weight 2 should hold twice the data of one of weight 1. */
  readonly weight: number;
  readonly tokens: readonly bigint[];
}

/** The member that needs tokens. */
export type JoiningMember = Omit<RingMember, "tokens">;

/**
 * The replication to balance for. `network` is NetworkTopologyStrategy with a replication factor per
 * datacenter; `simple` is SimpleStrategy, which ignores datacenters and racks.
 */
export type BalancedReplication =
  | { readonly kind: "network"; readonly rf: Readonly<Record<string, number>> }
  | { readonly kind: "simple"; readonly rf: number };

/** What every strategy is asked. */
export interface AllocationRequest {
  readonly space: TokenSpace;
  /** Normal and joining members of the cluster, in the order in which they joined. */
  readonly members: readonly RingMember[];
  readonly joining: JoiningMember;
  readonly tokenCount: number;
  readonly replication: BalancedReplication;
  readonly rng: Uint32Source;
}

/** Most tokens that one member may own, as in Cassandra. */
export const TOKENS_PER_MEMBER_MAX = 1536;

/** Why no tokens can be given: which part of the request was wrong. */
export type AllocationErrorCode =
  | "TOKEN_COUNT"
  | "TOKEN_INVALID"
  | "TOKEN_TAKEN"
  | "RACKS_BELOW_RF"
  | "REPLICATION"
  | "MEMBER";

/** A request that no tokens can be given for. The message shows the value and what would be right. */
export class AllocationError extends Error {
  readonly code: AllocationErrorCode;

  constructor(code: AllocationErrorCode, message: string) {
    super(message);
    this.name = "AllocationError";
    this.code = code;
  }
}

/** Ascending order of tokens, for `sort`. */
export function compareTokens(a: bigint, b: bigint): number {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}
