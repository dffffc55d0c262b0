import fc from "fast-check";
import { expect, test } from "vitest";
import type { Ask } from "../codec/ask.ts";
import { type ChunkEnd, StreamChunkWriter } from "../codec/stream-frames.ts";
import type { SyncDuty } from "../layout/transition.ts";
import type { CellWrite } from "../model/cell-write.ts";
import { silentLogger } from "../model/deps.ts";
import { tokenHi, tokenLo } from "../ring/token.ts";
import { StorageError } from "../storage/storage-error.ts";
import { SeededRng, randomBelow } from "../util/random.ts";
import { compareHeads } from "../versions/compare.ts";
import {
  RangeSync,
  type RangeSyncDeps,
  type RangeSyncOptions,
  type RangeSyncState,
} from "./range-sync.ts";
import type { SyncRecord } from "./sync-progress.ts";
import {
  type Fate,
  ManualClock,
  NaiveEngine,
  describeRow,
  isInSpan,
  makeAsk,
  noSink,
} from "./testing.suite.ts";

const KEYSPACE = 1;
const SMALL: Partial<RangeSyncOptions> = {
  bytesPerSecond: 1e6,
  cellsPerSecond: 1e6,
  chunkBytes: 300,
  chunkCells: 4,
  checkpointBytes: 600,
};

/** The receiver "r" and others that may hold something. */
class World {
  readonly clock: ManualClock = new ManualClock();
  own: NaiveEngine = new NaiveEngine(this.clock);
  readonly others: Map<string, NaiveEngine> = new Map();
  readonly dead: Set<string> = new Set();
  readonly questions: { memberId: string; kind: number }[] = [];
  fate: (memberId: string, keyspaceId: number) => Fate = () => "answer";
  /** What the lead writes down at each progress. */
  saved: unknown;
  /** Cells that were written down as fetched while a power failure could still take them. */
  readonly lost: string[] = [];
  sync: RangeSync;
  duties: readonly SyncDuty[] = [];
  readonly options: Partial<RangeSyncOptions>;

  constructor(ids: readonly string[], options: Partial<RangeSyncOptions> = SMALL) {
    for (const id of ids) this.others.set(id, new NaiveEngine());
    this.options = options;
    this.sync = this.make();
  }

  make(deps: Partial<RangeSyncDeps> = {}): RangeSync {
    const { clock, own, others } = this;
    const asked = makeAsk({
      clock,
      engines: others,
      fate: ({ memberId, keyspaceId, makeBody }) => {
        this.questions.push({ memberId, kind: makeBody({ counter: 1, hash: 1 })[8] as number });
        return this.dead.has(memberId) ? "DOWN" : this.fate(memberId, keyspaceId);
      },
      delayMs: 3,
    });
    const sync = new RangeSync(
      {
        engine: own,
        clock,
        logger: silentLogger,
        ask: asked,
        isAlive: (id) => !this.dead.has(id),
        onProgress: () => {
          if (this.sync !== sync) return;
          const record = sync.record();
          this.saved = JSON.parse(JSON.stringify(record));
          this.#checkSaved(record);
        },
        ...deps,
      },
      this.options,
    );
    return sync;
  }

  /** What is written down as done is there after a power failure. */
  #checkSaved({ groups }: SyncRecord): void {
    const durable = this.own.afterCrash();
    const passes = groups.flatMap(({ ranges, replicas }) =>
      ranges.flatMap(({ start, end, isFinished, passes: begun }) => {
        // Which of several holders were enough is not written down.
        const all = isFinished && replicas.length === 1 ? { [replicas[0]!.id]: "done" } : begun;
        return Object.entries(all).map(([holder, at]) => {
          const stop = at === "done" ? end : at;
          return { holder, span: spanOf({ start: BigInt(start), end: BigInt(stop) }) };
        });
      }),
    );
    for (const { holder, span } of passes) {
      for (const row of this.others.get(holder)?.rows(KEYSPACE, span) ?? []) {
        const head = durable.head(KEYSPACE, row.tokenHi, row.tokenLo, row.key);
        if (head !== undefined && compareHeads(head, row) >= 0) continue;
        this.lost.push(`${describeRow(row)} of ${holder}`);
      }
    }
  }

  put(at: string, write: CellWrite): void {
    (this.others.get(at) ?? this.own).put(write, "memory", noSink);
  }

  start(...duties: readonly SyncDuty[]): void {
    this.duties = duties;
    this.sync.start(duties);
  }

  /** Another process goes on where this one wrote down to be; after a crash without its last words. */
  async restart(isCrash: boolean): Promise<void> {
    const before = this.sync;
    if (isCrash) {
      this.own = this.own.afterCrash();
      this.sync = this.make();
      await this.clock.settled(before.cancel());
    } else {
      await this.clock.settled(before.stop());
      this.sync = this.make();
    }
    this.sync.start(this.duties, this.saved);
  }

  /** Waits for the end, and throws if there is none. */
  async run(): Promise<RangeSyncState> {
    await this.clock.runUntil(() => this.sync.state().phase === "done");
    const state = this.sync.state();
    const isThrough = state.rangesDone === this.duties.length && state.share === 1;
    if (state.phase !== "done" || !isThrough) throw new Error(JSON.stringify(state));
    if (this.lost.length > 0) throw new Error(`not durable: ${this.lost.join("; ")}`);
    return state;
  }
}

