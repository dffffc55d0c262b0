/**
 * Deadlines of requests, without a timer per request.
 *
 * All requests of one kind have the same time limit, so those that wait form a queue ordered by
 * their deadline: one coarse tick looks at its head. Entries are linked into the queue themselves
 * and leave it in constant time, so a request that was answered is not kept until its deadline.
 *
 * Time here is the time in which this member could have noticed an answer. A process that was
 * stopped (SIGSTOP, a long garbage collection, a suspended laptop) finds the answers waiting in its
 * sockets when it runs again; had the pause counted, it would fail its requests before it read
 * them. So one tick advances this time by at most STALL_MS, however late it comes.
 */
import type { Clock, Timer } from "../model/deps.ts";
import { assert } from "../util/assert.ts";

const TICK_MS = 10;
/** A tick later than this was a stall of the process, not the passing of time. */
const STALL_MS = 250;

/** Something that waits in a DeadlineQueue. */
export abstract class Expiring {
  /** @internal */ queue: DeadlineQueue | undefined;
  /** @internal */ previous: Expiring | undefined;
  /** @internal */ next: Expiring | undefined;
  /** @internal On the clock of `Deadlines.nowMs`. */ expiresMs = 0;

  /** Called once when its time is over; it has left the queue then. */
  abstract expired(queue: DeadlineQueue): void;
}

/** Entries with one common time limit, in the order in which they came. */
export class DeadlineQueue {
  readonly limitMs: number;
  readonly #deadlines: Deadlines;
  #head: Expiring | undefined;
  #tail: Expiring | undefined;

  constructor(deadlines: Deadlines, limitMs: number) {
    this.#deadlines = deadlines;
    this.limitMs = limitMs;
  }

  get isEmpty(): boolean {
    return this.#head === undefined;
  }

  add(entry: Expiring): void {
    assert(entry.queue === undefined, "an entry waits in one queue at a time");
    entry.queue = this;
    entry.expiresMs = this.#deadlines.nowMs + this.limitMs;
    entry.previous = this.#tail;
    if (this.#tail === undefined) this.#head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
    this.#deadlines.wake();
  }

  remove(entry: Expiring): void {
    if (entry.queue !== this) return;
    if (entry.previous === undefined) this.#head = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#tail = entry.previous;
    else entry.next.previous = entry.previous;
    entry.queue = undefined;
    entry.previous = undefined;
    entry.next = undefined;
  }

  /** Ends the waiting of everything that waits now. */
  expireAll(): void {
    const waiting: Expiring[] = [];
    for (let entry = this.#head; entry !== undefined; entry = entry.next) waiting.push(entry);
    for (const entry of waiting) {
      if (entry.queue !== this) continue;
      this.remove(entry);
      entry.expired(this);
    }
  }

  /** @internal */
  expireUntil(nowMs: number): void {
    while (this.#head !== undefined && this.#head.expiresMs <= nowMs) {
      const entry = this.#head;
      this.remove(entry);
      entry.expired(this);
    }
  }
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #queues: DeadlineQueue[] = [];
  #timer: Timer | undefined;
  #lastTickMs: number;
  #nowMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastTickMs = clock.monotonicMs();
  }

  /** Coarse milliseconds of undisturbed running. */
  get nowMs(): number {
    return this.#nowMs;
  }

  queue(limitMs: number): DeadlineQueue {
    const queue = new DeadlineQueue(this, limitMs);
    this.#queues.push(queue);
    return queue;
  }

  /** @internal Makes sure that ticks come while something waits. */
  wake(): void {
    if (this.#timer !== undefined) return;
    this.#lastTickMs = this.#clock.monotonicMs();
    this.#timer = this.#clock.setTimer(TICK_MS, this.#tick);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #tick = (): void => {
    const monotonicMs = this.#clock.monotonicMs();
    this.#nowMs += Math.min(monotonicMs - this.#lastTickMs, STALL_MS);
    this.#lastTickMs = monotonicMs;
    for (const queue of this.#queues) queue.expireUntil(this.#nowMs);
    const isIdle = this.#queues.every((queue) => queue.isEmpty);
    this.#timer = isIdle ? undefined : this.#clock.setTimer(TICK_MS, this.#tick);
  };
}
