/** A KvApi over a Map and an AdminApi over constants, for tests of whatever stands on them. */
import type {
  AdminApi,
  KeyspaceDefinition,
  KeyspaceView,
  MemberView,
  StatusView,
} from "../model/admin-api.ts";
import type {
  KvApi,
  RangePage,
  RangeRequest,
  ReadRequest,
  ReadSink,
  Receipt,
  ScanPage,
  VersionedValue,
  WriteRequest,
  WriteSink,
} from "../model/kv-api.ts";
import { KvError } from "../model/kv-error.ts";
import { NEVER_EXPIRES } from "../model/version.ts";
import { FakeTopology } from "./fake-topology.suite.ts";

export class FakeKv implements KvApi {
  readonly values: Map<string, VersionedValue> = new Map();
  readonly reads: ReadRequest[] = [];
  readonly writes: WriteRequest[] = [];
  readonly ranges: RangeRequest[] = [];
  /** Thrown at the next requests when set. */
  failure: KvError | undefined;
  /** Runs at the start of each request. */
  onRequest: () => void = (): void => {};

  read(request: ReadRequest, sink: ReadSink): void {
    this.onRequest();
    this.reads.push(request);
    if (this.failure !== undefined) {
      sink.failed(this.failure);
      return;
    }
    const found = this.values.get(nameOf(request));
    // The bytes are lent: they are spoilt as soon as the callback has returned.
    const lent = found && { ...found, value: Uint8Array.from(found.value) };
    sink.read(lent, receipt(found?.version));
    lent?.value.fill(0xee);
  }

  write(request: WriteRequest, sink: WriteSink): void {
    this.onRequest();
    this.writes.push(request);
    if (this.failure !== undefined) {
      sink.failed(this.failure);
      return;
    }
    const version = { timestamp: 1_700_000_000_000_000 + this.writes.length, writer: 7 };
    const { value, expiresAtMs = NEVER_EXPIRES } = request;
    if (value === undefined) this.values.delete(nameOf(request));
    else {
      this.values.set(nameOf(request), { value: Uint8Array.from(value), version, expiresAtMs });
    }
    sink.written(receipt(version));
  }

  scan(): Promise<ScanPage> {
    return Promise.resolve({ cursor: "0", keys: [] });
  }

  /** All entries in byte order; the tests of the ring hold what a range is. */
  range(request: RangeRequest): Promise<RangePage> {
    this.ranges.push(request);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const head = `${request.keyspace}/`;
    const entries = [...this.values]
      .filter(([name]) => name.startsWith(head))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { value, version, expiresAtMs }]) => ({
        key: Buffer.from(name.slice(head.length), "hex"),
        value: request.values ? value : undefined,
        version,
        expiresAtMs,
      }));
    const page = entries.slice(0, request.limit);
    const cursor = page.length < entries.length ? page.at(-1)?.key : undefined;
    return Promise.resolve({ entries: page, cursor });
  }

  count(): Promise<number> {
    return Promise.resolve(this.values.size);
  }

  nowMs(): number {
    return 1_700_000_000_000;
  }
}

function nameOf({ keyspace, key }: ReadRequest | WriteRequest): string {
  return `${keyspace}/${Buffer.from(key).toString("hex")}`;
}

function receipt(version: Receipt["version"]): Receipt {
  return { version, answeredBy: ["127.0.0.1:7401", "127.0.0.1:7402"] };
}

function member(number: number, changes: Partial<MemberView> = {}): MemberView {
  return {
    id: `9f0c9d1a-6a3c-4a56-9d9a-2f5c1c2a7c0${number}`,
    address: `127.0.0.1:740${number}`,
    respAddress: `127.0.0.1:640${number}`,
    httpAddress: `127.0.0.1:840${number}`,
    dc: "dc1",
    rack: `rack${number}`,
    weight: 1,
    isUp: true,
    isSelf: number === 1,
    state: "NORMAL",
    loadBytes: 72_940,
    tokens: [`${number}000`, `-${number}000`],
    ownership: 1 / 3,
    phi: 0.25,
    generation: 1_700_000_000,
    releaseVersion: "0.1.0",
    ...changes,
  };
}

