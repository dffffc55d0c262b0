/**
 * I26, answers: every operation gets one answer within its time limit, whatever happens to the
 * network and the other members. Only the crash of its own coordinator excuses it.
 */
import { type History, type Violation, showOperation } from "../history.ts";

export function checkAnswers(history: History): Violation[] {
  const violations: Violation[] = [];
  for (const operation of history.operations) {
    const { completed, isCut, waitedMs, limitMs } = operation;
    if (completed === undefined && !isCut) {
      const message = `${showOperation(operation)} never got an answer`;
      violations.push({ invariant: "I26", message });
    } else if (waitedMs > limitMs) {
      const message = `${showOperation(operation)} waited ${waitedMs.toFixed(3)} ms of at most ${limitMs} ms`;
      violations.push({ invariant: "I26", message });
    }
  }
  return violations;
}
