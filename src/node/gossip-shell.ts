/**
 * The thin shell around the gossip machine: its timer, its messages on the wire, its effects.
 *
 * A message to an address that is not connected yet waits for the link, a few of them at most:
 * without that, the first question of a starting member would be lost while its link opens, and
 * every start would take a retry longer.
 */
import {
  FRAME_HEADER_BYTES,
  FrameError,
  FrameType,
  bodyOf,
  encodeOpaque,
} from "../codec/frames.ts";
import { decodeControl, encodeControl } from "../codec/packed-frames.ts";
import type { GossipEffect, GossipInput, GossipMember } from "../gossip/gossip-io.ts";
import type { Gossiper } from "../gossip/gossip.ts";
import { type GossipMessage, parseGossipMessage } from "../gossip/messages.ts";
import type { Clock, Logger, Timer } from "../model/deps.ts";
import type { Link, Transport } from "../transport/transport.ts";

/** Messages that wait for one link to open; the oldest gives way. */
const WAITING_MAX = 4;

export interface GossipShellDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly transport: Transport;
  readonly gossiper: Gossiper;
  /** Effects that concern others than gossip itself. */
  readonly onEffect: (effect: GossipEffect) => void;
}

export class GossipShell {
  readonly #deps: GossipShellDeps;
  readonly #intervalMs: number;
  readonly #waiting = new Map<string, GossipMessage[]>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(deps: GossipShellDeps, intervalMs: number) {
    this.#deps = deps;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.input({ kind: "start" });
    this.#scheduleTick();
  }

  /** Says goodbye. Messages on the way out still leave with the transport's last flush. */
  stop(): void {
    this.input({ kind: "shutdown" });
    this.#stopped = true;
    this.#timer?.cancel();
  }

  members(): readonly GossipMember[] {
    return this.#deps.gossiper.members();
  }

  member(memberId: string): GossipMember | undefined {
    return this.#deps.gossiper.member(memberId);
  }

  phi(memberId: string): number | undefined {
    return this.#deps.gossiper.phi(memberId, this.#deps.clock.monotonicMs());
  }

  input(input: GossipInput): void {
    if (this.#stopped) return;
    const { clock, gossiper } = this.#deps;
    const instant = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    for (const effect of gossiper.step(input, instant)) this.#apply(effect);
  }

  /** Takes a control frame. Throws FrameError if it is no gossip message. */
  frame(bytes: Buffer, start: number, end: number): void {
    let message: GossipMessage;
    try {
      message = parseGossipMessage(decodeControl(bodyOf(bytes, start, end)));
    } catch (cause) {
      if (cause instanceof FrameError) throw cause;
      throw new FrameError(`malformed gossip: ${String(cause)}`);
    }
    this.input({ kind: "message", message });
  }

  linkUp(link: Link): void {
    const waiting = this.#waiting.get(link.address) ?? [];
    this.#waiting.delete(link.address);
    for (const message of waiting) send(link, message);
    this.input({ kind: "connected", address: link.address });
  }

  #scheduleTick(): void {
    this.#timer = this.#deps.clock.setTimer(this.#intervalMs, () => {
      this.input({ kind: "tick" });
      if (!this.#stopped) this.#scheduleTick();
    });
  }

  #apply(effect: GossipEffect): void {
    if (effect.kind === "send") this.#send(effect.address, effect.message);
    else if (effect.kind === "log") this.#deps.logger[effect.level](effect.event, effect.fields);
    else this.#deps.onEffect(effect);
  }

  #send(address: string, message: GossipMessage): void {
    const link = this.#deps.transport.linkTo(address, undefined);
    if (send(link, message) || link.isUp) return;
    const waiting = this.#waiting.get(address) ?? [];
    waiting.push(message);
    if (waiting.length > WAITING_MAX) waiting.shift();
    this.#waiting.set(address, waiting);
  }
}

function send(link: Link, message: GossipMessage): boolean {
  const body = encodeControl(message);
  const space = link.reserve(FRAME_HEADER_BYTES + body.length);
  if (space === undefined) return false;
  const header = { type: FrameType.control, flags: 0, keyspaceId: 0, requestId: 0 };
  encodeOpaque(space, header, body);
  return true;
}
