/** A few coordinators in one process for tests: hand-driven clock, network and naive engines. */
import type { FrameSpace } from "../codec/frames.ts";
import { genesis, commit } from "../layout/commit.ts";
import { type LayoutHistory, historyOf } from "../layout/history.ts";
import type { Layout, LayoutMember } from "../layout/layout.ts";
import type { KeyspaceDefinition } from "../model/admin-api.ts";
import { silentLogger } from "../model/deps.ts";
import type { ReadSink, Receipt, VersionedValue, WriteSink } from "../model/kv-api.ts";
import type { KvError } from "../model/kv-error.ts";
import { ManualClock } from "../model/manual-clock.suite.ts";
import { Murmur3 } from "../ring/murmur3.ts";
import { NaiveEngine } from "../storage/naive-engine.suite.ts";
import type { Link } from "../transport/transport.ts";
import { must } from "../util/assert.ts";
import { HybridClock } from "../versions/hybrid-clock.ts";
import { Coordinator, type CoordinatorOptions } from "./coordinator.ts";
import { Peer } from "./peer.ts";

export class TestLink implements Link {
  isUp = true;
  /** Frames that were sent and not yet delivered. */
  readonly frames: Buffer[] = [];
  readonly address: string;
  readonly memberId: string;

  constructor(address: string, memberId: string) {
    this.address = address;
    this.memberId = memberId;
  }

  reserve(sizeBytes: number): FrameSpace | undefined {
    if (!this.isUp) return undefined;
    const bytes = Buffer.alloc(sizeBytes);
    this.frames.push(bytes);
    return { bytes, offset: 0 };
  }
}

export interface TestMember {
  readonly coordinator: Coordinator;
  readonly engine: NaiveEngine;
  /** How this member sees the others, by index; its own entry is itself. */
  readonly peers: Peer[];
  isFrozen: boolean;
}

export const TEST_OPTIONS: CoordinatorOptions = {
  readTimeoutMs: 1000,
  writeTimeoutMs: 1000,
  speculativeRetryMs: 50,
  keyBytesMax: 1024,
  valueBytesMax: 1 << 20,
  inFlightBytesMax: 60_000,
};

export function keyspaceDefinition(
  name: string,
  replication: KeyspaceDefinition["replication"],
): KeyspaceDefinition {
  return {
    name,
    replication,
    readConsistency: "QUORUM",
    writeConsistency: "QUORUM",
    durability: "memory",
  };
}

/** RF so many, datacenters or not. */
export function simple(factor: number): KeyspaceDefinition["replication"] {
  return { class: "SimpleStrategy", options: { replication_factor: String(factor) } };
}

export interface TestClusterShape {
  /** Datacenter of each member. */
  readonly datacenters: readonly string[];
  readonly replication: KeyspaceDefinition["replication"];
  /** Indexes of the members of the first layout; default: all. */
  readonly initial?: readonly number[] | undefined;
}

/** Members wired to each other; nothing moves before `settle`. */
export class TestCluster {
  readonly clock: ManualClock = new ManualClock();
  readonly layout: Layout;
  readonly members: TestMember[];
  /** What members answer to streams. */
  serveStream: ((keyspaceId: number, body: Buffer) => Buffer) | undefined;
  /** Indexes of the members that were told to exchange layouts with a peer. */
  readonly layoutMismatches: number[] = [];
  /** Indexes of the members that took a write which is none of theirs, once for each. */
  readonly strayWrites: number[] = [];
  /** links[from][to]: requests of `from`; answers return in `back`. */
  readonly links: TestLink[][];
  readonly #back: TestLink[][];
  readonly #ids: readonly string[];
  readonly #hasher = new Murmur3();

