/**
 * A keyspace as a program uses it: `put(key, value)` and `get(key)` (Dynamo, section 4.1) as
 * promises over the same KvApi that the front ends use.
 */
import type { Consistency, Durability } from "../model/consistency.ts";
import type { KvApi, RangeEntry, Receipt } from "../model/kv-api.ts";
import type { Version } from "../model/version.ts";
import { NEVER_EXPIRES } from "../model/version.ts";

/** Text stands for its UTF-8 bytes. */
export type Bytes = Uint8Array | string;

/** What one `get` asks for. */
export interface GetOptions {
  /** A level by name, or R as a number. Default: the keyspace's read level. */
  readonly consistency?: Consistency | undefined;
}

/** What one `delete` asks for. */
export interface DeleteOptions {
  /** A level by name, or W as a number. Default: the keyspace's write level. */
  readonly consistency?: Consistency | undefined;
  /** When a replica may acknowledge. Default: the keyspace's. */
  readonly durability?: Durability | undefined;
}

/** What one `put` asks for. */
export interface PutOptions extends DeleteOptions {
  /** Time to live from now, in milliseconds. Default: for ever. */
  readonly ttlMs?: number | undefined;
}

/** A value that was found. */
export interface GetResult {
  /** A copy that belongs to the caller. */
  readonly value: Uint8Array;
  /** Later writes of the key have greater ones. */
  readonly version: Version;
  /** Milliseconds since the Unix epoch; undefined if it never expires. */
  readonly expiresAtMs: number | undefined;
  /** Addresses of the members whose answers this is. */
  readonly answeredBy: readonly string[];
}

/** What came of a write that reached its level. */
export interface WriteResult {
  /** The version that it was stored under. */
  readonly version: Version;
  /** Addresses of the members that stored it before the level was reached. */
  readonly answeredBy: readonly string[];
}

/** How to walk the keys of a keyspace. */
export interface ScanOptions {
  /** Keys per request to the ring; default 500. */
  readonly pageSize?: number | undefined;
  /** Default: the keyspace's for reads. */
  readonly consistency?: Consistency | undefined;
}

/** Which keys `getRange` walks. What is left out does not bound it. */
export interface RangeOptions {
  /** The first key. */
  readonly from?: Bytes | undefined;
  /** The key before which it ends. */
  readonly to?: Bytes | undefined;
  /** What the keys begin with. */
  readonly prefix?: Bytes | undefined;
  /** How many entries at most. Default: all. */
  readonly limit?: number | undefined;
  /** False: keys without their values, which is cheaper. Default: true. */
  readonly values?: boolean | undefined;
  /** Entries per request to the ring; default 500. */
  readonly pageSize?: number | undefined;
  /** A level by name, or R as a number. Default: the keyspace's read level. */
  readonly consistency?: Consistency | undefined;
}

/** An entry of a range. Its bytes belong to the caller. */
export interface RangeResult {
  /** As it was put. */
  readonly key: Uint8Array;
  /** Undefined if values were not asked for. */
  readonly value: Uint8Array | undefined;
  /** Later writes of the key have greater ones. */
  readonly version: Version;
  /** Milliseconds since the Unix epoch; undefined if it never expires. */
  readonly expiresAtMs: number | undefined;
}

const SCAN_PAGE = 500;

/**
 * A keyspace to put to and get from. Any number of operations may run at once.
 *
 * Source: Dynamo (2007), sections 4.1 and 4.5; consistency levels as in Cassandra.
 *
 * @example
 * const carts = node.keyspace("carts");
 * await carts.put("42", JSON.stringify(cart), { ttlMs: 3_600_000 });
 * const found = await carts.get("42", { consistency: "QUORUM" });
 */
export class KeyspaceClient {
  /** The keyspace's name. */
  readonly name: string;
  readonly #kv: KvApi;

  /** @internal Use `node.keyspace(name)`. */
  constructor(kv: KvApi, name: string) {
    this.#kv = kv;
    this.name = name;
  }

