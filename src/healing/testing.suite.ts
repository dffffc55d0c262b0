/** What the tests of this layer stand on: askers that fail, and spans. */
import { AskError, type Ask, type Question } from "../codec/ask.ts";
import type { ManualClock } from "../model/manual-clock.suite.ts";
import { compareHalves } from "../ring/token.ts";
import type { TokenSpan } from "../storage/engine.ts";
import type { NaiveEngine } from "../storage/naive-engine.suite.ts";
import { readChunk } from "./stream-source.ts";

/** How one question goes. */
export type Fate = "answer" | "damage" | "DOWN" | "LAYOUT" | "TIMEOUT" | "REFUSED";

export interface AskerParts {
  readonly clock: ManualClock;
  readonly engines: ReadonlyMap<string, NaiveEngine>;
  /** Called for each question. */
  readonly fate: (question: Question) => Fate;
  /** From question to answer. */
  readonly delayMs: number;
}

/** Answers questions from the engines of other members, or not. */
export function makeAsk({ clock, engines, fate, delayMs }: AskerParts): Ask {
  return (question) =>
    new Promise((resolve, reject) => {
      clock.setTimer(delayMs, () => {
        const decided = fate(question);
        const engine = engines.get(question.memberId);
        if (decided !== "answer" && decided !== "damage") {
          reject(new AskError(decided, `fails with ${decided}`));
        } else if (engine === undefined) {
          reject(new AskError("DOWN", "is nowhere"));
        } else {
          const body = question.makeBody({ counter: 1, hash: 2 });
          const chunk = Buffer.from(readChunk(engine, question.keyspaceId, body));
          if (decided === "damage") damage(chunk);
          resolve(chunk);
        }
      });
    });
}

function damage(chunk: Buffer): void {
  const at = chunk.length >> 1;
  chunk[at] = (chunk[at] as number) ^ 16;
}

/** Whether a token is in the span. */
export function isInSpan(span: TokenSpan, hi: number, lo: number): boolean {
  const isAfter = compareHalves(hi, lo, span.startHi, span.startLo) > 0;
  const isUpTo = compareHalves(hi, lo, span.endHi, span.endLo) <= 0;
  const isWrapping = compareHalves(span.startHi, span.startLo, span.endHi, span.endLo) >= 0;
  return isWrapping ? isAfter || isUpTo : isAfter && isUpTo;
}
