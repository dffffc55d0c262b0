/**
 * Changing the ring, as every front end sees it: stage, plan, commit, watch, revert.
 *
 * Changes are staged at one member, which keeps them on disk. A plan is computed from them and the
 * present layout; its hash is the hash of the very layout that a commit would make, so a commit
 * applies what was shown or nothing at all.
 *
 * Members are named by id (UUID), by a unique beginning of it, or by internode address.
 */
import type { LayoutVersion } from "./layout-version.ts";
import type { ReplicationOptions } from "./replication-options.ts";

/** One thing that an operator wants of the ring. */
export type StagedChange =
  /** Takes in a member that waits outside (started with `autoBootstrap: false`). */
  | {
      readonly kind: "join";
      readonly member: string;
      readonly tokens?: readonly string[] | undefined;
    }
  /** A live member hands over what it has and goes for good (decommission). */
  | { readonly kind: "leave"; readonly member: string }
  /** A dead member is given up; the others rebuild what it had (removenode). */
  | { readonly kind: "remove"; readonly member: string }
  /** As `remove`, even if replicas that are left cannot be known to hold everything (assassinate). */
  | { readonly kind: "assassinate"; readonly member: string }
  | { readonly kind: "move"; readonly member: string; readonly tokens: readonly string[] }
  /** A waiting member takes the tokens of a dead one, which is given up. */
  | { readonly kind: "replace"; readonly member: string; readonly by: string }
  | { readonly kind: "weight"; readonly member: string; readonly weight: number }
  | {
      readonly kind: "place";
      readonly member: string;
      readonly dc?: string | undefined;
      readonly rack?: string | undefined;
    }
  /** Another number of tokens for a member; the ones it has stay if there are to be more. */
  | { readonly kind: "num-tokens"; readonly member: string; readonly numTokens: number }
  /** Each of these waiting members takes the second half of every range of one present member. */
  | { readonly kind: "double"; readonly members: readonly string[] }
  | {
      readonly kind: "replication";
      readonly keyspace: string;
      readonly replication: ReplicationOptions;
    };

/** A member before and after a plan. */
export interface PlannedMember {
  readonly id: string;
  readonly address: string;
  readonly dc: string;
  readonly rack: string;
  readonly isUp: boolean;
  /**
   * Share of the data held, replicas counted, of all keyspaces together; 0 where it is not in the
   * ring. Undefined for ordered partitioners: their rings have no widths.
   */
  readonly ownershipBefore: number | undefined;
  readonly ownershipAfter: number | undefined;
  readonly tokensBefore: number;
  readonly tokensAfter: number;
}

/** Data that goes from one member to another. Estimates from the density of this member's own data. */
export interface PlannedTransfer {
  readonly from: string;
  readonly to: string;
  readonly rangeCount: number;
  readonly keys: number;
  readonly bytes: number;
}

export type PlanWarningCode =
  /** A dead member takes part: it holds up the change until it is back or removed. */
  | "MEMBER_DOWN"
  /** Replicas share a rack although there are enough racks. */
  | "RACK_SHARED"
  /** A level cannot be served at some step, or afterwards. */
  | "LEVEL_UNSERVED"
  /** Loads end up uneven. */
  | "UNEVEN"
  /** Too few replicas that are left to be sure that nothing acknowledged is lost. */
  | "DATA_AT_RISK"
  /** Another change is still under way; this one takes its place. */
  | "OVERTAKES"
  /** The partitioner is an ordered one: sizes and shares count every range alike. */
  | "NO_WIDTHS";

export interface PlanWarning {
  readonly code: PlanWarningCode;
  readonly message: string;
}

export interface PlanView {
  /** 32 hex digits, the hash of the layout that the commit makes. Commands take a unique beginning. */
  readonly hash: string;
  /** The layout that it was computed on. */
  readonly base: LayoutVersion;
  readonly changes: readonly StagedChange[];
  readonly members: readonly PlannedMember[];
  /** Largest first. */
  readonly transfers: readonly PlannedTransfer[];
  readonly movedBytes: number;
  readonly movedKeys: number;
  /** At the stream throttle of one receiver per member; 0 when nothing moves. */
  readonly etaSeconds: number;
  /** What will be done, in words, in order. */
  readonly steps: readonly string[];
  readonly warnings: readonly PlanWarning[];
}

