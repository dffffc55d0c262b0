/**
 * One TCP connection between two members, after or during its handshake: bytes in become frames,
 * frames out are gathered and written once per event-loop turn.
 */
import type { Socket } from "node:net";
import { FrameSplitter, type FrameVisitor } from "../../codec/frame-splitter.ts";
import { type FrameSpace, encodeOpaque, FRAME_HEADER_BYTES } from "../../codec/frames.ts";
import { OutgoingBuffer } from "../outgoing-buffer.ts";

export interface ConnectionLimits {
  readonly frameBytesMax: number;
  /** Bytes that may wait for a peer that does not read. */
  readonly queueBytesMax: number;
}

export interface ConnectionEvents {
  readonly onFrame: FrameVisitor;
  readonly onClose: (reason: string) => void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #markDirty: (connection: Connection) => void;
  readonly #out = new OutgoingBuffer();
  readonly #splitter: FrameSplitter;
  readonly #events: ConnectionEvents;
  #isDirty = false;
  #closed = false;

  constructor(
    socket: Socket,
    limits: ConnectionLimits,
    markDirty: (connection: Connection) => void,
    events: ConnectionEvents,
  ) {
    this.#socket = socket;
    this.#limits = limits;
    this.#markDirty = markDirty;
    this.#events = events;
    this.#splitter = new FrameSplitter(limits.frameBytesMax, events.onFrame);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5000);
    socket.on("error", (error) => this.close(error.message));
    socket.on("close", () => this.close("closed by the other side"));
  }

  get isOpen(): boolean {
    return !this.#closed;
  }

  /** Takes bytes that arrived. A frame that cannot be, or a handler that throws, ends the connection. */
  received(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      if (error instanceof Error && error.name === "InvariantError") throw error;
      this.close(error instanceof Error ? error.message : String(error));
    }
  }

  reserve(sizeBytes: number): FrameSpace | undefined {
    if (this.#closed) return undefined;
    const waiting = this.#out.usedBytes + this.#socket.writableLength;
    if (waiting + sizeBytes > this.#limits.queueBytesMax) return undefined;
    if (!this.#isDirty) {
      this.#isDirty = true;
      this.#markDirty(this);
    }
    return this.#out.reserve(sizeBytes);
  }

  /** Sends a frame with an opaque body; false if it cannot leave now. */
  sendOpaque(type: number, body: Uint8Array): boolean {
    const space = this.reserve(FRAME_HEADER_BYTES + body.length);
    if (space === undefined) return false;
    encodeOpaque(space, { type, flags: 0, keyspaceId: 0, requestId: 0 }, body);
    return true;
  }

  flush(): void {
    this.#isDirty = false;
    if (this.#closed || this.#out.usedBytes === 0) return;
    this.#socket.write(this.#out.take());
    // With nothing left to write the kernel has its copy, and the buffer can be used again.
    if (this.#socket.writableLength === 0) this.#out.reuse();
    else this.#out.replace();
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.#out.clear();
    this.#socket.destroySoon();
    this.#events.onClose(reason);
  }

  /** Closes without waiting for what is still to be written. */
  destroy(): void {
    this.close("stopped");
    this.#socket.destroy();
  }
}
