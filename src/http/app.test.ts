import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Logger } from "../model/deps.ts";
import { silentLogger } from "../model/deps.ts";
import { KvError, type KvErrorDetail } from "../model/kv-error.ts";
import { ROUTES, buildApp } from "./app.ts";
import { FakeAdmin, FakeKv } from "./fakes.suite.ts";

let kv: FakeKv;
let admin: FakeAdmin;
let app: FastifyInstance;
let errors: string[];

beforeEach(async () => {
  kv = new FakeKv();
  admin = new FakeAdmin();
  errors = [];
  const logger: Logger = { ...silentLogger, error: (event) => errors.push(event) };
  app = await buildApp(
    { kv, admin, logger, metrics: () => Promise.resolve("up 1\n") },
    { valueLimitBytes: 100, durability: "interval", releaseVersion: "0.1.0" },
  );
});

afterEach(async () => {
  await app.close();
});

const URL = "/v1/kv/default/key";

function put(url: string, payload: string | Buffer = "v", headers: Record<string, string> = {}) {
  return app.inject({ method: "PUT", url, payload, headers });
}

function get(url: string) {
  return app.inject({ method: "GET", url });
}

test("a value comes back byte for byte, with its version and who answered", async () => {
  const value = Buffer.from([0, 255, 10, 13, 128]);
  const written = await put(URL, value);
  expect(written.statusCode).toBe(204);
  expect(written.headers["dynaring-version"]).toBe("1700000000000001:7");
  expect(written.headers["dynaring-answered-by"]).toBe("127.0.0.1:7401, 127.0.0.1:7402");

  const read = await get(URL);
  expect(read.statusCode).toBe(200);
  expect(read.rawPayload).toEqual(value);
  expect(read.headers).toMatchObject({
    "content-type": "application/octet-stream",
    "dynaring-version": "1700000000000001:7",
    "dynaring-answered-by": "127.0.0.1:7401, 127.0.0.1:7402",
    "x-content-type-options": "nosniff",
  });
  expect(read.headers["dynaring-expires-at"]).toBeUndefined();
});

test.each(["application/json", "text/plain", "image/png", "application/x-www-form-urlencoded"])(
  "a body of type %s is stored as it is",
  async (type) => {
    const payload = '{"not": "parsed"';
    expect((await put(URL, payload, { "content-type": type })).statusCode).toBe(204);
    expect((await get(URL)).payload).toBe(payload);
  },
);

test("an empty value is a value", async () => {
  expect((await app.inject({ method: "PUT", url: URL })).statusCode).toBe(204);
  const read = await get(URL);
  expect([read.statusCode, read.payload]).toEqual([200, ""]);
});

test("HEAD tells about a value without sending it", async () => {
  await put(URL, "12345");
  const head = await app.inject({ method: "HEAD", url: URL });
  expect([head.statusCode, head.payload]).toEqual([200, ""]);
  expect(head.headers).toMatchObject({
    "content-length": "5",
    "dynaring-version": "1700000000000001:7",
  });
  expect((await app.inject({ method: "HEAD", url: "/v1/kv/default/no" })).statusCode).toBe(404);
});

test("a deleted key is NOT_FOUND", async () => {
  await put(URL);
  expect((await app.inject({ method: "DELETE", url: URL })).statusCode).toBe(204);
  const read = await get(URL);
  expect(read.statusCode).toBe(404);
  expect(read.json()).toMatchObject({ error: { code: "NOT_FOUND" } });
});

test.each([
  ["plain", "plain", Buffer.from("plain")],
  ["every byte", "%00%ff%80%2F%25", Buffer.from([0, 255, 128, 0x2f, 0x25])],
  ["text in UTF-8", "%C3%A4", Buffer.from("ä")],
  ["plain slashes", "users/1", Buffer.from("users/1")],
  ["nothing", "", Buffer.alloc(0)],
  ["a dot segment", "2e2e?keyEncoding=hex", Buffer.from("..")],
  ["a plus sign", "a+b", Buffer.from("a+b")],
  ["hex", "00FF?keyEncoding=hex", Buffer.from([0, 255])],
  ["base64url", "_-8?keyEncoding=base64url", Buffer.from([255, 239])],
])("keys are bytes: %s", async (_name, path, key) => {
  expect((await put(`/v1/kv/default/${path}`)).statusCode).toBe(204);
  expect(kv.writes.map((write) => Buffer.from(write.key))).toEqual([key]);
});

