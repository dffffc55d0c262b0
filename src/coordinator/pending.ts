/**
 * Requests that wait for answers of peers, by request id.
 *
 * Ids are never reused while they could still be answered (2^32 of them), so an answer that comes
 * late meets nothing instead of somebody else's request.
 */
import type { FailureReasonCode } from "../codec/frames.ts";
import type { Peer } from "./peer.ts";

/** Takes the answers to one request. */
export interface PendingRequest {
  /** A successful answer: the frame at [start, end) of `bytes`, lent until this returns. */
  answered(peer: Peer, bytes: Buffer, start: number, end: number): void;
  refused(peer: Peer, reason: FailureReasonCode, text: string): void;
  /** The link to a peer broke; if an answer of it was due, it will not come. */
  disconnected(peer: Peer): void;
}

const ID_LIMIT = 0x1_0000_0000;

export class PendingRequests {
  readonly #requests = new Map<number, PendingRequest>();
  #lastId = 0;

  get size(): number {
    return this.#requests.size;
  }

  add(request: PendingRequest): number {
    do this.#lastId = (this.#lastId + 1) % ID_LIMIT;
    while (this.#requests.has(this.#lastId));
    this.#requests.set(this.#lastId, request);
    return this.#lastId;
  }

  get(id: number): PendingRequest | undefined {
    return this.#requests.get(id);
  }

  remove(id: number): void {
    this.#requests.delete(id);
  }

  disconnected(peer: Peer): void {
    for (const request of this.#requests.values()) request.disconnected(peer);
  }
}
