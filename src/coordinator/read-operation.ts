/**
 * One read: as many replicas as the level needs, closest first (Dynamo, section 4.5).
 *
 *     gather   ask the needed replicas; one is asked for the value, the others for a digest
 *     fetch    the winner is another cell than the one whose value came: get that value
 *     repair   bring replicas that are behind up to date, until the level holds the winner
 *
 * Most reads end in the first phase, because all digests agree. The read is over when the level's
 * number of replicas is *known to hold* what is returned, so the next read at that level cannot
 * return anything older (monotonic quorum reads, Cassandra's blocking read repair).
 *
 * This member's own copy is read last, when the other answers are in: it then needs no copy of the
 * value to wait with. A read that waits too long asks one more replica per silent one.
 */
import {
  FrameType,
  type FailureReasonCode,
  type ReadAnswer,
  type Writable,
  decodeReadAnswer,
  encodeRead,
  encodeWrite,
  readFrameBytes,
  writeFrameBytes,
} from "../codec/frames.ts";
import type { Durability } from "../model/consistency.ts";
import type { Receipt, ReadSink } from "../model/kv-api.ts";
import { KvError } from "../model/kv-error.ts";
import type { Version } from "../model/version.ts";
import type { PutSink } from "../storage/engine.ts";
import type { CoordinatorContext } from "./context.ts";
import { type DeadlineQueue, Expiring } from "./deadlines.ts";
import { deliver, readLocally } from "./local-read.ts";
import type { Peer } from "./peer.ts";
import type { PendingRequest } from "./pending.ts";
import { ReplicaAnswers } from "./replica-answers.ts";
import type { ReplicaPlan } from "./replica-plan.ts";
import { NO_GROUP, type Requirement } from "./requirement.ts";
import { Tally } from "./tally.ts";

export interface ReadTarget {
  readonly keyspaceId: number;
  readonly tokenHi: number;
  readonly tokenLo: number;
  /** Kept until the read is over. */
  readonly key: Uint8Array;
  /** With which stale replicas are repaired. */
  readonly durability: Durability;
}

type Phase = "gather" | "fetch" | "repair" | "over";

export class ReadOperation extends Expiring implements PendingRequest, PutSink, Receipt {
  readonly #context: CoordinatorContext;
  readonly #plan: ReplicaPlan;
  readonly #requirement: Requirement;
  readonly #target: ReadTarget;
  readonly #sink: ReadSink;
  readonly #requestId: number;
  readonly #sizeBytes: number;
  readonly #answers = new ReplicaAnswers();
  /** Positions that were asked or found dead. */
  readonly #tried: boolean[] = [];
  #phase: Phase = "gather";
  /** In `gather`: replicas that answered; in `repair`: replicas known to hold the winner. */
  #tally: Tally;
  /** This member's own position while its copy is still to be read. */
  #unreadSelf: number | undefined;
  #isValueAsked = false;
  /** Positions that were asked for the winner's value after the digests were in. */
  readonly #fetchedFrom: number[] = [];
  #failures: { replica: string; reason: string }[] | undefined;

  constructor(
    context: CoordinatorContext,
    plan: ReplicaPlan,
    request: { requirement: Requirement; target: ReadTarget },
    sink: ReadSink,
  ) {
    super();
    this.#context = context;
    this.#plan = plan;
    this.#requirement = request.requirement;
    this.#target = request.target;
    this.#sink = sink;
    this.#tally = new Tally(request.requirement);
    this.#sizeBytes = readFrameBytes(request.target.key);
    this.#requestId = context.pending.add(this);
  }

  get version(): Version | undefined {
    return this.#answers.winner.isFound ? this.#answers.winner : undefined;
  }

  get answeredBy(): readonly string[] {
    return this.#plan.addresses((position) => this.#answers.has(position));
  }

  start(): void {
    this.#context.speculation.add(this);
    this.#context.inFlightBytes += this.#sizeBytes;
    const missing = this.#requirement.needed.slice();
    const { nowMs } = this.#context.deadlines;
    this.#contact(missing, (peer) => !peer.isSlow(nowMs));
    this.#contact(missing, () => true);
    this.#advance();
  }

