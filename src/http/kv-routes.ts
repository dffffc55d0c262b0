/** Routes for values: bytes in, bytes out, everything else in the query and in headers. */
import { z } from "zod";
import {
  CONSISTENCY_LEVELS,
  type Consistency,
  DURABILITIES,
  type Durability,
  parseConsistencyLevel,
  parseDurability,
} from "../model/consistency.ts";
import type { KvApi, Receipt, WriteRequest } from "../model/kv-api.ts";
import { KvError } from "../model/kv-error.ts";
import { NEVER_EXPIRES, type Version } from "../model/version.ts";
import { parseDurationMs } from "../util/units.ts";
import { type HttpReply, replyToHttpError } from "./errors.ts";
import {
  KEY_ENCODINGS,
  type KeyEncoding,
  keyOfParameter,
  keyOfUrl,
  textOfKey,
} from "./key-path.ts";
import { type Route, type RouteRequest, route } from "./route.ts";

/** Header names, all prefixed so that no proxy touches them. */
export const VERSION_HEADER = "dynaring-version";
export const EXPIRES_AT_HEADER = "dynaring-expires-at";
export const ANSWERED_BY_HEADER = "dynaring-answered-by";
/** Reserved for causal contexts of keyspaces that keep siblings. */
export const CONTEXT_HEADER = "dynaring-context";

const KEY_DESCRIPTION =
  "The key: bytes, percent-encoded; everything after the keyspace belongs to it. With keyEncoding " +
  "hex or base64url, the bytes in that encoding (as the keys . and .. need it).";

export const keyParams: z.ZodType<{ readonly keyspace: string; readonly key: string }> = z.object({
  keyspace: z.string().describe("Name of the keyspace."),
  key: z.string().describe(KEY_DESCRIPTION),
});

/** A query parameter read by `parse`, which answers undefined to what it cannot read. */
function parameter<T>(
  parse: (text: string) => T | undefined,
  expected: string,
  description: string,
): z.ZodOptional<z.ZodPipe<z.ZodString, z.ZodTransform<T, string>>> {
  return z
    .string()
    .transform((input, context): T => {
      const value = parse(input);
      if (value !== undefined) return value;
      context.addIssue({ code: "custom", message: expected, input });
      return z.NEVER;
    })
    .optional()
    .describe(`${description}: ${expected}.`);
}

const consistency = parameter(
  parseConsistencyLevel,
  `one of ${CONSISTENCY_LEVELS.join(", ")}`,
  "Consistency level; default: the keyspace's",
);
const replicaCount = (name: string) =>
  parameter(
    (text) => (/^[1-9]\d{0,2}$/.test(text) ? Number(text) : undefined),
    "a whole number from 1 to 999",
    `Instead of a level, Dynamo's ${name}: how many replicas must answer`,
  );
const durability = parameter(
  parseDurability,
  `one of ${DURABILITIES.join(", ")}`,
  "When a replica may acknowledge; default: the keyspace's",
);
const ttl = parameter(
  parseTtlMs,
  'more than 0, in seconds ("90") or with a unit ("500ms", "2h")',
  "Time to live; default: for ever",
);
export const keyEncoding: z.ZodOptional<
  z.ZodPipe<z.ZodString, z.ZodTransform<KeyEncoding, string>>
> = parameter(
  (text) => KEY_ENCODINGS.find((encoding) => encoding === text),
  `one of ${KEY_ENCODINGS.join(", ")}`,
  "How the key is written in the path; default: percent",
);

interface ReadQuery {
  readonly consistency?: Consistency | undefined;
  readonly r?: number | undefined;
  readonly keyEncoding?: KeyEncoding | undefined;
}

interface DeleteQuery {
  readonly consistency?: Consistency | undefined;
  readonly w?: number | undefined;
  readonly durability?: Durability | undefined;
  readonly keyEncoding?: KeyEncoding | undefined;
}

interface PutQuery extends DeleteQuery {
  readonly ttl?: number | undefined;
}

const readQuery: z.ZodType<ReadQuery> = z.strictObject({
  consistency,
  r: replicaCount("R"),
  keyEncoding,
});
const deleteShape = { consistency, w: replicaCount("W"), durability, keyEncoding };
const deleteQuery: z.ZodType<DeleteQuery> = z.strictObject(deleteShape);
const putQuery: z.ZodType<PutQuery> = z.strictObject({ ...deleteShape, ttl });

const RANGE_LIMIT_MAX = 10_000;
const RANGE_LIMIT = 100;

