/** Work of some length that can be interrupted between its steps, each of which takes a few milliseconds at most. */
export type Stepwise<T> = Generator<undefined, T, undefined>;

/** Does all of it at once. */
export function finished<T>(work: Stepwise<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}
