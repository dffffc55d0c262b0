/**
 * Walking the whole ring in token order, a page at a time.
 *
 * A cursor is the next token to look at, counted from the ring's minimum, so "0" starts and the
 * numbers stay unsigned. It names a place on the ring and nothing else: no state is kept between
 * pages, any member can go on, and a key that is there from first to last page cannot be passed by,
 * because its token does not move. Each page asks as many replicas as the level needs and merges
 * what they hold by version, so a key deleted at that level is not returned.
 */
import {
  type PageCell,
  type ScanAnswer,
  type ScanQuery,
  encodeScanQuery,
  decodeScanAnswer,
} from "../codec/packed-frames.ts";
import {
  FRAME_HEADER_BYTES,
  type FailureReasonCode,
  FrameType,
  bodyOf,
  encodeOpaque,
} from "../codec/frames.ts";
import type { Consistency } from "../model/consistency.ts";
import type { ScanPage } from "../model/kv-api.ts";
import { KvError } from "../model/kv-error.ts";
import { NEVER_EXPIRES } from "../model/version.ts";
import { MIN_TOKEN, compareHalves, tokenFromHalves, tokenHi, tokenLo } from "../ring/token.ts";
import { must } from "../util/assert.ts";
import { compareHeads } from "../versions/compare.ts";
import type { CoordinatorContext } from "./context.ts";
import { type DeadlineQueue, Expiring } from "./deadlines.ts";
import type { KeyspacePlacement } from "./keyspace-placement.ts";
import { scanLocally } from "./local-scan.ts";
import type { Peer } from "./peer.ts";
import type { PendingRequest } from "./pending.ts";
import type { ReplicaPlan } from "./replica-plan.ts";
import { Tally } from "./tally.ts";

/** Positions on the ring, counted from its minimum token: 0 .. 2^64 - 1. */
const RING_SIZE = 2n ** 64n;
const LAST_POSITION = RING_SIZE - 1n;
/** Spans that one page may visit, so that a page of an empty ring ends soon. */
const SPANS_PER_PAGE_MAX = 64;
const RANGES_PER_SPAN_MAX = 1024;

/** A stretch of the ring held by one set of members: positions first .. last. */
interface Span {
  readonly first: bigint;
  readonly last: bigint;
  readonly plan: ReplicaPlan;
}

export class RingScan {
  readonly #context: CoordinatorContext;
  readonly #placement: KeyspacePlacement;
  readonly #consistency: Consistency;

  constructor(context: CoordinatorContext, placement: KeyspacePlacement, consistency: Consistency) {
    this.#context = context;
    this.#placement = placement;
    this.#consistency = consistency;
  }

  /** Throws KvError if a range cannot be read at the level. */
  async page(cursor: bigint, limit: number): Promise<ScanPage> {
    const keys: Uint8Array[] = [];
    let next = cursor;
    for (let spans = 0; spans < SPANS_PER_PAGE_MAX && next < RING_SIZE; spans++) {
      const span = this.#spanAt(next);
      const merged = await this.#readSpan(span, limit - keys.length);
      for (const { key } of merged.live) keys.push(key);
      next = merged.next;
      if (keys.length >= limit) break;
    }
    return { keys, cursor: (next >= RING_SIZE ? 0n : next).toString() };
  }

