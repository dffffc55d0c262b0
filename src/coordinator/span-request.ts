/**
 * One page of one span from as many replicas as the level needs, closest first.
 *
 * Under another layout the span may end elsewhere and have other replicas. So it is looked up anew
 * when the request is made again because of that, and handed back with the answers. Answers that come
 * after this member has gone over to reading from another layout do not count (read-operation.ts).
 */
import {
  FRAME_HEADER_BYTES,
  FailureReason,
  type FailureReasonCode,
  FrameType,
  type LayoutStamp,
  bodyOf,
  encodeOpaque,
} from "../codec/frames.ts";
import {
  type ScanAnswer,
  type ScanKeys,
  type ScanQuery,
  decodeScanAnswer,
  encodeScanQuery,
} from "../codec/packed-frames.ts";
import type { Consistency } from "../model/consistency.ts";
import { KvError } from "../model/kv-error.ts";
import { CorruptRecordError } from "../storage/engine.ts";
import type { CoordinatorContext } from "./context.ts";
import { type DeadlineQueue, Expiring } from "./deadlines.ts";
import { LIVES_ELSEWHERE, LayoutRetry, type Retriable } from "./layout-retry.ts";
import { scanLocally } from "./local-scan.ts";
import type { Peer } from "./peer.ts";
import type { PendingRequest } from "./pending.ts";
import { type Span, queryOf } from "./scan-span.ts";
import { Tally } from "./tally.ts";

export interface SpanAnswers {
  readonly span: Span;
  readonly answers: readonly ScanAnswer[];
}

export interface SpanRequestParts {
  /** The span in the present layouts. Throws KvError. */
  readonly spanAt: () => Span;
  readonly limit: number;
  /** Asks for cells in the order of keys. */
  readonly keys?: ScanKeys | undefined;
  readonly keyspaceId: number;
  readonly consistency: Consistency;
  readonly resolve: (answers: SpanAnswers) => void;
  readonly reject: (error: KvError) => void;
}

/** The request as it is made under one layout. */
interface Attempt {
  readonly span: Span;
  readonly tally: Tally;
  readonly required: number;
  readonly layout: LayoutStamp;
  /** The counter of the layout whose replicas are asked. */
  readonly reads: number;
  readonly requestId: number;
  readonly answers: ScanAnswer[];
  /** Positions that were asked or found dead. */
  readonly tried: Set<number>;
  readonly failures: { position: number; reason: string }[];
}

export class SpanRequest extends Expiring implements PendingRequest, Retriable {
  readonly #context: CoordinatorContext;
  readonly #parts: SpanRequestParts;
  /** Undefined when it is over. */
  #attempt: Attempt | undefined;
  /** Positions that have refused because of the layout and are going to be asked again. */
  #elsewhere: number[] = [];
  #retry: LayoutRetry | undefined;

  constructor(context: CoordinatorContext, parts: SpanRequestParts) {
    super();
    this.#context = context;
    this.#parts = parts;
  }

  start(): void {
    this.#context.speculation.add(this);
    this.#begin();
  }

  answered(peer: Peer, bytes: Buffer, start: number, end: number): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    if (attempt.reads !== this.#context.reads) return this.#begin();
    const position = attempt.span.plan.positionOf(peer);
    this.#take(attempt, position, decodeScanAnswer(bodyOf(bytes, start, end)));
  }

  refused(peer: Peer, reason: FailureReasonCode, body: Buffer): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const position = attempt.span.plan.positionOf(peer);
    if (reason !== FailureReason.layoutMismatch) {
      return this.#failed(attempt, position, body.toString("utf8"));
    }
    this.#elsewhere.push(position);
    (this.#retry ??= new LayoutRetry(this.#context, this)).wait();
    this.#failed(attempt, position, LIVES_ELSEWHERE);
  }

