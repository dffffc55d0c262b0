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
  /** `body` says why, lent until this returns. */
  refused(peer: Peer, reason: FailureReasonCode, body: Buffer): void;
  /** The link to a peer broke; if an answer of it was due, it will not come. */
  disconnected(peer: Peer): void;
}

const ID_LIMIT = 0x1_0000_0000;

export class PendingRequests {
  readonly #requests = new Map<number, PendingRequest>();
  #lastId = 0;
  /** Of the requests, those that serve no client. */
  #backgroundCount = 0;
  /** Operations of clients that consist of many requests. */
  #operationCount = 0;
  #onClientsServed: (() => void)[] | undefined;

  get size(): number {
    return this.#requests.size;
  }

  /** Counts an operation of a client that consists of many requests while it is under way. */
  async during<T>(operation: () => Promise<T>): Promise<T> {
    this.#operationCount++;
    try {
      return await operation();
    } finally {
      this.#operationCount--;
      this.#checkClientsServed();
    }
  }

  /** Calls back when no operation of a client is under way; now, if none is. */
  whenClientsServed(callback: () => void): void {
    (this.#onClientsServed ??= []).push(callback);
    this.#checkClientsServed();
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
    if (this.#onClientsServed !== undefined) this.#checkClientsServed();
  }

  addInBackground(request: PendingRequest): number {
    this.#backgroundCount++;
    return this.add(request);
  }

  removeInBackground(id: number): void {
    if (this.#requests.delete(id)) this.#backgroundCount--;
  }

  disconnected(peer: Peer): void {
    for (const request of this.#requests.values()) request.disconnected(peer);
  }

  #checkClientsServed(): void {
    const callbacks = this.#onClientsServed;
    if (callbacks === undefined) return;
    if (this.#requests.size - this.#backgroundCount + this.#operationCount > 0) return;
    this.#onClientsServed = undefined;
    for (const callback of callbacks) callback();
  }
}
