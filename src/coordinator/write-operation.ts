/**
 * One write: sent to every replica at once, answered when its level is reached (Dynamo, section 4.5).
 *
 * The other replicas finish in the background: the operation lives on until all have answered or
 * its time is over. If the level is missed the outcome is *failed* only when no replica can have
 * stored the write; as soon as one has, or may have, it is *unknown*.
 *
 * A replica that lives in another layout sends the write back, and gets it again: under the layout
 * that this member lives in by then, with the version that it had from the beginning, until the time
 * of the whole write is over. Whoever has stored it holds it, whatever layout it was sent under; so
 * the acknowledgements that are there count on, and only the others get it once more.
 */
import {
  FailureReason,
  type FailureReasonCode,
  FrameError,
  type LayoutStamp,
  type Writable,
  type WriteFrame,
  decodeWrite,
  encodeWrite,
  writeFrameBytes,
} from "../codec/frames.ts";
import type { CellWrite } from "../model/cell-write.ts";
import type { Durability } from "../model/consistency.ts";
import { KvError } from "../model/kv-error.ts";
import type { Receipt, WriteSink } from "../model/kv-api.ts";
import type { Version } from "../model/version.ts";
import type { PutSink } from "../storage/engine.ts";
import type { CoordinatorContext } from "./context.ts";
import { type DeadlineQueue, Expiring } from "./deadlines.ts";
import { LIVES_ELSEWHERE, LayoutRetry, type Retriable, presentPlacement } from "./layout-retry.ts";
import type { Peer } from "./peer.ts";
import type { PendingRequest } from "./pending.ts";
import type { ReplicaPlan } from "./replica-plan.ts";
import type { Requirement } from "./requirement.ts";
import { Tally } from "./tally.ts";

/** What a write needs once a replica has sent it back. */
interface Returned {
  readonly write: WriteFrame;
  readonly retry: LayoutRetry;
  /** Replicas that live elsewhere, as far as known. */
  positions: number[];
}

