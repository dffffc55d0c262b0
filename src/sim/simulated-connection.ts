/**
 * One connection between two members, as its two ends see it.
 *
 * An end may be open while the other is gone: nobody hears of a crash by itself. Whoever sends into
 * a connection that the other side does not know is told so, if a process runs there.
 */
import { type FrameSpace, FrameError } from "../codec/frames.ts";
import { OutgoingBuffer } from "../transport/outgoing-buffer.ts";
import { InvariantError } from "../util/assert.ts";
import type { EventLog } from "./event-log.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import type { ProcessClock, VirtualTime } from "./virtual-clock.ts";

export interface EndDeps {
  readonly time: VirtualTime;
  readonly network: SimulatedNetwork;
  readonly log: EventLog;
  /** Of the process that this end belongs to. */
  readonly clock: ProcessClock;
}

export interface EndEvents {
  readonly onFrame: (bytes: Buffer, start: number, end: number) => void;
  readonly onClose: (reason: string) => void;
}

/** What lent bytes are overwritten with, so that whoever kept them reads nonsense. */
const POISON = 0xdb;

export class ConnectionEnd {
  readonly id: number;
  readonly address: string;
  readonly #deps: EndDeps;
  readonly #events: EndEvents;
  readonly #out = new OutgoingBuffer();
  #peer: ConnectionEnd | undefined;
  readonly #peerAddress: string;
  #isOpen = true;
  #isDirty = false;
  #inFlightBytes = 0;
  #lastArrivalMs = 0;

  constructor(
    deps: EndDeps,
    place: { id: number; address: string; peerAddress: string },
    events: EndEvents,
  ) {
    this.#deps = deps;
    this.id = place.id;
    this.address = place.address;
    this.#peerAddress = place.peerAddress;
    this.#events = events;
  }

  /** The process behind it runs and holds the connection for open. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#deps.clock.isDead;
  }

  /** Makes two ends one connection. */
  join(peer: ConnectionEnd): void {
    this.#peer = peer;
    peer.#peer = this;
  }

  reserve(sizeBytes: number): FrameSpace | undefined {
    if (!this.isOpen) return undefined;
    const waiting = this.#out.usedBytes + this.#inFlightBytes;
    if (waiting + sizeBytes > this.#deps.network.faults.queueBytesMax) return undefined;
    if (!this.#isDirty) {
      this.#isDirty = true;
      this.#deps.clock.defer(() => this.flush());
    }
    return this.#out.reserve(sizeBytes);
  }

  flush(): void {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    const bytes = Buffer.from(this.#out.take());
    if (!this.isOpen || bytes.length === 0) return;
    const { network } = this.#deps;
    const { frameLoss, frameDuplication, frameReorder, linkBreak } = network.faults;
    if (network.chance(linkBreak)) return this.breakOff();
    if (frameLoss + frameDuplication + frameReorder === 0) return this.#carry(bytes, true);
    for (const frame of framesOf(bytes)) {
      if (network.chance(frameLoss)) continue;
      this.#carry(Buffer.from(frame), !network.chance(frameReorder));
      if (network.chance(frameDuplication)) this.#carry(Buffer.from(frame), false);
    }
  }

  /** Closes this end; the other one hears of it if the network lets it. */
  close(reason: string): void {
    if (!this.isOpen) return;
    this.flush();
    this.#shut(reason);
    this.#sendClose("closed by the other side");
  }

  /** The connection breaks: what is on its way may or may not arrive before either end notices. */
  breakOff(): void {
    const { network, clock } = this.#deps;
    for (const end of [this, this.#peer]) {
      if (end === undefined) continue;
      const from = end.#peerAddress;
      network.carry(from, end.address, 0, () => end.#inProcess(() => end.#shut("broken")));
    }
    clock.input(this.#deps.time.nowMs + network.keepAliveMs, () => this.#shut("no sign of life"));
  }

  /** The process behind this end is gone without a word; the peer may find out by its silence. */
  abandon(): void {
    this.#isOpen = false;
    const peer = this.#peer;
    if (peer === undefined) return;
    const { time, network } = this.#deps;
    time.schedule(time.nowMs + network.keepAliveMs, () =>
      peer.#inProcess(() => peer.#shut("no sign of life")),
    );
  }

  /** As `abandon`, but the kernel lives on and tells the peer. */
  reset(): void {
    this.#isOpen = false;
    this.#sendClose("connection reset");
  }

  #sendClose(reason: string): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    const { network } = this.#deps;
    // Behind everything that was sent, as the end of a stream is.
    network.carry(this.address, peer.address, this.#lastArrivalMs, () =>
      peer.#inProcess(() => peer.#shut(reason)),
    );
  }

  #shut(reason: string): void {
    if (!this.isOpen) return;
    this.#isOpen = false;
    this.#out.clear();
    this.#deps.log.record(this.#deps.time.nowMs, "link-closed", [this.id, this.address, reason]);
    this.#events.onClose(reason);
  }

  #carry(bytes: Buffer, inOrder: boolean): void {
    const { network } = this.#deps;
    const sizeBytes = bytes.length;
    this.#inFlightBytes += sizeBytes;
    const notBeforeMs = inOrder
      ? this.#lastArrivalMs
      : this.#deps.time.nowMs + network.overtakenMs();
    const peer = this.#peer;
    const atMs = network.carry(this.address, this.#peerAddress, notBeforeMs, () => {
      this.#inFlightBytes -= sizeBytes;
      if (peer !== undefined) peer.#arrived(bytes, this);
    });
    if (inOrder) this.#lastArrivalMs = atMs;
  }

  #arrived(bytes: Buffer, sender: ConnectionEnd): void {
    if (!this.isOpen) {
      if (this.#deps.network.listener(this.address) === undefined) return;
      this.#deps.network.carry(this.address, sender.address, 0, () =>
        sender.#inProcess(() => sender.#shut("connection reset")),
      );
      return;
    }
    this.#inProcess(() => this.#receive(bytes));
  }

  #receive(bytes: Buffer): void {
    const { log, time } = this.#deps;
    log.record(time.nowMs, "receive", [this.id, this.address]);
    log.bytes(bytes);
    let at = 0;
    while (at < bytes.length && this.isOpen) {
      const end = at + bytes.readUInt32LE(at) + 4;
      this.#visit(bytes, at, end);
      at = end;
    }
  }

  #visit(bytes: Buffer, start: number, end: number): void {
    try {
      this.#events.onFrame(bytes, start, end);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.close(error.message);
    }
    bytes.fill(POISON, start, end);
  }

  /** Runs something in the process of this end: now, or when it goes on. */
  #inProcess(callback: () => void): void {
    const { clock, time } = this.#deps;
    if (clock.isDead) return;
    if (clock.isFrozen) clock.input(time.nowMs, callback);
    else callback();
  }
}

/** The frames in a piece of a stream that starts and ends with whole frames. */
function* framesOf(bytes: Buffer): Generator<Buffer> {
  let at = 0;
  while (at < bytes.length) {
    const end = at + bytes.readUInt32LE(at) + 4;
    if (end > bytes.length) throw new InvariantError("a reserved frame was not filled");
    yield bytes.subarray(at, end);
    at = end;
  }
}
