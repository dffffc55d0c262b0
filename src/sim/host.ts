/**
 * The only place where the simulator touches the real machine: letting ready promise callbacks run.
 *
 * Between two events of virtual time every promise callback that is ready must have run, or the
 * order of events would depend on how long promise chains happen to be. A fixed number of microtask
 * turns is only safe for chains shorter than that number; `setImmediate` comes after all of them,
 * however many there are, at the price of one turn of the real event loop.
 */

/** Resolves when every promise callback that is ready now, or becomes ready meanwhile, has run. */
export function drainPromises(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** What a promise was rejected with while nobody handled it. */
export interface RejectionWatch {
  take(): unknown[];
  stop(): void;
}

/** Collects unhandled rejections instead of letting them end the process. */
export function watchRejections(): RejectionWatch {
  let reasons: unknown[] = [];
  const listener = (reason: unknown): void => {
    reasons.push(reason);
  };
  process.on("unhandledRejection", listener);
  return {
    take: () => {
      const taken = reasons;
      reasons = [];
      return taken;
    },
    stop: () => process.off("unhandledRejection", listener),
  };
}

/** Milliseconds of real time, for measuring how fast the simulator is. */
export function realMs(): number {
  return performance.now();
}
