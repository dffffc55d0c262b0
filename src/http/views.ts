/**
 * The shapes of JSON that the HTTP front end sends and its clients check: the views of the admin
 * interface, where what is undefined is absent.
 */
import { z } from "zod";
import type {
  EndpointsView,
  GossipView,
  InfoView,
  KeyspaceView,
  MemberView,
  RangeView,
  ReadinessView,
  RingView,
  StatusView,
} from "../model/admin-api.ts";
import { CONSISTENCY_LEVELS, DURABILITIES } from "../model/consistency.ts";

/** A view as JSON holds it: properties that may be undefined may be missing. */
export type Json<T> = T extends readonly (infer Item)[]
  ? readonly Json<Item>[]
  : T extends object
    ? { readonly [K in keyof T as undefined extends T[K] ? never : K]: Json<T[K]> } & {
        readonly [K in keyof T as undefined extends T[K] ? K : never]?: Json<T[K]> | undefined;
      }
    : T;

export type MemberJson = Json<MemberView>;
export type StatusJson = Json<StatusView>;
export type RingJson = Json<RingView>;
export type RangeJson = Json<RangeView>;
export type EndpointsJson = Json<EndpointsView>;
export type GossipJson = Json<GossipView>;
export type InfoJson = Json<InfoView>;
export type KeyspaceJson = Json<KeyspaceView>;
export type ReadinessJson = Json<ReadinessView>;

const optionalText = z.string().optional();
const optionalNumber = z.number().optional();

export const memberSchema: z.ZodType<MemberJson> = z
  .object({
    id: z.string(),
    address: z.string(),
    respAddress: optionalText,
    httpAddress: optionalText,
    dc: z.string(),
    rack: z.string(),
    weight: z.number(),
    isUp: z.boolean(),
    isSelf: z.boolean(),
    state: z.enum(["NORMAL", "LEAVING", "JOINING", "MOVING", "DRAINED"]),
    loadBytes: optionalNumber,
    tokens: z.array(z.string()),
    ownership: z.number().optional(),
    phi: optionalNumber,
    generation: optionalNumber,
    releaseVersion: optionalText,
  })
  .describe("A member of the ring. Addresses are host:port, tokens decimal text, shares of 1.");

export const statusSchema: z.ZodType<StatusJson> = z.object({
  clusterName: z.string(),
  partitioner: z.string(),
  snitch: z.string(),
  layout: z.object({ counter: z.number(), hash: z.string() }),
  members: z.array(memberSchema),
  keyspace: optionalText,
  effectiveOwnership: z.record(z.string(), z.number()).optional(),
});

export const ringSchema: z.ZodType<RingJson> = z.object({
  status: statusSchema,
  tokens: z.array(z.object({ token: z.string(), memberId: z.string() })),
});

export const rangesSchema: z.ZodType<readonly RangeJson[]> = z.array(
  z.object({ startToken: z.string(), endToken: z.string(), replicas: z.array(z.string()) }),
);

export const endpointsSchema: z.ZodType<EndpointsJson> = z.object({
  keyspace: z.string(),
  token: z.string(),
  replicas: z.array(memberSchema),
});

export const gossipSchema: z.ZodType<readonly GossipJson[]> = z.array(
  z.object({
    id: z.string(),
    address: z.string(),
    generation: z.number(),
    heartbeat: z.number(),
    states: z.record(z.string(), z.object({ version: z.number(), value: z.string() })),
  }),
);

export const infoSchema: z.ZodType<InfoJson> = z.object({
  member: memberSchema,
  clusterName: z.string(),
  clusterId: z.string(),
  releaseVersion: z.string(),
  nodeVersion: z.string(),
  uptimeSeconds: z.number(),
  memory: z.object({
    heapUsedBytes: z.number(),
    heapTotalBytes: z.number(),
    rssBytes: z.number(),
  }),
  storage: z.object({
    engine: z.string(),
    keys: z.number(),
    liveBytes: z.number(),
    diskBytes: z.number(),
  }),
  dataDirectory: optionalText,
});

/** Fields of the replication of a keyspace. */
export const replicationShape: {
  readonly class: z.ZodString;
  readonly options: z.ZodRecord<z.ZodString, z.ZodString>;
} = {
  class: z.string().describe("E.g. NetworkTopologyStrategy or SimpleStrategy."),
  options: z
    .record(z.string(), z.string())
    .describe('Datacenters or replication_factor, to a count as text, e.g. {"dc1": "3"}.'),
};

export const keyspaceSchema: z.ZodType<KeyspaceJson> = z.object({
  name: z.string(),
  replication: z.object(replicationShape),
  readConsistency: z.enum(CONSISTENCY_LEVELS),
  writeConsistency: z.enum(CONSISTENCY_LEVELS),
  durability: z.enum(DURABILITIES),
  index: z.number(),
});

export const keyspacesSchema: z.ZodType<readonly KeyspaceJson[]> = z.array(keyspaceSchema);

/** What POST /v1/keyspaces takes. */
export interface CreateKeyspaceJson {
  readonly name: string;
  readonly replication: KeyspaceJson["replication"];
  readonly readConsistency?: KeyspaceJson["readConsistency"] | undefined;
  readonly writeConsistency?: KeyspaceJson["writeConsistency"] | undefined;
  readonly durability?: KeyspaceJson["durability"] | undefined;
}

export const createKeyspaceSchema: z.ZodType<CreateKeyspaceJson> = z.strictObject({
  name: z.string().min(1),
  replication: z.strictObject(replicationShape),
  readConsistency: z.enum(CONSISTENCY_LEVELS).optional().describe("Default: LOCAL_QUORUM."),
  writeConsistency: z.enum(CONSISTENCY_LEVELS).optional().describe("Default: LOCAL_QUORUM."),
  durability: z.enum(DURABILITIES).optional().describe("Default: as the member is configured."),
});

export const readinessSchema: z.ZodType<ReadinessJson> = z.object({
  isReady: z.boolean(),
  reason: optionalText,
});

/** Fields beyond these depend on the code. */
export const errorSchema: z.ZodType<{
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly outcome: "failed" | "unknown";
    readonly [field: string]: unknown;
  };
}> = z.object({
  error: z.looseObject({
    code: z.string(),
    message: z.string(),
    outcome: z
      .enum(["failed", "unknown"])
      .describe("Of a write: failed = never visible; unknown = may be visible, now or later."),
  }),
});
