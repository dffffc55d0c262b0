/** Stand-ins for the store and the control plane, for the tests and benchmarks of the front end. */
import type { AdminApi, KeyspaceView } from "../model/admin-api.ts";
import type {
  KvApi,
  RangePage,
  ReadRequest,
  ReadSink,
  ScanPage,
  ScanRequest,
  VersionedValue,
  WriteRequest,
  WriteSink,
} from "../model/kv-api.ts";
import { KvError } from "../model/kv-error.ts";
import { NEVER_EXPIRES, isOver } from "../model/version.ts";

interface StoredValue {
  readonly value: Uint8Array;
  readonly expiresAtMs: number;
}

/** One operation that the fake was asked for. */
export interface SeenOperation {
  readonly kind: "read" | "write" | "scan" | "count";
  readonly keyspace: string;
  readonly key: string;
  readonly consistency: unknown;
  readonly expiresAtMs?: number | undefined;
}

/**
 * A store in one map. Operations take effect when they are asked for and are answered when `answer`
 * decides: at once, or later and in any order.
 */
export class FakeKv implements KvApi {
  readonly cells: Map<string, StoredValue> = new Map();
  readonly seen: SeenOperation[] = [];
  keyspaces: readonly string[] = ["default", "other"];
  clockMs = 1_000_000;
  /** Runs or keeps the answer to one operation. */
  answer: (run: () => void) => void = (run) => run();
  /** The error with which an operation on this key fails. */
  failure: (key: string, kind: "read" | "write") => KvError | undefined = () => undefined;

  read(request: ReadRequest, sink: ReadSink): void {
    const key = textOf(request.key);
    this.#note("read", request, key);
    const failure = this.#failureOf(request.keyspace, key, "read");
    if (failure !== undefined) {
      this.answer(() => sink.failed(failure));
      return;
    }
    const found = this.#find(request.keyspace, key);
    this.answer(() => {
      // Lent, as from a read buffer: whoever keeps it without a copy finds other bytes in it.
      const lent = found && Buffer.from(found.value);
      const view = found && lent && { ...found, value: lent };
      sink.read(view, { version: found?.version, answeredBy: [] });
      lent?.fill("#");
    });
  }

  write(request: WriteRequest, sink: WriteSink): void {
    const key = textOf(request.key);
    this.seen.push({
      kind: "write",
      keyspace: request.keyspace,
      key,
      consistency: request.consistency,
      expiresAtMs: request.expiresAtMs,
    });
    const failure = this.#failureOf(request.keyspace, key, "write");
    if (failure !== undefined) {
      this.answer(() => sink.failed(failure));
      return;
    }
    const name = cellName(request.keyspace, key);
    if (request.value === undefined) this.cells.delete(name);
    else {
      const expiresAtMs = request.expiresAtMs ?? NEVER_EXPIRES;
      this.cells.set(name, { value: request.value.slice(), expiresAtMs });
    }
    this.answer(() => sink.written({ version: undefined, answeredBy: [] }));
  }

  /** Keys in the order of their names; the cursor is a position in it. */
  async scan(request: ScanRequest): Promise<ScanPage> {
    this.#note("scan", request, request.cursor);
    await this.#turn();
    const keys = this.#keysOf(request.keyspace);
    const start = Number(request.cursor);
    const next = start + request.limit;
    return {
      cursor: next >= keys.length ? "0" : String(next),
      keys: keys.slice(start, next).map((key) => Buffer.from(key, "latin1")),
    };
  }

  range(): Promise<RangePage> {
    return Promise.reject(new Error("no command asks for it"));
  }

  async count(keyspace: string): Promise<number> {
    this.#note("count", { keyspace }, "");
    await this.#turn();
    return this.#keysOf(keyspace).length;
  }

  nowMs(): number {
    return this.clockMs;
  }

  /** A value as stored, for tests. */
  valueOf(key: string, keyspace = "default"): string | undefined {
    const cell = this.cells.get(cellName(keyspace, key));
    return cell && Buffer.from(cell.value).toString("latin1");
  }

