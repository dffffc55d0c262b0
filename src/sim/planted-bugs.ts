/**
 * Bugs put in on purpose, to prove that the simulator would find them. Each stands in front of the
 * real thing and breaks one promise; the table says which checker has to notice.
 */
import type { AdminApi } from "../model/admin-api.ts";
import type { Clock } from "../model/deps.ts";
import type { KvApi, ReadRequest, ReadSink, WriteRequest, WriteSink } from "../model/kv-api.ts";
import { KvError } from "../model/kv-error.ts";
import type { Member } from "../node/member.ts";
import type { CellWrite, PutSink, StorageEngine, StoredCell } from "../storage/engine.ts";
import type { Durability } from "../model/consistency.ts";
import { type Uint32Source, randomBelow } from "../util/random.ts";

export interface PlantDeps {
  readonly clock: Clock;
  readonly rng: Uint32Source;
}

export interface Plant {
  /** The invariants of which at least one must be found broken. */
  readonly breaks: readonly string[];
  readonly engine?: (engine: StorageEngine, deps: PlantDeps) => StorageEngine;
  readonly kv?: (kv: KvApi, deps: PlantDeps) => KvApi;
  readonly admin?: (admin: AdminApi, deps: PlantDeps) => AdminApi;
  /** Changes the parts of a member that was just made. */
  readonly member?: (member: Member, deps: PlantDeps & { readonly engine: StorageEngine }) => void;
}

export type PlantedBug =
  | "ack-before-fsync"
  | "dropped-put"
  | "ignored-delete"
  | "rewritten-version"
  | "flipped-bit"
  | "stale-read"
  | "early-ack"
  | "dishonest-failure"
  | "lost-answer"
  | "immortal-value";

const ignore: PutSink = { stored: () => {}, putFailed: () => {} };

/** The engine with another `put`. */
function withPut(
  engine: StorageEngine,
  put: (write: CellWrite, durability: Durability, sink: PutSink) => void,
): StorageEngine {
  return delegating(engine, { put });
}

/** `target` with some of its methods replaced; the others run on `target` itself. */
export function delegating<T extends object>(target: T, replacements: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const replacement = (replacements as Record<PropertyKey, unknown>)[name];
      if (replacement !== undefined) return replacement;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function withRead(kv: KvApi, read: (request: ReadRequest, sink: ReadSink) => void): KvApi {
  return delegating(kv, { read });
}

function withWrite(kv: KvApi, write: (request: WriteRequest, sink: WriteSink) => void): KvApi {
  return delegating(kv, { write });
}

function oneIn(rng: Uint32Source, count: number): boolean {
  return randomBelow(rng, count) === 0;
}

function corrupted(cell: StoredCell, rng: Uint32Source): StoredCell {
  if (cell.value === undefined || cell.value.length === 0) return cell;
  const value = new Uint8Array(cell.value);
  const at = randomBelow(rng, value.length);
  value[at] = (value[at] as number) ^ (1 << randomBelow(rng, 8));
  return { ...cell, value };
}

export const PLANTED_BUGS: Readonly<Record<PlantedBug, Plant>> = {
  /** The store acknowledges when the write is in memory. */
  "ack-before-fsync": {
    breaks: ["I5", "I1"],
    engine: (engine, { clock }) =>
      withPut(engine, (write, _durability, sink) => {
        engine.put(write, "memory", ignore);
        clock.defer(() => sink.stored());
      }),
  },
  /** The store forgets one write in twenty and acknowledges it. */
  "dropped-put": {
    breaks: ["I5", "I1"],
    engine: (engine, { clock, rng }) =>
      withPut(engine, (write, durability, sink) => {
        if (oneIn(rng, 20)) clock.defer(() => sink.stored());
        else engine.put(write, durability, sink);
      }),
  },
  /** The store ignores deletes of keys that it holds. */
  "ignored-delete": {
    breaks: ["I5", "I1", "I10"],
    engine: (engine, { clock, rng }) =>
      withPut(engine, (write, durability, sink) => {
        if (write.value === undefined && oneIn(rng, 3)) clock.defer(() => sink.stored());
        else engine.put(write, durability, sink);
      }),
  },
  /** The store lets the last write win, whatever its version. */
  "rewritten-version": {
    breaks: ["I3", "I5", "I1"],
    engine: (engine) =>
      withPut(engine, (write, durability, sink) => {
        const held = engine.head(write.keyspaceId, write.tokenHi, write.tokenLo, write.key);
        const timestamp = Math.max(write.timestamp, (held?.timestamp ?? 0) + 1);
        engine.put({ ...write, timestamp }, durability, sink);
      }),
  },
  /** One read in a hundred of a replica's store comes back with a flipped bit. */
  "flipped-bit": {
    breaks: ["I3"],
    engine: (engine, { rng }) =>
      delegating(engine, {
        get: (keyspaceId, tokenHi, tokenLo, key) => {
          const cell = engine.get(keyspaceId, tokenHi, tokenLo, key);
          return cell !== undefined && oneIn(rng, 100) ? corrupted(cell, rng) : cell;
        },
      }),
  },
  /** Reads ask one replica, whatever level was wanted. */
  "stale-read": {
    breaks: ["I1"],
    kv: (kv) => withRead(kv, (request, sink) => kv.read({ ...request, consistency: "ONE" }, sink)),
  },
  /** Writes wait for one replica, whatever level was wanted. */
  "early-ack": {
    breaks: ["I1"],
    kv: (kv) =>
      withWrite(kv, (request, sink) => kv.write({ ...request, consistency: "ONE" }, sink)),
  },
  /** A write that timed out is reported as one that never happened. */
  "dishonest-failure": {
    breaks: ["I4"],
    kv: (kv) =>
      withWrite(kv, (request, sink) =>
        kv.write(request, {
          written: (receipt) => sink.written(receipt),
          failed: (error) => sink.failed(new KvError(error.detail, "failed")),
        }),
      ),
  },
  /** The answer to one write in fifty is forgotten. */
  "lost-answer": {
    breaks: ["I26"],
    kv: (kv, { rng }) =>
      withWrite(kv, (request, sink) => {
        if (oneIn(rng, 50)) kv.write(request, { written: () => {}, failed: () => {} });
        else kv.write(request, sink);
      }),
  },
  /** Values are served after they have expired. */
  "immortal-value": {
    breaks: ["I3", "I12"],
    engine: (engine, { clock }) =>
      delegating(engine, {
        get: (keyspaceId, tokenHi, tokenLo, key) => {
          const cell = engine.get(keyspaceId, tokenHi, tokenLo, key);
          if (cell === undefined || cell.expiresAtMs === 0) return cell;
          return cell.expiresAtMs < clock.wallMs() ? { ...cell, expiresAtMs: 0 } : cell;
        },
      }),
  },
};
