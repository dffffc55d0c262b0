/** Keeps a burst of refused requests from becoming a burst of gossip: one exchange settles them all. */
import type { Clock } from "../model/deps.ts";

/** Layouts are exchanged with one peer at most once in this time. */
const INTERVAL_MS = 5;
const PEERS_MAX = 10_000;

export class LayoutExchanges {
  readonly #clock: Clock;
  /** When layouts were last exchanged because of a refusal, by address. */
  readonly #lastMs = new Map<string, number>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** True if layouts should be exchanged with the peer now; notes it. */
  isDue(address: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const lastMs = this.#lastMs.get(address) ?? Number.NEGATIVE_INFINITY;
    if (nowMs - lastMs < INTERVAL_MS) return false;
    if (this.#lastMs.size >= PEERS_MAX) this.#lastMs.clear();
    this.#lastMs.set(address, nowMs);
    return true;
  }
}
