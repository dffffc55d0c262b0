/** Routes for operators: the admin interface as JSON, health, and metrics. */
import { z } from "zod";
import type { KeyspaceDefinition, MemberView, StatusView } from "../model/admin-api.ts";
import { KvError } from "../model/kv-error.ts";
import type { HttpReply } from "./errors.ts";
import { type KeyEncoding, keyOfUrl } from "./key-path.ts";
import { keyEncoding, keyParams } from "./kv-routes.ts";
import { type Route, type RouteContext, route } from "./route.ts";
import {
  type CreateKeyspaceJson,
  createKeyspaceSchema,
  endpointsSchema,
  gossipSchema,
  infoSchema,
  keyspaceSchema,
  keyspacesSchema,
  rangesSchema,
  readinessSchema,
  ringSchema,
  statusSchema,
} from "./views.ts";

const keyspaceQuery: z.ZodType<{ readonly keyspace?: string | undefined }> = z.strictObject({
  keyspace: z
    .string()
    .optional()
    .describe("The keyspace whose replication the effective ownership is computed for."),
});
const keyspaceParams: z.ZodType<{ readonly keyspace: string }> = z.object({
  keyspace: z.string().describe("Name of the keyspace."),
});
const endpointsQuery: z.ZodType<{ readonly keyEncoding?: KeyEncoding | undefined }> =
  z.strictObject({ keyEncoding });

const ok = (body: unknown): HttpReply => ({ status: 200, body });

export const ADMIN_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/status",
    tag: "admin",
    summary: "Members with state, load and ownership",
    query: keyspaceQuery,
    reply: statusSchema,
    successStatus: 200,
    handle: ({ admin }, { query }) => ok(finiteStatus(admin.status(query.keyspace))),
  }),
  route({
    method: "GET",
    path: "/v1/ring",
    tag: "admin",
    summary: "Every token with its owner, in ring order",
    query: keyspaceQuery,
    reply: ringSchema,
    successStatus: 200,
    handle: ({ admin }, { query }) => {
      const { status, tokens } = admin.ring(query.keyspace);
      return ok({ status: finiteStatus(status), tokens });
    },
  }),
  route({
    method: "GET",
    path: "/v1/endpoints/:keyspace/:key",
    tag: "admin",
    summary: "The replicas of a key, in placement order",
    params: keyParams,
    query: endpointsQuery,
    reply: endpointsSchema,
    successStatus: 200,
    handle: ({ admin }, { params, query, url }) => {
      const key = keyOfUrl(url, query.keyEncoding ?? "percent");
      const { keyspace, token, replicas } = admin.endpoints(params.keyspace, key);
      return ok({ keyspace, token, replicas: replicas.map(finiteMember) });
    },
  }),
  route({
    method: "GET",
    path: "/v1/gossip",
    tag: "admin",
    summary: "What this member knows by gossip",
    reply: gossipSchema,
    successStatus: 200,
    handle: ({ admin }) => ok(admin.gossip()),
  }),
  route({
    method: "GET",
    path: "/v1/info",
    tag: "admin",
    summary: "This member: version, uptime, memory, storage",
    reply: infoSchema,
    successStatus: 200,
    handle: ({ admin }) => {
      const info = admin.info();
      return ok({ ...info, member: finiteMember(info.member) });
    },
  }),
  route({
    method: "GET",
    path: "/v1/keyspaces",
    tag: "admin",
    summary: "Keyspaces in order of creation",
    reply: keyspacesSchema,
    successStatus: 200,
    handle: ({ admin }) => ok(admin.keyspaces()),
  }),
  route({
    method: "POST",
    path: "/v1/keyspaces",
    tag: "admin",
    summary: "Create a keyspace",
    description:
      "Replies when every live member knows it. Creating one that exists with the same settings " +
      "is no error; with others it is 409, KEYSPACE_EXISTS.",
    body: createKeyspaceSchema,
    reply: keyspaceSchema,
    successStatus: 200,
    handle: (context, { body }) => createKeyspace(context, body),
  }),
  route({
    method: "GET",
    path: "/v1/keyspaces/:keyspace/ranges",
    tag: "admin",
    summary: "The token ranges of a keyspace with their replicas",
    params: keyspaceParams,
    reply: rangesSchema,
    successStatus: 200,
    handle: ({ admin }, { params }) => ok(admin.describeRing(params.keyspace)),
  }),
];

export const HEALTH_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/healthz",
    tag: "health",
    summary: "200 while the process lives",
    reply: z.object({ status: z.literal("ok") }),
    successStatus: 200,
    handle: () => ok({ status: "ok" }),
  }),
  route({
    method: "GET",
    path: "/readyz",
    tag: "health",
    summary: "200 when this member can serve, else 503 with the reason",
    reply: readinessSchema,
    successStatus: 200,
    handle: ({ admin }) => {
      const { isReady, reason } = admin.readiness();
      if (isReady) return ok({ isReady });
      throw new KvError({ code: "NOT_READY", reason: reason ?? "starting" });
    },
  }),
  route({
    method: "GET",
    path: "/metrics",
    tag: "health",
    summary: "Metrics in the text format of Prometheus",
    reply: "text",
    successStatus: 200,
    handle: async ({ metrics }) => ({
      status: 200,
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      body: (await metrics?.()) ?? "",
    }),
  }),
];

async function createKeyspace(
  { admin, durability }: RouteContext,
  body: CreateKeyspaceJson,
): Promise<HttpReply> {
  const definition: KeyspaceDefinition = {
    name: body.name,
    replication: body.replication,
    readConsistency: body.readConsistency ?? "LOCAL_QUORUM",
    writeConsistency: body.writeConsistency ?? "LOCAL_QUORUM",
    durability: body.durability ?? durability,
  };
  return ok(await admin.createKeyspace(definition));
}

function finiteStatus(status: StatusView): StatusView {
  return { ...status, members: status.members.map(finiteMember) };
}

/** JSON has no infinity, which is what the suspicion of a member never heard of may be. */
function finiteMember(member: MemberView): MemberView {
  return { ...member, phi: Number.isFinite(member.phi) ? member.phi : undefined };
}