function duty(extra: Partial<SyncDuty> & { holders: readonly string[] }): SyncDuty {
  return {
    keyspaceId: KEYSPACE,
    start: -(2n ** 40n),
    end: 2n ** 40n,
    receiver: "r",
    source: undefined,
    replicas: extra.holders.map((id) => ({ id, dc: "" })),
    target: ["r"],
    ...extra,
  };
}

function cellOf(index: number, extra: Partial<CellWrite> = {}): CellWrite {
  return {
    keyspaceId: KEYSPACE,
    // Three cells share each token.
    tokenHi: (Math.floor(index / 3) % 7) - 4,
    tokenLo: Math.floor(index / 3),
    key: Buffer.from(`key-${index}`),
    value: Buffer.from(`value-${index}`),
    timestamp: 100,
    writer: 1,
    expiresAtMs: 0,
    ...extra,
  };
}

function spanOf({ start, end }: Pick<SyncDuty, "start" | "end">): Parameters<typeof isInSpan>[0] {
  return {
    startHi: tokenHi(start),
    startLo: tokenLo(start),
    endHi: tokenHi(end),
    endLo: tokenLo(end),
  };
}

/** Cells of a small world: an index of a key, a version, and who holds it. */
const scatter = fc.array(
  fc.record({
    index: fc.nat(40),
    timestamp: fc.nat(3),
    isTombstone: fc.boolean(),
    size: fc.constantFrom(0, 5, 400),
    holders: fc.subarray(["r", "a", "b", "c"]),
  }),
  { maxLength: 60 },
);

const END: ChunkEnd = { cursorHi: 0, cursorLo: 0, taken: 0, isComplete: false };

const FAULTS: readonly Fate[] = ["damage", "DOWN", "LAYOUT", "TIMEOUT", "REFUSED"];

/** One in `1 / rate` questions goes wrong. */
function faulty(seed: number, ratePercent: number): () => Fate {
  const rng = new SeededRng(seed);
  return () =>
    randomBelow(rng, 100) < ratePercent
      ? (FAULTS[randomBelow(rng, FAULTS.length)] as Fate)
      : "answer";
}

function fill(
  world: World,
  cells: readonly (typeof scatter extends fc.Arbitrary<infer T> ? T : never)[number][],
): CellWrite[] {
  return cells.map(({ index, timestamp, isTombstone, size, holders }, writer) => {
    const value = isTombstone ? undefined : new Uint8Array(size).fill(index);
    const write = cellOf(index, { timestamp, writer, value });
    for (const holder of holders) world.put(holder, write);
    return write;
  });
}

/** Lets the world run with stops and crashes at the given moments. */
async function live(world: World, breaks: readonly number[]): Promise<void> {
  for (const pause of breaks) {
    await world.clock.runFor(pause);
    await world.restart(pause % 2 === 0);
  }
  await world.run();
}

const breaks = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 });

test("copying ends with everything that the losing replica has, whatever fails and restarts", async () => {
  await fc.assert(
    fc.asyncProperty(scatter, fc.nat(), breaks, async (cells, seed, moments) => {
      const world = new World(["a", "b", "c"]);
      world.fate = faulty(seed, 30);
      const wanted = duty({ source: "a", holders: ["a"], start: -(2n ** 33n), end: 2n ** 32n });
      const expected = new NaiveEngine();
      fill(world, cells);
      await world.clock.settled(world.own.sync());
      const source = world.others.get("a")!;
      for (const engine of [world.own, source]) {
        for (const row of engine.cells.values()) {
          const isHere = engine === world.own;
          if (isHere || isInSpan(spanOf(wanted), row.tokenHi, row.tokenLo)) {
            expected.put(row, "memory", noSink);
          }
        }
      }
      world.start(wanted);
      await live(world, moments);
      expect(world.own.content()).toEqual(expected.content());
      // Done means that a power failure changes nothing any more.
      expect(world.own.afterCrash().content()).toEqual(expected.content());
    }),
    { numRuns: 60 },
  );
}, 30_000);

