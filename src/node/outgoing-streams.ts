/**
 * What this member has sent to others in streams that are under way, for people to see: a source
 * keeps no other state.
 */
import { chunkCellCount } from "../codec/stream-frames.ts";
import type { Clock } from "../model/deps.ts";

/** A stream that nobody has pulled for so long is over; a throttled receiver pulls now and then. */
const IDLE_MS = 5000;
const STREAMS_MAX = 1000;

interface Stream {
  readonly peer: string;
  readonly keyspaceId: number;
  bytes: number;
  cells: number;
  atMs: number;
}

export class OutgoingStreams {
  readonly #clock: Clock;
  readonly #streams = new Map<string, Stream>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  sent(to: Pick<Stream, "peer" | "keyspaceId">, chunk: Buffer): void {
    const key = `${to.keyspaceId} ${to.peer}`;
    const stream = this.#streams.get(key) ?? { ...to, bytes: 0, cells: 0, atMs: 0 };
    stream.bytes += chunk.length;
    stream.cells += chunkCellCount(chunk);
    stream.atMs = this.#clock.monotonicMs();
    if (this.#streams.size >= STREAMS_MAX) this.#forgetIdle();
    this.#streams.set(key, stream);
  }

  /** Those that are under way, as far as a source can know. */
  current(): readonly Readonly<Stream>[] {
    this.#forgetIdle();
    return [...this.#streams.values()];
  }

  #forgetIdle(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { atMs }] of this.#streams) {
      if (nowMs - atMs > IDLE_MS) this.#streams.delete(key);
    }
  }
}