  /** A stretch from `first` on, over as many ranges as the same members hold. */
  #spanAt(first: bigint): Span {
    const plan = this.#planAt(first);
    const members = new Set(plan.replicas);
    let last = this.#rangeEnd(first);
    for (let ranges = 1; ranges < RANGES_PER_SPAN_MAX && last < LAST_POSITION; ranges++) {
      const { replicas } = this.#planAt(last + 1n);
      if (replicas.length !== members.size || !replicas.every((peer) => members.has(peer))) break;
      last = this.#rangeEnd(last + 1n);
    }
    return { first, last, plan };
  }

  /** Where the range that holds a position ends. */
  #rangeEnd(position: bigint): bigint {
    const token = position + MIN_TOKEN;
    const { ranges } = this.#placement;
    let below = 0;
    let above = ranges.length;
    while (below < above) {
      const middle = (below + above) >>> 1;
      const { endHi, endLo } = must(ranges[middle], "a range in bounds");
      if (compareHalves(endHi, endLo, tokenHi(token), tokenLo(token)) < 0) below = middle + 1;
      else above = middle;
    }
    const range = ranges[below];
    // After the last token comes the first one's range, which wraps.
    return range === undefined
      ? LAST_POSITION
      : tokenFromHalves(range.endHi, range.endLo) - MIN_TOKEN;
  }

  #planAt(position: bigint): ReplicaPlan {
    const token = position + MIN_TOKEN;
    return this.#placement.plan(tokenHi(token), tokenLo(token));
  }

  async #readSpan(span: Span, limit: number): Promise<{ live: PageCell[]; next: bigint }> {
    const answers = await this.#ask(span, limit);
    let complete = span.last;
    for (const { isComplete, cells } of answers) {
      const last = cells.at(-1);
      if (isComplete || last === undefined) continue;
      const position = positionOf(last);
      if (position < complete) complete = position;
    }
    const nowMs = this.#context.nowMs();
    const live = mergeCells(answers).filter(
      (cell) =>
        positionOf(cell) <= complete &&
        !cell.isTombstone &&
        (cell.expiresAtMs === NEVER_EXPIRES || cell.expiresAtMs > nowMs),
    );
    return { live, next: complete + 1n };
  }

  #ask(span: Span, limit: number): Promise<ScanAnswer[]> {
    const start = span.first + MIN_TOKEN - 1n;
    const end = span.last + MIN_TOKEN;
    const query: ScanQuery = {
      startHi: tokenHi(BigInt.asIntN(64, start)),
      startLo: tokenLo(BigInt.asIntN(64, start)),
      endHi: tokenHi(end),
      endLo: tokenLo(end),
      limit,
    };
    return new Promise((resolve, reject) => {
      new SpanRequest(this.#context, span.plan, {
        query,
        keyspaceId: this.#placement.keyspace.id,
        consistency: this.#consistency,
        resolve,
        reject,
      }).start();
    });
  }
}

interface SpanRequestParts {
  readonly query: ScanQuery;
  readonly keyspaceId: number;
  readonly consistency: Consistency;
  readonly resolve: (answers: ScanAnswer[]) => void;
  readonly reject: (error: KvError) => void;
}

/** One page of one span from as many replicas as the level needs, closest first. */
class SpanRequest extends Expiring implements PendingRequest {
  readonly #context: CoordinatorContext;
  readonly #plan: ReplicaPlan;
  readonly #parts: SpanRequestParts;
  readonly #answers: ScanAnswer[] = [];
  readonly #tried = new Set<number>();
  readonly #failures: { replica: string; reason: string }[] = [];
  #tally: Tally | undefined;
  #requestId = 0;

  constructor(context: CoordinatorContext, plan: ReplicaPlan, parts: SpanRequestParts) {
    super();
    this.#context = context;
    this.#plan = plan;
    this.#parts = parts;
  }

  start(): void {
    try {
      this.#tally = new Tally(this.#plan.requirement(this.#parts.consistency));
    } catch (error) {
      this.#parts.reject(error as KvError);
      return;
    }
    this.#requestId = this.#context.pending.add(this);
    this.#context.speculation.add(this);
    this.#askMore();
  }

  answered(peer: Peer, bytes: Buffer, start: number, end: number): void {
    this.#take(this.#plan.positionOf(peer), decodeScanAnswer(bodyOf(bytes, start, end)));
  }

  refused(peer: Peer, _reason: FailureReasonCode, text: string): void {
    this.#failed(this.#plan.positionOf(peer), text);
  }