  disconnected(peer: Peer): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const position = attempt.span.plan.positionOf(peer);
    if (attempt.tried.has(position)) this.#failed(attempt, position, "disconnected");
  }

  override expired(queue: DeadlineQueue): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    if (queue === this.#context.speculation) {
      this.#context.readTimeouts.add(this);
      this.#askMore(attempt);
      return;
    }
    if (attempt.tally.state === "unreachable") return this.#failUnreachable(attempt);
    const { tried, tally, span, required } = attempt;
    this.#close();
    this.#parts.reject(
      new KvError({
        code: "TIMEOUT",
        operation: "read",
        level: this.#parts.consistency,
        required,
        received: attempt.answers.length,
        timeoutMs: this.#context.readTimeouts.limitMs,
        silent: span.plan.addresses(
          (position) => tried.has(position) && !tally.isAnswered(position),
        ),
      }),
    );
  }

  /** Asks once more who has refused; under another layout everybody. */
  retry(): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const elsewhere = this.#elsewhere;
    this.#elsewhere = [];
    for (const position of elsewhere) {
      attempt.tally.reopen(position);
      attempt.tried.delete(position);
    }
    const kept = attempt.failures.filter(({ reason }) => reason !== LIVES_ELSEWHERE);
    attempt.failures.splice(0, attempt.failures.length, ...kept);
    this.#askMore(attempt);
  }

  #begin(): void {
    const { pending, layout, reads } = this.#context;
    if (this.#attempt !== undefined) pending.remove(this.#attempt.requestId);
    try {
      const span = this.#parts.spanAt();
      const { answers } = span.plan.readRequirement(this.#parts.consistency);
      this.#attempt = {
        span,
        tally: new Tally(answers),
        required: answers.total,
        layout,
        reads,
        requestId: pending.add(this),
        answers: [],
        tried: new Set(),
        failures: [],
      };
    } catch (error) {
      this.#close();
      this.#parts.reject(error as KvError);
      return;
    }
    this.#askMore(this.#attempt);
  }

  /** Asks as many untried replicas, closest first, as answers are missing. */
  #askMore(attempt: Attempt): void {
    // Nobody who lives in the present layout answers under another one, this member included.
    if (attempt.layout !== this.#context.layout) return this.#begin();
    const { tally, tried, span } = attempt;
    let missing = tally.missingCount;
    for (const position of span.plan.byProximity) {
      if (missing === 0 || this.#attempt !== attempt) break;
      if (tried.has(position) || !tally.isWanted(position)) continue;
      tried.add(position);
      if (this.#send(attempt, position)) missing--;
      else this.#failed(attempt, position, "down");
    }
  }

  #send(attempt: Attempt, position: number): boolean {
    const { span, layout, requestId } = attempt;
    const { keyspaceId, limit, keys } = this.#parts;
    const query = { ...queryOf(span, limit), keys };
    if (position === span.plan.selfPosition) {
      this.#scanSelf(attempt, position, query);
      return true;
    }
    const peer = span.plan.replicas[position] as Peer;
    const body = encodeScanQuery(query, layout);
    const sizeBytes = FRAME_HEADER_BYTES + body.length;
    const space = peer.reserveRequest(sizeBytes, this.#context.deadlines.nowMs);
    if (space === undefined) return false;
    const header = { type: FrameType.scan, flags: 0, keyspaceId, requestId };
    encodeOpaque(space, header, body);
    return true;
  }

  #scanSelf(attempt: Attempt, position: number, query: ScanQuery): void {
    try {
      const answer = scanLocally(this.#context, this.#parts.keyspaceId, query);
      this.#context.defer(() => this.#take(attempt, position, answer));
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error;
      this.#context.defer(() => this.#failed(attempt, position, error.message));
    }
  }

  #take(attempt: Attempt, position: number, answer: ScanAnswer): void {
    if (this.#attempt !== attempt || attempt.tally.isAnswered(position)) return;
    attempt.answers.push(answer);
    if (attempt.tally.ok(position) !== "reached") return;
    this.#close();
    this.#parts.resolve(attempt);
  }

  #failed(attempt: Attempt, position: number, reason: string): void {
    if (this.#attempt !== attempt || attempt.tally.isAnswered(position)) return;
    attempt.failures.push({ position, reason });
    if (attempt.tally.failed(position) === "open") return this.#askMore(attempt);
    // While a replica is going to be asked again nothing is lost yet.
    if (this.#elsewhere.length === 0) this.#failUnreachable(attempt);
  }

  #failUnreachable({ required, answers, failures, span }: Attempt): void {
    this.#close();
    this.#parts.reject(
      new KvError({
        code: "REPLICA_FAILURE",
        operation: "read",
        level: this.#parts.consistency,
        required,
        received: answers.length,
        failures: failures.map(({ position, reason }) => ({
          replica: span.plan.replicas[position]?.address ?? "",
          reason,
        })),
      }),
    );
  }

  #close(): void {
    if (this.#attempt !== undefined) this.#context.pending.remove(this.#attempt.requestId);
    this.#attempt = undefined;
    this.queue?.remove(this);
    this.#retry?.cancel();
  }
}