  constructor(shape: TestClusterShape) {
    const ids = shape.datacenters.map((_, index) => memberId(index));
    this.#ids = ids;
    this.layout = layoutOf(shape);
    const grid = (): TestLink[][] =>
      ids.map(() => ids.map((id, to) => new TestLink(`m${to}:1`, id)));
    this.links = grid();
    this.#back = grid();
    this.members = ids.map((id, index) => this.#member(id, index));
    this.useEverywhere(historyOf(this.layout));
  }

  /** A member goes over to another state of the history. */
  use(at: number, history: LayoutHistory): void {
    const { coordinator, peers } = this.members[at] as TestMember;
    const peerOf = (id: string): Peer => must(peers[this.#ids.indexOf(id)], `the peer of ${id}`);
    coordinator.useHistory(history, peerOf, peers[at] as Peer);
  }

  useEverywhere(history: LayoutHistory): void {
    for (const at of this.members.keys()) this.use(at, history);
  }

  /** Lets time go by while frames are delivered. */
  run(byMs: number): void {
    this.settle();
    for (let leftMs = byMs; leftMs > 0; leftMs -= 5) {
      this.clock.advance(Math.min(5, leftMs));
      this.settle();
    }
  }

  freeze(index: number, isFrozen: boolean): void {
    (this.members[index] as TestMember).isFrozen = isFrozen;
  }

  /** Cuts both directions between a member and all others, as its death would. */
  kill(index: number): void {
    for (const [from, row] of this.links.entries()) {
      for (const [to, link] of row.entries()) {
        if ((from === index) === (to === index)) continue;
        link.isUp = false;
        link.frames.length = 0;
        this.members[from]?.coordinator.linkDown(link);
      }
    }
  }

  /** Delivers frames until none is left, except to frozen members. */
  settle(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      this.clock.runDeferred();
      for (const [from, row] of this.links.entries()) {
        for (const to of row.keys()) isBusy = this.#deliver(from, to) || isBusy;
      }
    }
  }

  put(at: number, key: string, value: string | undefined, extra: object = {}): Outcome {
    const outcome = new Outcome();
    const bytes = value === undefined ? undefined : Buffer.from(value);
    const request = { keyspace: "ks", key: Buffer.from(key), value: bytes, ...extra };
    this.members[at]?.coordinator.write(request, outcome);
    return outcome;
  }

  get(at: number, key: string, extra: object = {}): Outcome {
    const outcome = new Outcome();
    const request = { keyspace: "ks", key: Buffer.from(key), ...extra };
    this.members[at]?.coordinator.read(request, outcome);
    return outcome;
  }

  #member(id: string, index: number): TestMember {
    const engine = new NaiveEngine();
    const deps = {
      clock: this.clock,
      logger: silentLogger,
      engine,
      hybridClock: new HybridClock({ clock: this.clock }),
      hasher: this.#hasher,
      onLayoutMismatch: () => void this.layoutMismatches.push(index),
      onStrayWrite: () => void this.strayWrites.push(index),
      serveStream: (keyspaceId: number, body: Buffer) =>
        must(this.serveStream, "a test that serves streams")(keyspaceId, body),
    };
    const coordinator = new Coordinator(deps, TEST_OPTIONS);
    coordinator.identify(id, 0);
    const peers = this.#ids.map((each, to) => {
      const place = { memberId: each, address: `m${to}:1`, dc: "", rack: "" };
      return new Peer(place, to === index ? undefined : this.links[index]?.[to]);
    });
    coordinator.serve();
    return { coordinator, engine, peers, isFrozen: false };
  }

  #deliver(from: number, to: number): boolean {
    const request = this.links[from]?.[to] as TestLink;
    const answer = this.#back[to]?.[from] as TestLink;
    let isBusy = false;
    if (this.members[to]?.isFrozen !== true && this.members[from]?.isFrozen !== true) {
      for (const frame of request.frames.splice(0)) {
        this.members[to]?.coordinator.frame(answer, frame, 0, frame.length);
        isBusy = true;
      }
      for (const frame of answer.frames.splice(0)) {
        this.members[from]?.coordinator.frame(request, frame, 0, frame.length);
        isBusy = true;
      }
    }
    return isBusy;
  }
}

export function memberId(index: number): string {
  return `0000000${index}-0000-4000-8000-000000000000`;
}

/** The member with this index, with one token of its own. */
export function testMember(index: number, count: number, dc: string): LayoutMember {
  const step = 2n ** 64n / BigInt(count);
  const token = (step * BigInt(index) - 2n ** 63n + 5n).toString();
  return {
    id: memberId(index),
    address: `m${index}:1`,
    dc,
    rack: "r1",
    weight: 1,
    tokens: [token],
  };
}

function layoutOf({ datacenters, replication, initial }: TestClusterShape): Layout {
  const members = datacenters.map((dc, index) => testMember(index, datacenters.length, dc));
  const base = genesis({
    clusterId: "11111111-1111-4111-8111-111111111111",
    clusterName: "test",
    partitioner: "Murmur3Partitioner",
    members: members.filter((_, index) => initial?.includes(index) ?? true),
  });
  const definition = keyspaceDefinition("ks", replication);
  return commit(base, { kind: "create-keyspace", definition });
}

/** The next layout, of these members, with this replication of the keyspace "ks". */
export function nextLayout(
  layout: Layout,
  indexes: readonly number[],
  shape: Pick<TestClusterShape, "datacenters" | "replication">,
): Layout {
  const { datacenters, replication } = shape;
  const content = {
    members: indexes.map((index) =>
      testMember(index, datacenters.length, datacenters[index] as string),
    ),
    keyspaces: layout.keyspaces.map((keyspace) => ({ ...keyspace, replication })),
    leavingIds: [],
    removedIds: [],
  };
  return commit(layout, { kind: "plan", content });
}

/** What came out of one operation. */
export class Outcome implements ReadSink, WriteSink {
  count = 0;
  error: KvError | undefined;
  found: VersionedValue | undefined;
  receipt: Receipt | undefined;

  get isSettled(): boolean {
    return this.count > 0;
  }

  get text(): string | undefined {
    return this.found === undefined ? undefined : Buffer.from(this.found.value).toString();
  }

  read(found: VersionedValue | undefined, receipt: Receipt): void {
    this.count++;
    this.found = found && { ...found, value: new Uint8Array(found.value) };
    this.receipt = receipt;
  }

  written(receipt: Receipt): void {
    this.count++;
    this.receipt = receipt;
  }

  failed(error: KvError): void {
    this.count++;
    this.error = error;
  }
}
