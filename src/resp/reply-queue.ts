/**
 * The replies of one connection in the order of its commands, whatever the order of the answers.
 *
 * A ring of calls, used again and again. The call at the head writes into the output buffer at once;
 * a call that is answered earlier than one before it writes into a scratch buffer, and its bytes are
 * kept until its turn comes.
 */
import { RespWriter } from "../codec/resp-writer.ts";
import { assert } from "../util/assert.ts";
import type { Call } from "./call.ts";

const INITIAL_SLOTS = 16;
/** What a reply is taken for before the connection has had any. */
const INITIAL_EXPECTED_BYTES = 64 * 1024;
/** How slowly the expectation falls: a small reply takes it down by this part of the difference. */
const FALL = 1 / 16;

export class ReplyQueue {
  readonly #makeCall: () => Call;
  /** Length is a power of two. */
  #slots: (Call | undefined)[] = Array.from<Call | undefined>({ length: INITIAL_SLOTS });
  /** Sequence numbers; the slot of number n is n modulo the length of the ring. */
  #head = 0;
  #tail = 0;
  #heldBytes = 0;
  readonly #output = new RespWriter();
  #scratch: RespWriter | undefined = undefined;
  #expectedBytes = INITIAL_EXPECTED_BYTES;
  /** Bytes in the output when the reply at the head was opened. */
  #openedAt = 0;
  /** The call whose reply ends the connection has been written to the output. */
  isFinished = false;

  constructor(deps: { readonly makeCall: () => Call }) {
    this.#makeCall = deps.makeCall;
  }

  /** Commands that have not been answered, or whose turn has not come. */
  get size(): number {
    return this.#tail - this.#head;
  }

  /** Bytes of replies: those ready to be sent and those that wait for their turn. */
  get sizeBytes(): number {
    return this.#output.sizeBytes + this.#heldBytes;
  }

  get readyBytes(): number {
    return this.#output.sizeBytes;
  }

  /**
   * What the replies to come may amount to. It follows large replies at once and small ones slowly,
   * so that a pipeline of reads of large values does not fill the memory before the first is seen.
   */
  get expectedBytes(): number {
    return this.size * this.#expectedBytes;
  }

  /** The slot of the next command. */
  add(): Call {
    if (this.size === this.#slots.length) this.#grow();
    const index = this.#tail++ & (this.#slots.length - 1);
    return (this.#slots[index] ??= this.#makeCall());
  }

  /** Where `call` is to write its reply. */
  open(call: Call): RespWriter {
    const isHead = this.#isHead(call);
    if (isHead) this.#openedAt = this.#output.sizeBytes;
    const writer = isHead ? this.#output : (this.#scratch ??= new RespWriter());
    writer.protocol = call.protocol;
    return writer;
  }

  /** The reply of `call` is written: it, and those that waited for it, may go. */
  close(call: Call): void {
    if (!this.#isHead(call)) {
      assert(this.#scratch !== undefined, "a reply is opened before it is closed");
      call.held = this.#scratch.take();
      this.#heldBytes += call.held.length;
      this.#learn(call.held.length);
      return;
    }
    this.#learn(this.#output.sizeBytes - this.#openedAt);
    this.#pass(call);
    this.#passHeld();
  }

  /** The bytes that are ready to be sent; they are the caller's. */
  take(): Uint8Array {
    return this.#output.take();
  }

  /** Writes out held replies as far as they come next. */
  #passHeld(): void {
    while (this.#head < this.#tail) {
      const next = this.#at(this.#head);
      if (next?.held === undefined) return;
      this.#output.encoded(next.held);
      this.#heldBytes -= next.held.length;
      next.held = undefined;
      this.#pass(next);
    }
  }

  #learn(sizeBytes: number): void {
    const difference = sizeBytes - this.#expectedBytes;
    this.#expectedBytes += difference > 0 ? difference : difference * FALL;
  }

  #pass(call: Call): void {
    this.#head++;
    if (call.isLast) this.isFinished = true;
  }

  #isHead(call: Call): boolean {
    return this.#at(this.#head) === call;
  }

  #at(sequence: number): Call | undefined {
    return this.#slots[sequence & (this.#slots.length - 1)];
  }

  #grow(): void {
    const larger = Array.from<Call | undefined>({ length: this.#slots.length * 2 });
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      larger[sequence & (larger.length - 1)] = this.#at(sequence);
    }
    this.#slots = larger;
  }
}