interface RangeQuery extends ReadQuery {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly prefix?: string | undefined;
  readonly limit?: number | undefined;
  readonly values?: boolean | undefined;
  readonly cursor?: string | undefined;
}

const rangeQuery: z.ZodType<RangeQuery> = z.strictObject({
  from: z.string().optional().describe("The first key."),
  to: z.string().optional().describe("The key before which the range ends."),
  prefix: z.string().optional().describe("What the keys begin with."),
  limit: parameter(
    (text) => {
      const limit = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : RANGE_LIMIT_MAX + 1;
      return limit <= RANGE_LIMIT_MAX ? limit : undefined;
    },
    `a whole number from 1 to ${RANGE_LIMIT_MAX}`,
    `Entries at most; default: ${RANGE_LIMIT}`,
  ),
  values: parameter(
    (text) => (text === "true" ? true : text === "false" ? false : undefined),
    "true or false",
    "Whether values are wanted, or keys only; default: true",
  ),
  cursor: z.string().optional().describe("The cursor of the page before, to go on behind it."),
  consistency,
  r: replicaCount("R"),
  keyEncoding: keyEncoding.describe(
    "How keys are written in from, to, prefix and in the reply: percent (default: text in the " +
      `query, percent-encoded bytes in the reply), ${KEY_ENCODINGS.slice(1).join(" or ")}.`,
  ),
});

const rangeReply = z.object({
  entries: z.array(
    z.object({
      key: z.string(),
      value: z.string().optional().describe("Base64; absent if only keys were wanted."),
      version: z.string().describe("microseconds:writer"),
      expiresAtMs: z.number().optional().describe("Absent if it never expires."),
    }),
  ),
  cursor: z.string().optional().describe("Absent when there is nothing more."),
});

type Keyed<Query, Body = undefined> = RouteRequest<z.output<typeof keyParams>, Query, Body>;

const PATH = "/v1/kv/:keyspace/:key";

export const KV_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/kv/:keyspace",
    tag: "values",
    summary: "Read a range of keys",
    description:
      "Live entries in the order of keys, from `from` up to but without `to`, a page at a time: " +
      "while the reply has a cursor, ask again with it. Only on a ring whose partitioner keeps keys " +
      "in order; on any other one it is 400 with code INVALID_ARGUMENT.",
    params: z.object({ keyspace: z.string().describe("Name of the keyspace.") }),
    query: rangeQuery,
    reply: rangeReply,
    successStatus: 200,
    handle: ({ kv }, request: RouteRequest<{ readonly keyspace: string }, RangeQuery, undefined>) =>
      range(kv, request),
  }),
  route({
    method: "GET",
    path: PATH,
    tag: "values",
    summary: "Read a value",
    description:
      `Headers: ${VERSION_HEADER} (microseconds:writer), ${EXPIRES_AT_HEADER} (milliseconds since ` +
      `the epoch, absent if it never expires), ${ANSWERED_BY_HEADER}. An absent key is 404 with ` +
      "code NOT_FOUND. HEAD does the same without the value.",
    params: keyParams,
    query: readQuery,
    reply: "bytes",
    successStatus: 200,
    handle: ({ kv }, request: Keyed<ReadQuery>) => get(kv, request),
  }),
  route({
    method: "PUT",
    path: PATH,
    tag: "values",
    summary: "Write a value",
    description: "The body is the value, whatever its content type; the type is not kept.",
    params: keyParams,
    query: putQuery,
    takesBytes: true,
    successStatus: 204,
    handle: ({ kv }, request: Keyed<PutQuery, Uint8Array | undefined>) => put(kv, request),
  }),
  route({
    method: "DELETE",
    path: PATH,
    tag: "values",
    summary: "Delete a value",
    description: "Writes a tombstone; the reply does not say whether there was a value.",
    params: keyParams,
    query: deleteQuery,
    successStatus: 204,
    handle: ({ kv }, request: Keyed<DeleteQuery>) =>
      write(kv, { ...writeTarget(request), value: undefined }),
  }),
];

