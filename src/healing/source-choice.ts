/**
 * Whom to ask next for a duty.
 *
 * The replica that loses the range comes first, because its copy alone is enough; it is waited for
 * as long as it lives. Only while it is down, or has failed several times in a row, are the others
 * asked. Who failed is left alone for a while, longer each time: one that is down, silent or in
 * another layout version for all duties, one that cannot give a certain chunk for that duty only.
 */
import type { Clock } from "../model/deps.ts";
import type { AskError } from "../codec/ask.ts";
import type { DutyProgress, HolderPass } from "./sync-progress.ts";

export interface SourceChoiceDeps {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly isAlive: (memberId: string) => boolean;
}

export interface SourceChoiceOptions {
  /** The first wait after a failure; it doubles up to the other. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
}

/** Failures in a row after which the losing replica is not waited for any more. */
const SOURCE_PATIENCE = 3;

interface Trouble {
  readonly text: string;
  /** Failures in a row, of any kind. */
  readonly count: number;
  /** Those that say that it cannot, rather than not yet. */
  readonly strikes: number;
  readonly notBeforeMs: number;
}

export class SourceChoice {
  readonly #deps: SourceChoiceDeps;
  readonly #options: SourceChoiceOptions;
  /** By member. */
  readonly #troubles = new Map<string, Trouble>();

  constructor(deps: SourceChoiceDeps, options: SourceChoiceOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** The pass to go on with now; undefined if none can. */
  pick(progress: DutyProgress): HolderPass | undefined {
    const { sourcePass } = progress;
    if (sourcePass !== undefined && this.#isPromising(sourcePass)) {
      return this.#canTry(sourcePass) ? sourcePass : undefined;
    }
    return progress.passes.find((pass) => !pass.isDone && this.#canTry(pass));
  }

  /**
   * True if a pass should bring values at once: we have nothing of the span, and no other pass has
   * been where this one is. Otherwise most of it is here, and comparing heads saves the values.
   */
  wantsValues(progress: DutyProgress, pass: HolderPass): boolean {
    const { receiver, replicas } = progress.duty;
    if (replicas.some(({ id }) => id === receiver)) return false;
    const share = progress.shareOf(pass);
    return progress.passes.every((other) => other === pass || progress.shareOf(other) <= share);
  }

  /** Adds what keeps a duty from going on, by member. */
  collectTroubles(progress: DutyProgress, into: Map<string, string>): void {
    for (const pass of progress.passes) {
      const { holder, isDone } = pass;
      if (isDone) continue;
      const isDown = !this.#deps.isAlive(holder);
      const text = isDown ? "is down" : (this.#troubles.get(holder)?.text ?? pass.trouble);
      if (text !== undefined) into.set(holder, text);
    }
  }

  succeeded(pass: HolderPass): void {
    this.#troubles.delete(pass.holder);
    pass.failures = 0;
    pass.trouble = undefined;
  }

  /** The member as a whole did not answer. */
  unreachable(pass: HolderPass, error: AskError): void {
    const known = this.#troubles.get(pass.holder);
    const count = (known?.count ?? 0) + 1;
    this.#troubles.set(pass.holder, {
      text: error.message,
      count,
      strikes: (known?.strikes ?? 0) + (error.code === "LAYOUT" ? 0 : 1),
      notBeforeMs: this.#deps.clock.monotonicMs() + this.#delayMs(count),
    });
  }

  /** It answered, but not with what was asked for. */
  failed(pass: HolderPass, trouble: string): void {
    pass.failures++;
    pass.trouble = trouble;
    pass.notBeforeMs = this.#deps.clock.monotonicMs() + this.#delayMs(pass.failures);
  }

  #isPromising(pass: HolderPass): boolean {
    const strikes = (this.#troubles.get(pass.holder)?.strikes ?? 0) + pass.failures;
    return strikes < SOURCE_PATIENCE && this.#deps.isAlive(pass.holder);
  }

  #canTry({ holder, notBeforeMs }: HolderPass): boolean {
    const fromMs = Math.max(notBeforeMs, this.#troubles.get(holder)?.notBeforeMs ?? 0);
    return this.#deps.clock.monotonicMs() >= fromMs && this.#deps.isAlive(holder);
  }

  #delayMs(count: number): number {
    const { retryMinMs, retryMaxMs } = this.#options;
    return Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(count - 1, 20));
  }
}
