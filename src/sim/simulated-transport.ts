/**
 * The `Transport` of one simulated process. It behaves as the one over TCP does: one link per
 * address for own requests, answers on the link that the request came on, a handshake with the same
 * refusals, new attempts with the same growing pauses.
 */
import type { FrameSpace } from "../codec/frames.ts";
import { PROTOCOL_VERSION, refusalReason } from "../codec/handshake.ts";
import type { Timer } from "../model/deps.ts";
import type { Link, Transport, TransportHandler } from "../transport/transport.ts";
import { type Uint32Source, randomFraction } from "../util/random.ts";
import { assert } from "../util/assert.ts";
import { ConnectionEnd, type EndDeps } from "./simulated-connection.ts";

const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 1000;
const HANDSHAKE_TIMEOUT_MS = 5000;

export interface SimulatedTransportDeps extends EndDeps {
  readonly rng: Uint32Source;
}

export interface SimulatedTransportOptions {
  readonly clusterName: string;
  readonly memberId: string;
  readonly address: string;
}

interface Greeting {
  readonly clusterName: string;
  readonly memberId: string;
  readonly address: string;
  readonly expects: string | undefined;
}

/** A connection that a peer opened. */
interface IncomingLink extends Link {
  readonly end: ConnectionEnd;
}

export class SimulatedTransport implements Transport {
  readonly #deps: SimulatedTransportDeps;
  readonly #options: SimulatedTransportOptions;
  readonly #outgoing = new Map<string, OutgoingLink>();
  readonly #incoming = new Set<ConnectionEnd>();
  #handler: TransportHandler | undefined;

