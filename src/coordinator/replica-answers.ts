/**
 * What the replicas of one key said it holds, and which of those cells wins.
 *
 * A replica that holds nothing has the oldest cell of all.
 */
import type { ReadAnswer } from "../codec/frames.ts";
import { compareHeads } from "../versions/compare.ts";

export const ABSENT: ReadAnswer = {
  isFound: false,
  isTombstone: false,
  timestamp: 0,
  writer: 0,
  expiresAtMs: 0,
  contentHash: 0,
  value: undefined,
};

/** Negative if `left` loses against `right`, 0 if both are the same cell. */
export function compareAnswers(left: ReadAnswer, right: ReadAnswer): number {
  if (!left.isFound || !right.isFound) return Number(left.isFound) - Number(right.isFound);
  return compareHeads(left, right);
}

export class ReplicaAnswers {
  /** By position in the replica set. */
  readonly #answers: (ReadAnswer | undefined)[] = [];
  #winner: ReadAnswer = ABSENT;
  #hasConflict = false;
  #count = 0;

  set(position: number, answer: ReadAnswer): void {
    const comparison = this.#count++ === 0 ? 1 : compareAnswers(answer, this.#winner);
    if (this.#count > 1 && comparison !== 0) this.#hasConflict = true;
    this.#answers[position] = answer;
    if (comparison > 0) this.#winner = answer;
    // Of equal cells the one that came with its value is worth keeping.
    if (comparison === 0 && answer.value !== undefined) this.#winner = answer;
  }

  get winner(): ReadAnswer {
    return this.#winner;
  }

  /** Two replicas hold different cells. */
  get hasConflict(): boolean {
    return this.#hasConflict;
  }

  /** The winner's value is needed and nobody has sent it yet. */
  get lacksValue(): boolean {
    return this.#winner.isFound && !this.#winner.isTombstone && this.#winner.value === undefined;
  }

  has(position: number): boolean {
    return this.#answers[position] !== undefined;
  }

  /** The replica at that position holds the winner. */
  isCurrent(position: number): boolean {
    const answer = this.#answers[position];
    return answer !== undefined && compareAnswers(answer, this.#winner) === 0;
  }

  /** Keeps the value, which was lent, beyond the present call. */
  keepValue(): void {
    const { value } = this.#winner;
    if (value === undefined) return;
    const kept = { ...this.#winner, value: new Uint8Array(value) };
    const position = this.#answers.indexOf(this.#winner);
    if (position >= 0) this.#answers[position] = kept;
    this.#winner = kept;
  }
}