  answered(peer: Peer, bytes: Buffer, start: number, end: number): void {
    const position = this.#plan.positionOf(peer);
    if (bytes[start + 4] === FrameType.writeOk) return this.#repaired(position);
    if (this.#phase === "repair" || this.#phase === "over") return;
    const answer = {} as Writable<ReadAnswer>;
    decodeReadAnswer(bytes, start, end, answer);
    this.#take(position, answer);
    // Whatever still waits now outlives the read buffer.
    if (this.#isOpen()) this.#answers.keepValue();
  }

  refused(peer: Peer, _reason: FailureReasonCode, text: string): void {
    this.#replicaFailed(this.#plan.positionOf(peer), text);
  }

  disconnected(peer: Peer): void {
    const position = this.#plan.positionOf(peer);
    if (this.#tried[position] === true) this.#replicaFailed(position, "disconnected");
  }

  stored(): void {
    this.#repaired(this.#plan.byProximity[0] as number);
  }

  putFailed(error: Error): void {
    this.#replicaFailed(this.#plan.byProximity[0] as number, error.message);
  }

  override expired(queue: DeadlineQueue): void {
    if (queue === this.#context.speculation) {
      this.#context.readTimeouts.add(this);
      this.#speculate();
      return;
    }
    this.#fail(
      new KvError({
        code: "TIMEOUT",
        operation: "read",
        level: this.#requirement.consistency,
        required: this.#requirement.total,
        received: this.#tally.okCount,
        timeoutMs: this.#context.readTimeouts.limitMs,
        silent: this.#plan.addresses(
          (position) => this.#tried[position] === true && !this.#tally.isAnswered(position),
        ),
      }),
    );
  }

  /** Asks the closest suitable replicas until no group misses any; dead ones are counted out. */
  #contact(missing: number[], isSuitable: (peer: Peer) => boolean): void {
    for (const position of this.#plan.byProximity) {
      const group = this.#requirement.groupOf[position] as number;
      if (group === NO_GROUP || (missing[group] as number) <= 0) continue;
      const peer = this.#plan.replicas[position] as Peer;
      if (this.#tried[position] === true || !isSuitable(peer)) continue;
      if (this.#ask(peer, position)) missing[group] = (missing[group] as number) - 1;
    }
  }

  #ask(peer: Peer, position: number): boolean {
    this.#tried[position] = true;
    if (peer.isSelf) {
      this.#unreadSelf = position;
      this.#isValueAsked = true;
      return true;
    }
    if (this.#sendRead(peer, this.#isValueAsked)) {
      this.#isValueAsked = true;
      return true;
    }
    this.#noteFailure(position, "down");
    this.#tally.failed(position);
    return false;
  }

  #sendRead(peer: Peer, isDigest: boolean): boolean {
    const { key, keyspaceId, tokenHi, tokenLo } = this.#target;
    const space = peer.reserveRequest(readFrameBytes(key), this.#context.deadlines.nowMs);
    if (space === undefined) return false;
    const stamp = { requestId: this.#requestId, layout: this.#context.layout };
    encodeRead(space, { key, tokenHi, tokenLo, isDigest }, keyspaceId, stamp);
    return true;
  }

  #take(position: number, answer: ReadAnswer): void {
    this.#answers.set(position, answer);
    if (this.#phase === "gather") this.#tally.ok(position);
    this.#advance();
  }

  #advance(): void {
    if (this.#phase === "gather") {
      if (this.#unreadSelf !== undefined && this.#tally.missingCount === 1) this.#readSelf();
      if (this.#phase !== "gather") return;
      if (this.#tally.state === "unreachable") return this.#failUnreachable();
      if (this.#tally.state === "open") return;
    }
    if (this.#phase === "over" || this.#phase === "repair") return;
    const needsValue = this.#answers.hasConflict || !this.#isExpired();
    if (needsValue && this.#answers.lacksValue) {
      if (this.#phase === "gather" && !this.#fetch()) this.#failUnreachable();
      return;
    }
    if (!this.#answers.hasConflict) return this.#finish();
    this.#repair();
  }

  #readSelf(): void {
    const position = this.#unreadSelf as number;
    this.#unreadSelf = undefined;
    try {
      this.#take(position, readLocally(this.#context.engine, this.#target));
    } catch (error) {
      this.#replicaFailed(position, error instanceof Error ? error.message : String(error));
    }
  }

  /** Gets the winner's value from a replica that said it holds it; false if none is left to ask. */
  #fetch(): boolean {
    this.#phase = "fetch";
    const holder = this.#plan.byProximity.find(
      (position) => this.#answers.isCurrent(position) && !this.#fetchedFrom.includes(position),
    );
    if (holder === undefined) return false;
    this.#fetchedFrom.push(holder);
    const peer = this.#plan.replicas[holder] as Peer;
    if (peer.isSelf) {
      this.#unreadSelf = holder;
      this.#readSelf();
      return true;
    }
    return this.#sendRead(peer, false) || this.#fetch();
  }

  #fetchFailed(position: number): void {
    if (!this.#fetchedFrom.includes(position)) return;
    if (!this.#fetch()) this.#failUnreachable();
  }

  #repair(): void {
    this.#phase = "repair";
    this.#context.counters.readRepairs++;
    this.#answers.keepValue();
    this.#tally = new Tally(this.#requirement);
    for (const position of this.#plan.replicas.keys()) {
      if (this.#answers.isCurrent(position)) this.#tally.ok(position);
    }
    this.#repairWhere((position) => this.#answers.has(position));
    this.#judgeRepair();
  }

  #repairWhere(isWanted: (position: number) => boolean): void {
    for (const [position, peer] of this.#plan.replicas.entries()) {
      if (this.#tally.isAnswered(position) || !isWanted(position)) continue;
      this.#tried[position] = true;
      if (!this.#sendRepair(peer)) this.#tally.failed(position);
    }
  }

  #sendRepair(peer: Peer): boolean {
    const { winner } = this.#answers;
    const write = { ...this.#target, ...winner };
    if (peer.isSelf) {
      this.#context.engine.put(write, this.#target.durability, this);
      return true;
    }
    const space = peer.reserveRequest(writeFrameBytes(write), this.#context.deadlines.nowMs);
    if (space === undefined) return false;
    const stamp = { requestId: this.#requestId, layout: this.#context.layout };
    encodeWrite(space, write, this.#target.durability, stamp);
    return true;
  }

  #repaired(position: number): void {
    if (this.#phase !== "repair") return;
    this.#tally.ok(position);
    this.#judgeRepair();
  }

  #judgeRepair(): void {
    if (this.#phase !== "repair") return;
    if (this.#tally.state === "reached") this.#finish();
    if (this.#tally.state === "unreachable") this.#failUnreachable();
  }

  /** Somebody is silent: brings in the replicas that were not needed so far. */
  #speculate(): void {
    this.#context.counters.speculativeReads++;
    if (this.#phase === "repair") {
      this.#repairWhere((position) => this.#tried[position] !== true);
      this.#judgeRepair();
      return;
    }
    if (this.#phase === "fetch" && this.#fetch()) return;
    this.#isValueAsked = false;
    this.#contact(this.#requirement.needed.slice(), () => true);
    this.#advance();
  }

  #replicaFailed(position: number, reason: string): void {
    if (this.#phase === "over") return;
    if (this.#phase === "fetch") return this.#fetchFailed(position);
    if (this.#tally.isAnswered(position)) return;
    this.#noteFailure(position, reason);
    const group = this.#requirement.groupOf[position] as number;
    this.#tally.failed(position);
    if (this.#phase === "repair") {
      this.#repairWhere((other) => this.#tried[other] !== true);
      return this.#judgeRepair();
    }
    const missing = this.#requirement.needed.map((_, index) => (index === group ? 1 : 0));
    this.#isValueAsked = false;
    this.#contact(missing, () => true);
    this.#advance();
  }

  #noteFailure(position: number, reason: string): void {
    const replica = this.#plan.replicas[position]?.address ?? "";
    (this.#failures ??= []).push({ replica, reason });
  }

  #isExpired(): boolean {
    const { expiresAtMs } = this.#answers.winner;
    return expiresAtMs !== 0 && expiresAtMs <= this.#context.nowMs();
  }

  #isOpen(): boolean {
    return this.#phase !== "over";
  }

  #finish(): void {
    this.#close();
    this.#context.hybridClock.observe(this.#answers.winner.timestamp);
    deliver(this.#answers.winner, this.#sink, this, this.#context.nowMs());
  }

  #failUnreachable(): void {
    this.#fail(
      new KvError({
        code: "REPLICA_FAILURE",
        operation: "read",
        level: this.#requirement.consistency,
        required: this.#requirement.total,
        received: this.#tally.okCount,
        failures: this.#failures ?? [],
      }),
    );
  }

  #fail(error: KvError): void {
    if (this.#phase === "over") return;
    this.#close();
    this.#context.counters.readFailures++;
    this.#sink.failed(error);
  }

  #close(): void {
    this.#phase = "over";
    this.#context.pending.remove(this.#requestId);
    this.#context.inFlightBytes -= this.#sizeBytes;
    this.queue?.remove(this);
  }
}
