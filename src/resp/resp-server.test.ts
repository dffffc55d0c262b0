import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { realClock } from "../node/real-clock.ts";
import type { RespServerLimits } from "./context.ts";
import { type FakeAdmin, FakeKv, fakeAdmin } from "./fakes.suite.ts";
import { RespServer } from "./resp-server.ts";

const runFile = promisify(execFile);

let kv: FakeKv;
let admin: FakeAdmin;
let server: RespServer;
let port: number;
const events: string[] = [];

async function serve(
  limits: Partial<RespServerLimits> = {},
  options: { readBufferBytes?: number; stopTimeoutMs?: number } = {},
): Promise<void> {
  kv = new FakeKv();
  kv.clockMs = Date.now();
  admin = fakeAdmin(() => kv.keyspaces);
  events.length = 0;
  const note = (event: string): void => {
    events.push(event);
  };
  const logger = { debug: note, info: note, warn: note, error: note };
  server = new RespServer(
    { kv, admin, clock: realClock, logger },
    { host: "127.0.0.1", port: 0, limits, ...options },
  );
  ({ port } = await server.start());
}

/** Answers come late, those of one turn in reverse order. */
function answerLate(): void {
  let due: (() => void)[] = [];
  kv.answer = (run) => {
    if (due.push(run) > 1) return;
    setImmediate(() => {
      const now = due.toReversed();
      due = [];
      for (const answer of now) answer();
    });
  };
}

/** A raw connection that gathers what comes. */
class Wire {
  readonly socket: Socket;
  received = "";
  isClosed = false;

  constructor() {
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => (this.received += text));
    this.socket.on("error", () => {});
    this.socket.on("end", () => this.socket.end());
    this.socket.on("close", () => (this.isClosed = true));
  }

  /** What has come, as soon as it is as long as `expected`. */
  async receive(expected: string): Promise<string> {
    await vi.waitUntil(() => this.received.length >= expected.length, {
      timeout: 5000,
      interval: 2,
    });
    const text = this.received;
    this.received = "";
    return text;
  }

  async closed(): Promise<void> {
    if (!this.isClosed) await once(this.socket, "close");
  }
}

afterEach(async () => {
  await server.stop();
});

describe.each([
  ["a shared read buffer", 65_536],
  ["a read buffer that cuts commands", 61],
  ["data events", 0],
])("over sockets with %s", (_, readBufferBytes) => {
  beforeEach(async () => {
    await serve({}, { readBufferBytes });
    answerLate();
  });

  test("a pipeline of mixed commands is answered in order", async () => {
    const wire = new Wire();
    wire.socket.write("SET a 1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\nMGET a b\r\nNOSUCH\r\nPING\r\n");
    const expected =
      "+OK\r\n$1\r\n1\r\n*2\r\n$1\r\n1\r\n$-1\r\n" +
      "-ERR unknown command 'NOSUCH', with args beginning with: \r\n+PONG\r\n";
    expect(await wire.receive(expected)).toBe(expected);
    wire.socket.end();
    await wire.closed();
  });

  test("large values go both ways", async () => {
    const value = Buffer.alloc(3_000_000, "0123456789");
    const client = new Redis({ port, lazyConnect: true });
    await client.connect();
    await client.set("big", value);
    expect((await client.getBuffer("big"))?.equals(value)).toBe(true);
    const both = await client.mgetBuffer("big", "none", "big");
    expect(both.map((found) => found?.length)).toEqual([3_000_000, undefined, 3_000_000]);
    await client.quit();
  });

  test("a client that ends its side gets the answers that are due", async () => {
    const wire = new Wire();
    wire.socket.end("SET a 1\r\nGET a\r\n");
    await wire.closed();
    expect(wire.received).toBe("+OK\r\n$1\r\n1\r\n");
  });
});