test("comparing ends with whatever a quorum has, even with a minority dead for good", async () => {
  const shape = fc.record({
    isReplica: fc.boolean(),
    dead: fc.constantFrom(undefined, "a", "b", "c"),
    hasSource: fc.boolean(),
    split: fc.integer({ min: -4, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(scatter, shape, fc.nat(), breaks, async (cells, form, seed, moments) => {
      const { isReplica, dead, split } = form;
      // A losing replica that lives would be enough; here it is dead.
      const source = isReplica || !form.hasSource ? undefined : dead;
      const world = new World(["a", "b", "c"]);
      world.fate = faulty(seed, 20);
      if (dead !== undefined) world.dead.add(dead);
      const holders = ["a", "b", "c"];
      const members = isReplica ? ["r", ...holders] : holders;
      const replicas = members.map((id) => ({ id, dc: "" }));
      const middle = BigInt(split) << 32n;
      const both = { holders, replicas, source };
      // Two duties that together are the whole ring.
      const duties = [
        duty({ ...both, start: middle, end: 2n ** 62n }),
        duty({ ...both, start: 2n ** 62n, end: middle }),
      ];
      const writes = fill(world, cells);
      await world.clock.settled(world.own.sync());
      world.start(...duties);
      await live(world, moments);
      const after = world.own.afterCrash();
      for (const [at, write] of writes.entries()) {
        const had = members.filter((id) => cells[at]!.holders.includes(id as "a"));
        if (had.length <= members.length / 2) continue;
        const row = after.cells.get(`1/${Buffer.from(write.key).toString("hex")}`)!;
        const stored = { ...write, isTombstone: write.value === undefined, contentHash: 0 };
        expect(row).toBeDefined();
        expect(compareHeads({ ...row, contentHash: 0 }, stored)).toBeGreaterThanOrEqual(0);
      }
      const anywhere = new Set(
        writes.map((write) => describeRow({ ...write, isTombstone: write.value === undefined })),
      );
      for (const content of after.content()) expect(anywhere).toContain(content);
    }),
    { numRuns: 60 },
  );
}, 30_000);

test("with datacenters, every one is covered before the duty is met", async () => {
  const world = new World(["a", "b", "c"]);
  world.dead.add("c");
  const replicas = [
    { id: "a", dc: "x" },
    { id: "b", dc: "x" },
    { id: "c", dc: "y" },
  ];
  world.start(duty({ holders: ["a", "b", "c"], replicas }));
  await world.clock.runFor(20_000);
  expect(world.sync.state()).toMatchObject({ phase: "waiting", rangesDone: 0 });
  expect(world.sync.state().reason).toBe("waiting for members: c is down");
  world.dead.clear();
  await world.run();
});

test("when nobody is left to ask, the duty is met with what is here", async () => {
  const world = new World([]);
  world.start(duty({ holders: [], replicas: [{ id: "gone", dc: "" }] }));
  expect(await world.run()).toMatchObject({ rangesDone: 1, bytes: 0 });
});

test("without duties it is done at once", async () => {
  const world = new World([]);
  world.start();
  expect(await world.run()).toMatchObject({ rangesTotal: 0, share: 1 });
});

test("the losing replica is waited for while it lives in another layout, and others are not asked", async () => {
  const world = new World(["a", "b", "c"]);
  world.fate = () => "LAYOUT";
  world.start(duty({ source: "a", holders: ["a", "b", "c"] }));
  await world.clock.runFor(60_000);
  expect(world.sync.state()).toMatchObject({
    phase: "waiting",
    reason: "waiting for members: a fails with LAYOUT",
  });
  expect(new Set(world.questions.map(({ memberId }) => memberId))).toEqual(new Set(["a"]));
  // Not a question per millisecond: the waits grow.
  expect(world.questions.length).toBeLessThan(30);
  world.fate = () => "answer";
  await world.run();
});

test("a losing replica that keeps refusing is passed by, and heads save most of the values", async () => {
  const world = new World(["a", "b", "c"], { ...SMALL, chunkBytes: 1000 });
  for (let index = 0; index < 30; index++) {
    for (const id of ["b", "c"]) world.put(id, cellOf(index));
  }
  world.put("c", cellOf(3, { timestamp: 101, value: Buffer.from("newer") }));
  world.fate = (memberId) => (memberId === "a" ? "REFUSED" : "answer");
  world.start(duty({ source: "a", holders: ["a", "b", "c"] }));
  await world.run();
  expect(world.own.cells.size).toBe(30);
  const [heads, values, cells] = [1, 2, 3].map(
    (kind) => world.questions.filter((one) => one.kind === kind && one.memberId !== "a").length,
  );
  expect(heads).toBeGreaterThanOrEqual(5);
  expect(values).toBeGreaterThanOrEqual(5);
  expect(cells).toBe(1);
});

test("a duty that has to wait keeps no other one waiting", async () => {
  const world = new World(["a", "b"]);
  world.dead.add("a");
  for (let index = 0; index < 20; index++) world.put("b", cellOf(index));
  const [start, middle, end] = [-(2n ** 40n), 0n, 2n ** 40n];
  world.start(
    ...Array.from({ length: 5 }, (_, n) =>
      duty({ holders: ["a"], start: BigInt(n), end: BigInt(n + 1) }),
    ),
    duty({ holders: ["b"], start, end: middle }),
    duty({ holders: ["b"], start: middle, end }),
  );
  await world.clock.runFor(5000);
  expect(world.sync.state()).toMatchObject({ phase: "waiting", rangesDone: 2, rangesTotal: 7 });
  expect(world.own.cells.size).toBe(20);
  world.dead.clear();
  await world.run();
});

test("a damaged chunk is counted, not put, and asked for again", async () => {
  const world = new World(["a"]);
  for (let index = 0; index < 10; index++) world.put("a", cellOf(index));
  let damaged = 0;
  world.fate = () => (damaged++ < 2 ? "damage" : "answer");
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runUntil(() => damaged === 2);
  expect(world.own.putCount).toBe(0);
  await world.run();
  expect(world.sync.state().damagedChunks).toBe(2);
  expect(world.own.cells.size).toBe(10);
});

test.each<[string, ChunkEnd, bigint]>([
  ["a cell behind its span", { ...END, cursorHi: 9, cursorLo: 0, isComplete: true }, 2n ** 40n],
  ["a cell behind its cursor", { ...END, cursorHi: 8, cursorLo: 5 }, 9n * 2n ** 32n],
  ["a cursor outside of the span", { ...END, cursorHi: 10, cursorLo: 0 }, 9n * 2n ** 32n],
  ["a cursor that stands still", { ...END, cursorHi: 8, cursorLo: 0 }, 8n * 2n ** 32n],
  ["an end before the span's end", { ...END, cursorHi: 8, cursorLo: 5, isComplete: true }, 1n],
])("a chunk with %s is not believed", async (_, end, token) => {
  const world = new World(["a"]);
  const forged: Ask = () => {
    const writer = new StreamChunkWriter(100);
    const cell = cellOf(1, { tokenHi: tokenHi(token), tokenLo: tokenLo(token) });
    writer.add({ ...cell, isTombstone: false, contentHash: 0 }, cell.value);
    return Promise.resolve(writer.finish(end));
  };
  world.sync = world.make({ ask: forged });
  const [start, stop] = [8n * 2n ** 32n, 9n * 2n ** 32n];
  world.start(duty({ source: "a", holders: ["a"], start, end: stop }));
  await world.clock.runFor(2000);
  expect(world.sync.state()).toMatchObject({ rangesDone: 0, cells: 0, share: 0 });
  expect(world.sync.state().damagedChunks).toBeGreaterThan(2);
  expect(world.own.putCount).toBe(0);
  await world.clock.settled(world.sync.stop());
});

test.each(["cancel", "stop", "pause"] as const)(
  "after %s, an answer that comes late is dropped",
  async (how) => {
    const world = new World(["a"]);
    for (let index = 0; index < 10; index++) world.put("a", cellOf(index));
    const late: (() => void)[] = [];
    const honest = makeAsk({
      clock: world.clock,
      engines: world.others,
      fate: () => "answer",
      delayMs: 1,
    });
    const slow: Ask = async (question) => {
      const body = await honest(question);
      await new Promise<void>((resolve) => late.push(resolve));
      return body;
    };
    world.sync = world.make({ ask: slow });
    world.start(duty({ source: "a", holders: ["a"] }));
    await world.clock.runUntil(() => late.length === 1);
    await world.clock.settled(world.sync[how]());
    late[0]!();
    await world.clock.runFor(60_000);
    expect(world.own.putCount).toBe(0);
    expect(world.clock.pendingTimers).toBe(0);
    const phases = { cancel: "cancelled", stop: "stopped", pause: "paused" } as const;
    expect(world.sync.state().phase).toBe(phases[how]);
    world.sync.resume();
    await world.clock.runFor(1000);
    expect(late.length).toBe(how === "pause" ? 2 : 1);
    await world.clock.settled(world.sync.stop());
  },
);

test("stopping, and going on after a pause, wait for puts that are under way", async () => {
  const world = new World(["a"]);
  world.put("a", cellOf(1));
  const held: (() => void)[] = [];
  const { own } = world;
  const slowEngine: RangeSyncDeps["engine"] = {
    head: (...cell) => own.head(...cell),
    sync: () => own.sync(),
    put: (write, durability, sink) => {
      own.put(write, durability, noSink);
      held.push(() => sink.stored());
    },
  };
  world.sync = world.make({ engine: slowEngine });
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runUntil(() => held.length === 1);
  void world.sync.pause();
  world.sync.resume();
  await world.clock.runFor(1000);
  expect(world.questions.length).toBe(1);
  let isStopped = false;
  const stopped = world.sync.stop().then(() => (isStopped = true));
  await world.clock.runFor(1000);
  expect(isStopped).toBe(false);
  held[0]!();
  await world.clock.settled(stopped);
});

test("a full disk fails the sync with a clear reason, and it goes on when there is space", async () => {
  const world = new World(["a"]);
  for (let index = 0; index < 10; index++) world.put("a", cellOf(index));
  world.own.putError = new StorageError("FULL", "no space left on device");
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runUntil(() => world.sync.state().phase === "failed");
  const { phase, reason, rangesDone } = world.sync.state();
  expect({ phase, rangesDone }).toEqual({ phase: "failed", rangesDone: 0 });
  expect(reason).toMatch(/disk is full.*no space left/);
  const asked = world.questions.length;
  await world.clock.runFor(60_000);
  expect(world.questions.length).toBe(asked);
  world.own.putError = undefined;
  world.sync.resume();
  await world.run();
  expect(world.own.cells.size).toBe(10);
});

test("a store that cannot sync fails the sync, and nothing counts as done", async () => {
  const world = new World(["a"]);
  world.put("a", cellOf(1));
  world.own.syncError = new StorageError("READ_ONLY", "a sync failed");
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runUntil(() => world.sync.state().phase === "failed");
  expect(world.sync.state()).toMatchObject({ rangesDone: 0, phase: "failed" });
  expect(world.sync.record()).toEqual({ groups: [] });
  world.own.syncError = undefined;
  world.sync.resume();
  await world.run();
});

test("what was fetched before a stop is not fetched again after it", async () => {
  const world = new World(["a"], { ...SMALL, checkpointBytes: 1e9, bytesPerSecond: 1000 });
  for (let index = 0; index < 60; index++) world.put("a", cellOf(index));
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runUntil(() => world.own.cells.size > 30);
  await world.restart(false);
  await world.run();
  expect(world.own.putCount).toBeLessThan(70);
});

test("a chunk that is refused keeps only its own duty waiting", async () => {
  const world = new World(["a"]);
  for (let index = 0; index < 10; index++) world.put("a", cellOf(index, { keyspaceId: 2 }));
  world.fate = (_, keyspaceId) => (keyspaceId === KEYSPACE ? "REFUSED" : "answer");
  world.start(duty({ holders: ["a"] }), duty({ holders: ["a"], keyspaceId: 2 }));
  await world.clock.runFor(200);
  expect(world.sync.state().rangesDone).toBe(1);
  await world.clock.settled(world.sync.stop());
});

test("a store that is busy gets the chunk again", async () => {
  const world = new World(["a"]);
  for (let index = 0; index < 10; index++) world.put("a", cellOf(index));
  world.own.putError = new StorageError("BUSY", "too much is waiting");
  world.clock.setTimer(500, () => (world.own.putError = undefined));
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.run();
  expect(world.own.cells.size).toBe(10);
});

test("the throttle bounds bytes per second", async () => {
  const world = new World(["a"], { ...SMALL, bytesPerSecond: 1000 });
  // What chunks need besides keys and values is little then.
  const value = Buffer.alloc(1000);
  for (let index = 0; index < 60; index++) world.put("a", cellOf(index, { value }));
  world.start(duty({ source: "a", holders: ["a"] }));
  const startMs = world.clock.nowMs;
  await world.clock.runUntil(() => world.sync.state().bytes > 10_000);
  expect(world.sync.state().etaSeconds).toBeGreaterThan(0.5);
  await world.run();
  const { bytes } = world.sync.state();
  const seconds = (world.clock.nowMs - startMs) / 1000;
  expect(bytes).toBeGreaterThan(60_000);
  expect(seconds).toBeGreaterThan(((bytes - 2500) / 1000) * 0.99);
  expect(seconds).toBeLessThan((bytes / 1000) * 1.3);
});

test("cells are made durable in groups, and what came is counted by member and keyspace", async () => {
  const world = new World(["a"], { ...SMALL, checkpointBytes: 1 << 20, checkpointMs: 1e9 });
  for (let index = 0; index < 60; index++) world.put("a", cellOf(index));
  let newest = 0;
  world.sync = world.make({ observe: (timestamp) => (newest = timestamp) });
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.run();
  expect(world.own.syncCount).toBe(1);
  expect(newest).toBe(100);
  const { bytes, cells, traffic } = world.sync.state();
  expect(cells).toBe(60);
  expect(traffic).toEqual([{ memberId: "a", keyspaceId: KEYSPACE, bytes, cells }]);
  const sizes = Array.from({ length: 60 }, (_, n) => `key-${n}`.length + `value-${n}`.length);
  expect(bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
});

test("a pause keeps everything as it is, and a resume goes on where it was", async () => {
  const world = new World(["a"], { ...SMALL, chunkBytes: 1000, bytesPerSecond: 1000 });
  for (let index = 0; index < 60; index++) world.put("a", cellOf(index));
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runUntil(() => world.own.cells.size > 20);
  await world.clock.settled(world.sync.pause());
  const { share } = world.sync.state();
  expect(share).toBeGreaterThan(0);
  const puts = world.own.putCount;
  await world.clock.runFor(60_000);
  expect(world.own.putCount).toBe(puts);
  world.sync.resume();
  await world.run();
  expect(world.own.putCount).toBe(60);
});

test("a member that fails to be what the pass needs is named as people know it", async () => {
  const world = new World(["a"]);
  world.dead.add("a");
  world.sync = world.make({ nameOf: (id) => `${id}.example:7401` });
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runFor(1000);
  expect(world.sync.state().reason).toBe("waiting for members: a.example:7401 is down");
  await world.clock.settled(world.sync.stop());
});

test("an error that nobody foresaw is not swallowed", async () => {
  const world = new World(["a"]);
  const unforeseen = new TypeError("a bug");
  const rejections: unknown[] = [];
  const listener = (reason: unknown): void => void rejections.push(reason);
  process.on("unhandledRejection", listener);
  world.sync = world.make({ ask: () => Promise.reject(unforeseen) });
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runFor(100);
  process.off("unhandledRejection", listener);
  expect(rejections).toContain(unforeseen);
  await expect(world.clock.settled(world.sync.stop())).rejects.toBe(unforeseen);
});

test("a holder that does not give what it announced is not taken for merged", async () => {
  const world = new World(["a"]);
  world.put("a", cellOf(1));
  world.put("r", cellOf(2));
  const honest = makeAsk({
    clock: world.clock,
    engines: world.others,
    fate: () => "answer",
    delayMs: 1,
  });
  let isLying = true;
  const lying: Ask = (question) => {
    const isList = question.makeBody({ counter: 1, hash: 1 })[8] === 3;
    if (!isList || !isLying) return honest(question);
    const empty = makeAsk({
      clock: world.clock,
      engines: new Map([["a", new NaiveEngine()]]),
      fate: () => "answer",
      delayMs: 1,
    });
    return empty(question);
  };
  world.sync = world.make({ ask: lying });
  const replicas = ["r", "a"].map((id) => ({ id, dc: "" }));
  world.start(
    duty({ holders: ["a"], replicas: [...replicas, { id: "x", dc: "" }, { id: "y", dc: "" }] }),
  );
  await world.clock.runFor(10_000);
  expect(world.sync.state()).toMatchObject({ phase: "waiting", rangesDone: 0 });
  expect(world.sync.state().reason).toContain("a does not give a cell that it has announced");
  isLying = false;
  await world.run();
  expect(world.own.cells.size).toBe(2);
});