export class WriteOperation
  extends Expiring
  implements PendingRequest, PutSink, Receipt, Retriable
{
  readonly #context: CoordinatorContext;
  readonly #requestId: number;
  #plan: ReplicaPlan;
  #requirement: Requirement;
  #tally: Tally;
  /** The layout that `#plan` is of. */
  #layout: LayoutStamp;
  /** Undefined once the caller has its answer. */
  #sink: WriteSink | undefined;
  #version: Version | undefined;
  /** No judgement before every replica was tried: what is sent later would belie it. */
  #isStarting = true;
  /** Writes that were sent, the one to this member's own store included. */
  #sentCount = 0;
  /** Of those, the ones that were certainly not stored. */
  #refusedCount = 0;
  #isSentAgain = false;
  #unansweredCount: number;
  #isPutPending = false;
  #sizeBytes = 0;
  #failures: { position: number; reason: string }[] | undefined;
  #returned: Returned | undefined;

  constructor(
    context: CoordinatorContext,
    plan: ReplicaPlan,
    requirement: Requirement,
    sink: WriteSink,
  ) {
    super();
    this.#context = context;
    this.#plan = plan;
    this.#requirement = requirement;
    this.#tally = new Tally(requirement);
    this.#layout = context.layout;
    this.#sink = sink;
    this.#unansweredCount = plan.replicas.length;
    this.#requestId = context.pending.add(this);
  }

  get version(): Version | undefined {
    return this.#version;
  }

  get answeredBy(): readonly string[] {
    return this.#plan.addresses((position) => this.#tally.isOk(position));
  }

  /** Bytes of `write` are copied before this returns. */
  start(write: CellWrite, durability: Durability): void {
    this.#version = { timestamp: write.timestamp, writer: write.writer };
    this.#context.writeTimeouts.add(this);
    const sizeBytes = writeFrameBytes(write);
    this.#sizeBytes = sizeBytes;
    this.#context.inFlightBytes += sizeBytes;
    const { replicas, selfPosition } = this.#plan;
    for (let position = 0; position < replicas.length; position++) {
      if (position !== selfPosition) this.#sendTo(position, write, durability);
    }
    if (selfPosition >= 0) this.#putLocally(write, durability);
    this.#isStarting = false;
    this.#judge();
  }

  answered(peer: Peer): void {
    this.#ok(this.#plan.positionOf(peer));
  }

  refused(peer: Peer, reason: FailureReasonCode, body: Buffer): void {
    const position = this.#plan.positionOf(peer);
    // Networks may bring a frame twice, and then both are refused.
    const isNews = !this.#tally.isAnswered(position);
    if (reason !== FailureReason.storage && isNews) this.#refusedCount++;
    if (reason !== FailureReason.layoutMismatch) {
      return this.#failed(position, body.toString("utf8"));
    }
    if (body.length !== this.#sizeBytes) return this.#failed(position, LIVES_ELSEWHERE);
    this.#sentBack(position, body);
  }

  disconnected(peer: Peer): void {
    this.#failed(this.#plan.positionOf(peer), "disconnected");
  }

  stored(): void {
    this.#isPutPending = false;
    this.#ok(this.#plan.selfPosition);
  }

  putFailed(error: Error): void {
    this.#isPutPending = false;
    this.#failed(this.#plan.selfPosition, error.message);
  }

  override expired(_queue: DeadlineQueue): void {
    this.#leave();
    if (this.#tally.state === "unreachable") return this.#failUnreachable();
    this.#fail(
      new KvError(
        {
          code: "TIMEOUT",
          operation: "write",
          level: this.#requirement.consistency,
          required: this.#requirement.total,
          received: this.#tally.okCount,
          timeoutMs: this.#context.writeTimeouts.limitMs,
          silent: this.#plan.addresses((position) => !this.#tally.isAnswered(position)),
        },
        "unknown",
      ),
    );
  }

  /** Sends the write to the replicas that have sent it back, or to those of the new layout. */
  retry(): void {
    const returned = this.#returned;
    if (returned === undefined) return;
    const { write, positions } = returned;
    returned.positions = [];
    this.#isStarting = true;
    if (this.#layout === this.#context.layout) {
      this.#isSentAgain = true;
      for (const position of positions) this.#reopen(position);
      for (const position of positions) this.#sendTo(position, write, write.durability);
    } else if (!this.#goOver(write)) return;
    this.#isStarting = false;
    this.#judge();
  }

  /** Goes on under the present layout. False if that cannot be. */
  #goOver(write: WriteFrame): boolean {
    const { keyspace } = this.#plan;
    const { consistency } = this.#requirement;
    let plan: ReplicaPlan;
    let requirement: Requirement;
    try {
      plan = presentPlacement(this.#context, keyspace).plan(write.tokenHi, write.tokenLo);
      requirement = plan.writeRequirement(consistency);
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      this.#leave();
      this.#fail(new KvError(error.detail, this.#outcome()));
      return false;
    }
    const missing = this.#takeOver(plan, requirement);
    this.#isSentAgain = true;
    for (const position of missing) {
      if (position !== plan.selfPosition) this.#sendTo(position, write, write.durability);
      else if (!this.#isPutPending) this.#putLocally(write, write.durability);
    }
    return true;
  }

  /** Replaces the plan; returns the positions that are not known to hold the write. */
  #takeOver(plan: ReplicaPlan, requirement: Requirement): number[] {
    const holds = new Set(
      [...this.#plan.replicas]
        .filter((_, position) => this.#tally.isOk(position))
        .map(({ memberId }) => memberId),
    );
    this.#plan = plan;
    this.#requirement = requirement;
    this.#tally = new Tally(requirement);
    this.#layout = this.#context.layout;
    this.#failures = undefined;
    const positions = [...plan.replicas.keys()];
    const isHolder = (position: number): boolean =>
      holds.has((plan.replicas[position] as Peer).memberId);
    for (const position of positions.filter(isHolder)) this.#tally.ok(position);
    const missing = positions.filter((position) => !isHolder(position));
    this.#unansweredCount = missing.length;
    if (this.#tally.state === "reached") this.#succeed();
    if (missing.length === 0) this.#leave();
    return missing;
  }

  #sendTo(position: number, write: CellWrite, durability: Durability): void {
    const peer = this.#plan.replicas[position] as Peer;
    if (!peer.isAlive) return this.#failed(position, "down");
    const space = peer.reserveRequest(this.#sizeBytes, this.#context.deadlines.nowMs);
    if (space === undefined) return this.#failed(position, "its queue is full");
    this.#sentCount++;
    encodeWrite(space, write, durability, { requestId: this.#requestId, layout: this.#layout });
  }

  #putLocally(write: CellWrite, durability: Durability): void {
    this.#sentCount++;
    this.#isPutPending = true;
    this.#context.engine.put(write, durability, this);
  }

  #sentBack(position: number, frame: Buffer): void {
    if (this.#tally.isAnswered(position)) return;
    this.#returned ??= {
      write: this.#decode(Buffer.from(frame)),
      retry: new LayoutRetry(this.#context, this),
      positions: [],
    };
    this.#returned.positions.push(position);
    this.#returned.retry.wait();
    this.#noteFailure(position, LIVES_ELSEWHERE);
  }

  /** Throws FrameError if it is another write than this one. */
  #decode(frame: Buffer): WriteFrame {
    const write = {} as Writable<WriteFrame>;
    decodeWrite(frame, 0, frame.length, write);
    const isSame =
      write.timestamp === this.#version?.timestamp && write.writer === this.#version.writer;
    if (!isSame) throw new FrameError("a replica has sent back another write than it was sent");
    return write;
  }

  /** It is asked once more. */
  #reopen(position: number): void {
    this.#tally.reopen(position);
    this.#failures = this.#failures?.filter((failure) => failure.position !== position);
  }

  #ok(position: number): void {
    const positions = this.#returned?.positions;
    if (positions?.includes(position) === true) {
      // It has sent back one copy and stored another.
      positions.splice(positions.indexOf(position), 1);
      this.#reopen(position);
    }
    if (this.#tally.isAnswered(position)) return;
    this.#tally.ok(position);
    if (this.#tally.state === "reached") this.#succeed();
    // It may have been the last one that was to be asked again.
    else this.#judge();
    this.#oneLess();
  }

  #failed(position: number, reason: string): void {
    if (this.#tally.isAnswered(position)) return;
    this.#noteFailure(position, reason);
    this.#judge();
    this.#oneLess();
  }

  #noteFailure(position: number, reason: string): void {
    (this.#failures ??= []).push({ position, reason });
    this.#tally.failed(position);
  }

  /** While a replica is going to be asked again nothing is lost yet. */
  #judge(): void {
    if (this.#isStarting || this.#tally.state !== "unreachable") return;
    if (this.#returned === undefined || this.#returned.positions.length === 0) {
      this.#failUnreachable();
    }
  }

  #oneLess(): void {
    if (--this.#unansweredCount === 0) this.#leave();
  }

  /** Nothing is expected any more. */
  #leave(): void {
    this.#context.pending.remove(this.#requestId);
    this.#context.inFlightBytes -= this.#sizeBytes;
    // The own store may still answer after the deadline: that must not count twice.
    this.#sizeBytes = 0;
    this.queue?.remove(this);
    this.#returned?.retry.cancel();
  }

  #succeed(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.written(this);
  }

  /** After sending again nobody can tell which of the two was refused. */
  #outcome(): "failed" | "unknown" {
    const isRefused = this.#refusedCount === this.#sentCount && !this.#isSentAgain;
    return isRefused ? "failed" : "unknown";
  }

  #failUnreachable(): void {
    if (this.#sink === undefined) return;
    const failures = this.#failures ?? [];
    this.#fail(
      new KvError(
        {
          code: "REPLICA_FAILURE",
          operation: "write",
          level: this.#requirement.consistency,
          required: this.#requirement.total,
          received: this.#tally.okCount,
          failures: failures.map(({ position, reason }) => ({
            replica: this.#plan.replicas[position]?.address ?? "",
            reason,
          })),
        },
        this.#outcome(),
      ),
    );
  }

  #fail(error: KvError): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    this.#sink = undefined;
    this.#context.counters.writeFailures++;
    sink.failed(error);
  }
}
