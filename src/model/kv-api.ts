/**
 * The data plane as every front end sees it: library, RESP and HTTP stand on this one interface.
 *
 * Its requests are records and its answers callbacks, because a promise per operation is too dear on
 * the path under RESP; the library wraps it in promises. Bytes in a request are borrowed: the store
 * copies what it keeps before the call returns. Bytes in an answer are lent: they are valid until
 * the callback returns.
 */
import type { Consistency, Durability } from "./consistency.ts";
import type { KvError } from "./kv-error.ts";
import type { Version } from "./version.ts";

export interface ReadRequest {
  readonly keyspace: string;
  readonly key: Uint8Array;
  /** Default: the keyspace's read level. */
  readonly consistency?: Consistency | undefined;
}

export interface WriteRequest {
  readonly keyspace: string;
  readonly key: Uint8Array;
  /** Undefined deletes the key: a tombstone is written. */
  readonly value: Uint8Array | undefined;
  /** Absolute expiry, milliseconds since the Unix epoch. Absent: never. */
  readonly expiresAtMs?: number | undefined;
  /** Default: the keyspace's write level. */
  readonly consistency?: Consistency | undefined;
  /** Default: the keyspace's durability. */
  readonly durability?: Durability | undefined;
}

/** A live value as a read returns it. */
export interface VersionedValue {
  readonly value: Uint8Array;
  readonly version: Version;
  /** Milliseconds since the Unix epoch, or NEVER_EXPIRES. */
  readonly expiresAtMs: number;
}

/** Who took part in an operation that reached its level. */
export interface Receipt {
  /** For a write the version it was stamped with; for a read the newest version seen, if any. */
  readonly version: Version | undefined;
  /** Addresses of the members that answered before the level was reached. */
  readonly answeredBy: readonly string[];
}

/** Takes the answer to one read: exactly one of its methods is called, exactly once. */
export interface ReadSink {
  /** `found` is undefined when the key is absent, deleted or expired. */
  read(found: VersionedValue | undefined, receipt: Receipt): void;
  failed(error: KvError): void;
}

/** Takes the answer to one write: exactly one of its methods is called, exactly once. */
export interface WriteSink {
  written(receipt: Receipt): void;
  failed(error: KvError): void;
}

export interface ScanRequest {
  readonly keyspace: string;
  /**
   * Where to go on: "0" starts, afterwards the cursor of the page before. An unsigned 64-bit decimal
   * number, so that every Redis client can hold it.
   */
  readonly cursor: string;
  /** About how many keys to return; a page may be a little longer, or shorter, or empty. */
  readonly limit: number;
  /**
   * Only keys that begin with this are wanted. Where keys are kept in order nothing else is read;
   * everywhere else all keys are returned, for the caller to choose from.
   */
  readonly prefix?: Uint8Array | undefined;
  readonly consistency?: Consistency | undefined;
}

export interface ScanPage {
  /** "0" when the ring has been walked once. */
  readonly cursor: string;
  readonly keys: readonly Uint8Array[];
}

/** A stretch of keys in the order of the partitioner; what is left out does not bound it. */
export interface KeyRange {
  /** The first key. */
  readonly from?: Uint8Array | undefined;
  /** The key before which it ends. */
  readonly to?: Uint8Array | undefined;
  /** What keys begin with. */
  readonly prefix?: Uint8Array | undefined;
}

export interface RangeRequest extends KeyRange {
  readonly keyspace: string;
  /** Where to go on: the cursor of the page before. */
  readonly cursor?: Uint8Array | undefined;
  /** How many entries at most; a page may be shorter. */
  readonly limit: number;
  /** Whether values are wanted, or keys only. */
  readonly values: boolean;
  readonly consistency?: Consistency | undefined;
}

/** A live key, with its value if values were asked for. */
export interface RangeEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
  readonly version: Version;
  /** Milliseconds since the Unix epoch, or NEVER_EXPIRES. */
  readonly expiresAtMs: number;
}

export interface RangePage {
  /** In the order of the partitioner. */
  readonly entries: readonly RangeEntry[];
  /** Undefined when there is nothing more. */
  readonly cursor: Uint8Array | undefined;
}

export interface KvApi {
  /** Reads one key. The sink may be called before this returns. */
  read(request: ReadRequest, sink: ReadSink): void;
  /** Writes or deletes one key. The sink may be called before this returns. */
  write(request: WriteRequest, sink: WriteSink): void;
  /**
   * A page of live keys in ring order. A key that exists from the first to the last page of a walk
   * is returned at least once, whatever is written meanwhile.
   */
  scan(request: ScanRequest): Promise<ScanPage>;
  /**
   * A page of a range of keys. Reads only the members that hold it. Rejects with INVALID_ARGUMENT
   * unless the ring's partitioner keeps keys in order.
   */
  range(request: RangeRequest): Promise<RangePage>;
  /** The number of live keys of a keyspace. Exact while nothing is written. */
  count(keyspace: string, consistency?: Consistency): Promise<number>;
  /** Wall clock in milliseconds: the clock against which expiry is judged. */
  nowMs(): number;
}
