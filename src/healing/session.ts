/**
 * A stretch of background work that can be ended at any moment.
 *
 * Whatever such work waits for, it waits for through its session. When the session ends, every wait
 * rejects with SessionOver, and what it waited for is dropped when it comes late. So the work never
 * has to be told twice: after each wait it is either still wanted, or it is not running any more.
 */
import type { Clock } from "../model/deps.ts";

/** The session was ended while something waited in it. */
export class SessionOver extends Error {
  constructor() {
    super("the session is over");
    this.name = "SessionOver";
  }
}

export interface SessionDeps {
  readonly clock: Clock;
}

export class Session {
  readonly #deps: SessionDeps;
  readonly #waits = new Set<() => void>();
  #isOver = false;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends all waits. */
  end(): void {
    this.#isOver = true;
    const waits = [...this.#waits];
    this.#waits.clear();
    for (const abandon of waits) abandon();
  }

  /** Throws SessionOver if it is. */
  check(): void {
    if (this.#isOver) throw new SessionOver();
  }

  /** What `promise` comes to, unless the session ends first. */
  wait<T>(promise: Promise<T>): Promise<T> {
    // Nobody hears of a failure that comes after the session's end.
    promise.catch(() => undefined);
    return this.#waitFor((resolve, reject) => {
      promise.then(resolve, reject);
    });
  }

  sleep(delayMs: number): Promise<void> {
    let cancel = (): void => {};
    const slept = this.#waitFor<void>((resolve) => {
      const timer = this.#deps.clock.setTimer(delayMs, resolve);
      cancel = () => timer.cancel();
    });
    return slept.finally(cancel);
  }

  /** Lets everything else have a turn. */
  yieldTurn(): Promise<void> {
    return this.#waitFor((resolve) => this.#deps.clock.defer(resolve));
  }

  #waitFor<T>(
    begin: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.check();
      const abandon = (): void => reject(new SessionOver());
      this.#waits.add(abandon);
      begin(
        (value) => {
          if (this.#waits.delete(abandon)) resolve(value);
        },
        (error) => {
          if (this.#waits.delete(abandon)) reject(error);
        },
      );
    });
  }
}
