/**
 * Real processes, a real client, real signals: one of three members is killed and comes back,
 * another one is frozen, and nobody who asks for a quorum notices.
 */
import { Redis, ReplyError } from "ioredis";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RingProcesses } from "../support/ring-processes.ts";

const WORKERS_PER_MEMBER = 8;
const KEYS_PER_WORKER = 20;

let ring: RingProcesses;

beforeAll(async () => {
  ring = await RingProcesses.startWithQuorums();
}, 60_000);

afterAll(async () => {
  await ring?.stop();
});

/** One client that writes rising numbers to its own keys and reads them back, until stopped. */
class Worker {
  readonly problems: string[] = [];
  operations = 0;
  /** Operations whose connection died under them. */
  cutOff = 0;
  readonly #redis: Redis;
  readonly #name: string;
  readonly #acked = new Map<string, number>();
  readonly #stopping: AbortSignal;

  constructor(redis: Redis, name: string, stopping: AbortSignal) {
    this.#redis = redis;
    this.#name = name;
    this.#stopping = stopping;
  }

  async run(): Promise<void> {
    for (let n = 1; !this.#stopping.aborted; n++) {
      const key = `${this.#name}:${n % KEYS_PER_WORKER}`;
      if (this.#redis.status !== "ready") {
        await pause(10);
        continue;
      }
      await this.#once(key, n);
    }
  }

  async #once(key: string, n: number): Promise<void> {
    try {
      await this.#redis.set(key, n);
      this.#acked.set(key, n);
      const value = Number(await this.#redis.get(key));
      if (value !== n) this.problems.push(`${key} is ${value} after ${n} was acknowledged`);
      this.operations += 2;
    } catch (error) {
      // Only an answer of the ring counts as its failure; a connection that died gave none.
      if (error instanceof ReplyError) this.problems.push(`${key}: ${String(error)}`);
      else this.cutOff++;
      await pause(10);
    }
  }

  /** Every acknowledged write is there, or a later one whose outcome the client did not learn. */
  async verify(reader: Redis): Promise<void> {
    for (const [key, acked] of this.#acked) {
      const value = Number(await reader.get(key));
      if (!(value >= acked)) this.problems.push(`${key} is ${value}, acknowledged was ${acked}`);
    }
  }
}

it("quorum clients survive SIGKILL, restart and SIGSTOP of members", async () => {
  const clients = ring.members.map(
    ({ respPort }) =>
      new Redis(respPort, "127.0.0.1", {
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        retryStrategy: () => 50,
      }),
  );
  for (const client of clients) client.on("error", () => {});
  const stopping = new AbortController();
  const workers = clients.flatMap((client, member) =>
    Array.from(
      { length: WORKERS_PER_MEMBER },
      (_, n) => new Worker(client, `${member}/${n}`, stopping.signal),
    ),
  );
  const running = workers.map((worker) => worker.run());
  await pause(1500);
  await ring.end(1, "SIGKILL");
  await pause(2000);
  ring.spawn(1);
  await ring.ready(1);
  await pause(1500);
  ring.signal(2, "SIGSTOP");
  await pause(15_000);
  ring.signal(2, "SIGCONT");
  await pause(1500);
  stopping.abort();
  for (const worker of running) await worker;

  for (const client of clients) for (const worker of workers) await worker.verify(client);
  expect(workers.flatMap(({ problems }) => problems)).toEqual([]);
  expect(workers.reduce((sum, { operations }) => sum + operations, 0)).toBeGreaterThan(1000);
  // Only what was on the killed member's connection may have been cut off.
  expect(workers.slice(0, WORKERS_PER_MEMBER).every(({ cutOff }) => cutOff === 0)).toBe(true);
  expect(workers.slice(-WORKERS_PER_MEMBER).every(({ cutOff }) => cutOff === 0)).toBe(true);
  for (const client of clients) client.disconnect();
}, 90_000);
