/** The shapes of JSON of changes of the ring: the views of the topology interface. */
import { z } from "zod";
import type { LayoutVersion } from "../model/layout-version.ts";
import type {
  ActiveVersionView,
  CommitView,
  NetstatsView,
  PlanView,
  StagedChange,
  TaskView,
  TopologyView,
} from "../model/topology-api.ts";
import { type Json, replicationShape } from "./views.ts";

export type StagedChangeJson = Json<StagedChange>;
export type PlanJson = Json<PlanView>;
export type TopologyJson = Json<TopologyView>;
export type ActiveVersionJson = Json<ActiveVersionView>;
export type CommitJson = Json<CommitView>;
export type TaskJson = Json<TaskView>;
export type NetstatsJson = Json<NetstatsView>;

const MEMBER = z
  .string()
  .min(1)
  .describe("A member: its id, a unique beginning of it, or its internode address.");
const TOKENS = z.array(z.string()).min(1).describe("Tokens as decimal text.");

export const stagedChangeSchema: z.ZodType<StagedChangeJson> = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("join"), member: MEMBER, tokens: TOKENS.optional() }),
    z.strictObject({ kind: z.literal("leave"), member: MEMBER }),
    z.strictObject({ kind: z.literal("remove"), member: MEMBER }),
    z.strictObject({ kind: z.literal("assassinate"), member: MEMBER }),
    z.strictObject({ kind: z.literal("move"), member: MEMBER, tokens: TOKENS }),
    z.strictObject({ kind: z.literal("replace"), member: MEMBER, by: MEMBER }),
    z.strictObject({ kind: z.literal("weight"), member: MEMBER, weight: z.number().positive() }),
    z.strictObject({
      kind: z.literal("place"),
      member: MEMBER,
      dc: z.string().min(1).optional(),
      rack: z.string().min(1).optional(),
    }),
    z.strictObject({
      kind: z.literal("num-tokens"),
      member: MEMBER,
      numTokens: z.int().positive(),
    }),
    z.strictObject({ kind: z.literal("double"), members: z.array(MEMBER).min(1) }),
    z.strictObject({
      kind: z.literal("replication"),
      keyspace: z.string().min(1),
      replication: z.strictObject(replicationShape),
    }),
  ])
  .describe("One thing that is wanted of the ring.");

export const stagedSchema: z.ZodType<readonly StagedChangeJson[]> = z.array(stagedChangeSchema);

const versionShape = { counter: z.number(), hash: z.string(), lineage: z.string() };
const versionSchema: z.ZodType<LayoutVersion> = z.object(versionShape);

export const topologySchema: z.ZodType<TopologyJson> = z.object({
  versions: z
    .array(
      z.object({
        ...versionShape,
        phase: z.enum(["spreading", "syncing", "synced", "current"]),
        waitingFor: z.array(z.string()).describe("Addresses of members that hold it up."),
      }),
    )
    .describe("The active versions of the layout, oldest first. One: no change is under way."),
  readsFrom: z.number().describe("Counter of the version that this member reads from."),
  staged: stagedSchema,
  waiting: z
    .array(z.object({ id: z.string(), address: z.string(), dc: z.string(), rack: z.string() }))
    .describe("Members that wait outside to be taken in."),
});

const plannedMemberSchema: z.ZodType<PlanJson["members"][number]> = z.object({
  id: z.string(),
  address: z.string(),
  dc: z.string(),
  rack: z.string(),
  isUp: z.boolean(),
  ownershipBefore: z.number().optional(),
  ownershipAfter: z.number().optional(),
  tokensBefore: z.number(),
  tokensAfter: z.number(),
});

export const planSchema: z.ZodType<PlanJson> = z.object({
  hash: z.string().describe("What POST /v1/topology/commit takes."),
  base: versionSchema,
  changes: stagedSchema,
  members: z.array(plannedMemberSchema),
  transfers: z.array(
    z.object({
      from: z.string(),
      to: z.string(),
      rangeCount: z.number(),
      keys: z.number(),
      bytes: z.number(),
    }),
  ),
  movedBytes: z.number(),
  movedKeys: z.number(),
  etaSeconds: z.number(),
  steps: z.array(z.string()),
  warnings: z.array(
    z.object({
      code: z.enum([
        "MEMBER_DOWN",
        "RACK_SHARED",
        "LEVEL_UNSERVED",
        "UNEVEN",
        "DATA_AT_RISK",
        "OVERTAKES",
        "NO_WIDTHS",
      ]),
      message: z.string(),
    }),
  ),
});

export const commitSchema: z.ZodType<CommitJson> = z.object({
  version: versionSchema,
  waitingFor: z.array(z.string()).describe("Addresses of members that have not confirmed it."),
});

/** What POST /v1/topology/commit takes. */
export const commitBodySchema: z.ZodType<{ readonly hash: string }> = z.strictObject({
  hash: z
    .string()
    .regex(/^[0-9a-f]{6,32}$/, "the hash of a plan, or 6 or more of its first digits")
    .describe("The hash of the plan, or 6 or more of its first digits."),
});

/** What POST /v1/rebuild takes. */
export const rebuildBodySchema: z.ZodType<{ readonly sourceDc?: string | undefined }> =
  z.strictObject({
    sourceDc: z.string().min(1).optional().describe("Fetch from this datacenter only."),
  });

export const taskSchema: z.ZodType<TaskJson> = z.object({
  id: z.string(),
  kind: z.enum(["sync", "rebuild", "cleanup"]),
  title: z.string(),
  state: z.enum(["running", "paused", "waiting", "done", "failed", "cancelled"]),
  reason: z.string().optional(),
  done: z.number(),
  total: z.number(),
  unit: z.enum(["ranges", "cells"]),
  share: z.number(),
  bytes: z.number(),
  startedAtMs: z.number(),
  finishedAtMs: z.number().optional(),
  etaSeconds: z.number().optional(),
});

export const tasksSchema: z.ZodType<readonly TaskJson[]> = z.array(taskSchema);

export const netstatsSchema: z.ZodType<NetstatsJson> = z.object({
  mode: z.enum(["STARTING", "JOINING", "NORMAL", "LEAVING", "DRAINED", "LEFT"]),
  streams: z.array(
    z.object({
      peer: z.string(),
      direction: z.enum(["in", "out"]),
      keyspace: z.string(),
      bytes: z.number(),
      cells: z.number(),
    }),
  ),
  tasks: tasksSchema,
});

/** What a cleanup dropped. */
export const cleanupSchema: z.ZodType<{ readonly cells: number; readonly bytes: number }> =
  z.object({ cells: z.number(), bytes: z.number() });