  disconnected(peer: Peer): void {
    const position = this.#plan.positionOf(peer);
    if (this.#tried.has(position)) this.#failed(position, "disconnected");
  }

  override expired(queue: DeadlineQueue): void {
    if (queue === this.#context.speculation) {
      this.#context.readTimeouts.add(this);
      this.#askMore();
      return;
    }
    const silent = [...this.#tried].filter(
      (position) => this.#tally?.isAnswered(position) !== true,
    );
    this.#close();
    this.#parts.reject(
      new KvError({
        code: "TIMEOUT",
        operation: "read",
        level: this.#parts.consistency,
        required: this.#plan.requirement(this.#parts.consistency).total,
        received: this.#answers.length,
        timeoutMs: this.#context.readTimeouts.limitMs,
        silent: silent.map((position) => this.#plan.replicas[position]?.address ?? ""),
      }),
    );
  }

  /** Asks as many untried replicas, closest first, as answers are missing. */
  #askMore(): void {
    let missing = this.#tally?.missingCount ?? 0;
    for (const position of this.#plan.byProximity) {
      if (missing === 0) break;
      if (this.#tried.has(position)) continue;
      this.#tried.add(position);
      if (this.#send(position)) missing--;
      else this.#failed(position, "down");
    }
  }

  #send(position: number): boolean {
    const peer = this.#plan.replicas[position] as Peer;
    const { query, keyspaceId } = this.#parts;
    if (peer.isSelf) {
      const answer = scanLocally(this.#context.engine, keyspaceId, query);
      this.#context.defer(() => this.#take(position, answer));
      return true;
    }
    const body = encodeScanQuery(query, this.#context.layout);
    const sizeBytes = FRAME_HEADER_BYTES + body.length;
    const space = peer.reserveRequest(sizeBytes, this.#context.deadlines.nowMs);
    if (space === undefined) return false;
    const header = { type: FrameType.scan, flags: 0, keyspaceId, requestId: this.#requestId };
    encodeOpaque(space, header, body);
    return true;
  }

  #take(position: number, answer: ScanAnswer): void {
    if (this.#tally === undefined || this.#tally.isAnswered(position)) return;
    this.#answers.push(answer);
    if (this.#tally.ok(position) !== "reached") return;
    this.#close();
    this.#parts.resolve(this.#answers);
  }

  #failed(position: number, reason: string): void {
    if (this.#tally === undefined || this.#tally.isAnswered(position)) return;
    this.#failures.push({ replica: this.#plan.replicas[position]?.address ?? "", reason });
    if (this.#tally.failed(position) === "open") return this.#askMore();
    const required = this.#plan.requirement(this.#parts.consistency).total;
    this.#close();
    this.#parts.reject(
      new KvError({
        code: "REPLICA_FAILURE",
        operation: "read",
        level: this.#parts.consistency,
        required,
        received: this.#answers.length,
        failures: this.#failures,
      }),
    );
  }

  #close(): void {
    this.#tally = undefined;
    this.#context.pending.remove(this.#requestId);
    this.queue?.remove(this);
  }
}

function positionOf({ tokenHi: hi, tokenLo: lo }: PageCell): bigint {
  return tokenFromHalves(hi, lo) - MIN_TOKEN;
}

/** The newest cell of each key, in ring order. */
function mergeCells(answers: readonly ScanAnswer[]): PageCell[] {
  if (answers.length === 1) return [...(answers[0]?.cells ?? [])];
  const newest = new Map<string, PageCell>();
  for (const { cells } of answers) {
    for (const cell of cells) {
      const id = Buffer.from(cell.key).toString("latin1");
      const known = newest.get(id);
      if (known === undefined || compareHeads(cell, known) > 0) newest.set(id, cell);
    }
  }
  return [...newest.values()].sort(
    (left, right) => left.tokenHi - right.tokenHi || left.tokenLo - right.tokenLo,
  );
}
