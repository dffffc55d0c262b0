/**
 * Order among the commands that one connection has in flight.
 *
 * A Redis client that pipelines `SET k 1`, `EXPIRE k 9`, `GET k` may rely on their order. Here they
 * may take different times on different replicas, and EXPIRE is a read followed by a write. So a
 * command starts only when no earlier, unfinished command of its connection conflicts with it on one
 * of its keys. Reads go beside reads; plain writes go beside plain writes, because the store stamps
 * them in the order in which they were handed over; everything else waits. Commands on different
 * keys, nearly all of them, run at the same time.
 *
 * Keys are compared by a small hash: two keys that share a bucket wait for each other without need,
 * which costs time and never order. One number per bucket says how many readers (> 0) or writers
 * (< 0) hold it.
 */
import type { RespCommand } from "../codec/resp-command.ts";

/**
 * - `none`: touches no key.
 * - `read`: reads its keys.
 * - `write`: writes its keys without looking at them.
 * - `exclusive`: reads its key, then writes it.
 * - `barrier`: waits for everything before it, and everything after waits for it.
 */
export type Access = "none" | "read" | "write" | "exclusive" | "barrier";

/** Where the keys of a command stand, as COMMAND shows it: a negative `last` counts from the end. */
export interface KeyPositions {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

/** What a command holds until it ends: a bucket, several, or -1 for none. */
export type Ticket = number | Uint16Array;

const BUCKETS = 512;
const EXCLUSIVE = -0x8000_0000;
const NOTHING = -1;
/** Keys that agree in this many last bytes and in length share a bucket. */
const HASHED_BYTES = 64;

export class KeyOrder {
  readonly #holds = new Int32Array(BUCKETS);
  #heldCount = 0;
  #hasBarrier = false;

  /** Takes what the command needs, or undefined: it must wait until some command leaves. */
  enter(access: Access, keys: KeyPositions | undefined, command: RespCommand): Ticket | undefined {
    if (access === "none") return NOTHING;
    if (this.#hasBarrier) return undefined;
    if (access === "barrier" || keys === undefined) return this.#enterBarrier();
    const { first, last } = keys;
    if (first === last || keyCount(keys, command.count) === 1) {
      const bucket = bucketOf(command.bytes, command.start(first), command.end(first));
      if (!this.#admits(bucket, access)) return undefined;
      this.#hold(bucket, access);
      return bucket;
    }
    if (access === "exclusive") return this.#enterBarrier();
    return this.#enterMany(access, keys, command);
  }

  leave(access: Access, ticket: Ticket): void {
    if (access === "none") return;
    if (typeof ticket !== "number") {
      for (const bucket of ticket) this.#release(bucket);
    } else if (ticket === NOTHING) {
      this.#hasBarrier = false;
    } else {
      this.#release(ticket);
    }
  }

  #enterBarrier(): Ticket | undefined {
    if (this.#heldCount > 0) return undefined;
    this.#hasBarrier = true;
    return NOTHING;
  }

  #enterMany(
    access: "read" | "write",
    keys: KeyPositions,
    command: RespCommand,
  ): Uint16Array | undefined {
    const buckets = new Uint16Array(keyCount(keys, command.count));
    for (let index = 0; index < buckets.length; index++) {
      const key = keys.first + index * keys.step;
      const bucket = bucketOf(command.bytes, command.start(key), command.end(key));
      if (!this.#admits(bucket, access)) return undefined;
      buckets[index] = bucket;
    }
    for (const bucket of buckets) this.#hold(bucket, access);
    return buckets;
  }

  #admits(bucket: number, access: "read" | "write" | "exclusive"): boolean {
    const held = this.#holds[bucket] ?? 0;
    if (held === 0) return true;
    if (access === "read") return held > 0;
    return access === "write" && held < 0 && held !== EXCLUSIVE;
  }

  #hold(bucket: number, access: "read" | "write" | "exclusive"): void {
    const held = this.#holds[bucket] ?? 0;
    if (access === "exclusive") this.#holds[bucket] = EXCLUSIVE;
    else this.#holds[bucket] = access === "read" ? held + 1 : held - 1;
    this.#heldCount++;
  }

  #release(bucket: number): void {
    const held = this.#holds[bucket] ?? 0;
    if (held === EXCLUSIVE) this.#holds[bucket] = 0;
    else this.#holds[bucket] = held > 0 ? held - 1 : held + 1;
    this.#heldCount--;
  }
}

/** How many keys a command of `argumentCount` arguments has. */
export function keyCount(keys: KeyPositions, argumentCount: number): number {
  const last = keys.last < 0 ? argumentCount + keys.last : keys.last;
  return last < keys.first ? 0 : Math.floor((last - keys.first) / keys.step) + 1;
}

/** FNV-1a over the end of the key. */
function bucketOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5 ^ (end - start);
  for (let index = Math.max(start, end - HASHED_BYTES); index < end; index++) {
    hash = Math.imul(hash ^ (bytes[index] as number), 0x0100_0193);
  }
  return (hash ^ (hash >>> 15)) & (BUCKETS - 1);
}
