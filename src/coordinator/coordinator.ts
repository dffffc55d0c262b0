/**
 * The member as a coordinator: any member takes any request and deals with the replicas
 * (Dynamo, section 4.5).
 *
 * Everything that a request needs was computed when the layout changed; on the way of a request
 * there is one hash, one table look-up, and one frame per replica. No promise, closure or timer is
 * made per request.
 */
import { AskError, type Question } from "../codec/ask.ts";
import {
  FailureReason,
  type FailureReasonCode,
  type FrameHeader,
  FrameType,
  bodyOf,
  readHeader,
} from "../codec/frames.ts";
import { type LayoutHistory, headOf } from "../layout/history.ts";
import type { Consistency } from "../model/consistency.ts";
import type { Clock, Logger } from "../model/deps.ts";
import type {
  KvApi,
  RangePage,
  RangeRequest,
  ReadRequest,
  ReadSink,
  ScanPage,
  ScanRequest,
  WriteRequest,
  WriteSink,
} from "../model/kv-api.ts";
import { KvError } from "../model/kv-error.ts";
import { NEVER_EXPIRES } from "../model/version.ts";
import type { RingPositions } from "../placement/ring-positions.ts";
import { TokenError } from "../ring/token.ts";
import type { StorageEngine } from "../storage/engine.ts";
import type { Link } from "../transport/transport.ts";
import type { HybridClock } from "../versions/hybrid-clock.ts";
import { type CoordinatorContext, newCounters } from "./context.ts";
import { AskOperation } from "./ask-operation.ts";
import { Deadlines } from "./deadlines.ts";
import { type KeyOrder, keyOrderOf } from "./key-order.ts";
import { type KeyspacePlacement, placementsOf } from "./keyspace-placement.ts";
import { OrderedScan, type OrderedScanOptions } from "./ordered-scan.ts";
import type { Peer } from "./peer.ts";
import { PendingRequests } from "./pending.ts";
import { ReadOperation } from "./read-operation.ts";
import { ReplicaService, type ServeStream } from "./replica-service.ts";
import type { ReplicaPlan } from "./replica-plan.ts";
import type { Requirement } from "./requirement.ts";
import { RingScan } from "./ring-scan.ts";
import { WriteOperation } from "./write-operation.ts";

/** Hashes a key to its token, left in `hi` (int32) and `lo` (uint32). */
export interface KeyHasher {
  readonly hi: number;
  readonly lo: number;
  hash(bytes: Uint8Array, start: number, end: number): void;
}

export interface CoordinatorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly engine: StorageEngine;
  readonly hybridClock: HybridClock;
  readonly hasher: KeyHasher;
  /** Of the ring's partitioner, where keys may be kept in order; absent: they are hashed. */
  readonly positions?: RingPositions | undefined;
  /** A peer sent a request made under another layout: exchange layouts with it. */
  readonly onLayoutMismatch: (link: Link) => void;
  /** A replica write has come of which this member is no replica in any active layout. */
  readonly onStrayWrite: () => void;
  /**
   * Answers a stream request: the body of the answer for the body of the request, whose layout has
   * been checked. What it throws is the text of a refusal.
   */
  readonly serveStream?: ServeStream | undefined;
}

export interface CoordinatorOptions {
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly speculativeRetryMs: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  /** Bytes of keys and values that may wait for replicas at one time. */
  readonly inFlightBytesMax: number;
}

const COUNT_PAGE = 2048;
const RANGE_PAGE_MAX = 10_000;
const BUSY_RETRY_MS = 50;
const GENERATION_FACTOR = 0x9e37_79b1;
/** How long a request waits before it asks a replica again that lives in another layout. */
const LAYOUT_RETRY_MS = 10;
const ASK_CHECK_MS = 20;
/** Hex digits of a layout's hash that frames carry. */
const STAMP_DIGITS = 8;

