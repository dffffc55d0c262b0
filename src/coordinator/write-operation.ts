/**
 * One write: sent to every replica at once, answered when its level is reached (Dynamo, section 4.5).
 *
 * The other replicas finish in the background: the operation lives on until all have answered or
 * its time is over. If the level is missed the outcome is *failed* only when no replica can have
 * stored the write; as soon as one has, or may have, it is *unknown*.
 */
import {
  FailureReason,
  type FailureReasonCode,
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
import type { Peer } from "./peer.ts";
import type { PendingRequest } from "./pending.ts";
import type { ReplicaPlan } from "./replica-plan.ts";
import type { Requirement } from "./requirement.ts";
import { Tally } from "./tally.ts";

export class WriteOperation extends Expiring implements PendingRequest, PutSink, Receipt {
  readonly #context: CoordinatorContext;
  readonly #plan: ReplicaPlan;
  readonly #requirement: Requirement;
  readonly #tally: Tally;
  readonly #requestId: number;
  /** Undefined once the caller has its answer. */
  #sink: WriteSink | undefined;
  #version: Version | undefined;
  /** No judgement before every replica was tried: what is sent later would belie it. */
  #isStarting = true;
  /** Replicas that were sent the write, this member included. */
  #sentCount = 0;
  /** Of those, the ones that certainly did not store it. */
  #refusedCount = 0;
  #unansweredCount: number;
  #sizeBytes = 0;
  #failures: { replica: string; reason: string }[] | undefined;

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
    let isLocal = false;
    const { replicas } = this.#plan;
    for (let position = 0; position < replicas.length; position++) {
      const peer = replicas[position] as Peer;
      if (peer.isSelf) isLocal = true;
      else this.#sendTo(peer, position, { write, durability, sizeBytes });
    }
    if (isLocal) {
      this.#sentCount++;
      this.#context.engine.put(write, durability, this);
    }
    this.#isStarting = false;
    if (this.#tally.state === "unreachable") this.#failUnreachable();
  }

  answered(peer: Peer): void {
    this.#ok(this.#plan.positionOf(peer));
  }

  refused(peer: Peer, reason: FailureReasonCode, text: string): void {
    if (reason !== FailureReason.storage) this.#refusedCount++;
    this.#failed(this.#plan.positionOf(peer), text);
  }

  disconnected(peer: Peer): void {
    const position = this.#plan.positionOf(peer);
    if (position >= 0) this.#failed(position, "disconnected");
  }

  stored(): void {
    this.#ok(this.#plan.byProximity[0] as number);
  }

  putFailed(error: Error): void {
    this.#failed(this.#plan.byProximity[0] as number, error.message);
  }

  override expired(_queue: DeadlineQueue): void {
    this.#leave();
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

  #sendTo(
    peer: Peer,
    position: number,
    request: { write: CellWrite; durability: Durability; sizeBytes: number },
  ): void {
    if (!peer.isAlive) return this.#failed(position, "down");
    const space = peer.reserveRequest(request.sizeBytes, this.#context.deadlines.nowMs);
    if (space === undefined) return this.#failed(position, "its queue is full");
    this.#sentCount++;
    encodeWrite(space, request.write, request.durability, {
      requestId: this.#requestId,
      layout: this.#context.layout,
    });
  }

  #ok(position: number): void {
    if (this.#tally.isAnswered(position)) return;
    this.#tally.ok(position);
    if (this.#tally.state === "reached") this.#succeed();
    this.#oneLess();
  }

  #failed(position: number, reason: string): void {
    if (this.#tally.isAnswered(position)) return;
    const replica = this.#plan.replicas[position]?.address ?? "";
    (this.#failures ??= []).push({ replica, reason });
    this.#tally.failed(position);
    if (this.#tally.state === "unreachable" && !this.#isStarting) this.#failUnreachable();
    this.#oneLess();
  }

  #oneLess(): void {
    if (--this.#unansweredCount === 0) this.#leave();
  }

  /** Nothing is expected any more. */
  #leave(): void {
    this.#context.pending.remove(this.#requestId);
    this.#context.inFlightBytes -= this.#sizeBytes;
    this.queue?.remove(this);
  }

  #succeed(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.written(this);
  }

  #failUnreachable(): void {
    if (this.#sink === undefined) return;
    const isStoredNowhere = this.#refusedCount === this.#sentCount;
    this.#fail(
      new KvError(
        {
          code: "REPLICA_FAILURE",
          operation: "write",
          level: this.#requirement.consistency,
          required: this.#requirement.total,
          received: this.#tally.okCount,
          failures: this.#failures ?? [],
        },
        isStoredNowhere ? "failed" : "unknown",
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