test.each(["%", "%2", "%zz", "0?keyEncoding=hex", "a?keyEncoding=base64url", "a?keyEncoding=utf8"])(
  "the key '%s' is malformed",
  async (path) => {
    const reply = await put(`/v1/kv/default/${path}`);
    expect(reply.statusCode).toBe(400);
    expect(reply.json()).toMatchObject({ error: { code: "INVALID_ARGUMENT" } });
  },
);

test("a key of 64 KiB with every byte encoded fits into a path", async () => {
  expect((await put(`/v1/kv/default/${"%00".repeat(65_536)}`)).statusCode).toBe(204);
  expect(kv.writes[0]?.key.length).toBe(65_536);
});

test("levels, replica counts, durability and time to live reach the store", async () => {
  await put(`${URL}?consistency=each_quorum&durability=MEMORY&ttl=90`);
  await put(`${URL}?w=2&ttl=500ms`);
  await app.inject({ method: "DELETE", url: `${URL}?w=3&durability=fsync` });
  await get(`${URL}?r=1`);
  await get(`${URL}?consistency=ALL`);
  expect(kv.writes).toMatchObject([
    { consistency: "EACH_QUORUM", durability: "memory", expiresAtMs: 1_700_000_090_000 },
    { consistency: 2, durability: undefined, expiresAtMs: 1_700_000_000_500 },
    { consistency: 3, durability: "fsync", value: undefined },
  ]);
  expect(kv.reads.map((read) => read.consistency)).toEqual([1, "ALL"]);
});

test("an expiry is told in milliseconds since the epoch", async () => {
  await put(`${URL}?ttl=1.5`);
  expect((await get(URL)).headers["dynaring-expires-at"]).toBe("1700000001500");
});

test.each([
  ["GET", "consistency=SOME", "consistency", "SOME"],
  ["GET", "r=0", "r", "0"],
  ["GET", "r=1.5", "r", "1.5"],
  ["GET", "w=1", "w", "1"],
  ["GET", "r=1&consistency=ONE", "r", "1"],
  ["PUT", "w=1&consistency=ONE", "w", "1"],
  ["PUT", "ttl=0", "ttl", "0"],
  ["PUT", "ttl=soon", "ttl", "soon"],
  ["PUT", "durability=perhaps", "durability", "perhaps"],
  ["PUT", "tll=5", "tll", "5"],
  ["DELETE", "ttl=5", "ttl", "5"],
] as const)(
  "%s with %s is refused, naming the parameter",
  async (method, query, argument, value) => {
    const reply = await app.inject({ method, url: `${URL}?${query}`, payload: "" });
    expect(reply.statusCode).toBe(400);
    expect(reply.json()).toMatchObject({ error: { code: "INVALID_ARGUMENT", argument, value } });
    expect([kv.reads, kv.writes]).toEqual([[], []]);
  },
);

test.each(["GET", "PUT", "DELETE"] as const)(
  "%s refuses the reserved context header",
  async (method) => {
    const headers = { "dynaring-context": "abc" };
    const reply = await app.inject({ method, url: URL, headers });
    expect(reply.statusCode).toBe(400);
    expect(reply.json()).toMatchObject({ error: { argument: "dynaring-context", value: "abc" } });
  },
);

test("a value over the limit is TOO_LARGE", async () => {
  const reply = await put(URL, "x".repeat(101));
  expect(reply.statusCode).toBe(413);
  expect(reply.json()).toMatchObject({
    error: { code: "TOO_LARGE", what: "value", sizeBytes: 101, maxBytes: 100 },
  });
});

