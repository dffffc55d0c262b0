/**
 * The coordinator by itself, in process: what one request costs besides storage, sockets and front
 * ends. The store does nothing, links end in a buffer, and the other replicas' answers are made here.
 *
 *   npx tsx bench/coordinator.bench.ts           a short run
 *   npx tsx bench/coordinator.bench.ts large     a long one
 *
 * Five members, RF 3, QUORUM, 64 tokens each. "one layout" is the ring at rest; "two layouts" is the
 * same ring while a fifth member joins four, so that most keys have a set of replicas in each.
 */
import { cpus } from "node:os";
import Table from "cli-table3";
import {
  FRAME_HEADER_BYTES,
  type FrameSpace,
  FrameType,
  type ReadAnswer,
  encodeReadAnswer,
  encodeWriteOk,
  readAnswerBytes,
} from "../src/codec/frames.ts";
import { Coordinator } from "../src/coordinator/coordinator.ts";
import { Peer } from "../src/coordinator/peer.ts";
import { commit, genesis } from "../src/layout/commit.ts";
import { append, historyOf } from "../src/layout/history.ts";
import type { Layout, LayoutMember } from "../src/layout/layout.ts";
import { silentLogger } from "../src/model/deps.ts";
import { Murmur3 } from "../src/ring/murmur3.ts";
import type { StorageEngine } from "../src/storage/engine.ts";
import type { Link } from "../src/transport/transport.ts";
import { SeededRng } from "../src/util/random.ts";
import { HybridClock } from "../src/versions/hybrid-clock.ts";

const isLarge = process.argv[2] === "large";
const OPERATIONS = isLarge ? 2_000_000 : 200_000;
const ROUNDS = isLarge ? 7 : 5;
const MEMBERS = 5;
const TOKENS = 64;
const KEYS = 4096;

const value = Buffer.alloc(100, "x");
const keys = Array.from({ length: KEYS }, (_, index) => Buffer.from(`key:${index}`));
const cell: ReadAnswer = {
  isFound: true,
  isTombstone: false,
  timestamp: 1,
  writer: 1,
  expiresAtMs: 0,
  contentHash: 1,
  value,
};

/** Takes requests and keeps the kind and the number of each. */
class BenchLink implements Link {
  readonly isUp = true;
  readonly address: string;
  readonly memberId: string;
  readonly bytes: Buffer = Buffer.alloc(1 << 12);
  hasRequest = false;

  constructor(memberId: string) {
    this.address = memberId;
    this.memberId = memberId;
  }

  reserve(): FrameSpace {
    this.hasRequest = true;
    return { bytes: this.bytes, offset: 0 };
  }
}

const answerBytes = Buffer.alloc(1 << 12);

function answer(coordinator: Coordinator, link: BenchLink): void {
  if (!link.hasRequest) return;
  link.hasRequest = false;
  const requestId = link.bytes.readUInt32LE(8);
  const space = { bytes: answerBytes, offset: 0 };
  if (link.bytes[4] === FrameType.write) {
    encodeWriteOk(space, requestId);
    coordinator.frame(link, answerBytes, 0, FRAME_HEADER_BYTES);
  } else {
    const isDigest = link.bytes[5] === 1;
    const read = isDigest ? { ...cell, value: undefined } : cell;
    encodeReadAnswer(space, read, requestId);
    coordinator.frame(link, answerBytes, 0, readAnswerBytes(read));
  }
}

function memberId(index: number): string {
  return `0000000${index}-0000-4000-8000-000000000000`;
}

function members(count: number): LayoutMember[] {
  const rng = new SeededRng(1);
  return Array.from({ length: MEMBERS }, (_, index) => ({
    id: memberId(index),
    address: `m${index}:1`,
    dc: "dc1",
    rack: `r${index}`,
    weight: 1,
    tokens: Array.from({ length: TOKENS }, () =>
      String(BigInt.asIntN(64, (BigInt(rng.uint32()) << 32n) | BigInt(rng.uint32()))),
    ),
  })).slice(0, count);
}

