/**
 * Cuts a byte stream into frames.
 *
 * Frames that lie whole in a chunk are handed on where they are; only a frame that straddles chunks
 * is copied, once, into a buffer of its own announced size. The size is checked before anything is
 * kept for it.
 */
import { FRAME_HEADER_BYTES, FrameError } from "./frames.ts";

export type FrameVisitor = (bytes: Buffer, start: number, end: number) => void;

export class FrameSplitter {
  readonly #maxFrameBytes: number;
  readonly #visit: FrameVisitor;
  /** The frame that straddles chunks: at least its length field is known once #needed > 4. */
  #partial: Buffer = Buffer.alloc(0);
  #have = 0;
  /** Bytes of the partial frame in all; 0 while no frame is begun. */
  #needed = 0;

  constructor(maxFrameBytes: number, visit: FrameVisitor) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#visit = visit;
  }

  /** Visits every frame that is complete now. Throws FrameError on an impossible length. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#have > 0) {
        at = this.#continuePartial(chunk, at);
        continue;
      }
      const frameEnd = chunk.length - at >= 4 ? at + this.#sizeAt(chunk, at) : Infinity;
      if (frameEnd > chunk.length) {
        this.#beginPartial(chunk, at, frameEnd - at);
        return;
      }
      this.#visit(chunk, at, frameEnd);
      at = frameEnd;
    }
  }

  #sizeAt(bytes: Buffer, at: number): number {
    const size = bytes.readUInt32LE(at) + 4;
    if (size < FRAME_HEADER_BYTES || size > this.#maxFrameBytes) {
      throw new FrameError(
        `frame of ${size} bytes; expected ${FRAME_HEADER_BYTES} to ${this.#maxFrameBytes}`,
      );
    }
    return size;
  }

  #beginPartial(chunk: Buffer, at: number, size: number): void {
    this.#needed = size === Infinity ? 4 : size;
    this.#partial = Buffer.allocUnsafe(Math.max(this.#needed, 4));
    this.#have = chunk.copy(this.#partial, 0, at);
  }

  #continuePartial(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#needed - this.#have, chunk.length - at);
    chunk.copy(this.#partial, this.#have, at, at + taken);
    this.#have += taken;
    if (this.#have === this.#needed) this.#completePartial();
    return at + taken;
  }

  #completePartial(): void {
    if (this.#needed === 4) {
      this.#needed = this.#sizeAt(this.#partial, 0);
      const whole = Buffer.allocUnsafe(this.#needed);
      this.#partial.copy(whole, 0, 0, 4);
      this.#partial = whole;
      return;
    }
    const frame = this.#partial;
    this.#partial = Buffer.alloc(0);
    this.#have = 0;
    this.#needed = 0;
    this.#visit(frame, 0, frame.length);
  }
}