const DETAILS: readonly [KvErrorDetail, number][] = [
  [{ code: "UNAVAILABLE", level: "QUORUM", required: 2, alive: 1, down: ["127.0.0.1:7402"] }, 503],
  [
    {
      code: "TIMEOUT",
      operation: "write",
      level: 2,
      required: 2,
      received: 1,
      timeoutMs: 5,
      silent: [],
    },
    504,
  ],
  [
    {
      code: "REPLICA_FAILURE",
      operation: "read",
      level: "ALL",
      required: 3,
      received: 2,
      failures: [{ replica: "127.0.0.1:7403", reason: "disk full" }],
    },
    502,
  ],
  [{ code: "UNKNOWN_KEYSPACE", keyspace: "k" }, 404],
  [{ code: "UNSUPPORTED_LEVEL", level: "ANY", reason: "reads need one" }, 400],
  [{ code: "BUSY", reason: "queue", retryAfterMs: 1500 }, 503],
  [{ code: "NOT_READY", reason: "joining" }, 503],
];

test.each(DETAILS)("the error %j keeps its fields", async (detail, status) => {
  kv.failure = new KvError(detail, "unknown");
  const reply = await put(URL);
  expect(reply.statusCode).toBe(status);
  expect(reply.json()).toEqual({
    error: { ...detail, message: kv.failure.message, outcome: "unknown" },
  });
  expect(reply.headers["retry-after"]).toBe(detail.code === "BUSY" ? "2" : undefined);
});

test("a failure that nobody foresaw is INTERNAL and logged, without its text in the reply", async () => {
  kv.onRequest = () => {
    throw new Error("secret");
  };
  const reply = await put(URL);
  expect([reply.statusCode, errors]).toEqual([500, ["http.request-failed"]]);
  expect(reply.json()).toMatchObject({ error: { code: "INTERNAL" } });
  expect(reply.payload).not.toContain("secret");
});

test("an unknown route is NO_ROUTE, not NOT_FOUND", async () => {
  const reply = await get("/v1/nothing");
  expect(reply.statusCode).toBe(404);
  expect(reply.json()).toMatchObject({ error: { code: "NO_ROUTE" } });
});

test.each([
  "/v1/status",
  "/v1/status?keyspace=default",
  "/v1/ring",
  "/v1/endpoints/default/a%FFb",
  "/v1/gossip",
  "/v1/info",
  "/v1/keyspaces",
  "/v1/keyspaces/default/ranges",
])("GET %s sends the view", async (url) => {
  const reply = await get(url);
  expect(reply.statusCode).toBe(200);
  expect(reply.json()).toMatchSnapshot();
});

test.each(["/v1/status?keyspace=none", "/v1/endpoints/none/k", "/v1/keyspaces/none/ranges"])(
  "GET %s is UNKNOWN_KEYSPACE",
  async (url) => {
    const reply = await get(url);
    expect(reply.statusCode).toBe(404);
    expect(reply.json()).toMatchObject({ error: { code: "UNKNOWN_KEYSPACE", keyspace: "none" } });
  },
);

function create(payload: unknown, type = "application/json") {
  return app.inject({
    method: "POST",
    url: "/v1/keyspaces",
    headers: { "content-type": type },
    payload: typeof payload === "string" ? payload : JSON.stringify(payload),
  });
}

const REPLICATION = { class: "SimpleStrategy", options: { replication_factor: "3" } };

test("a keyspace is created with the defaults of the member", async () => {
  const reply = await create({ name: "k", replication: REPLICATION });
  expect(reply.statusCode).toBe(200);
  expect(reply.json()).toEqual({
    name: "k",
    index: 1,
    replication: REPLICATION,
    readConsistency: "LOCAL_QUORUM",
    writeConsistency: "LOCAL_QUORUM",
    durability: "interval",
  });
  expect((await create({ name: "k", replication: REPLICATION })).statusCode).toBe(409);
});