describe("clients", () => {
  beforeEach(async () => {
    await serve();
    answerLate();
  });

  test.each([2, 3] as const)("ioredis works with RESP%i", async (protocol) => {
    const client = new Redis({ port, protocol, connectionName: "me", db: 1, lazyConnect: true });
    await client.connect();
    expect(await client.set("a", "1", "EX", 100)).toBe("OK");
    expect(await client.get("a")).toBe("1");
    expect(await client.ttl("a")).toBe(100);
    expect(await client.mset({ b: "2", c: "3" })).toBe("OK");
    expect(await client.mget("a", "b", "none")).toEqual(["1", "2", null]);
    const pipeline = client.pipeline().get("a").expire("a", 5).ttl("a").getdel("a").get("a");
    expect((await pipeline.exec())?.map(([, value]) => value)).toEqual(["1", 1, 5, "1", null]);
    const walked: string[] = [];
    for await (const keys of client.scanStream({ count: 1 })) walked.push(...(keys as string[]));
    expect(walked.toSorted()).toEqual(["b", "c"]);
    expect(await client.dbsize()).toBe(2);
    expect(await client.del("b", "c", "d")).toBe(2);
    expect(await client.client("GETNAME")).toBe("me");
    expect(await client.client("LIST")).toMatch(/lib-name=ioredis lib-ver=\d/);
    expect(await client.call("WITH", "QUORUM", "GET", "b")).toBeNull();
    await expect(client.call("NOSUCH")).rejects.toThrow(/^ERR unknown command 'NOSUCH'/);
    expect(kv.seen.every(({ keyspace }) => keyspace === "other")).toBe(true);
    await client.quit();
  });

  test.each([2, 3] as const)("node-redis works with RESP%i", async (RESP) => {
    const client = createClient({ url: `redis://127.0.0.1:${port}/1`, RESP, name: "me" });
    const problems: unknown[] = [];
    client.on("error", (error: unknown) => problems.push(error));
    await client.connect();
    expect(await client.set("a", "1", { expiration: { type: "EX", value: 100 } })).toBe("OK");
    expect(await client.get("a")).toBe("1");
    expect(await client.ttl("a")).toBe(100);
    expect(await client.mSet({ b: "2", c: "3" })).toBe("OK");
    const many = await Promise.all([
      client.mGet(["a", "b", "none"]),
      client.expire("a", 5),
      client.ttl("a"),
      client.getDel("a"),
      client.exists("a"),
    ]);
    expect(many).toEqual([["1", "2", null], 1, 5, "1", 0]);
    const walked: string[] = [];
    for await (const keys of client.scanIterator({ COUNT: 1 })) walked.push(...keys);
    expect(walked.toSorted()).toEqual(["b", "c"]);
    expect(await client.dbSize()).toBe(2);
    expect(await client.clientGetName()).toBe("me");
    expect((await client.clientInfo()).db).toBe(1);
    expect((await client.commandInfo(["get"]))[0]?.arity).toBe(2);
    expect(await client.commandCount()).toBeGreaterThan(30);
    expect(await client.configGet("save")).toEqual(expect.objectContaining({ save: "" }));
    expect(await client.info("replication")).toContain("role:master");
    await expect(client.set("a", "1", { condition: "NX" })).rejects.toThrow(/not supported yet/);
    await client.close();
    expect(problems).toEqual([]);
  });

  test("redis-cli works, in both dialects and with COMMAND DOCS at its start", async ({ skip }) => {
    if (!isInstalled("redis-cli")) skip("redis-cli is not installed");
    const cli = async (...args: string[]): Promise<string> =>
      (await runFile("redis-cli", ["-p", String(port), ...args])).stdout.trimEnd();
    expect(await cli("set", "a", "1")).toBe("OK");
    expect(await cli("-3", "get", "a")).toBe("1");
    expect(await cli("--scan")).toBe("a");
    const interactive = runFile("redis-cli", ["-p", String(port)]);
    interactive.child.stdin?.end("get a\nselect 1\nget a\nquit\n");
    expect((await interactive).stdout).toBe("1\nOK\n\n");
  });

  test("redis-benchmark runs", async ({ skip }) => {
    if (!isInstalled("redis-benchmark")) skip("redis-benchmark is not installed");
    const args = [
      "-p",
      String(port),
      "-n",
      "2000",
      "-P",
      "16",
      "-c",
      "10",
      "-t",
      "ping,set,get,mset",
      "--csv",
    ];
    const { stdout, stderr } = await runFile("redis-benchmark", args);
    expect(stdout.trim().split("\n")).toHaveLength(6);
    expect(stderr).toBe("");
  });
});

describe("connections", () => {
  test("one over the maximum is told so and closed", async () => {
    await serve({ maxClients: 1 });
    const first = new Wire();
    first.socket.write("PING\r\n");
    expect(await first.receive("+PONG\r\n")).toBe("+PONG\r\n");
    const second = new Wire();
    await second.closed();
    expect(second.received).toBe("-ERR max number of clients reached\r\n");
    first.socket.destroy();
    await vi.waitFor(() => expect([...server.clients()]).toEqual([]));
    const third = new Wire();
    third.socket.write("PING\r\n");
    expect(await third.receive("+PONG\r\n")).toBe("+PONG\r\n");
    expect(server.stats).toMatchObject({ connectionsAccepted: 2, connectionsRejected: 1 });
  });

  test("CLIENT KILL closes another connection at once and the own one after its answer", async () => {
    await serve();
    const [one, other] = [new Wire(), new Wire()];
    one.socket.write("CLIENT ID\r\n");
    expect(await one.receive(":1\r\n")).toBe(":1\r\n");
    other.socket.write("CLIENT KILL ID 1\r\n");
    expect(await other.receive(":1\r\n")).toBe(":1\r\n");
    await one.closed();
    other.socket.write("CLIENT KILL ID 2 SKIPME no\r\nPING\r\n");
    await other.closed();
    expect(other.received).toBe(":1\r\n");
  });

  test("a protocol error is answered and closes the connection", async () => {
    await serve();
    const wire = new Wire();
    wire.socket.write("*1\r\n$x\r\n");
    await wire.closed();
    expect(wire.received).toBe("-ERR Protocol error: invalid bulk length\r\n");
  });

  test("a client that does not read is held back, and served when it reads", async () => {
    await serve({ softOutputBytes: 100_000 });
    kv.cells.set("default/big", { value: Buffer.alloc(50_000, "x"), expiresAtMs: 0 });
    const wire = new Wire();
    wire.socket.pause();
    const count = 400;
    wire.socket.write("GET big\r\n".repeat(count));
    await vi.waitFor(() => expect([...server.clients()][0]?.outputBytes).toBeGreaterThan(0));
    const [client] = [...server.clients()];
    expect(client?.outputBytes).toBeLessThan(1_000_000);
    expect(client?.pendingBytes).toBeGreaterThan(0);
    wire.socket.resume();
    const expected = count * ("$50000\r\n".length + 50_002);
    await vi.waitFor(() => expect(wire.received.length).toBe(expected), { timeout: 5000 });
    wire.socket.destroy();
  });

  test("random bytes never take the server down", async () => {
    await serve();
    for (let round = 0; round < 20; round++) {
      const wire = new Wire();
      wire.socket.end(
        Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7919 + round * 104_729) % 256)),
      );
      await wire.closed();
    }
    const wire = new Wire();
    wire.socket.write("PING\r\n");
    expect(await wire.receive("+PONG\r\n")).toBe("+PONG\r\n");
  });
});

