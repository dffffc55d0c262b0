/** Every checker over a whole history. */
import type { History, Violation } from "../history.ts";
import { checkAnswers } from "./answers.ts";
import { checkConvergence } from "./convergence.ts";
import { checkDurability } from "./durability.ts";
import { checkExpiry } from "./expiry.ts";
import { checkMonotonicReads } from "./monotonic-reads.ts";
import { checkNoInvention } from "./no-invention.ts";
import { checkNoLostAcks } from "./no-lost-acks.ts";
import { checkOutcomeHonesty } from "./outcome-honesty.ts";
import { checkWholeScan } from "./whole-scan.ts";

const CHECKERS: readonly ((history: History) => Violation[])[] = [
  checkNoLostAcks,
  checkNoInvention,
  checkOutcomeHonesty,
  checkDurability,
  checkConvergence,
  checkMonotonicReads,
  checkExpiry,
  checkAnswers,
  checkWholeScan,
];

export function checkAll(history: History): Violation[] {
  return CHECKERS.flatMap((check) => check(history));
}
