/**
 * The HTTP front end without its socket: the route table on a fastify instance, with checked input,
 * one form of error, and the OpenAPI document made from the same table.
 */
import swagger from "@fastify/swagger";
import fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from "fastify-type-provider-zod";
import { z } from "zod";
import type { Logger } from "../model/deps.ts";
import { ADMIN_ROUTES, HEALTH_ROUTES } from "./admin-routes.ts";
import type { HttpReply } from "./errors.ts";
import { hideKey } from "./key-path.ts";
import { KV_ROUTES } from "./kv-routes.ts";
import type { Route, RouteContext } from "./route.ts";
import { replyToNoRoute, replyToThrown } from "./thrown.ts";
import { TOPOLOGY_ROUTES } from "./topology-routes.ts";
import { errorSchema } from "./views.ts";

export interface AppDeps extends Omit<RouteContext, "durability"> {
  readonly logger: Logger;
}

export interface AppOptions {
  /** The largest value. */
  readonly valueLimitBytes: number;
  /** Of keyspaces created without one. */
  readonly durability: RouteContext["durability"];
  readonly releaseVersion: string;
}

const JSON_ROUTES: readonly Route[] = [...ADMIN_ROUTES, ...TOPOLOGY_ROUTES, ...HEALTH_ROUTES];

/** The table of all routes but the document itself. */
export const ROUTES: readonly Route[] = [...KV_ROUTES, ...JSON_ROUTES];

/** A request with its headers must be here by then; slow senders hold memory. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Room for a key of 64 KiB with every byte percent-encoded, and headers. */
const MAX_HEADER_BYTES = 256 * 1024;
const JSON_LIMIT_BYTES = 64 * 1024;

const bytesSchema = z.unknown().meta({ type: "string", format: "binary" });

export async function buildApp(deps: AppDeps, options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: JSON_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    rewriteUrl: ({ url }) => hideKey(url ?? "/"),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) =>
    send(reply, replyToThrown(error, request, deps.logger)),
  );
  app.setNotFoundHandler((request, reply) =>
    send(reply, replyToNoRoute(request.method, request.originalUrl)),
  );
  app.addHook("onSend", (_request, reply, _payload, done) => {
    void reply.headers({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
    done();
  });
  await app.register(swagger, documentOptions(options.releaseVersion));
  const context: RouteContext = { ...deps, durability: options.durability };
  await app.register((scope, _options, done) => {
    takeAnyBytes(scope);
    addRoutes(scope, KV_ROUTES, context, options.valueLimitBytes);
    done();
  });
  addRoutes(app, JSON_ROUTES, context);
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
  await app.ready();
  return app;
}

function documentOptions(version: string): Parameters<typeof swagger>[1] {
  return {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Dynaring",
        description: "Values and operations of a Dynaring member.",
        version,
      },
      tags: [
        { name: "values", description: "Read, write and delete values." },
        { name: "admin", description: "What nodetool shows, as JSON; keyspaces." },
        { name: "topology", description: "Changes of the ring, and the tasks they are made of." },
        { name: "health", description: "For supervisors and monitoring." },
      ],
    },
    transform: jsonSchemaTransform,
  };
}

/** A value is bytes, whatever its content type says. */
function takeAnyBytes(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });
}

function addRoutes(
  scope: FastifyInstance,
  routes: readonly Route[],
  context: RouteContext,
  bodyLimit: number = JSON_LIMIT_BYTES,
): void {
  for (const route of routes) {
    scope.route({
      method: route.method,
      url: route.path,
      bodyLimit,
      schema: schemaOf(route),
      handler: async (request, reply) => {
        const { params, query, body, headers, originalUrl: url } = request;
        return send(reply, await route.handle(context, { params, query, body, headers, url }));
      },
    });
  }
}

function schemaOf(route: Route): Record<string, unknown> {
  const { tag, summary, description, params, query, body, takesBytes, reply } = route;
  return {
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(params !== undefined && { params }),
    querystring: query ?? z.strictObject({}),
    ...(body !== undefined && { body }),
    ...(takesBytes === true && { body: bytesSchema, consumes: ["application/octet-stream"] }),
    response: { [route.successStatus]: replySchema(reply), default: errorSchema },
  };
}

function replySchema(reply: Route["reply"]): unknown {
  if (reply === undefined) return z.undefined().describe("Done.");
  if (reply === "bytes") return contentSchema("application/octet-stream", bytesSchema);
  return reply === "text" ? contentSchema("text/plain", z.string()) : reply;
}

function contentSchema(contentType: string, schema: z.ZodType): unknown {
  return { description: "Success", content: { [contentType]: { schema } } };
}

function send(reply: FastifyReply, { status, headers, body }: HttpReply): FastifyReply {
  return reply
    .code(status)
    .headers(headers ?? {})
    .send(body);
}
