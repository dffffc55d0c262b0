/** What goes into the gossip machine and what comes out of it. */
import type { Rng } from "../model/deps.ts";
import type { LayoutVersion } from "../model/layout-version.ts";
import type { StateValue } from "./endpoint-table.ts";
import type { GossipMessage, LayoutOffer } from "./messages.ts";

export interface GossiperDeps {
  readonly rng: Rng;
}

export interface GossiperOptions {
  readonly id: string;
  /** `host:port` under which the others reach this member. */
  readonly address: string;
  /** Of this start; see nextGeneration. */
  readonly generation: number;
  readonly clusterName: string;
  readonly partitioner: string;
  /** Addresses of members to ask first, at least one; the first of them may found the ring. */
  readonly seeds: readonly string[];
  /** Time between two ticks; default 1000. */
  readonly intervalMs?: number | undefined;
  /** Suspicion at which a member counts as down, 5 to 16; default 8. */
  readonly phiThreshold?: number | undefined;
  /** Longest stall of this member in which it still trusts its suspicions; default 5000. */
  readonly pauseMaxMs?: number | undefined;
  /** Time after which contacts are asked again at start; default 1000. */
  readonly shadowRetryMs?: number | undefined;
  /** Time after which a start does not wait for silent contacts any more; default 5000. */
  readonly shadowLimitMs?: number | undefined;
  /** How many members hear of a new layout at once; default 5. */
  readonly pushFanout?: number | undefined;
  /** Silence after which a down member that is not in the layout is forgotten; default 30,000. */
  readonly strangerTimeoutMs?: number | undefined;
}

/** One moment on both clocks. */
export interface GossipInstant {
  /** Orders events and measures silence; never decreases. */
  readonly monotonicMs: number;
  /** Only to tell whether a generation can be right. */
  readonly wallMs: number;
}

/** The layout that this member has, with what gossip must know of it. */
export interface KnownLayout extends LayoutOffer {
  readonly clusterId: string;
  readonly members: readonly { readonly id: string; readonly address: string }[];
  readonly removedIds: readonly string[];
}

export type GossipInput =
  /** Once. Whatever this member has on disk comes before, as `layout` and `set-state`. */
  | { readonly kind: "start" }
  /** Each `intervalMs`. */
  | { readonly kind: "tick" }
  | { readonly kind: "message"; readonly message: GossipMessage }
  /** An own application state; an urgent one is told to several members at once. */
  | {
      readonly kind: "set-state";
      readonly name: string;
      readonly value: string;
      readonly isUrgent?: boolean | undefined;
    }
  /** This member has committed or taken over a layout. */
  | { readonly kind: "layout"; readonly layout: KnownLayout }
  /** A connection to or from this address was made. */
  | { readonly kind: "connected"; readonly address: string }
  /** An established connection broke. */
  | { readonly kind: "disconnected"; readonly address: string }
  /** Nobody listens at this address. */
  | { readonly kind: "refused"; readonly address: string }
  /** This member stops on purpose. Nothing comes out afterwards. */
  | { readonly kind: "shutdown" };

/** Why a member counts as down. */
export type DownReason = "silent" | "refused" | "shutdown" | "restarted" | "removed";

export type LogLevel = "debug" | "info" | "warn" | "error";

export type GossipEffect =
  | { readonly kind: "send"; readonly address: string; readonly message: GossipMessage }
  /** The member is there and hears us. */
  | { readonly kind: "up"; readonly memberId: string }
  | { readonly kind: "down"; readonly memberId: string; readonly reason: DownReason }
  /** Application states of a member changed, or the layout that it has (LAYOUT). */
  | { readonly kind: "changed"; readonly memberId: string; readonly names: readonly string[] }
  /** Somebody has a layout that wins against ours. Answer with the input `layout`. */
  | { readonly kind: "layout"; readonly offer: LayoutOffer; readonly from: string }
  /** The round of questions at the start is over. */
  | { readonly kind: "running" }
  /** There is no ring yet, and this member is the one to found it. Comes before `running`. */
  | { readonly kind: "found" }
  /** The peers remember a later start of this member than it does itself; to be stored. */
  | { readonly kind: "generation"; readonly generation: number }
  /** A member that started later uses our identity from another address: stop, do not serve. */
  | {
      readonly kind: "identity-conflict";
      readonly memberId: string;
      readonly address: string;
      readonly otherAddress: string;
      readonly otherGeneration: number;
    }
  /** A member of the same cluster name has answered, and its keys lie elsewhere than ours. */
  | { readonly kind: "other-partitioner"; readonly address: string; readonly partitioner: string }
  /** A member of the same cluster name has answered, and its ring was founded apart from ours. */
  | { readonly kind: "other-cluster"; readonly address: string; readonly clusterId: string }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** A member as gossip sees it. */
export interface GossipMember {
  readonly id: string;
  readonly address: string;
  readonly generation: number;
  readonly heartbeat: number;
  readonly isAlive: boolean;
  readonly isSelf: boolean;
  /** The newest layout that it is known to have. */
  readonly layout: LayoutVersion | undefined;
  readonly states: Readonly<Record<string, StateValue>>;
}

/** The generation of a start: the wall clock in seconds, and more than any start before it. */
export function nextGeneration(storedGeneration: number | undefined, wallMs: number): number {
  return Math.max(Math.floor(wallMs / 1000), (storedGeneration ?? 0) + 1);
}