  /** The value of a key, or undefined if it has none. Rejects with KvError. */
  get(key: Bytes, options: GetOptions = {}): Promise<GetResult | undefined> {
    return new Promise((resolve, reject) => {
      this.#kv.read(
        { keyspace: this.name, key: toBytes(key), consistency: options.consistency },
        {
          read: (found, receipt) =>
            resolve(
              found && {
                value: new Uint8Array(found.value),
                version: plainVersion(found.version),
                expiresAtMs: found.expiresAtMs === NEVER_EXPIRES ? undefined : found.expiresAtMs,
                answeredBy: receipt.answeredBy,
              },
            ),
          failed: reject,
        },
      );
    });
  }

  /**
   * Stores a value. Rejects with KvError, whose `outcome` says whether the write certainly did not
   * happen (`failed`) or may have (`unknown`).
   */
  put(key: Bytes, value: Bytes, options: PutOptions = {}): Promise<WriteResult> {
    const { ttlMs } = options;
    const expiresAtMs = ttlMs === undefined ? undefined : this.#kv.nowMs() + ttlMs;
    return this.#write(key, toBytes(value), { ...options, expiresAtMs });
  }

  /** Removes a key, whether or not it is there. Rejects with KvError, as `put` does. */
  delete(key: Bytes, options: DeleteOptions = {}): Promise<WriteResult> {
    return this.#write(key, undefined, options);
  }

  /** All live keys in ring order; a key that is there all the time comes at least once. */
  async *keys(options: ScanOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { pageSize = SCAN_PAGE, consistency } = options;
    let cursor = "0";
    do {
      const request = { keyspace: this.name, cursor, limit: pageSize, consistency };
      const page = await this.#kv.scan(request);
      yield* page.keys;
      cursor = page.cursor;
    } while (cursor !== "0");
  }

  /**
   * The live entries of a range of keys, in the order of the ring's partitioner, which has to be an
   * ordered one: everywhere else the first step rejects with INVALID_ARGUMENT. Reads only the members
   * that hold the range. An entry that is there all the time comes exactly once.
   */
  async *getRange(options: RangeOptions = {}): AsyncGenerator<RangeResult, void, undefined> {
    const { limit = Number.POSITIVE_INFINITY, pageSize = SCAN_PAGE, values = true } = options;
    const request = {
      keyspace: this.name,
      from: bytesOf(options.from),
      to: bytesOf(options.to),
      prefix: bytesOf(options.prefix),
      consistency: options.consistency,
      values,
    };
    let left = limit;
    let cursor: Uint8Array | undefined;
    while (left > 0) {
      const page = await this.#kv.range({ ...request, cursor, limit: Math.min(pageSize, left) });
      yield* page.entries.map(rangeResult);
      left -= page.entries.length;
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
  }

  /** The number of live keys. Exact while nothing is written. */
  count(): Promise<number> {
    return this.#kv.count(this.name);
  }

  #write(
    key: Bytes,
    value: Uint8Array | undefined,
    options: DeleteOptions & { readonly expiresAtMs?: number | undefined },
  ): Promise<WriteResult> {
    const { consistency, durability, expiresAtMs } = options;
    return new Promise((resolve, reject) => {
      this.#kv.write(
        { keyspace: this.name, key: toBytes(key), value, consistency, durability, expiresAtMs },
        { written: (receipt) => resolve(writeResult(receipt)), failed: reject },
      );
    });
  }
}

function toBytes(bytes: Bytes): Uint8Array {
  return typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
}

function bytesOf(bytes: Bytes | undefined): Uint8Array | undefined {
  return bytes === undefined ? undefined : toBytes(bytes);
}

function rangeResult({ key, value, version, expiresAtMs }: RangeEntry): RangeResult {
  return {
    key,
    value,
    version: plainVersion(version),
    expiresAtMs: expiresAtMs === NEVER_EXPIRES ? undefined : expiresAtMs,
  };
}

function plainVersion({ timestamp, writer }: Version): Version {
  return { timestamp, writer };
}

function writeResult({ version, answeredBy }: Receipt): WriteResult {
  return { version: plainVersion(version ?? { timestamp: 0, writer: 0 }), answeredBy };
}
