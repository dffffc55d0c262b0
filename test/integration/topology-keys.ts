/** The keys of a test: which of them there are, who has to hold them, and whether everybody does. */
import type { Redis } from "ioredis";
import type { RangeJson } from "../../src/http/views.ts";
import { Murmur3Partitioner, parseToken } from "../../src/ring/index.ts";
import { until } from "../support/condition.ts";
import { type SteadyLoad, connected, numberOf } from "./topology-load.ts";
import type { TopologyRing } from "./topology-ring.ts";

const BATCH = 250;
const SHOWN_PROBLEMS = 20;

/** The highest acknowledged number of each key of a load. */
type Acknowledged = ReadonlyMap<string, number>;

/** Keys that are written once and stay, and those of the load. */
export class TestKeys {
  readonly count: number;
  readonly #valueBytes: number;

  constructor(count: number, valueBytes: number) {
    this.count = count;
    this.#valueBytes = valueBytes;
  }

  async write(port: number): Promise<void> {
    const redis = await mustConnect(port);
    for (let first = 0; first < this.count; first += BATCH) {
      const pairs = this.#batch(first).flatMap((n) => [keyOf(n), this.#valueOf(n)]);
      await redis.mset(pairs);
    }
    redis.disconnect();
  }

  #batch(first: number): number[] {
    return Array.from({ length: Math.min(BATCH, this.count - first) }, (_, at) => first + at);
  }

  #valueOf(n: number): string {
    return `value of ${n}`.padEnd(this.#valueBytes, "-");
  }

  /**
   * What is wrong: a replica that does not return at ONE what was acknowledged. Waits, for a while,
   * until members hold as many keys as they own; what differs then is wrong too.
   */
  async problems(ring: TopologyRing, ...loads: readonly SteadyLoad[]): Promise<readonly string[]> {
    const acknowledged: Acknowledged = new Map(loads.flatMap((load) => [...load.acknowledged]));
    const names = [
      ...Array.from({ length: this.count }, (_, n) => keyOf(n)),
      ...acknowledged.keys(),
    ];
    const owned = ownedKeys(names, await ring.ranges("default"));
    const found: string[] = [];
    for (const index of ring.running) {
      const { member } = await ring.info(index);
      const keys = owned.get(member.id) ?? [];
      const held = async (): Promise<number> => (await ring.info(index)).storage.keys;
      await until("clean", async () => (await held()) === keys.length, 15_000).catch(() => {});
      const count = await held();
      if (count !== keys.length)
        found.push(`member ${index} holds ${count} of ${keys.length} keys`);
      found.push(...(await this.#problemsAt(ring.processes.member(index), keys, acknowledged)));
    }
    return found.slice(0, SHOWN_PROBLEMS);
  }

  async #problemsAt(
    member: { readonly index: number; readonly respPort: number },
    keys: readonly string[],
    acknowledged: Acknowledged,
  ): Promise<readonly string[]> {
    if (keys.length === 0) return [];
    const redis = await mustConnect(member.respPort);
    await redis.call("CONSISTENCY", "READ", "ONE");
    const problems: string[] = [];
    for (let first = 0; first < keys.length; first += BATCH) {
      const batch = keys.slice(first, first + BATCH);
      const values = await redis.mget(batch);
      for (const [at, key] of batch.entries()) {
        const value = values[at] ?? null;
        if (this.#isRight(key, value, acknowledged.get(key))) continue;
        problems.push(
          `member ${member.index} has ${key} = ${value?.slice(0, 20) ?? "nothing"} instead of ${acknowledged.get(key) ?? "that"}`,
        );
      }
    }
    redis.disconnect();
    return problems;
  }

  #isRight(key: string, value: string | null, acknowledged: number | undefined): boolean {
    if (acknowledged !== undefined) return numberOf(value) >= acknowledged;
    return value === this.#valueOf(Number(key.slice(KEY_PREFIX.length)));
  }
}

const KEY_PREFIX = "key:";

function keyOf(n: number): string {
  return KEY_PREFIX + n;
}

async function mustConnect(port: number): Promise<Redis> {
  const redis = await connected(port);
  if (redis === undefined) throw new Error(`nobody listens at port ${port}`);
  return redis;
}

/** Keys by the id of each member that has to hold them. */
function ownedKeys(
  keys: readonly string[],
  ranges: readonly RangeJson[],
): ReadonlyMap<string, readonly string[]> {
  const partitioner = new Murmur3Partitioner();
  const ends = ranges
    .map(({ endToken, replicas }) => ({ end: parseToken(endToken), replicas }))
    .toSorted((a, b) => (a.end < b.end ? -1 : 1));
  const owned = new Map<string, string[]>();
  for (const key of keys) {
    const token = partitioner.hash(Buffer.from(key));
    const range = ends.find(({ end }) => token <= end) ?? ends[0];
    for (const id of range?.replicas ?? []) {
      const list = owned.get(id) ?? [];
      list.push(key);
      owned.set(id, list);
    }
  }
  return owned;
}
