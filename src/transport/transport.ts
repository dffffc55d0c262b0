/**
 * How members reach each other: frames over links that are opened by whoever has something to ask.
 *
 * A link belongs to an address, because addresses are what seeds and layouts give; the handshake
 * tells whose address it is. Requests travel on the link that their sender opened, answers come
 * back on the same one. Frames of one link arrive in order or not at all; what was on the way when a
 * link broke may or may not have arrived.
 */
import type { FrameSpace } from "../codec/frames.ts";

export interface Link {
  /** `host:port` of the other side; for a link that a peer opened: what it advertises. */
  readonly address: string;
  /** The member at the other side; undefined until the handshake is over. */
  readonly memberId: string | undefined;
  /** Frames can be sent now. */
  readonly isUp: boolean;
  /**
   * Space for one frame of `sizeBytes`, to be filled before anything else is called; it leaves at
   * the end of the event-loop turn. Undefined when the link is down or its queue is full.
   */
  reserve(sizeBytes: number): FrameSpace | undefined;
}

export interface TransportHandler {
  /** A whole frame at [start, end) of `bytes`, lent until this returns. Throwing ends the link. */
  frame(link: Link, bytes: Buffer, start: number, end: number): void;
  /** A link that this side opened is ready. */
  linkUp(link: Link): void;
  /** An established link broke. */
  linkDown(link: Link, reason: string): void;
  /** Nobody listens at the address that this side tried to reach. */
  linkRefused(link: Link): void;
}

export interface Transport {
  /** Starts to listen; resolves with the address that peers can use. */
  start(handler: TransportHandler): Promise<string>;
  /**
   * The link to that address; opened, and re-opened with backoff when it breaks, until `forget`.
   * `memberId` is who must answer there; undefined if anybody may.
   */
  linkTo(address: string, memberId: string | undefined): Link;
  forget(address: string): void;
  /** Closes everything; resolves when nothing is left. */
  stop(): Promise<void>;
}
