/** Puts that wait for the same event. Reused from batch to batch, so it takes no memory per put. */
import type { PutSink } from "./engine.ts";

export class SinkList {
  readonly #sinks: (PutSink | undefined)[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push(sink: PutSink): void {
    this.#sinks[this.#count++] = sink;
  }

  /** Takes over everything that waits in `other`. */
  takeFrom(other: SinkList): void {
    for (let at = 0; at < other.#count; at++) {
      this.#sinks[this.#count++] = other.#sinks[at];
      other.#sinks[at] = undefined;
    }
    other.#count = 0;
  }

  /** Tells all, which may put again; those puts wait for the next time. */
  settle(error: Error | undefined): void {
    const count = this.#count;
    for (let at = 0; at < count; at++) {
      const sink = this.#sinks[at];
      this.#sinks[at] = undefined;
      if (error === undefined) sink?.stored();
      else sink?.putFailed(error);
    }
    // Sinks that arrived meanwhile stand behind those that were told.
    const arrived = this.#count - count;
    for (let at = 0; at < arrived; at++) {
      this.#sinks[at] = this.#sinks[count + at];
      this.#sinks[count + at] = undefined;
    }
    this.#count = arrived;
  }
}
