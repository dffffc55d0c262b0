/**
 * The round of questions before a member takes part in gossip, and the rule by which a ring is
 * founded.
 *
 * A starting member first only asks: what do you know, and which layout do you have? So it learns
 * whether somebody else uses its identity before anybody hears of it, and it never serves with a
 * ring of its own making beside one that exists.
 *
 * - A member that runs and has a layout has answered: take part.
 * - All contacts have answered that they are starting too, or refused the connection, or enough time
 *   has passed: who has a layout from before takes part with that (a whole cluster was restarted),
 *   and so does the first of the seeds without one: it founds the ring. Everybody else goes on
 *   asking.
 *
 * One seed only may found, because two that start at once could not know of each other.
 */
export type ShadowVerdict = "wait" | "run" | "found";

export interface ShadowOptions {
  readonly contacts: readonly string[];
  readonly retryMs: number;
  readonly limitMs: number;
}

export class ShadowRound {
  readonly #options: ShadowOptions;
  readonly #contacts: Set<string>;
  /** Contacts that have answered or refused at least once. */
  readonly #settled = new Set<string>();
  readonly #probes = new Set<string>();
  readonly #startedMs: number;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(options: ShadowOptions, nowMs: number) {
    this.#options = options;
    this.#contacts = new Set(options.contacts);
    this.#startedMs = nowMs;
  }

  /** The addresses to ask now; empty until the retry interval is over. */
  due(nowMs: number): readonly string[] {
    if (nowMs - this.#askedMs < this.#options.retryMs) return [];
    this.#askedMs = nowMs;
    return [...this.#contacts];
  }

  /**
   * Somebody knows this member's identity from another address: whoever is there has to be asked
   * before this one takes part. A process that is alive answers; that of an earlier start does not.
   */
  probe(address: string): void {
    this.#contacts.add(address);
    this.#probes.add(address);
  }

  /** Whoever can answer had the time to do so. */
  isLate(nowMs: number): boolean {
    return nowMs - this.#startedMs >= this.#options.limitMs;
  }

  /** Whether somebody may still turn out to use this identity. */
  isProbing(nowMs: number): boolean {
    if (this.isLate(nowMs)) return false;
    return [...this.#probes].some((address) => !this.#settled.has(address));
  }

  isContact(address: string): boolean {
    return this.#contacts.has(address);
  }

  /** The contact has said all that it can say for now. */
  settle(address: string): void {
    if (this.#contacts.has(address)) this.#settled.add(address);
  }

  /** The contact turned out to be this member under another name. */
  drop(address: string): void {
    this.#contacts.delete(address);
    this.#settled.delete(address);
  }

  verdict(
    nowMs: number,
    { hasLayout, mayFound }: { readonly hasLayout: boolean; readonly mayFound: boolean },
  ): ShadowVerdict {
    const isOver = this.#settled.size === this.#contacts.size || this.isLate(nowMs);
    if (!isOver) return "wait";
    if (hasLayout) return "run";
    return mayFound ? "found" : "wait";
  }
}