/** Where one version of the layout stands. */
export interface ActiveVersionView extends LayoutVersion {
  /**
   * `spreading`: not everybody lives in it; `syncing`: data are on their way; `synced`: everybody may read
   * from it; `current`: it is what everybody reads from.
   */
  readonly phase: "spreading" | "syncing" | "synced" | "current";
  /** Addresses of the members that have yet to do something for the next phase. */
  readonly waitingFor: readonly string[];
}

export interface TopologyView {
  /** Oldest first: what is read from, ..., what was committed last. */
  readonly versions: readonly ActiveVersionView[];
  /** The counter of the version that this member reads from. */
  readonly readsFrom: number;
  readonly staged: readonly StagedChange[];
  /** Members that wait outside to be taken in. */
  readonly waiting: readonly {
    readonly id: string;
    readonly address: string;
    readonly dc: string;
    readonly rack: string;
  }[];
}

export type TaskState = "running" | "paused" | "waiting" | "done" | "failed" | "cancelled";

export interface TaskView {
  /** Short and unique in this member, e.g. `sync-12`. */
  readonly id: string;
  readonly kind: "sync" | "rebuild" | "cleanup";
  /** One line for people. */
  readonly title: string;
  readonly state: TaskState;
  /** Why it waits or failed. */
  readonly reason: string | undefined;
  /** In `unit`; `total` may grow while more is found. */
  readonly done: number;
  readonly total: number;
  readonly unit: "ranges" | "cells";
  /** How far it is, 0 .. 1. Unlike `done` it counts what is not on stable storage yet. */
  readonly share: number;
  readonly bytes: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number | undefined;
  readonly etaSeconds: number | undefined;
}

/** A stream that is under way: an outgoing one until nobody has pulled it for a few seconds. */
export interface StreamView {
  readonly peer: string;
  readonly direction: "in" | "out";
  readonly keyspace: string;
  readonly bytes: number;
  readonly cells: number;
}

export interface NetstatsView {
  readonly mode: "STARTING" | "JOINING" | "NORMAL" | "LEAVING" | "DRAINED" | "LEFT";
  readonly streams: readonly StreamView[];
  readonly tasks: readonly TaskView[];
}

export interface CommitView {
  readonly version: LayoutVersion;
  /** Addresses of members that have not confirmed it: they are down. */
  readonly waitingFor: readonly string[];
}

/** Calls that cannot be done throw a KvError. */
export interface TopologyApi {
  topology(): TopologyView;
  /** Adds a change to what is staged. Throws INVALID_ARGUMENT if it can never be had. */
  stage(change: StagedChange): Promise<readonly StagedChange[]>;
  /** Forgets what is staged. */
  unstage(): Promise<void>;
  /** Throws NOTHING_STAGED, CHANGE_REFUSED. */
  plan(): Promise<PlanView>;
  /**
   * Applies exactly the plan with this hash (or unique beginning of at least 6 digits), and resolves
   * when every live member lives in it. Throws PLAN_STALE when the ring has changed since the plan,
   * PLAN_LOST when another commit was made at the same time and won; what was staged is staged still.
   */
  commit(planHash: string): Promise<CommitView>;
  /** Goes back to the layout that is read from. Throws CHANGE_REFUSED if nothing is under way. */
  revert(): Promise<CommitView>;
  tasks(): readonly TaskView[];
  /** Throws UNKNOWN_TASK, or CHANGE_REFUSED if the task is over. */
  controlTask(id: string, action: "pause" | "resume" | "cancel"): Promise<TaskView>;
  netstats(): NetstatsView;
  /** Drops the data that this member does not own any more; resolves with what was dropped. */
  cleanup(): Promise<{ readonly cells: number; readonly bytes: number }>;
  /** Fetches what this member owns from the replicas in a datacenter (or any). Returns its task. */
  rebuild(sourceDc?: string): Promise<TaskView>;
  /** Stops to serve clients, finishes and syncs what was begun; the process may be ended afterwards. */
  drain(): Promise<void>;
}
