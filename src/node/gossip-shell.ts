/**
 * The thin shell around the gossip machine: its timer, its messages on the wire, its effects.
 *
 * A message to an address that is not connected yet waits for the link, a few of them at most:
 * without that, the first question of a starting member would be lost while its link opens, and
 * every start would take a retry longer.
 *
 * If there is no link to who has just asked, the answer goes back on the link of the question. That
 * matters where a new member stands at the address of a dead one that it shall replace: links to that
 * address are for the dead one only, until the layout says otherwise.
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
import type { LayoutVersion } from "../model/layout-version.ts";
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
  /** All effects of one input have been applied. */
  readonly onSettled: () => void;
}

export class GossipShell {
  readonly #deps: GossipShellDeps;
  readonly #intervalMs: number;
  readonly #waiting = new Map<string, GossipMessage[]>();
  #timer: Timer | undefined;
  #stopped = false;
  /** What the message came on that is being heard. */
  #askedOn: Link | undefined;

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

  /** True for this member, and for members that the failure detector holds to be alive. */
  isAlive(memberId: string): boolean {
    return this.#deps.gossiper.isAlive(memberId);
  }

  /** The newest layout that a member is known to have. */
  layoutOf(memberId: string): LayoutVersion | undefined {
    return this.#deps.gossiper.layoutOf(memberId);
  }

  /** An application state of a member. */
  state(memberId: string, name: string): string | undefined {
    return this.#deps.gossiper.state(memberId, name);
  }

  phi(memberId: string): number | undefined {
    return this.#deps.gossiper.phi(memberId, this.#deps.clock.monotonicMs());
  }

  input(input: GossipInput): void {
    if (this.#stopped) return;
    const { clock, gossiper } = this.#deps;
    const instant = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    for (const effect of gossiper.step(input, instant)) this.#apply(effect);
    this.#deps.onSettled();
  }

  /** Takes a control frame. Throws FrameError if it is no gossip message. */
  frame(link: Link, bytes: Buffer, start: number, end: number): void {
    let message: GossipMessage;
    try {
      message = parseGossipMessage(decodeControl(bodyOf(bytes, start, end)));
    } catch (cause) {
      if (cause instanceof FrameError) throw cause;
      throw new FrameError(`malformed gossip: ${String(cause)}`);
    }
    this.#askedOn = link;
    this.input({ kind: "message", message });
    this.#askedOn = undefined;
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
    if (this.#askedOn?.address === address && send(this.#askedOn, message)) return;
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
