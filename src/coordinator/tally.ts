/**
 * Counts the answers of replicas to one request.
 *
 * It says "reached" as soon as every group of the requirement has its answers, and "unreachable" as
 * soon as that can no longer happen: a request fails early instead of waiting for its deadline. Each
 * replica counts once, whatever it repeats. No sockets, no clock.
 */
import type { Requirement } from "./requirement.ts";

export type TallyState = "open" | "reached" | "unreachable";

const UNANSWERED = 0;
const OK = 1;
const FAILED = 2;

export class Tally {
  readonly #requirement: Requirement;
  /** Answers still missing, by group. */
  readonly #missing: number[];
  /** Replicas that may still answer, by group. */
  readonly #possible: number[];
  /** By position. */
  readonly #outcomes: number[];
  #state: TallyState = "open";
  #okCount = 0;

  constructor(requirement: Requirement) {
    this.#requirement = requirement;
    this.#missing = requirement.needed.slice();
    this.#possible = requirement.sizes.slice();
    this.#outcomes = requirement.groupsOf.map(() => UNANSWERED);
    this.#judge();
  }

  get state(): TallyState {
    return this.#state;
  }

  /** Replicas that said ok and count for the level. */
  get okCount(): number {
    return this.#okCount;
  }

  /** Answers still missing, over all groups. */
  get missingCount(): number {
    let count = 0;
    for (const missing of this.#missing) count += Math.max(missing, 0);
    return count;
  }

  isAnswered(position: number): boolean {
    return this.#outcomes[position] !== UNANSWERED;
  }

  isOk(position: number): boolean {
    return this.#outcomes[position] === OK;
  }

  /** An answer of this replica would bring the level nearer. */
  isWanted(position: number): boolean {
    if (this.isAnswered(position)) return false;
    for (const group of this.#requirement.groupsOf[position] as readonly number[]) {
      if ((this.#missing[group] as number) > 0) return true;
    }
    return false;
  }

  ok(position: number): TallyState {
    if (this.#outcomes[position] !== UNANSWERED) return this.#state;
    this.#outcomes[position] = OK;
    const groups = this.#requirement.groupsOf[position] as readonly number[];
    if (groups.length === 0) return this.#state;
    this.#okCount++;
    for (const group of groups) {
      this.#missing[group] = (this.#missing[group] as number) - 1;
      this.#possible[group] = (this.#possible[group] as number) - 1;
    }
    return this.#judge();
  }

  failed(position: number): TallyState {
    if (this.#outcomes[position] !== UNANSWERED) return this.#state;
    this.#outcomes[position] = FAILED;
    for (const group of this.#requirement.groupsOf[position] as readonly number[]) {
      this.#possible[group] = (this.#possible[group] as number) - 1;
    }
    return this.#judge();
  }

  /** A replica that failed is asked again. */
  reopen(position: number): void {
    if (this.#outcomes[position] !== FAILED) return;
    this.#outcomes[position] = UNANSWERED;
    for (const group of this.#requirement.groupsOf[position] as readonly number[]) {
      this.#possible[group] = (this.#possible[group] as number) + 1;
    }
    if (this.#state === "unreachable") this.#state = "open";
    this.#judge();
  }

  /** A reached level stays reached, whatever fails afterwards. */
  #judge(): TallyState {
    if (this.#state !== "open") return this.#state;
    let isReached = true;
    for (let group = 0; group < this.#missing.length; group++) {
      const missing = this.#missing[group] as number;
      if (missing > (this.#possible[group] as number)) this.#state = "unreachable";
      if (missing > 0) isReached = false;
    }
    if (isReached) this.#state = "reached";
    return this.#state;
  }
}