/** Two connections: one whose command was answered, one whose command waits for `held`. */
async function idleAndBusy(): Promise<{ idle: Wire; busy: Wire; held: (() => void)[] }> {
  const idle = new Wire();
  idle.socket.write("PING\r\n");
  expect(await idle.receive("+PONG\r\n")).toBe("+PONG\r\n");
  const held: (() => void)[] = [];
  kv.answer = (run) => void held.push(run);
  const busy = new Wire();
  busy.socket.write("SET a 1\r\n");
  await vi.waitFor(() => expect(held).toHaveLength(1));
  return { idle, busy, held };
}

describe("a member that serves no more", () => {
  test("answers running commands, then closes every connection and takes none", async () => {
    await serve();
    const { idle, busy, held } = await idleAndBusy();
    admin.refuseBecause("it is drained");
    await idle.closed();
    expect(idle.received).toBe("");
    expect(busy.isClosed).toBe(false);
    for (const answer of held) answer();
    await busy.closed();
    expect(busy.received).toBe("+OK\r\n");
    const late = new Wire();
    await late.closed();
    expect(late.received).toBe("-NOTREADY this member cannot serve: it is drained\r\n");
  });

  test("cuts off what does not end in time, and can be stopped meanwhile", async () => {
    await serve({}, { stopTimeoutMs: 20 });
    const held: (() => void)[] = [];
    kv.answer = (run) => void held.push(run);
    const wire = new Wire();
    wire.socket.write("GET a\r\n");
    await vi.waitFor(() => expect(held).toHaveLength(1));
    admin.refuseBecause("it has left");
    await wire.closed();
    expect(events).toContain("resp.client-killed");
    admin.refuseBecause("it is stopping");
    await server.stop();
    for (const answer of held) answer();
  });

  test("sends a client library to another member, which its application does not notice", async () => {
    await serve();
    const [first, firstPort, firstAdmin] = [server, port, admin];
    await serve();
    const client = new Redis({ port: firstPort, retryStrategy: () => 1, lazyConnect: true });
    client.on("error", () => {});
    client.on("close", () => (client.options.port = port));
    await client.connect();
    expect(await client.set("a", "1")).toBe("OK");
    firstAdmin.refuseBecause("it is drained");
    await vi.waitFor(() => expect(client.options.port).toBe(port));
    expect(await client.set("a", "2")).toBe("OK");
    await client.quit();
    await first.stop();
  });
});

describe("stop", () => {
  test("answers running commands, closes every connection and frees the port", async () => {
    await serve();
    const { idle, busy, held } = await idleAndBusy();
    let isStopped = false;
    const stopped = server.stop().then(() => (isStopped = true));
    await idle.closed();
    expect(isStopped).toBe(false);
    for (const answer of held) answer();
    await stopped;
    await busy.closed();
    expect(busy.received).toBe("+OK\r\n");
    await expect(once(connect({ port, host: "127.0.0.1" }), "connect")).rejects.toThrow(
      /ECONNREFUSED/,
    );
  });

  test("cuts off what does not end in time", async () => {
    await serve({}, { stopTimeoutMs: 20 });
    const held: (() => void)[] = [];
    kv.answer = (run) => void held.push(run);
    const wire = new Wire();
    wire.socket.write("GET a\r\n");
    await vi.waitFor(() => expect(held).toHaveLength(1));
    await server.stop();
    await wire.closed();
    for (const answer of held) answer();
    expect(events).toContain("resp.client-killed");
  });

  test("a taken port fails the start", async () => {
    await serve();
    const deps = { kv, admin: fakeAdmin(() => []), clock: realClock, logger: console };
    const second = new RespServer(deps, { host: "127.0.0.1", port });
    await expect(second.start()).rejects.toMatchObject({ code: "EADDRINUSE" });
    await second.stop();
  });
});

function isInstalled(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