  async #turn(): Promise<void> {
    await new Promise<void>((resolve) => this.answer(resolve));
  }

  #keysOf(keyspace: string): string[] {
    if (!this.keyspaces.includes(keyspace)) throw unknownKeyspace(keyspace);
    const prefix = `${keyspace}/`;
    return [...this.cells.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((key) => this.#find(keyspace, key) !== undefined)
      .toSorted();
  }

  #find(keyspace: string, key: string): VersionedValue | undefined {
    const cell = this.cells.get(cellName(keyspace, key));
    if (cell === undefined) return undefined;
    const isExpired = isOver(cell.expiresAtMs, this.clockMs);
    return isExpired ? undefined : { ...cell, version: { timestamp: 1, writer: 1 } };
  }

  #failureOf(keyspace: string, key: string, kind: "read" | "write"): KvError | undefined {
    return this.keyspaces.includes(keyspace) ? this.failure(key, kind) : unknownKeyspace(keyspace);
  }

  #note(
    kind: SeenOperation["kind"],
    request: { readonly keyspace: string; readonly consistency?: unknown },
    key: string,
  ): void {
    this.seen.push({ kind, keyspace: request.keyspace, key, consistency: request.consistency });
  }
}

function unknownKeyspace(keyspace: string): KvError {
  return new KvError({ code: "UNKNOWN_KEYSPACE", keyspace });
}

function cellName(keyspace: string, key: string): string {
  return `${keyspace}/${key}`;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** A control plane of one member with the given keyspaces. */
export interface FakeAdmin extends AdminApi {
  /** The member serves no more. */
  refuseBecause(reason: string): void;
}

export function fakeAdmin(names: () => readonly string[]): FakeAdmin {
  const listeners: ((reason: string) => void)[] = [];
  let refusal: string | undefined;
  const member = {
    id: "11111111-2222-4333-8444-555555555555",
    address: "127.0.0.1:7000",
    respAddress: undefined,
    httpAddress: undefined,
    dc: "dc1",
    rack: "rack1",
    weight: 1,
    isUp: true,
    isSelf: true,
    state: "NORMAL",
    loadBytes: undefined,
    tokens: ["0"],
    ownership: 1,
    phi: undefined,
    generation: 1,
    releaseVersion: "0.1.0",
  } as const;
  const keyspaces = (): KeyspaceView[] =>
    names().map((name, index) => ({
      name,
      index,
      replication: { class: "SimpleStrategy", options: { replication_factor: "1" } },
      readConsistency: "ONE",
      writeConsistency: "QUORUM",
      durability: "memory",
    }));
  const notFaked = (): never => {
    throw new Error("not faked");
  };
  return {
    status: () => ({
      clusterName: "test",
      partitioner: "Murmur3Partitioner",
      snitch: "SimpleSnitch",
      layout: { counter: 1, hash: "00" },
      members: [member],
      keyspace: undefined,
      effectiveOwnership: undefined,
    }),
    info: () => ({
      member,
      clusterName: "test",
      clusterId: "c",
      releaseVersion: "0.1.0",
      nodeVersion: "20",
      uptimeSeconds: 5,
      memory: { heapUsedBytes: 1, heapTotalBytes: 2, rssBytes: 3 },
      storage: { engine: "fake", keys: 0, liveBytes: 0, diskBytes: 0 },
      dataDirectory: undefined,
    }),
    readiness: () => ({ isReady: refusal === undefined, reason: refusal }),
    onRefusing: (listener) => void listeners.push(listener),
    refuseBecause: (reason) => {
      refusal = reason;
      for (const listener of listeners) listener(reason);
    },
    keyspaces,
    ring: notFaked,
    describeRing: notFaked,
    endpoints: notFaked,
    gossip: notFaked,
    createKeyspace: notFaked,
    topology: notFaked,
    stage: notFaked,
    unstage: notFaked,
    plan: notFaked,
    commit: notFaked,
    revert: notFaked,
    tasks: notFaked,
    controlTask: notFaked,
    netstats: notFaked,
    cleanup: notFaked,
    rebuild: notFaked,
    drain: notFaked,
  };
}
