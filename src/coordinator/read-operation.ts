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
 * While the layout changes, the replicas are asked that the layout in use for reading has. But what
 * they return has to be held in the other active layouts too before it is returned, or the next read
 * might use one of those and return something older. Replicas that are in all of them are asked
 * first, so mostly that is known at once. Where the others cannot be brought up to date the value is
 * returned all the same: a member that is down must not hold up reads. When it is back it fetches
 * what the replicas hold that are read from.
 *
 * A replica that lives in another layout refuses. If it cannot be done without, the read waits for a
 * moment and goes on: asks it again, or starts anew if this member has gone over to another layout.
 *
 * It also starts anew when this member has gone over to reading from another layout: the others know
 * then that it does, and the replicas that were asked may have dropped what they do not own any more.
 *
 * This member's own copy is read last, when the other answers are in: it then needs no copy of the
 * value to wait with. A read that waits too long asks one more replica per silent one.
 */
import {
  FrameType,
  FailureReason,
  type FailureReasonCode,
  type LayoutStamp,
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
import { type Version, isOver } from "../model/version.ts";
import type { PutSink } from "../storage/engine.ts";
import type { CoordinatorContext } from "./context.ts";
import { type DeadlineQueue, Expiring } from "./deadlines.ts";
import { LIVES_ELSEWHERE, LayoutRetry, type Retriable, presentPlacement } from "./layout-retry.ts";
import { deliver, readLocally } from "./local-read.ts";
import type { Peer } from "./peer.ts";
import type { PendingRequest } from "./pending.ts";
import { ReplicaAnswers } from "./replica-answers.ts";
import type { ReadRequirement, ReplicaPlan } from "./replica-plan.ts";
import type { Requirement } from "./requirement.ts";
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

export interface ReadParts {
  readonly requirement: ReadRequirement;
  readonly target: ReadTarget;
}

export class ReadOperation extends Expiring implements PendingRequest, Receipt, Retriable {
  readonly #context: CoordinatorContext;
  readonly #target: ReadTarget;
  readonly #sink: ReadSink;
  readonly #sizeBytes: number;
  #plan: ReplicaPlan;
  #requirement: ReadRequirement;
  /** The layout that `#plan` is of. */
  #layout: LayoutStamp;
  /** The counter of the layout whose replicas are asked. */
  #reads: number;
  #requestId: number;
  #answers = new ReplicaAnswers();
  /** Positions that were asked or found dead. */
  #tried: boolean[] = [];
  #phase: Phase = "gather";
  /** In `gather`: replicas that answered; in `repair`: replicas known to hold the winner. */
  #tally: Tally;
  /** In `repair`: the same, counted in all active layouts; undefined if there is nothing to count. */
  #holders: Tally | undefined;
  /** This member's own position while its copy is still to be read. */
  #unreadSelf: number | undefined;
  #isValueAsked = false;
  /** Positions that were asked for the winner's value after the digests were in. */
  #fetchedFrom: number[] = [];
  #failures: { replica: string; reason: string }[] | undefined;
  /** Positions that have refused because of the layout and are going to be asked again. */
  #elsewhere: number[] | undefined;
  #retry: LayoutRetry | undefined;
  /** It can only go on when it is made again. */
  #isStuck = false;

  constructor(
    context: CoordinatorContext,
    plan: ReplicaPlan,
    { requirement, target }: ReadParts,
    sink: ReadSink,
  ) {
    super();
    this.#context = context;
    this.#target = target;
    this.#sink = sink;
    this.#sizeBytes = readFrameBytes(target.key);
    this.#plan = plan;
    this.#requirement = requirement;
    this.#tally = new Tally(requirement.answers);
    this.#layout = context.layout;
    this.#reads = context.reads;
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
    this.#gather();
  }

  answered(peer: Peer, bytes: Buffer, start: number, end: number): void {
    const position = this.#plan.positionOf(peer);
    if (bytes[start + 4] === FrameType.writeOk) return this.#repaired(position);
    if (this.#phase === "repair" || this.#phase === "over") return;
    if (this.#reads !== this.#context.reads) return this.#startAnew();
    const answer = {} as Writable<ReadAnswer>;
    decodeReadAnswer(bytes, start, end, answer);
    this.#take(position, answer);
    // Whatever still waits now outlives the read buffer.
    if (this.#isOpen()) this.#answers.keepValue();
  }

  refused(peer: Peer, reason: FailureReasonCode, body: Buffer): void {
    const position = this.#plan.positionOf(peer);
    if (reason !== FailureReason.layoutMismatch) {
      return this.#replicaFailed(position, body.toString("utf8"));
    }
    (this.#elsewhere ??= []).push(position);
    (this.#retry ??= new LayoutRetry(this.#context, this)).wait();
    this.#replicaFailed(position, LIVES_ELSEWHERE);
  }

  disconnected(peer: Peer): void {
    const position = this.#plan.positionOf(peer);
    if (this.#tried[position] === true) this.#replicaFailed(position, "disconnected");
  }

  override expired(queue: DeadlineQueue): void {
    if (queue === this.#context.speculation) {
      this.#context.readTimeouts.add(this);
      this.#speculate();
      return;
    }
    if (this.#phase === "repair" && this.#tally.state === "reached") return this.#finish();
    this.#elsewhere = undefined;
    if (this.#isStuck) return this.#failUnreachable();
    this.#fail(
      new KvError({
        code: "TIMEOUT",
        operation: "read",
        level: this.#requirement.answers.consistency,
        required: this.#requirement.answers.total,
        received: this.#tally.okCount,
        timeoutMs: this.#context.readTimeouts.limitMs,
        silent: this.#plan.addresses(
          (position) => this.#tried[position] === true && !this.#tally.isAnswered(position),
        ),
      }),
    );
  }

  /** Asks once more who has refused; under another layout, or if that is not enough, everybody. */
  retry(): void {
    const elsewhere = this.#elsewhere ?? [];
    this.#elsewhere = undefined;
    if (this.#layout !== this.#context.layout) return this.#startAnew();
    if (this.#phase !== "gather") {
      if (this.#isStuck) this.#startAnew();
      return;
    }
    this.#isStuck = false;
    this.#failures = this.#failures?.filter(({ reason }) => reason !== LIVES_ELSEWHERE);
    for (const position of elsewhere) {
      this.#tried[position] = false;
      this.#tally.reopen(position);
    }
    this.#isValueAsked = false;
    this.#contact(this.#requirement.answers.needed.slice(), () => true);
    this.#advance();
  }

  #startAnew(): void {
    const { tokenHi, tokenLo } = this.#target;
    const { consistency } = this.#requirement.answers;
    try {
      const placement = presentPlacement(this.#context, this.#plan.keyspace);
      this.#plan = placement.plan(tokenHi, tokenLo);
      this.#requirement = this.#plan.readRequirement(consistency);
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      return this.#fail(error);
    }
    this.#layout = this.#context.layout;
    this.#reads = this.#context.reads;
    this.#context.pending.remove(this.#requestId);
    this.#requestId = this.#context.pending.add(this);
    this.#answers = new ReplicaAnswers();
    this.#tried = [];
    this.#phase = "gather";
    this.#tally = new Tally(this.#requirement.answers);
    this.#unreadSelf = undefined;
    this.#isValueAsked = false;
    this.#fetchedFrom = [];
    this.#failures = undefined;
    this.#isStuck = false;
    this.#gather();
  }

  #gather(): void {
    const missing = this.#requirement.answers.needed.slice();
    const { nowMs } = this.#context.deadlines;
    this.#contact(missing, (peer) => !peer.isSlow(nowMs));
    this.#contact(missing, () => true);
    this.#advance();
  }

  /** Asks the closest suitable replicas until no group misses any; dead ones are counted out. */
  #contact(missing: number[], isSuitable: (peer: Peer) => boolean): void {
    const { answers, order } = this.#requirement;
    for (const position of order) {
      // Of one layout, so it is one group at most.
      const group = answers.groupsOf[position]?.[0];
      if (group === undefined || (missing[group] as number) <= 0) continue;
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
    const stamp = { requestId: this.#requestId, layout: this.#layout };
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
    const isSettled = !this.#answers.hasConflict && this.#isHeldInAllLayouts();
    const { winner, lacksValue } = this.#answers;
    if (lacksValue && !(isSettled && isOver(winner.expiresAtMs, this.#context.nowMs()))) {
      if (this.#phase === "gather" && !this.#fetch()) this.#failUnreachable();
      return;
    }
    if (isSettled) return this.#finish();
    this.#repair();
  }

  #isHeldInAllLayouts(): boolean {
    if (this.#requirement.holders === undefined || !this.#answers.winner.isFound) return true;
    return this.#tallyOfHolders(this.#requirement.holders).state === "reached";
  }

  #tallyOfHolders(requirement: Requirement): Tally {
    const tally = new Tally(requirement);
    for (const position of this.#plan.replicas.keys()) {
      if (this.#answers.isCurrent(position)) tally.ok(position);
    }
    return tally;
  }

  #readSelf(): void {
    // As any replica, this member answers only what is asked under the layout that it lives in.
    if (this.#layout !== this.#context.layout) return this.#startAnew();
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
    if (this.#layout !== this.#context.layout) return this.#startAnew();
    this.#phase = "repair";
    this.#context.counters.readRepairs++;
    this.#answers.keepValue();
    const { answers, holders } = this.#requirement;
    this.#tally = this.#tallyOfHolders(answers);
    this.#holders = holders === undefined ? undefined : this.#tallyOfHolders(holders);
    this.#repairWhere(
      (position) => this.#answers.has(position) || this.#holders?.isWanted(position) === true,
    );
    this.#judgeRepair();
  }

  #repairWhere(isWanted: (position: number) => boolean): void {
    for (const position of this.#plan.replicas.keys()) {
      if (this.#tally.isAnswered(position) || !isWanted(position)) continue;
      this.#tried[position] = true;
      if (!this.#sendRepair(position)) this.#repairFailed(position);
    }
  }

  #sendRepair(position: number): boolean {
    const { winner } = this.#answers;
    const write = { ...this.#target, ...winner };
    if (position === this.#plan.selfPosition) {
      this.#context.engine.put(write, this.#target.durability, this.#ownRepair(position));
      return true;
    }
    const peer = this.#plan.replicas[position] as Peer;
    const space = peer.reserveRequest(writeFrameBytes(write), this.#context.deadlines.nowMs);
    if (space === undefined) return false;
    const stamp = { requestId: this.#requestId, layout: this.#layout };
    encodeWrite(space, write, this.#target.durability, stamp);
    return true;
  }

  /** A read that has started anew meanwhile repairs with another cell. */
  #ownRepair(position: number): PutSink {
    const requestId = this.#requestId;
    return {
      stored: () => {
        if (this.#requestId === requestId) this.#repaired(position);
      },
      putFailed: (error) => {
        if (this.#requestId === requestId) this.#replicaFailed(position, error.message);
      },
    };
  }

  #repaired(position: number): void {
    if (this.#phase !== "repair") return;
    this.#tally.ok(position);
    this.#holders?.ok(position);
    this.#judgeRepair();
  }

  #repairFailed(position: number): void {
    this.#tally.failed(position);
    this.#holders?.failed(position);
  }

  #judgeRepair(): void {
    if (this.#phase !== "repair") return;
    if (this.#tally.state === "unreachable") return this.#failUnreachable();
    if (this.#tally.state === "reached" && this.#holders?.state !== "open") this.#finish();
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
    this.#contact(this.#requirement.answers.needed.slice(), () => true);
    this.#advance();
  }

  #replicaFailed(position: number, reason: string): void {
    if (this.#phase === "over") return;
    if (this.#phase === "fetch") return this.#fetchFailed(position);
    if (this.#tally.isAnswered(position)) return;
    this.#noteFailure(position, reason);
    if (this.#phase === "repair") {
      this.#repairFailed(position);
      this.#repairWhere((other) => this.#tried[other] !== true);
      return this.#judgeRepair();
    }
    this.#tally.failed(position);
    const { needed, groupsOf } = this.#requirement.answers;
    const groups = groupsOf[position] as readonly number[];
    const missing = needed.map((_, group) => (groups.includes(group) ? 1 : 0));
    this.#isValueAsked = false;
    this.#contact(missing, () => true);
    this.#advance();
  }

  #noteFailure(position: number, reason: string): void {
    const replica = this.#plan.replicas[position]?.address ?? "";
    (this.#failures ??= []).push({ replica, reason });
  }

  #isOpen(): boolean {
    return this.#phase !== "over";
  }

  #finish(): void {
    this.#close();
    this.#context.hybridClock.observe(this.#answers.winner.timestamp);
    deliver(this.#answers.winner, this.#sink, this, this.#context.nowMs());
  }

  /** While a replica is going to be asked again nothing is lost yet. */
  #failUnreachable(): void {
    this.#isStuck = this.#elsewhere !== undefined;
    if (this.#isStuck) return;
    this.#fail(
      new KvError({
        code: "REPLICA_FAILURE",
        operation: "read",
        level: this.#requirement.answers.consistency,
        required: this.#requirement.answers.total,
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
    this.#retry?.cancel();
  }
}
