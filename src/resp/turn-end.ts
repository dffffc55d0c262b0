/**
 * Gathers the sessions that have something to do at the end of the present turn of the event loop,
 * so that many late answers cost one deferred call and one socket write per connection.
 */
import type { Clock } from "../model/deps.ts";

export interface TurnEndTask {
  /** Called once at the end of a turn in which the task was added. */
  turnEnded(): void;
}

export class TurnEnd {
  readonly #clock: Clock;
  #due: TurnEndTask[] = [];

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock;
  }

  /** A task that is added twice in one turn is called twice. */
  add(task: TurnEndTask): void {
    if (this.#due.push(task) === 1) this.#clock.defer(this.#run);
  }

  readonly #run = (): void => {
    const due = this.#due;
    this.#due = [];
    for (const task of due) task.turnEnded();
  };
}
