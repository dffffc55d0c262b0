/**
 * kill -9 of all members at once, again and again, under load at `fsync`: what was acknowledged is
 * there after the restart.
 */
import { Redis } from "ioredis";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { until } from "../support/condition.ts";
import { RingProcesses } from "../support/ring-processes.ts";

const ROUNDS = 3;
const WRITERS = 16;
const LOAD_MS = 700;

let ring: RingProcesses;

beforeAll(async () => {
  ring = await RingProcesses.startWithQuorums({ flags: ["--log-level", "warn"] });
}, 60_000);

afterAll(async () => {
  await ring?.stop();
});

async function connect(member: number): Promise<Redis> {
  const redis = new Redis(ring.member(member).respPort, "127.0.0.1", {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => 50,
  });
  redis.on("error", () => {});
  await until("the client is connected", () => redis.status === "ready");
  return redis;
}

/** Writes distinct keys until the connection dies; returns the acknowledged ones. */
async function writeUntilCutOff(redis: Redis, name: string): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let n = 0; ; n++) {
    const key = `${name}:${n}`;
    try {
      await redis.set(key, `value of ${key}`);
    } catch {
      return acknowledged;
    }
    acknowledged.push(key);
  }
}

it("kill -9 of the whole ring loses nothing acknowledged", async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const clients = [await connect(0), await connect(1), await connect(2)];
    const writing = Array.from({ length: WRITERS }, (_, writer) =>
      writeUntilCutOff(clients[writer % 3] as Redis, `${round}/${writer}`),
    );
    await pause(LOAD_MS);
    await Promise.all(ring.members.map(({ index }) => ring.end(index, "SIGKILL")));
    for (const keys of await Promise.all(writing)) acknowledged.push(...keys);
    for (const client of clients) client.disconnect();
    for (const { index } of ring.members) ring.spawn(index);
    for (const { index } of ring.members) await ring.ready(index);
  }
  expect(acknowledged.length).toBeGreaterThan(300);
  const reader = await connect(1);
  const values = await reader.mget(acknowledged);
  reader.disconnect();
  const lost = acknowledged.filter((key, at) => values[at] !== `value of ${key}`);
  expect(lost).toEqual([]);
}, 120_000);
