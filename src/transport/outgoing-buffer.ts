/**
 * The frames that one link sends at the end of this event-loop turn, in one piece.
 *
 * One write per turn instead of one per message is what makes replication cheap: the price of a hop
 * is per wake-up, not per byte (docs/BENCHMARKS.md).
 */
import type { FrameSpace, Writable } from "../codec/frames.ts";

const INITIAL_BYTES = 16 * 1024;
/** A buffer that once grew over this is not kept for the next turn. */
const KEPT_BYTES_MAX = 1024 * 1024;

export class OutgoingBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #used = 0;
  readonly #space: Writable<FrameSpace> = { bytes: this.#bytes, offset: 0 };

  get usedBytes(): number {
    return this.#used;
  }

  /** Space for `sizeBytes`; the object returned is reused by the next call. */
  reserve(sizeBytes: number): FrameSpace {
    const end = this.#used + sizeBytes;
    if (end > this.#bytes.length) this.#grow(end);
    this.#space.bytes = this.#bytes;
    this.#space.offset = this.#used;
    this.#used = end;
    return this.#space;
  }

  /** What was reserved since the last take. Call `reuse` or `replace` before the next reserve. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    return taken;
  }

  /** The bytes taken are no longer needed by anybody. */
  reuse(): void {
    if (this.#bytes.length > KEPT_BYTES_MAX) this.replace();
  }

  /** The bytes taken still belong to a pending write. */
  replace(): void {
    this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  clear(): void {
    this.#used = 0;
  }

  #grow(neededBytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(neededBytes, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#used);
    this.#bytes = grown;
  }
}
