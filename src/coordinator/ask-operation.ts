/**
 * One request to one member, outside the path of clients' requests: a stream asks for a chunk.
 *
 * It is made once. What to do when the member does not answer is for whoever asks to know.
 */
import { AskError, type Question } from "../codec/ask.ts";
import {
  FRAME_HEADER_BYTES,
  FailureReason,
  type FailureReasonCode,
  FrameType,
  type LayoutStamp,
  bodyOf,
  encodeOpaque,
} from "../codec/frames.ts";
import type { CoordinatorContext } from "./context.ts";
import { Expiring } from "./deadlines.ts";
import type { Peer } from "./peer.ts";
import type { PendingRequest } from "./pending.ts";

export interface Asker {
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: AskError) => void;
  readonly timeoutMs: number;
}

export class AskOperation extends Expiring implements PendingRequest {
  readonly #context: CoordinatorContext;
  readonly #peer: Peer;
  readonly #asker: Asker;
  #requestId = 0;
  #layout: LayoutStamp | undefined;
  /** On the clock of the deadlines, as those of clients' requests. */
  #deadlineMs = 0;

  constructor(context: CoordinatorContext, peer: Peer, asker: Asker) {
    super();
    this.#context = context;
    this.#peer = peer;
    this.#asker = asker;
  }

  start({ keyspaceId, makeBody }: Question): void {
    const { layout, deadlines, pending, askChecks } = this.#context;
    const body = makeBody(layout);
    this.#layout = layout;
    this.#requestId = pending.addInBackground(this);
    askChecks.add(this);
    this.#deadlineMs = deadlines.nowMs + this.#asker.timeoutMs;
    const sizeBytes = FRAME_HEADER_BYTES + body.length;
    const space = this.#peer.reserveRequest(sizeBytes, deadlines.nowMs);
    if (space === undefined) return this.#fail("DOWN", "is down");
    const header = { type: FrameType.stream, flags: 0, keyspaceId, requestId: this.#requestId };
    encodeOpaque(space, header, body);
  }

  answered(peer: Peer, bytes: Buffer, start: number, end: number): void {
    if (peer.memberId !== this.#peer.memberId) return;
    const { counter, hash } = this.#context.layout;
    if (counter !== this.#layout?.counter || hash !== this.#layout.hash) {
      return this.#fail("LAYOUT", "has answered under a layout that is over");
    }
    this.#close();
    this.#asker.resolve(Buffer.from(bodyOf(bytes, start, end)));
  }

  refused(peer: Peer, reason: FailureReasonCode, body: Buffer): void {
    if (peer.memberId !== this.#peer.memberId) return;
    if (reason === FailureReason.layoutMismatch)
      return this.#fail("LAYOUT", "lives in another layout");
    this.#fail("REFUSED", `refuses: ${body.toString("utf8")}`);
  }

  disconnected(peer: Peer): void {
    if (peer.memberId === this.#peer.memberId) this.#fail("DOWN", "was disconnected");
  }

  override expired(): void {
    if (this.#context.deadlines.nowMs < this.#deadlineMs) return this.#context.askChecks.add(this);
    this.#fail("TIMEOUT", `has not answered in ${this.#asker.timeoutMs} ms`);
  }

  #fail(code: AskError["code"], message: string): void {
    this.#close();
    this.#asker.reject(new AskError(code, message));
  }

  #close(): void {
    this.#context.pending.removeInBackground(this.#requestId);
    this.queue?.remove(this);
  }
}
