/**
 * The form of a row of the route table: what a route takes and gives, for the router, for checking
 * and for the OpenAPI document, and a handler from a checked request to a reply.
 */
import type { z } from "zod";
import type { AdminApi } from "../model/admin-api.ts";
import type { Durability } from "../model/consistency.ts";
import type { KvApi } from "../model/kv-api.ts";
import type { HttpReply } from "./errors.ts";

/** What handlers work with. */
export interface RouteContext {
  readonly kv: KvApi;
  readonly admin: AdminApi;
  /** The text of GET /metrics. */
  readonly metrics?: (() => Promise<string>) | undefined;
  /** Of keyspaces created without one. */
  readonly durability: Durability;
}

export interface RouteRequest<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As it arrived, with the key. */
  readonly url: string;
}

interface RouteForm<Params, Query, Body> {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly tag: "values" | "admin" | "topology" | "health";
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodType<Params>;
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  /** The body is bytes of any content type instead of JSON. */
  readonly takesBytes?: boolean;
  /** What the body of the successful reply is; absent: there is none. */
  readonly reply?: z.ZodType | "bytes" | "text";
  readonly successStatus: number;
  readonly handle: (
    context: RouteContext,
    request: RouteRequest<Params, Query, Body>,
  ) => Promise<HttpReply> | HttpReply;
}

/** A route whose types have been checked and may be forgotten. */
export type Route = RouteForm<unknown, unknown, unknown>;

/** Checks that a handler fits the schemas beside it. */
export function route<Params = undefined, Query = undefined, Body = undefined>(
  form: RouteForm<Params, Query, Body>,
): Route {
  // The router calls `handle` only with what the schemas of the same row let through.
  return form as unknown as Route;
}
