import { afterAll, beforeAll, expect, test } from "vitest";
import { FAKE_MEMBERS, FakeAdmin, FakeKv } from "../../http/fakes.suite.ts";
import { HttpServer } from "../../http/server.ts";
import { silentLogger } from "../../model/deps.ts";
import { CLIENT_COMMANDS, runCli } from "../program.ts";

const admin = new FakeAdmin();
let server: HttpServer;
let url: string;

beforeAll(async () => {
  server = new HttpServer(
    { kv: new FakeKv(), admin, logger: silentLogger },
    {
      host: "127.0.0.1",
      port: 0,
      valueLimitBytes: 1024,
      durability: "fsync",
      releaseVersion: "0.1.0",
    },
  );
  await server.start();
  url = `http://127.0.0.1:${server.port}`;
});

afterAll(async () => {
  await server.stop();
});

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  let out = "";
  let err = "";
  const context = {
    env: { DYNARING_URL: url, ...env },
    isTerminal: false,
    fetch: globalThis.fetch,
    write: (text: string) => void (out += text),
    writeError: (text: string) => void (err += text),
  };
  return { code: await runCli(context, args), out, err };
}

/** Trailing blanks are part of the layouts and would be lost on the way through an editor. */
function visible(text: string): string {
  return text.replaceAll(/ +$/gm, (blanks) => "·".repeat(blanks.length));
}

test.each([
  "status",
  "status default",
  "ring",
  "ring default",
  "describering default",
  "getendpoints default key",
  "info",
  "info --tokens",
  "gossipinfo",
  "failuredetector",
  "describecluster",
  "keyspaces",
])("%s in nodetool's layout", async (line) => {
  const { code, out, err } = await run(line.split(" "));
  expect([code, err]).toEqual([0, ""]);
  expect(visible(out)).toMatchSnapshot();
});

test("members with one token each are shown with it", async () => {
  const [first, second] = FAKE_MEMBERS;
  admin.members = [
    { ...first!, tokens: ["5"] },
    { ...second!, tokens: ["-5"], dc: "dc2" },
  ];
  const status = await run(["status", "default"]);
  const ring = await run(["ring", "default"]);
  const info = await run(["info"]);
  admin.members = FAKE_MEMBERS;
  expect(visible(status.out + ring.out)).toMatchSnapshot();
  expect(info.out).toContain("Token                  : 5\n");
});

test("a drained member has the letter D, and the legend explains it", async () => {
  admin.members = [{ ...FAKE_MEMBERS[0]!, state: "DRAINED" }];
  const [status, ring] = [await run(["status"]), await run(["ring"])];
  admin.members = FAKE_MEMBERS;
  expect(status.out).toContain("|/ State=Normal/Leaving/Joining/Moving/Drained\n");
  expect(status.out).toContain("\nUD  127.0.0.1:7401");
  expect(ring.out).toContain("Up     Drained ");
});

test.each(
  CLIENT_COMMANDS.filter(({ name }) => name !== "create-keyspace").map((command) => [
    command.name,
    (command.arguments ?? []).map(({ flags }) => (flags === "<key>" ? "key" : "default")),
  ]),
)("%s --json prints JSON and nothing else", async (name, args) => {
  const { code, out, err } = await run([name, ...args, "--json"]);
  expect([code, err]).toEqual([0, ""]);
  expect(typeof JSON.parse(out)).toBe("object");
});

test("create-keyspace creates it with what was asked", async () => {
  const line =
    "create-keyspace shop --replication dc1:3,dc2:2 --read one --durability memory --json";
  const { code, out } = await run(line.split(" "));
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    name: "shop",
    replication: { class: "NetworkTopologyStrategy", options: { dc1: "3", dc2: "2" } },
    readConsistency: "ONE",
    writeConsistency: "LOCAL_QUORUM",
    durability: "memory",
  });
  const again = await run(["create-keyspace", "shop"]);
  expect([again.code, again.out]).toEqual([3, ""]);
});

test("create-keyspace passes on the order in which replicas are listed", async () => {
  const line = "create-keyspace listed --replication dc1:3,replica_order:pre-3.2 --json";
  const { out } = await run(line.split(" "));
  expect(JSON.parse(out)).toMatchObject({
    replication: { options: { dc1: "3", replica_order: "pre-3.2" } },
  });
});

test.each([
  "create-keyspace k --replication dc1:three",
  "create-keyspace k --read sometimes",
  "create-keyspace k --durability never",
  "create-keyspace k --replication dc1",
  "create-keyspace",
  "getendpoints default xyz --key-encoding hex",
  "getendpoints default ab --key-encoding rot13",
  "status --url nonsense",
  "status --colour",
  "ring a b",
  "up --nodes 0",
  "up --nodes many",
  "up --base-port 80",
  "node --internode-port many",
  "node --config does-not-exist.yaml",
  "frobnicate",
])("'%s' is a usage error", async (line) => {
  const { code, out, err } = await run(line.split(" "));
  expect([code, out]).toEqual([1, ""]);
  expect(err).not.toBe("");
});

test("what a member refuses is exit code 3, with its fields as JSON on standard error", async () => {
  const { code, out, err } = await run(["status", "none", "--json"]);
  expect([code, out]).toEqual([3, ""]);
  expect(JSON.parse(err)).toMatchObject({ error: { code: "UNKNOWN_KEYSPACE", keyspace: "none" } });
});

test("where nobody listens the exit code is 2 and the message says what to do", async () => {
  const { code, out, err } = await run(["status", "--url", "http://127.0.0.1:1"]);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain("http://127.0.0.1:1");
  expect(err).toContain("dynaring up");
});

test("version works without a member", async () => {
  const { code, out } = await run(["version", "--url", "http://127.0.0.1:1"]);
  expect(code).toBe(0);
  expect(out).toMatch(/^dynaring: \d+\.\d+\.\d+\nReleaseVersion: \?/);
});

test.each([["--help"], ["status", "--help"], ["--version"]])("%s is no error", async (...args) => {
  const { code, out, err } = await run(args);
  expect([code, err]).toEqual([0, ""]);
  expect(out).not.toBe("");
});