export class Coordinator implements KvApi {
  readonly #deps: CoordinatorDeps;
  readonly #options: CoordinatorOptions;
  readonly #context: CoordinatorContext;
  readonly #replica: ReplicaService;
  readonly #header: FrameHeader = { type: 0, flags: 0, keyspaceId: 0, requestId: 0 };
  #refusal: string | undefined = "it is not in a ring yet";
  readonly #onRefusing: ((reason: string) => void)[] = [];
  #peerOfLink = new Map<Link, Peer>();
  #peerOf: (memberId: string) => Peer | undefined = () => undefined;

  constructor(deps: CoordinatorDeps, options: CoordinatorOptions) {
    this.#deps = deps;
    this.#options = options;
    const deadlines = new Deadlines(deps.clock);
    this.#context = {
      ...deps,
      keyOrder: keyOrderOf(deps.positions),
      pending: new PendingRequests(),
      deadlines,
      writeTimeouts: deadlines.queue(options.writeTimeoutMs),
      readTimeouts: deadlines.queue(options.readTimeoutMs),
      speculation: deadlines.queue(options.speculativeRetryMs),
      layoutRetries: deadlines.queue(LAYOUT_RETRY_MS),
      askChecks: deadlines.queue(ASK_CHECK_MS),
      counters: newCounters(),
      writer: 0,
      inFlightBytes: 0,
      layout: { counter: 0, hash: 0 },
      reads: 0,
      placements: new Map(),
      placementsById: new Map(),
      nowMs: () => deps.clock.wallMs(),
      defer: (callback) => deps.clock.defer(callback),
    };
    this.#replica = new ReplicaService(this.#context, deps);
  }

  get counters(): Readonly<CoordinatorContext["counters"]> {
    return this.#context.counters;
  }

  get pendingCount(): number {
    return this.#context.pending.size;
  }

  get inFlightBytes(): number {
    return this.#context.inFlightBytes;
  }

  /**
   * Stamps versions with this life of the member from now on. Each life has a stamp of its own: what
   * the hybrid clock knows does not survive a restart, and with a wall clock that was set back the
   * member would issue timestamps that it has issued before. (An odd factor maps different
   * generations to different stamps.)
   */
  identify(memberId: string, generation: number): void {
    const id = Number.parseInt(memberId.slice(0, 8), 16);
    this.#context.writer = (id + Math.imul(generation, GENERATION_FACTOR)) >>> 0;
  }

  /** Refuses requests of clients until `serve`; as a replica it goes on. */
  refuseBecause(reason: string): void {
    this.#refusal = reason;
    for (const listener of this.#onRefusing) listener(reason);
  }

  /** Calls `listener` each time that requests of clients are refused from now on. */
  onRefusing(listener: (reason: string) => void): void {
    this.#onRefusing.push(listener);
  }

  serve(): void {
    this.#refusal = undefined;
  }

  /** Why requests of clients are refused; undefined when they are served. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /**
   * Goes over to another state of the history. Requests that are under way go on; those that were
   * refused because of their layout are made again at once.
   *
   * @param peerOf - the peer of any member of any active layout
   */
  useHistory(history: LayoutHistory, peerOf: (memberId: string) => Peer, self: Peer): void {
    const { counter, hash } = headOf(history).version;
    const context = this.#context;
    context.layout = { counter, hash: Number.parseInt(hash.slice(0, STAMP_DIGITS), 16) };
    context.reads = history.reads;
    context.placements = placementsOf(history, context.placements, { peerOf, self });
    context.placementsById = new Map(
      [...context.placements.values()].map((placement) => [placement.keyspace.id, placement]),
    );
    const ids = new Set(history.layouts.flatMap(({ members }) => members.map(({ id }) => id)));
    const peers = new Map([...ids].map((id) => [id, peerOf(id)]));
    this.#peerOf = (memberId) => peers.get(memberId);
    this.#useLinks([...peers.values()]);
    context.layoutRetries.expireAll();
  }

  /**
   * Who is alive and has left may still answer what it was asked while it was a replica, or send it
   * back. What others owe on links that are in use no more will not come.
   */
  #useLinks(peers: readonly Peer[]): void {
    const before = this.#peerOfLink;
    this.#peerOfLink = new Map();
    for (const peer of peers) if (peer.link !== undefined) this.#peerOfLink.set(peer.link, peer);
    for (const [link, peer] of before) {
      if (this.#peerOfLink.has(link)) continue;
      if (peer.isAlive) this.#peerOfLink.set(link, peer);
      else this.#context.pending.disconnected(peer);
    }
  }

  /** Throws KvError if there is no such keyspace, or this member does not serve. */
  placement(keyspace: string): KeyspacePlacement {
    if (this.#refusal !== undefined) {
      throw new KvError({ code: "NOT_READY", reason: this.#refusal });
    }
    const placement = this.#context.placements.get(keyspace);
    if (placement === undefined) throw new KvError({ code: "UNKNOWN_KEYSPACE", keyspace });
    return placement;
  }

  /** Token and replicas of a key, in the layout that is read from. Throws KvError. */
  locate(keyspace: string, key: Uint8Array): { hi: number; lo: number; plan: ReplicaPlan } {
    const placement = this.placement(keyspace);
    const { hasher } = this.#deps;
    try {
      hasher.hash(key, 0, key.length);
    } catch (error) {
      throw asKvError(error);
    }
    return { hi: hasher.hi, lo: hasher.lo, plan: placement.readPlan(hasher.hi, hasher.lo) };
  }

  nowMs(): number {
    return this.#context.nowMs();
  }

  read(request: ReadRequest, sink: ReadSink): void {
    this.#context.counters.reads++;
    try {
      this.#read(request, sink);
    } catch (error) {
      const failure = asKvError(error);
      this.#context.counters.readFailures++;
      sink.failed(failure);
    }
  }

  write(request: WriteRequest, sink: WriteSink): void {
    this.#context.counters.writes++;
    try {
      this.#write(request, sink);
    } catch (error) {
      const failure = asKvError(error);
      this.#context.counters.writeFailures++;
      sink.failed(failure);
    }
  }

  async scan(request: ScanRequest): Promise<ScanPage> {
    const { keyspace } = this.placement(request.keyspace);
    const { prefix, limit } = request;
    const consistency = request.consistency ?? keyspace.readConsistency;
    const cursor = parseCursor(request.cursor);
    const page = await this.#context.pending.during(() =>
      this.#scanPage(cursor, limit, { keyspace, consistency, range: { prefix }, values: false }),
    );
    return page;
  }

  async range(request: RangeRequest): Promise<RangePage> {
    const { keyspace } = this.placement(request.keyspace);
    const { keyOrder } = this.#context;
    if (keyOrder === undefined) throw noOrder(this.#deps.positions);
    const { from, to, prefix, values, cursor } = request;
    const consistency = request.consistency ?? keyspace.readConsistency;
    const limit = Math.max(1, Math.min(request.limit, RANGE_PAGE_MAX));
    const range = { from, to, prefix };
    const scan = this.#orderedScan(keyOrder, { keyspace, consistency, range, cursor, values });
    const page = await this.#context.pending.during(() => scan.page(limit));
    return page;
  }

  async count(keyspaceName: string, consistency: Consistency = "ONE"): Promise<number> {
    const { keyspace } = this.placement(keyspaceName);
    const options = { keyspace, consistency, range: {}, values: false };
    const total = await this.#context.pending.during(async () => {
      let sum = 0;
      let cursor = "0";
      do {
        const page = await this.#scanPage(BigInt(cursor), COUNT_PAGE, options);
        sum += page.keys.length;
        cursor = page.cursor;
      } while (cursor !== "0");
      return sum;
    });
    return total;
  }

  #scanPage(
    cursor: bigint,
    limit: number,
    options: Omit<OrderedScanOptions, "order">,
  ): Promise<ScanPage> {
    const { keyOrder } = this.#context;
    if (keyOrder !== undefined) {
      return this.#orderedScan(keyOrder, options).scanPage(cursor, limit);
    }
    const { keyspace, consistency } = options;
    return new RingScan(this.#context, keyspace, consistency).page(cursor, limit);
  }

  #orderedScan(order: KeyOrder, options: Omit<OrderedScanOptions, "order">): OrderedScan {
    try {
      return new OrderedScan(this.#context, { ...options, order });
    } catch (error) {
      throw asKvError(error);
    }
  }

  /** Resolves when no operation of a client is under way. */
  drained(): Promise<void> {
    return new Promise((resolve) => this.#context.pending.whenClientsServed(resolve));
  }

  /**
   * One request to one member, outside the path of clients' requests. Rejects with AskError. The
   * answer is a copy.
   */
  ask(question: Question, timeoutMs: number): Promise<Buffer> {
    const peer = this.#peerOf(question.memberId);
    if (peer === undefined) return Promise.reject(new AskError("DOWN", "is not in the ring"));
    return new Promise((resolve, reject) => {
      new AskOperation(this.#context, peer, { resolve, reject, timeoutMs }).start(question);
    });
  }

  /** Takes a data-path frame of a peer. Throws FrameError if it is malformed. */
  frame(link: Link, bytes: Buffer, start: number, end: number): void {
    const header = this.#header;
    readHeader(bytes, start, header);
    if (header.type === FrameType.write || header.type === FrameType.read) {
      return this.#replica.serve(link, header, bytes, { start, end });
    }
    if (header.type === FrameType.scan || header.type === FrameType.stream) {
      return this.#replica.serve(link, { ...header }, bytes, { start, end });
    }
    const peer = this.#peerOfLink.get(link);
    if (peer === undefined) return;
    peer.answered(this.#context.deadlines.nowMs);
    const pending = this.#context.pending.get(header.requestId);
    if (pending === undefined) return;
    if (header.type !== FrameType.failure) return pending.answered(peer, bytes, start, end);
    const reason = header.flags as FailureReasonCode;
    if (reason === FailureReason.layoutMismatch) this.#deps.onLayoutMismatch(link);
    pending.refused(peer, reason, bodyOf(bytes, start, end));
  }

  linkDown(link: Link): void {
    const peer = this.#peerOfLink.get(link);
    if (peer === undefined) return;
    peer.disconnected();
    const present = this.#peerOf(peer.memberId);
    if (present !== peer) this.#peerOfLink.delete(link);
    // A member that has moved to another address answers there.
    if (present === peer || present === undefined) this.#context.pending.disconnected(peer);
  }

  /** The network has been stopped: whoever still waits for a peer is told that it will not answer. */
  stop(): void {
    for (const link of this.#peerOfLink.keys()) this.linkDown(link);
    // What waited to be made again under another layout finds nobody any more, and is answered so.
    const { layoutRetries, speculation, readTimeouts, writeTimeouts } = this.#context;
    layoutRetries.expireAll();
    // Who waits still waits for members that were removed meanwhile, which are nobody's peers now.
    for (const queue of [speculation, readTimeouts, writeTimeouts]) queue.expireAll();
    this.#context.deadlines.stop();
    this.#replica.stop();
  }

  #read(request: ReadRequest, sink: ReadSink): void {
    const placement = this.placement(request.keyspace);
    const { keyspace } = placement;
    const plan = this.#planFor(request.key, placement);
    const { hi, lo } = this.#deps.hasher;
    const consistency = request.consistency ?? keyspace.readConsistency;
    const requirement = plan.readRequirement(consistency);
    requireAlive(plan, requirement.answers);
    const target = {
      keyspaceId: keyspace.id,
      tokenHi: hi,
      tokenLo: lo,
      key: new Uint8Array(request.key),
      durability: keyspace.durability,
    };
    new ReadOperation(this.#context, plan, { requirement, target }, sink).start();
  }

  #write(request: WriteRequest, sink: WriteSink): void {
    const placement = this.placement(request.keyspace);
    const { keyspace } = placement;
    const { value, expiresAtMs = NEVER_EXPIRES } = request;
    const { valueBytesMax } = this.#options;
    if (value !== undefined && value.length > valueBytesMax) {
      throw tooLarge("value", value.length, valueBytesMax);
    }
    const plan = this.#planFor(request.key, placement);
    const { hi, lo } = this.#deps.hasher;
    const requirement = plan.writeRequirement(request.consistency ?? keyspace.writeConsistency);
    requireAlive(plan, requirement);
    const write = {
      keyspaceId: keyspace.id,
      tokenHi: hi,
      tokenLo: lo,
      key: request.key,
      value,
      timestamp: this.#context.hybridClock.now(),
      writer: this.#context.writer,
      expiresAtMs,
    };
    const durability = request.durability ?? keyspace.durability;
    new WriteOperation(this.#context, plan, requirement, sink).start(write, durability);
  }

  /** The token of the key is left in the hasher. */
  #planFor(key: Uint8Array, placement: KeyspacePlacement): ReplicaPlan {
    const { keyBytesMax, inFlightBytesMax } = this.#options;
    if (key.length > keyBytesMax) throw tooLarge("key", key.length, keyBytesMax);
    if (this.#context.inFlightBytes >= inFlightBytesMax) {
      const reason = `requests of ${this.#context.inFlightBytes} bytes wait for replicas`;
      throw new KvError({ code: "BUSY", reason, retryAfterMs: BUSY_RETRY_MS });
    }
    const { hasher } = this.#deps;
    hasher.hash(key, 0, key.length);
    return placement.plan(hasher.hi, hasher.lo);
  }
}

/** A key that the partitioner cannot take is a wrong argument; what is no failure is thrown on. */
function asKvError(error: unknown): KvError {
  if (error instanceof KvError) return error;
  if (!(error instanceof TokenError)) throw error;
  const { value, expected } = error;
  return new KvError({ code: "INVALID_ARGUMENT", argument: "key", value, expected });
}

function noOrder(positions: RingPositions | undefined): KvError {
  return new KvError({
    code: "INVALID_ARGUMENT",
    argument: "partitioner",
    value: positions?.partitionerName ?? "a hash",
    expected:
      "an ordered one for ranges of keys: a hash puts keys that lie together anywhere on the ring",
  });
}

function tooLarge(what: "key" | "value", sizeBytes: number, maxBytes: number): KvError {
  return new KvError({ code: "TOO_LARGE", what, sizeBytes, maxBytes });
}

/** Throws KvError if fewer replicas are alive than the level needs: nothing is sent then. */
function requireAlive(plan: ReplicaPlan, requirement: Requirement): void {
  const { replicas } = plan;
  const { groups, needed } = requirement;
  for (let group = 0; group < groups.length; group++) {
    let alive = 0;
    for (const position of groups[group] as readonly number[]) {
      if ((replicas[position] as Peer).isAlive) alive++;
    }
    if (alive < (needed[group] as number)) throw unavailable(plan, requirement);
  }
}

function unavailable(plan: ReplicaPlan, requirement: Requirement): KvError {
  const counted = plan.replicas.filter((_, at) => requirement.groupsOf[at]?.length !== 0);
  return new KvError({
    code: "UNAVAILABLE",
    level: requirement.consistency,
    required: requirement.total,
    alive: counted.filter((peer) => peer.isAlive).length,
    down: counted.filter((peer) => !peer.isAlive).map(({ address }) => address),
  });
}

function parseCursor(text: string): bigint {
  const cursor = /^\d{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (cursor >= 0n && cursor < 2n ** 64n) return cursor;
  throw new KvError({
    code: "INVALID_ARGUMENT",
    argument: "cursor",
    value: text,
    expected: "0 or the cursor of the page before",
  });
}
