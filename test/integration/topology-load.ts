/**
 * Clients that go on while the ring changes: each writes rising numbers to keys of its own and reads
 * them back, at a bounded rate, through one member. When its connection ends it goes to another member
 * and does again what has got no answer, as clients with a list of members do.
 *
 * What the ring answers with an error is a failed operation. What is cut off with the connection is
 * none, but counted: it may only happen where a process was killed, was stopped, or serves no more: a
 * member that has left the ring, or is drained, answers what is under way and closes its connections.
 */
import { Redis, ReplyError } from "ioredis";
import { setTimeout as pause } from "node:timers/promises";

export interface LoadOptions {
  readonly workers: number;
  readonly keysPerWorker: number;
  /** Between two operations of a worker. */
  readonly pauseMs: number;
  readonly valueBytes: number;
  /** Keeps the keys of two loads apart; "load" by default. */
  readonly keyPrefix?: string;
}

/** How many digits of a value count; the rest is padding. */
const NUMBER_DIGITS = 12;

export class SteadyLoad {
  readonly problems: string[] = [];
  /** Connections that ended with an operation on them, by port. */
  readonly cutOff: Map<number, number> = new Map<number, number>();
  /** Highest acknowledged number by key. */
  readonly acknowledged: Map<string, number> = new Map<string, number>();
  operations = 0;
  /** Of operations since `takeLatencies`. */
  #latenciesMs: number[] = [];
  readonly #options: LoadOptions;
  readonly #stopping = new AbortController();
  #ports: readonly number[];
  #running: Promise<void>[] = [];

  /** @param ports of the members that clients may use */
  constructor(ports: readonly number[], options: LoadOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  start(): void {
    const { workers } = this.#options;
    this.#running = Array.from({ length: workers }, (_, index) => this.#work(index));
  }

  /** From now on clients that look for a member find these. */
  use(ports: readonly number[]): void {
    this.#ports = ports;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const worker of this.#running) await worker;
  }

  /** Latencies in milliseconds since the last call, ascending. */
  takeLatencies(): readonly number[] {
    const taken = this.#latenciesMs.toSorted((a, b) => a - b);
    this.#latenciesMs = [];
    return taken;
  }

  async #work(index: number): Promise<void> {
    let redis: Redis | undefined;
    let choice = index;
    for (let n = 1; !this.#stopping.signal.aborted;) {
      const port = this.#ports[choice % this.#ports.length] ?? 0;
      redis ??= await connected(port);
      if (redis === undefined) {
        choice++;
        await pause(10);
        continue;
      }
      const { keyPrefix = "load", keysPerWorker } = this.#options;
      const key = `${keyPrefix}:${index}:${n % keysPerWorker}`;
      if (await this.#once(redis, key, n)) {
        n++;
        await pause(this.#options.pauseMs);
        continue;
      }
      const { port: cutAt = 0 } = redis.options;
      this.cutOff.set(cutAt, (this.cutOff.get(cutAt) ?? 0) + 1);
      redis.disconnect();
      redis = undefined;
      choice++;
    }
    redis?.disconnect();
  }

  /** False if the connection ended before the answers were here. */
  async #once(redis: Redis, key: string, n: number): Promise<boolean> {
    const value = String(n).padStart(NUMBER_DIGITS, "0").padEnd(this.#options.valueBytes, ".");
    try {
      await this.#timed(redis.set(key, value));
      this.acknowledged.set(key, n);
      const read = numberOf(await this.#timed(redis.get(key)));
      if (read !== n) this.problems.push(`${key} is ${read} after ${n} was acknowledged`);
      return true;
    } catch (error) {
      if (!(error instanceof ReplyError)) return false;
      this.problems.push(`${new Date().toISOString()} ${key}: ${String(error)}`);
      await pause(10);
      return true;
    }
  }

  async #timed<T>(answer: Promise<T>): Promise<T> {
    const startMs = performance.now();
    const value = await answer;
    this.#latenciesMs.push(performance.now() - startMs);
    this.operations++;
    return value;
  }
}

/** The number that a worker wrote; NaN if there is nothing. */
export function numberOf(value: string | null): number {
  return value === null ? Number.NaN : Number(value.slice(0, NUMBER_DIGITS));
}

/** A client that does nothing by itself about a connection that ends; undefined if it cannot be had. */
export async function connected(port: number): Promise<Redis | undefined> {
  const redis = new Redis(port, "127.0.0.1", {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  });
  redis.on("error", () => {});
  try {
    await redis.connect();
    return redis;
  } catch {
    redis.disconnect();
    return undefined;
  }
}
