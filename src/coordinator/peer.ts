/**
 * One member as a coordinator deals with it: how to reach it, whether it is alive, and whether it
 * has been silent for so long that reads had better go elsewhere.
 */
import type { FrameSpace } from "../codec/frames.ts";
import type { Link } from "../transport/transport.ts";

/** A peer that owes an answer for longer than this is asked last (milliseconds of loop time). */
const SLOW_MS = 100;

export interface PeerPlace {
  readonly memberId: string;
  readonly address: string;
  readonly dc: string;
  readonly rack: string;
}

export class Peer {
  readonly memberId: string;
  readonly address: string;
  readonly dc: string;
  readonly rack: string;
  /** Undefined for this member itself. */
  readonly link: Link | undefined;
  /** The failure detector holds it for dead. */
  isConvicted = false;
  /** Answers that it owes. */
  #owed = 0;
  /** Loop time since which it owes an answer without having given any; meaningless if it owes none. */
  #silentSinceMs = 0;

  constructor(place: PeerPlace, link: Link | undefined) {
    this.memberId = place.memberId;
    this.address = place.address;
    this.dc = place.dc;
    this.rack = place.rack;
    this.link = link;
  }

  get isSelf(): boolean {
    return this.link === undefined;
  }

  get isAlive(): boolean {
    return this.link === undefined || (this.link.isUp && !this.isConvicted);
  }

  isSlow(nowMs: number): boolean {
    return this.#owed > 0 && nowMs - this.#silentSinceMs > SLOW_MS;
  }

  /** Space for a request to it; undefined if it cannot be sent now. */
  reserveRequest(sizeBytes: number, nowMs: number): FrameSpace | undefined {
    if (!this.isAlive) return undefined;
    const space = this.link?.reserve(sizeBytes);
    if (space === undefined) return undefined;
    if (this.#owed++ === 0) this.#silentSinceMs = nowMs;
    return space;
  }

  answered(nowMs: number): void {
    if (this.#owed > 0) this.#owed--;
    this.#silentSinceMs = nowMs;
  }

  /** The link broke: what it owed will never come. */
  disconnected(): void {
    this.#owed = 0;
  }
}
