/** Commands on several keys, which may live on any members of the ring. */
import type { KvError } from "../../model/kv-error.ts";
import type { Call } from "../call.ts";
import { type Failures, fanOut, readSink, writeSink } from "../fan-out.ts";

/** An error names this many of the keys that failed, */
const SHOWN_KEYS = 8;
/** each up to this many characters. */
const SHOWN_CHARACTERS = 64;

/** MGET. */
export function getMany(call: Call): void {
  const keys = copyKeys(call, 1);
  const values = Array.from<Uint8Array | undefined>({ length: keys.length });
  const { stats, limits } = call.server;
  let sizeBytes = 0;
  fanOut(
    keys.length,
    (index, done) =>
      call.lookUpFor(
        keyAt(keys, index),
        readSink(done, (found) => {
          if (found === undefined) stats.keyspaceMisses++;
          else stats.keyspaceHits++;
          sizeBytes += found?.value.length ?? 0;
          // Values that can never be sent are not kept.
          if (sizeBytes <= limits.maxReplyBytes)
            values[index] = found && new Uint8Array(found.value);
        }),
      ),
    (failures) => {
      if (failures.size > 0) call.error(readFailure(call, failures, keys));
      else if (sizeBytes > limits.maxReplyBytes)
        call.error(tooLarge(sizeBytes, limits.maxReplyBytes));
      else replyArray(call, values);
    },
  );
}

/** MSET, whose arguments are known to be pairs. */
export function setMany(call: Call): void {
  const keys = copyKeys(call, 2);
  const values = keys.map((_, index) => call.command.copy(2 + 2 * index));
  fanOut(
    keys.length,
    (index, done) =>
      call.storeFor({ key: keyAt(keys, index), value: values[index] }, writeSink(done)),
    (failures) => {
      if (failures.size > 0) call.error(writeFailure(call, failures, keys));
      else call.ok();
    },
  );
}

/** DEL and UNLINK: the reply counts the keys that were there; tombstones are written for all. */
export function deleteMany(call: Call): void {
  const keys = copyKeys(call, 1);
  let existed = 0;
  fanOut(
    keys.length,
    (index, done) => {
      const key = keyAt(keys, index);
      const sink = {
        read: (found: unknown) => {
          if (found !== undefined) existed++;
          call.storeFor({ key, value: undefined }, writeSink(done));
        },
        failed: done,
      };
      call.lookUpFor(key, sink);
    },
    (failures) => {
      if (failures.size > 0) call.error(writeFailure(call, failures, keys));
      else call.integer(existed);
    },
  );
}

/** EXISTS: a key that is named twice counts twice, as in Redis. */
export function countMany(call: Call): void {
  const keys = copyKeys(call, 1);
  let existing = 0;
  fanOut(
    keys.length,
    (index, done) =>
      call.lookUpFor(
        keyAt(keys, index),
        readSink(done, (found) => {
          if (found !== undefined) existing++;
        }),
      ),
    (failures) => {
      if (failures.size > 0) call.error(readFailure(call, failures, keys));
      else call.integer(existing);
    },
  );
}

function copyKeys(call: Call, step: number): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (let index = 1; index < call.count; index += step) keys.push(call.command.copy(index));
  return keys;
}

function keyAt(keys: readonly Uint8Array[], index: number): Uint8Array {
  return keys[index] as Uint8Array;
}

function replyArray(call: Call, values: readonly (Uint8Array | undefined)[]): void {
  const writer = call.open();
  writer.array(values.length);
  for (const value of values) {
    if (value === undefined) writer.nil();
    else writer.bulk(value);
  }
  call.close();
}

function tooLarge(sizeBytes: number, maxBytes: number): string {
  return `TOOLARGE reply of ${sizeBytes} bytes is over the limit of ${maxBytes} bytes; ask for fewer keys`;
}

function readFailure(call: Call, failures: Failures, keys: readonly Uint8Array[]): string {
  return `${call.describe(firstOf(failures), false)}; ${failedKeys(failures, keys)} could not be read`;
}

function writeFailure(call: Call, failures: Failures, keys: readonly Uint8Array[]): string {
  const isUnknown = [...failures.values()].some(({ outcome }) => outcome === "unknown");
  const done = call.name === "mset" ? "written" : "deleted";
  const outcome = isUnknown ? `may or may not be ${done}` : `were not ${done}`;
  return (
    `${call.describe(firstOf(failures), false)}; ${call.name.toUpperCase()} is not atomic: ` +
    `${failedKeys(failures, keys)} ${outcome}, the others were`
  );
}

function failedKeys(failures: Failures, keys: readonly Uint8Array[]): string {
  const shown = [...failures.keys()]
    .slice(0, SHOWN_KEYS)
    .map((index) => shownKey(keyAt(keys, index)));
  const more = failures.size > SHOWN_KEYS ? ", ..." : "";
  return `${failures.size} of ${keys.length} keys (${shown.join(", ")}${more})`;
}

function shownKey(key: Uint8Array): string {
  return `'${new TextDecoder().decode(key.subarray(0, SHOWN_CHARACTERS))}'`;
}

function firstOf(failures: Failures): KvError {
  const [first] = failures.values();
  return first as KvError;
}
