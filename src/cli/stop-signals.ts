/** Waiting for the wish to stop: SIGINT, SIGTERM, SIGHUP, or the death of the process above. */

export type StopReason = NodeJS.Signals | "parent-gone";

const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

export class StopSignals {
  /** Resolves with the first reason to stop. */
  readonly first: Promise<StopReason>;
  #onReason: (reason: StopReason) => void = () => {};
  #onSecond: () => void = () => {};
  #count = 0;
  readonly #handlers: readonly (readonly [NodeJS.Signals | "disconnect", () => void])[];

  constructor() {
    this.first = new Promise((resolve) => {
      this.#onReason = resolve;
    });
    this.#handlers = [
      ...SIGNALS.map((signal) => [signal, () => this.#take(signal)] as const),
      // Only a parent that opened a channel can lose it; the member must not outlive that parent.
      ["disconnect", () => this.#take("parent-gone")] as const,
    ];
  }

  /** Takes the signals over from the process, whose answer would be to end at once. */
  listen(): void {
    for (const [name, handler] of this.#handlers) process.on(name as "SIGINT", handler);
  }

  /** Gives them back. */
  release(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }

  /** Runs when another signal comes after the first. */
  onSecond(action: () => void): void {
    this.#onSecond = action;
  }

  #take(reason: StopReason): void {
    this.#count++;
    if (this.#count === 1) this.#onReason(reason);
    else if (reason !== "parent-gone") this.#onSecond();
  }
}
