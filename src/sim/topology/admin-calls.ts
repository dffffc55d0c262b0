/** Calls to the control plane of members that may die before they answer. */
import type { AdminApi } from "../../model/admin-api.ts";
import { KvError } from "../../model/kv-error.ts";
import type { Violation } from "../history.ts";
import type { Process, SimulatedMachine } from "../simulated-machine.ts";
import { describe } from "../simulated-cluster.ts";
import type { VirtualTime } from "../virtual-clock.ts";

export type CallOutcome<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "failed"; readonly error: KvError }
  /** There is no answer: its process is gone, or its disk has failed. */
  | { readonly kind: "cut" };

/** An agreement takes ten seconds at most; a paused process adds what it was paused for. */
const ANSWER_WITHIN_MS = 40_000;

interface Waiting {
  readonly process: Process;
  readonly cut: () => void;
}

export interface AdminCallsDeps {
  readonly time: VirtualTime;
  readonly onViolation: (violation: Violation) => void;
}

export class AdminCalls {
  readonly #deps: AdminCallsDeps;
  readonly #waiting = new Set<Waiting>();

  constructor(deps: AdminCallsDeps) {
    this.#deps = deps;
  }

  /** A process is gone. */
  ended(ended: Process): void {
    for (const { process, cut } of this.#waiting) if (process === ended) cut();
  }

  call<T>(
    machine: SimulatedMachine,
    name: string,
    act: (admin: AdminApi) => T | Promise<T>,
  ): Promise<CallOutcome<T>> {
    const { process } = machine;
    if (process === undefined) return Promise.resolve({ kind: "cut" });
    const { time, onViolation } = this.#deps;
    return new Promise((resolve) => {
      const settle = (outcome: CallOutcome<T>): void => {
        if (!this.#waiting.delete(waiting)) return;
        timer.cancel();
        resolve(outcome);
      };
      const waiting: Waiting = { process, cut: () => settle({ kind: "cut" }) };
      const timer = time.schedule(time.nowMs + ANSWER_WITHIN_MS, () => {
        const message = `${name} at machine ${machine.index} gets no answer`;
        if (!process.clock.isFrozen) onViolation({ invariant: "I22", message });
        settle({ kind: "cut" });
      });
      this.#waiting.add(waiting);
      const fail = (error: unknown): void => {
        if (error instanceof KvError) return settle({ kind: "failed", error });
        if (!machine.hasFaultyDisk && !process.clock.isDead) {
          const message = `${name} at machine ${machine.index} fails: ${describe(error)}`;
          onViolation({ invariant: "I28", message });
        }
        settle({ kind: "cut" });
      };
      new Promise<T>((done) => done(act(process.admin))).then(
        (value) => settle({ kind: "ok", value }),
        fail,
      );
    });
  }
}
