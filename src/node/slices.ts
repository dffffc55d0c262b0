/** Long work of a member that goes on serving: some milliseconds of it at a time. */
import type { Clock } from "../model/deps.ts";
import type { Stepwise } from "../util/stepwise.ts";

/** Less than this waits for a turn of the event loop, more holds up requests. */
const SLICE_MS = 2;

/** Does the work between the turns of the event loop. */
export async function inSlices<T>(work: Stepwise<T>, clock: Clock): Promise<T> {
  for (;;) {
    const endMs = clock.monotonicMs() + SLICE_MS;
    let step = work.next();
    while (step.done !== true && clock.monotonicMs() < endMs) step = work.next();
    if (step.done === true) return step.value;
    await new Promise<void>((resolve) => clock.defer(resolve));
  }
}
