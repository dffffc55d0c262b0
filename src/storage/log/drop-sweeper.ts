/**
 * Takes dropped cells out of the index, so many in a turn of the event loop.
 *
 * A drop of millions of cells would hold up everything for longer than a request may wait. So the
 * cells know at once which of them are dropped (cells.ts) and whoever touches one settles it; the sweep
 * settles the rest.
 */
import type { Clock } from "../../model/deps.ts";
import type { Cells, PendingDrop } from "./cells.ts";
import { LogScan } from "./log-scan.ts";
import type { LogEngineOptions } from "./options.ts";

interface Sweep {
  readonly cells: Cells;
  readonly drop: PendingDrop;
  readonly walk: LogScan;
  readonly done: () => void;
}

export class DropSweeper {
  readonly #deps: { readonly clock: Clock };
  readonly #options: Pick<LogEngineOptions, "dropStepEntries">;
  #sweeps: readonly Sweep[] = [];
  #isScheduled = false;
  #onIdle: (() => void) | undefined;

  constructor(deps: { readonly clock: Clock }, options: Pick<LogEngineOptions, "dropStepEntries">) {
    this.#deps = deps;
    this.#options = options;
  }

  /** From now on the cells are dropped; calls `done` when none of them is left in the index. */
  start(cells: Cells, drop: PendingDrop, done: () => void): void {
    cells.beginDrop(drop);
    const deps = { cells, readValue: () => undefined, onClose: () => {} };
    const walk = new LogScan(deps, { span: drop.span, values: false, sequence: drop.birth });
    this.#sweeps = [...this.#sweeps, { cells, drop, walk, done }];
    if (!this.#isScheduled) this.#step();
  }

  /** Calls `done` when no sweep runs. */
  whenIdle(done: () => void): void {
    if (this.#sweeps.length === 0) done();
    else this.#onIdle = done;
  }

  readonly #step = (): void => {
    this.#isScheduled = false;
    let left = this.#options.dropStepEntries;
    for (let sweep = this.#sweeps[0]; sweep !== undefined && left > 0; sweep = this.#sweeps[0]) {
      const { cells, drop, walk, done } = sweep;
      const wanted = left;
      const count = walk.nextSlots(wanted, (slot) => cells.settle(slot));
      left -= count;
      if (count === wanted) break;
      cells.endDrop(drop);
      this.#sweeps = this.#sweeps.slice(1);
      done();
    }
    if (this.#sweeps.length === 0) this.#onIdle?.();
    else if (!this.#isScheduled) this.#scheduleStep();
  };

  #scheduleStep(): void {
    this.#isScheduled = true;
    this.#deps.clock.defer(this.#step);
  }
}
