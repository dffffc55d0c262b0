import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../model/deps.ts";
import { KvError } from "../model/kv-error.ts";
import type { StagedChange } from "../model/topology-api.ts";
import { buildApp } from "./app.ts";
import { FAKE_PLAN } from "./fake-topology.suite.ts";
import { FakeAdmin, FakeKv } from "./fakes.suite.ts";

let admin: FakeAdmin;
let app: FastifyInstance;

beforeEach(async () => {
  admin = new FakeAdmin();
  app = await buildApp(
    { kv: new FakeKv(), admin, logger: silentLogger },
    { valueLimitBytes: 100, durability: "interval", releaseVersion: "0.1.0" },
  );
});

afterEach(async () => {
  await app.close();
});

const get = (url: string) => app.inject({ method: "GET", url });
const post = (url: string, payload?: object) =>
  app.inject({ method: "POST", url, ...(payload && { payload }) });

const CHANGES: readonly StagedChange[] = [
  { kind: "join", member: "127.0.0.1:7404", tokens: ["-5", "7"] },
  { kind: "leave", member: "a" },
  { kind: "remove", member: "a" },
  { kind: "assassinate", member: "a" },
  { kind: "move", member: "a", tokens: ["0"] },
  { kind: "replace", member: "a", by: "b" },
  { kind: "weight", member: "a", weight: 1.5 },
  { kind: "place", member: "a", rack: "r9" },
  { kind: "num-tokens", member: "a", numTokens: 16 },
  { kind: "double", members: ["a", "b"] },
  {
    kind: "replication",
    keyspace: "default",
    replication: { class: "NetworkTopologyStrategy", options: { dc1: "3" } },
  },
];

test.each(CHANGES)("the change %j is staged as it is", async (change) => {
  const reply = await post("/v1/topology/staged", change);
  expect(reply.statusCode).toBe(200);
  expect(reply.json()).toEqual([change]);
  expect(admin.staged).toEqual([change]);
});

test.each([
  [{ kind: "explode", member: "a" }, "kind"],
  [{ kind: "leave" }, "member"],
  [{ kind: "leave", member: "a", colour: "red" }, "colour"],
  [{ kind: "move", member: "a", tokens: [] }, "tokens"],
  [{ kind: "weight", member: "a", weight: 0 }, "weight"],
  [{ kind: "num-tokens", member: "a", numTokens: 1.5 }, "numTokens"],
  [{ kind: "replication", keyspace: "k", replication: { class: "S" } }, "replication.options"],
])("the change %j is refused, naming the field", async (change, argument) => {
  const reply = await post("/v1/topology/staged", change);
  expect(reply.statusCode).toBe(400);
  expect(reply.json()).toMatchObject({ error: { code: "INVALID_ARGUMENT", argument } });
  expect(admin.staged).toEqual([]);
});

test("a change is staged, planned, committed and finished", async () => {
  await post("/v1/topology/staged", CHANGES[0]);
  const plan = await get("/v1/topology/plan");
  expect([plan.statusCode, plan.json()]).toEqual([200, { ...FAKE_PLAN, changes: [CHANGES[0]] }]);

  const commit = await post("/v1/topology/commit", { hash: FAKE_PLAN.hash.slice(0, 8) });
  expect(commit.statusCode).toBe(200);
  expect(commit.json()).toMatchObject({ version: { counter: 4 }, waitingFor: ["127.0.0.1:7402"] });

  const during = (await get("/v1/topology")).json();
  expect(during).toMatchObject({
    versions: [
      { counter: 3, phase: "current", waitingFor: [] },
      { counter: 4, phase: "syncing", waitingFor: ["127.0.0.1:7401"] },
    ],
    readsFrom: 3,
    staged: [],
    waiting: [{ address: "127.0.0.1:7404" }],
  });
  expect((await get("/v1/tasks")).json()).toMatchObject([
    { id: "sync-12", kind: "sync", state: "running", done: 11, total: 32, unit: "ranges" },
  ]);
});

test("a change under way is reverted, and nothing else can be", async () => {
  expect((await post("/v1/topology/revert")).json()).toMatchObject({
    error: { code: "CHANGE_REFUSED", reason: "nothing is under way" },
  });
  await post("/v1/topology/staged", CHANGES[0]);
  await post("/v1/topology/commit", { hash: FAKE_PLAN.hash });
  const reply = await post("/v1/topology/revert");
  expect([reply.statusCode, reply.json()]).toMatchObject([200, { version: { counter: 5 } }]);
});

test("what is staged can be forgotten", async () => {
  await post("/v1/topology/staged", CHANGES[0]);
  const reply = await app.inject({ method: "DELETE", url: "/v1/topology/staged" });
  expect([reply.statusCode, reply.payload, admin.staged]).toEqual([204, "", []]);
});

test("every way in which a plan fails has its status", async () => {
  const nothing = await get("/v1/topology/plan");
  expect([nothing.statusCode, nothing.json()]).toMatchObject([
    409,
    { error: { code: "NOTHING_STAGED" } },
  ]);
  await post("/v1/topology/staged", CHANGES[0]);
  const stale = await post("/v1/topology/commit", { hash: "abcdef" });
  expect([stale.statusCode, stale.json()]).toMatchObject([
    409,
    { error: { code: "PLAN_STALE", hash: "abcdef", present: FAKE_PLAN.hash } },
  ]);
  admin.topologyFailure = new KvError({ code: "PLAN_LOST", hash: "abcdef", winner: "99" });
  const lost = await post("/v1/topology/commit", { hash: FAKE_PLAN.hash });
  expect([lost.statusCode, lost.json()]).toMatchObject([
    409,
    { error: { code: "PLAN_LOST", winner: "99" } },
  ]);
});

test.each(["", "abcde", "ABCDEF", "feedfacecafebeef0123456789abcdef0", "no hash"])(
  "'%s' is no hash of a plan",
  async (hash) => {
    const reply = await post("/v1/topology/commit", { hash });
    expect([reply.statusCode, reply.json()]).toMatchObject([400, { error: { argument: "hash" } }]);
  },
);

test("a task is paused, resumed and cancelled", async () => {
  await post("/v1/rebuild", { sourceDc: "dc2" });
  const states: unknown[] = [];
  for (const action of ["pause", "resume", "cancel"]) {
    const reply = await post(`/v1/tasks/rebuild-1/${action}`);
    states.push(reply.json<{ state: string }>().state);
  }
  expect(states).toEqual(["paused", "running", "cancelled"]);
  expect(admin.taskList[0]?.title).toBe("rebuild from dc2");
  expect((await post("/v1/tasks/rebuild-1/explode")).statusCode).toBe(400);
  const unknown = await post("/v1/tasks/nothing/pause");
  expect([unknown.statusCode, unknown.json()]).toMatchObject([
    404,
    { error: { code: "UNKNOWN_TASK", id: "nothing" } },
  ]);
});

test("netstats, cleanup and drain", async () => {
  expect((await get("/v1/netstats")).json()).toMatchObject({
    mode: "NORMAL",
    streams: [{ direction: "in" }, { direction: "out" }],
    tasks: [],
  });
  expect((await post("/v1/cleanup")).json()).toEqual({ cells: 1200, bytes: 3_145_728 });
  expect((await post("/v1/drain")).statusCode).toBe(204);
  expect((await get("/v1/netstats")).json()).toMatchObject({ mode: "DRAINED" });
});
