/** The current ioredis and node-redis, unmodified, against real members. */
import { Redis } from "ioredis";
import { createClient } from "redis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RingProcesses } from "../support/ring-processes.ts";

let ring: RingProcesses;

beforeAll(async () => {
  ring = await RingProcesses.startWithQuorums({ isInMemory: true });
}, 60_000);

afterAll(async () => {
  await ring?.stop();
});

it("ioredis: pipelines, many keys, expiry and binary values, through any member", async () => {
  const [first, second] = [0, 1].map((at) => new Redis(ring.member(at).respPort, "127.0.0.1"));
  try {
    await first?.mset({ "a:1": "1", "a:2": "2", "{b}:3": "3" });
    expect(await second?.mget("a:1", "a:2", "{b}:3", "none")).toEqual(["1", "2", "3", null]);
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    await first?.set("bytes", bytes, "EX", 100);
    expect(await second?.getBuffer("bytes")).toEqual(bytes);
    expect(await second?.ttl("bytes")).toBeGreaterThan(90);
    const replies = await first?.pipeline().set("p", "1").get("p").del("p").get("p").exec();
    expect(replies?.map(([error, reply]) => error ?? reply)).toEqual(["OK", "1", 1, null]);
  } finally {
    first?.disconnect();
    second?.disconnect();
  }
});

it("node-redis with RESP3: the same ring", async () => {
  const client = createClient({
    socket: { host: "127.0.0.1", port: ring.member(2).respPort },
    RESP: 3,
  });
  await client.connect();
  try {
    await client.set("n", "1", { expiration: { type: "EX", value: 50 } });
    expect(await client.get("n")).toBe("1");
    const keys: string[] = [];
    for await (const page of client.scanIterator({ MATCH: "a:*" })) keys.push(...page);
    expect(keys.sort()).toEqual(["a:1", "a:2"]);
  } finally {
    client.destroy();
  }
});

it("HTTP and the Redis protocol show the same keys", async () => {
  const { httpUrl } = ring.member(0);
  const stored = await fetch(`${httpUrl}/v1/kv/default/h?ttl=60`, { method: "PUT", body: "web" });
  expect(stored.ok).toBe(true);
  const redis = new Redis(ring.member(1).respPort, "127.0.0.1");
  try {
    expect(await redis.get("h")).toBe("web");
  } finally {
    redis.disconnect();
  }
});