  constructor(deps: SimulatedTransportDeps, options: SimulatedTransportOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get address(): string {
    return this.#options.address;
  }

  get clock(): EndDeps["clock"] {
    return this.#deps.clock;
  }

  /** All ends that this process holds for open. */
  get ends(): readonly ConnectionEnd[] {
    const outgoing = [...this.#outgoing.values()].map((link) => link.end);
    return [...outgoing, ...this.#incoming].filter(
      (end) => end?.isOpen === true,
    ) as ConnectionEnd[];
  }

  start(handler: TransportHandler): Promise<string> {
    assert(this.#handler === undefined, "the transport is started once");
    this.#handler = handler;
    this.#deps.network.listen(this.address, this);
    return Promise.resolve(this.address);
  }

  linkTo(address: string, memberId: string | undefined): Link {
    const known = this.#outgoing.get(address);
    if (known !== undefined) {
      if (memberId !== undefined) known.expect(memberId);
      return known;
    }
    const link = new OutgoingLink(address, memberId, {
      ...this.#deps,
      greeting: this.#options,
      handler: () => this.#handler,
    });
    this.#outgoing.set(address, link);
    link.open();
    return link;
  }

  forget(address: string): void {
    this.#outgoing.get(address)?.close();
    this.#outgoing.delete(address);
  }

  stop(): Promise<void> {
    this.#handler = undefined;
    this.#deps.network.unlisten(this.address, this);
    for (const link of this.#outgoing.values()) link.close();
    this.#outgoing.clear();
    for (const end of this.#incoming) end.close("stopped");
    this.#incoming.clear();
    return Promise.resolve();
  }

  /** The process is gone; `kernelLives` tells whether peers are told. */
  crashed(kernelLives: boolean): void {
    this.#deps.network.unlisten(this.address, this);
    for (const link of this.#outgoing.values()) {
      if (kernelLives) link.end?.reset();
      else link.end?.abandon();
    }
    for (const end of this.#incoming) {
      if (kernelLives) end.reset();
      else end.abandon();
    }
  }

  /** A peer opens a connection: the reason for refusing it, or this side's end. */
  accept(hello: Greeting, connectionId: number): ConnectionEnd | string {
    const refusal = refusalReason({ protocol: PROTOCOL_VERSION, ...hello }, this.#options);
    if (refusal !== undefined) return refusal;
    const place = { id: connectionId, address: this.address, peerAddress: hello.address };
    const end = new ConnectionEnd(this.#deps, place, {
      onFrame: (bytes, start, stop) => this.#handler?.frame(link, bytes, start, stop),
      onClose: () => this.#incoming.delete(end),
    });
    const link: IncomingLink = {
      end,
      address: hello.address,
      memberId: hello.memberId,
      get isUp() {
        return end.isOpen;
      },
      reserve: (sizeBytes) => end.reserve(sizeBytes),
    };
    this.#incoming.add(end);
    return end;
  }

  get memberId(): string {
    return this.#options.memberId;
  }
}

interface OutgoingLinkDeps extends SimulatedTransportDeps {
  readonly greeting: SimulatedTransportOptions;
  readonly handler: () => TransportHandler | undefined;
}

class OutgoingLink implements Link {
  readonly address: string;
  readonly #deps: OutgoingLinkDeps;
  #expects: string | undefined;
  #end: ConnectionEnd | undefined;
  #memberId: string | undefined;
  #retryMs = RETRY_MIN_MS;
  #timer: Timer | undefined;
  #closed = false;

  constructor(address: string, expects: string | undefined, deps: OutgoingLinkDeps) {
    this.address = address;
    this.#expects = expects;
    this.#deps = deps;
  }

  get end(): ConnectionEnd | undefined {
    return this.#end;
  }

  get memberId(): string | undefined {
    return this.#memberId;
  }

  get isUp(): boolean {
    return this.#memberId !== undefined && this.#end?.isOpen === true;
  }

  reserve(sizeBytes: number): FrameSpace | undefined {
    return this.isUp ? this.#end?.reserve(sizeBytes) : undefined;
  }

  expect(memberId: string): void {
    if (this.#expects === memberId) return;
    this.#expects = memberId;
    const objection = this.#objectionTo(this.#memberId);
    if (objection !== undefined) this.#end?.close(objection);
  }

  open(): void {
    const { network, greeting } = this.#deps;
    const id = network.nextConnectionId();
    const place = { id, address: greeting.address, peerAddress: this.address };
    const end = new ConnectionEnd(this.#deps, place, {
      onFrame: (bytes, start, stop) => this.#deps.handler()?.frame(this, bytes, start, stop),
      onClose: (reason) => this.#closedBecause(end, reason),
    });
    this.#end = end;
    const hello: Greeting = { ...greeting, expects: this.#expects };
    network.carry(greeting.address, this.address, 0, () => this.#knock(end, hello));
    this.#timer = this.#deps.clock.setTimer(HANDSHAKE_TIMEOUT_MS, () => {
      end.close(`no handshake within ${HANDSHAKE_TIMEOUT_MS} ms`);
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#end?.close("stopped");
  }

  /** The other side hears of the attempt; a machine without a process refuses it at once. */
  #knock(end: ConnectionEnd, hello: Greeting): void {
    const { network, greeting, time } = this.#deps;
    const peer = network.listener(this.address);
    const answer = (callback: () => void): void => {
      network.carry(this.address, greeting.address, 0, () => {
        if (!end.isOpen) return;
        this.#deps.clock.input(time.nowMs, callback);
      });
    };
    if (peer === undefined) {
      return answer(() => {
        end.close("connection refused");
        this.#deps.handler()?.linkRefused(this);
      });
    }
    peer.clock.input(time.nowMs, () => {
      if (!end.isOpen) return;
      const accepted = peer.accept(hello, end.id);
      if (typeof accepted === "string") return answer(() => end.close(`refused: ${accepted}`));
      end.join(accepted);
      answer(() => this.#welcomed(end, peer.memberId));
    });
  }

  #welcomed(end: ConnectionEnd, memberId: string): void {
    if (end !== this.#end || !end.isOpen) return;
    const objection = this.#objectionTo(memberId);
    if (objection !== undefined) return end.close(objection);
    this.#timer?.cancel();
    this.#retryMs = RETRY_MIN_MS;
    this.#memberId = memberId;
    const { log, time, greeting } = this.#deps;
    log.record(time.nowMs, "link-up", [end.id, greeting.address, this.address]);
    this.#deps.handler()?.linkUp(this);
  }

  /** Why this member may not answer here; undefined if it may. */
  #objectionTo(memberId: string | undefined): string | undefined {
    if (memberId === undefined || this.#expects === undefined) return undefined;
    if (memberId === this.#expects) return undefined;
    return `member ${memberId} answers where ${this.#expects} is expected`;
  }

  #closedBecause(end: ConnectionEnd, reason: string): void {
    if (end !== this.#end) return;
    this.#timer?.cancel();
    const wasUp = this.#memberId !== undefined;
    this.#end = undefined;
    this.#memberId = undefined;
    if (wasUp) this.#deps.handler()?.linkDown(this, reason);
    if (this.#closed) return;
    const pauseMs = this.#retryMs * (0.5 + randomFraction(this.#deps.rng) / 2);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.#timer = this.#deps.clock.setTimer(pauseMs, () => this.open());
  }
}