function layoutOf(count: number): Layout {
  const base = genesis({
    clusterId: "11111111-1111-4111-8111-111111111111",
    clusterName: "bench",
    partitioner: "Murmur3Partitioner",
    members: members(count),
  });
  const definition = {
    name: "ks",
    replication: { class: "SimpleStrategy", options: { replication_factor: "3" } },
    readConsistency: "QUORUM",
    writeConsistency: "QUORUM",
    durability: "memory",
  } as const;
  return commit(base, { kind: "create-keyspace", definition });
}

const engine = {
  put: (_write: unknown, _durability: unknown, sink: { stored(): void }) => sink.stored(),
  get: () => cell,
  head: () => cell,
} as unknown as StorageEngine;

function makeCoordinator(): { coordinator: Coordinator; links: BenchLink[]; peers: Peer[] } {
  const clock = {
    wallMs: () => 1,
    monotonicMs: () => 1,
    setTimer: () => ({ cancel: () => {} }),
    defer: (callback: () => void) => callback(),
  };
  const coordinator = new Coordinator(
    {
      clock,
      logger: silentLogger,
      engine,
      hybridClock: new HybridClock({ clock }),
      hasher: new Murmur3(),
      onLayoutMismatch: () => {},
      onStrayWrite: () => undefined,
    },
    {
      readTimeoutMs: 1000,
      writeTimeoutMs: 1000,
      speculativeRetryMs: 50,
      keyBytesMax: 1024,
      valueBytesMax: 1 << 20,
      inFlightBytesMax: 1 << 20,
    },
  );
  const links = Array.from({ length: MEMBERS }, (_, index) => new BenchLink(memberId(index)));
  const peers = links.map(
    (link, index) =>
      new Peer(
        { memberId: memberId(index), address: `m${index}:1`, dc: "dc1", rack: `r${index}` },
        index === 0 ? undefined : link,
      ),
  );
  return { coordinator, links, peers };
}

/** Nanoseconds of CPU time per operation, the least of the rounds: the machine may be busy. */
function nanoseconds(operation: (key: Buffer) => void): number {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = process.cpuUsage();
    for (let index = 0; index < OPERATIONS; index++) operation(keys[index % KEYS] as Buffer);
    const used = process.cpuUsage(start);
    if (round > 0) rounds.push((1000 * (used.user + used.system)) / OPERATIONS);
  }
  return Math.min(...rounds);
}

function measure(isChanging: boolean): { write: number; read: number } {
  const { coordinator, links, peers } = makeCoordinator();
  const peerOf = (id: string): Peer => peers[Number(id.slice(7, 8))] as Peer;
  const before = layoutOf(isChanging ? MEMBERS - 1 : MEMBERS);
  let history = historyOf(before);
  if (isChanging) {
    const joined = { ...before, members: layoutOf(MEMBERS).members };
    history = append(history, commit(before, { kind: "plan", content: joined }));
  }
  coordinator.useHistory(history, peerOf, peers[0] as Peer);
  coordinator.identify(memberId(0), 1);
  coordinator.serve();
  let done = 0;
  const count = (): void => void done++;
  const failed = (error: Error): never => {
    throw error;
  };
  const answerAll = (): void => {
    for (const link of links) answer(coordinator, link);
  };
  const write = nanoseconds((key) => {
    coordinator.write({ keyspace: "ks", key, value }, { written: count, failed });
    answerAll();
  });
  const read = nanoseconds((key) => {
    coordinator.read({ keyspace: "ks", key }, { read: count, failed });
    answerAll();
  });
  if (done !== 2 * (ROUNDS + 1) * OPERATIONS) throw new Error(`${done} operations ended`);
  if (coordinator.pendingCount !== 0) throw new Error(`${coordinator.pendingCount} are pending`);
  return { write, read };
}

const table = new Table({ head: ["ring", "write ns", "read ns"] });
for (const isChanging of [false, true]) {
  const { write, read } = measure(isChanging);
  table.push([isChanging ? "two layouts" : "one layout", write.toFixed(0), read.toFixed(0)]);
}
console.log(`${cpus()[0]?.model ?? "unknown CPU"}, Node.js ${process.version}`);
console.log(table.toString());
