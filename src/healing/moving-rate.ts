/**
 * How fast something has grown lately, and when it will be through.
 *
 * The rate is that of the last half minute, not of all time: a task that was paused or that met a
 * slow member tells what can be expected now.
 */
const WINDOW_MS = 30_000;
const SAMPLE_MS = 1000;

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

export class MovingRate {
  /** At most one for each second of the window, oldest first. */
  #samples: Sample[] = [];

  /** Takes the value at a moment of a clock that never goes back. */
  add(atMs: number, value: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && atMs - last.atMs < SAMPLE_MS) return;
    this.#samples = this.#samples.filter((sample) => atMs - sample.atMs <= WINDOW_MS);
    this.#samples.push({ atMs, value });
  }

  /** Forgets the past, e.g. after a pause. */
  reset(): void {
    this.#samples = [];
  }

  /** Seconds until `target` at the present rate; undefined while there is none. */
  etaSeconds(now: Sample, target: number): number | undefined {
    const first = this.#samples[0];
    if (first === undefined || now.atMs <= first.atMs || now.value <= first.value) return undefined;
    const perMs = (now.value - first.value) / (now.atMs - first.atMs);
    return Math.max(0, (target - now.value) / perMs / 1000);
  }
}