function get(kv: KvApi, request: Keyed<ReadQuery>): Promise<HttpReply> {
  refuseContext(request);
  const { query } = request;
  const read = {
    keyspace: request.params.keyspace,
    key: keyOfUrl(request.url, query.keyEncoding ?? "percent"),
    consistency: levelOf(query.consistency, query.r, "r"),
  };
  return new Promise((resolve, reject) => {
    kv.read(read, {
      read: (found, receipt) => {
        if (found === undefined) {
          const reply = replyToHttpError("NOT_FOUND", "there is no such key");
          resolve({ ...reply, headers: receiptHeaders(receipt) });
          return;
        }
        const headers: Record<string, string> = {
          ...receiptHeaders(receipt),
          [VERSION_HEADER]: versionText(found.version),
        };
        if (found.expiresAtMs !== NEVER_EXPIRES) {
          headers[EXPIRES_AT_HEADER] = String(found.expiresAtMs);
        }
        // A copy: the bytes are only lent until this callback returns.
        resolve({ status: 200, headers, body: Buffer.from(found.value) });
      },
      failed: reject,
    });
  });
}

async function range(
  kv: KvApi,
  { params, query }: RouteRequest<{ readonly keyspace: string }, RangeQuery, undefined>,
): Promise<HttpReply> {
  const { keyEncoding: encoding = "percent", limit = RANGE_LIMIT, values = true } = query;
  const key = (name: "from" | "to" | "prefix"): Uint8Array | undefined => {
    const text = query[name];
    return text === undefined ? undefined : keyOfParameter(text, encoding, name);
  };
  const page = await kv.range({
    keyspace: params.keyspace,
    from: key("from"),
    to: key("to"),
    prefix: key("prefix"),
    cursor:
      query.cursor === undefined ? undefined : keyOfParameter(query.cursor, "base64url", "cursor"),
    limit,
    values,
    consistency: levelOf(query.consistency, query.r, "r"),
  });
  const entries = page.entries.map((entry) => ({
    key: textOfKey(entry.key, encoding),
    ...(entry.value !== undefined && { value: Buffer.from(entry.value).toString("base64") }),
    version: versionText(entry.version),
    ...(entry.expiresAtMs !== NEVER_EXPIRES && { expiresAtMs: entry.expiresAtMs }),
  }));
  const cursor = page.cursor && textOfKey(page.cursor, "base64url");
  return { status: 200, body: { entries, ...(cursor !== undefined && { cursor }) } };
}

function put(kv: KvApi, request: Keyed<PutQuery, Uint8Array | undefined>): Promise<HttpReply> {
  const { ttl: ttlMs } = request.query;
  return write(kv, {
    ...writeTarget(request),
    value: request.body ?? new Uint8Array(),
    expiresAtMs: ttlMs === undefined ? undefined : kv.nowMs() + ttlMs,
  });
}

function writeTarget(request: Keyed<DeleteQuery, unknown>): Omit<WriteRequest, "value"> {
  refuseContext(request);
  const { query } = request;
  return {
    keyspace: request.params.keyspace,
    key: keyOfUrl(request.url, query.keyEncoding ?? "percent"),
    consistency: levelOf(query.consistency, query.w, "w"),
    durability: query.durability,
  };
}

function write(kv: KvApi, request: WriteRequest): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    kv.write(request, {
      written: (receipt) => resolve({ status: 204, headers: receiptHeaders(receipt) }),
      failed: reject,
    });
  });
}

function receiptHeaders({ version, answeredBy }: Receipt): Record<string, string> {
  const headers: Record<string, string> = { [ANSWERED_BY_HEADER]: answeredBy.join(", ") };
  if (version !== undefined) headers[VERSION_HEADER] = versionText(version);
  return headers;
}

function versionText({ timestamp, writer }: Version): string {
  return `${timestamp}:${writer}`;
}

function levelOf(
  level: Consistency | undefined,
  replicas: number | undefined,
  name: "r" | "w",
): Consistency | undefined {
  if (level === undefined || replicas === undefined) return level ?? replicas;
  throw new KvError({
    code: "INVALID_ARGUMENT",
    argument: name,
    value: String(replicas),
    expected: `either consistency or ${name}, not both`,
  });
}

/** Silently ignoring a context would turn a conditional write into a blind one. */
function refuseContext({ headers }: Keyed<unknown, unknown>): void {
  const value = headers[CONTEXT_HEADER];
  if (value === undefined) return;
  throw new KvError({
    code: "INVALID_ARGUMENT",
    argument: CONTEXT_HEADER,
    value: String(value),
    expected: "no such header: it is reserved for keyspaces that keep siblings",
  });
}

function parseTtlMs(text: string): number | undefined {
  const ttlMs = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDurationMs(text);
  return ttlMs === undefined || !Number.isSafeInteger(Math.round(ttlMs)) || ttlMs < 1
    ? undefined
    : Math.round(ttlMs);
}
