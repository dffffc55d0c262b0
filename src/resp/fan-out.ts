/**
 * Commands on many keys: one operation of the store per key, a bounded number at a time, wherever
 * the keys live; the command is answered when all have ended.
 *
 * There is no transaction around them. Every operation keeps its own outcome, so that the reply can
 * say which keys failed.
 */
import type { VersionedValue } from "../model/kv-api.ts";
import type { KvError } from "../model/kv-error.ts";

/** Most operations that one command has under way. */
const MAX_CONCURRENT = 256;

/** One of the operations; exactly one of the methods of its sink must be called. */
export type StartOne = (index: number, done: OneDone) => void;

/** Takes the end of one operation. `error` is undefined when it went well. */
export type OneDone = (error?: KvError) => void;

/** The failed operations by index, in the order of their indexes. */
export type Failures = ReadonlyMap<number, KvError>;

/** Runs `start` for 0 .. count - 1 and calls `finished` once, when all have ended. */
export function fanOut(
  count: number,
  start: StartOne,
  finished: (failures: Failures) => void,
): void {
  const failures = new Map<number, KvError>();
  let next = 0;
  let ended = 0;
  let isStarting = false;

  const startMore = (): void => {
    // Operations may end before `start` returns; without this guard they would nest.
    if (isStarting) return;
    isStarting = true;
    while (next < count && next - ended < MAX_CONCURRENT) startOne(next++);
    isStarting = false;
    if (ended === count) finished(sortedByIndex(failures));
  };
  const startOne = (index: number): void => {
    start(index, (error) => {
      if (error !== undefined) failures.set(index, error);
      ended++;
      startMore();
    });
  };
  startMore();
}

function sortedByIndex(failures: ReadonlyMap<number, KvError>): Failures {
  return new Map([...failures].toSorted(([left], [right]) => left - right));
}

/** A sink for one read of a fan-out. */
export function readSink(
  done: OneDone,
  found: (value: VersionedValue | undefined) => void,
): { read(value: VersionedValue | undefined): void; failed(error: KvError): void } {
  return {
    read: (value) => {
      found(value);
      done();
    },
    failed: done,
  };
}

/** A sink for one write of a fan-out. */
export function writeSink(done: OneDone): { written(): void; failed(error: KvError): void } {
  return { written: () => done(), failed: done };
}