test.each([
  [{ replication: REPLICATION }, "name"],
  [{ name: "k" }, "replication"],
  [{ name: "k", replication: { class: "S", options: { dc1: 3 } } }, "replication.options.dc1"],
  [{ name: "k", replication: REPLICATION, colour: "red" }, "colour"],
  [{ name: "k", replication: REPLICATION, durability: "no" }, "durability"],
  [[], "body"],
])("the keyspace %j is refused", async (body, argument) => {
  const reply = await create(body);
  expect(reply.statusCode).toBe(400);
  expect(reply.json()).toMatchObject({ error: { code: "INVALID_ARGUMENT", argument } });
});

test("a body that is no JSON, or does not say that it is, is refused", async () => {
  expect((await create("{")).json()).toMatchObject({ error: { code: "BAD_REQUEST" } });
  const reply = await create({ name: "k", replication: REPLICATION }, "text/plain");
  expect([reply.statusCode, admin.keyspaces().length]).toEqual([400, 1]);
});

test("health and readiness", async () => {
  expect((await get("/healthz")).json()).toEqual({ status: "ok" });
  expect((await get("/readyz")).json()).toEqual({ isReady: true });
  admin.reason = "joining";
  const reply = await get("/readyz");
  expect(reply.statusCode).toBe(503);
  expect(reply.json()).toMatchObject({ error: { code: "NOT_READY", reason: "joining" } });
});

test("metrics are text", async () => {
  const reply = await get("/metrics");
  expect([reply.payload, reply.headers["content-type"]]).toEqual([
    "up 1\n",
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
});

test("the OpenAPI document has every route of the table", async () => {
  const document = (await get("/openapi.json")).json<{
    openapi: string;
    paths: Record<string, Record<string, unknown>>;
  }>();
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => method !== "head")
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const routes = ROUTES.map(
    ({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`,
  );
  expect(described.toSorted()).toEqual(routes.toSorted());
  expect(document.paths["/v1/kv/{keyspace}/{key}"]).toMatchSnapshot();
});

test("a range of keys comes page by page, with keys that fit into paths", async () => {
  for (const key of ["a%2Fb", "%FF", "c"]) await put(`/v1/kv/default/${key}`, `value of ${key}`);
  const first = await get("/v1/kv/default?from=a&to=%C3%A9&prefix=%20&limit=2&consistency=ALL");
  expect(first.statusCode).toBe(200);
  expect(first.json()).toEqual({
    entries: [
      {
        key: "a%2Fb",
        value: Buffer.from("value of a%2Fb").toString("base64"),
        version: expect.any(String),
      },
      {
        key: "c",
        value: Buffer.from("value of c").toString("base64"),
        version: expect.any(String),
      },
    ],
    cursor: "Yw",
  });
  expect(kv.ranges[0]).toMatchObject({
    keyspace: "default",
    from: Buffer.from("a"),
    to: Buffer.from("é"),
    prefix: Buffer.from(" "),
    limit: 2,
    values: true,
    consistency: "ALL",
    cursor: undefined,
  });
  const rest = await get("/v1/kv/default?cursor=Yw&values=false&keyEncoding=hex&from=ff00");
  expect(kv.ranges[1]).toMatchObject({
    cursor: Buffer.from("c"),
    from: Buffer.from([255, 0]),
    limit: 100,
  });
  expect(rest.json().entries.at(-1)).toEqual({ key: "ff", version: expect.any(String) });
  expect(rest.json()).not.toHaveProperty("cursor");
});

test.each([
  ["limit=0", "a whole number from 1 to 10000"],
  ["limit=10001", "a whole number from 1 to 10000"],
  ["values=yes", "true or false"],
  ["keyEncoding=hex&from=abc", "an even number of hex digits"],
  ["from=%EF%BF%BD", "keyEncoding hex or base64url"],
  ["cursor=a", "base64url without padding"],
  ["form=a", "form"],
])("a range with %s is refused with what would be right", async (query, expected) => {
  const reply = await get(`/v1/kv/default?${query}`);
  expect(reply.statusCode).toBe(400);
  expect(reply.body).toContain(expected);
});
