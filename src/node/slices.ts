/** Long work of a member that goes on serving: a little of it at a time, and half of the time at most. */
import type { Clock } from "../model/deps.ts";
import type { Stepwise } from "../util/stepwise.ts";

/** A request waits for a slice once or twice on its way. */
const SLICE_MS = 1;

/** Does the work in slices, each followed by a pause of its length. */
export async function inSlices<T>(work: Stepwise<T>, clock: Clock): Promise<T> {
  for (;;) {
    const startMs = clock.monotonicMs();
    let step = work.next();
    while (step.done !== true && clock.monotonicMs() < startMs + SLICE_MS) step = work.next();
    if (step.done === true) return step.value;
    const pauseMs = clock.monotonicMs() - startMs;
    await new Promise<void>((resolve) => void clock.setTimer(pauseMs, resolve));
  }
}