/** Two datacenters; one member is down, one is joining and has said nothing about itself. */
export const FAKE_MEMBERS: readonly MemberView[] = [
  member(1),
  member(2, { isUp: false, phi: Number.POSITIVE_INFINITY, loadBytes: 3_221_225_472 }),
  member(3, {
    dc: "dc2",
    state: "JOINING",
    loadBytes: undefined,
    respAddress: undefined,
    httpAddress: undefined,
    phi: undefined,
    generation: undefined,
    releaseVersion: undefined,
  }),
];

export class FakeAdmin extends FakeTopology implements AdminApi {
  reason: string | undefined;
  members: readonly MemberView[] = FAKE_MEMBERS;
  #keyspaces: readonly KeyspaceView[] = [
    {
      name: "default",
      index: 0,
      replication: { class: "NetworkTopologyStrategy", options: { dc1: "2", dc2: "1" } },
      readConsistency: "LOCAL_QUORUM",
      writeConsistency: "LOCAL_QUORUM",
      durability: "fsync",
    },
  ];

  status(keyspace?: string): StatusView {
    if (keyspace !== undefined) this.#mustKnow(keyspace);
    return {
      clusterName: "test",
      partitioner: "Murmur3Partitioner",
      snitch: "SimpleSnitch",
      layout: { counter: 3, hash: "0011223344556677" },
      members: this.members,
      keyspace,
      effectiveOwnership:
        keyspace === undefined
          ? undefined
          : Object.fromEntries(
              this.members.map(({ id }, index) => [id, [1, 0.667, 0.12225][index] ?? 0]),
            ),
    };
  }

  ring(keyspace?: string): ReturnType<AdminApi["ring"]> {
    const tokens = this.members
      .flatMap(({ id, tokens: own }) => own.map((token) => ({ token, memberId: id })))
      .toSorted((a, b) => Number(a.token) - Number(b.token));
    return { status: this.status(keyspace), tokens };
  }

  describeRing(keyspace: string): ReturnType<AdminApi["describeRing"]> {
    this.#mustKnow(keyspace);
    const [first, second] = this.members.map(({ id }) => id);
    return [
      { startToken: "1000", endToken: "-1000", replicas: [first ?? "", second ?? ""] },
      { startToken: "-1000", endToken: "1000", replicas: [second ?? "", first ?? ""] },
    ];
  }

  endpoints(keyspace: string, key: Uint8Array): ReturnType<AdminApi["endpoints"]> {
    this.#mustKnow(keyspace);
    return { keyspace, token: String(key.length), replicas: this.members.slice(0, 2) };
  }

  gossip(): ReturnType<AdminApi["gossip"]> {
    return this.members.map(({ id, address, tokens }) => ({
      id,
      address,
      generation: 1_700_000_000,
      heartbeat: 42,
      states: {
        TOKENS: { version: 3, value: tokens.join(",") },
        STATUS: { version: 2, value: "NORMAL" },
        DC: { version: 4, value: "dc1" },
      },
    }));
  }

  info(): ReturnType<AdminApi["info"]> {
    return {
      member: this.members[0]!,
      clusterName: "test",
      clusterId: "3c1f7d5e-1b52-43a0-8f0d-6b4f2f1e8d22",
      releaseVersion: "0.1.0",
      nodeVersion: "v20.19.0",
      uptimeSeconds: 3600,
      memory: { heapUsedBytes: 52_428_800, heapTotalBytes: 104_857_600, rssBytes: 157_286_400 },
      storage: { engine: "log", keys: 12, liveBytes: 72_940, diskBytes: 131_072 },
      dataDirectory: "data",
    };
  }

  readiness(): ReturnType<AdminApi["readiness"]> {
    return { isReady: this.reason === undefined, reason: this.reason };
  }

  onRefusing(): void {}

  keyspaces(): readonly KeyspaceView[] {
    return this.#keyspaces;
  }

  createKeyspace(definition: KeyspaceDefinition): Promise<KeyspaceView> {
    if (this.#keyspaces.some(({ name }) => name === definition.name)) {
      return Promise.reject(new KvError({ code: "KEYSPACE_EXISTS", keyspace: definition.name }));
    }
    const view = { ...definition, index: this.#keyspaces.length };
    this.#keyspaces = [...this.#keyspaces, view];
    return Promise.resolve(view);
  }

  #mustKnow(keyspace: string): void {
    if (this.#keyspaces.some(({ name }) => name === keyspace)) return;
    throw new KvError({ code: "UNKNOWN_KEYSPACE", keyspace });
  }
}
