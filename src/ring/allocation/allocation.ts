/**
 * The words that all allocation strategies share: who is in the ring, who joins, and how keyspaces
 * are replicated. Pure values, so that a plan can be computed in a browser as well as on a member.
 */
import type { Uint32Source } from "../../util/random.ts";
import type { TokenSpace } from "./token-space.ts";

/** A member that owns tokens: everything the allocators look at. */
export interface RingMember {
  /** Unique in the ring; only compared, so any text will do. */
  readonly id: string;
  /** The datacenter, by the name that a `network` replication uses. */
  readonly dc: string;
  /** What fails together within the datacenter; racks of other datacenters may have the same name. */
  readonly rack: string;
  /** Relative capacity, above 0. A member of weight 2 should hold twice the data of one of weight 1. */
  readonly weight: number;
  /** Tokens of the ring's space, in any order; owned by nobody else. */
  readonly tokens: readonly bigint[];
}

/** The member that needs tokens. */
export type JoiningMember = Omit<RingMember, "tokens">;

/**
 * The replication to balance for. `network` is NetworkTopologyStrategy with a replication factor per
 * datacenter; `simple` is SimpleStrategy, which ignores datacenters and racks.
 */
export type BalancedReplication =
  | {
      /** Replicas are counted by datacenter and spread over racks. */
      readonly kind: "network";
      /** Replicas by datacenter; a datacenter that is not named keeps none. */
      readonly rf: Readonly<Record<string, number>>;
    }
  | {
      /** The next distinct members, wherever they are. */
      readonly kind: "simple";
      /** Replicas in the whole ring. */
      readonly rf: number;
    };

/** What every strategy is asked. */
export interface AllocationRequest {
  /** The ring of the partitioner: its bounds and its arithmetic. */
  readonly space: TokenSpace;
  /** Normal and joining members of the cluster, in the order in which they joined. */
  readonly members: readonly RingMember[];
  /** Whom the tokens are for; not one of `members`. */
  readonly joining: JoiningMember;
  /** How many tokens it should own, 1 to TOKENS_PER_MEMBER_MAX. */
  readonly tokenCount: number;
  /** What the load of a member is computed for. */
  readonly replication: BalancedReplication;
  /** All chance comes from here: the same source and request give the same tokens. */
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
  /** Which part of the request was wrong. */
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
