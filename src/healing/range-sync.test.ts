/** What a sync ends with, and how it gets there. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { CellWrite } from "../model/cell-write.ts";
import { NaiveEngine, describeRow, noSink } from "../storage/naive-engine.suite.ts";
import { SeededRng, randomBelow } from "../util/random.ts";
import { compareHeads } from "../versions/compare.ts";
import { KEYSPACE, SMALL, World, cellOf, duty, spanOf } from "./sync-world.suite.ts";
import { type Fate, isInSpan } from "./testing.suite.ts";

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

test("a member that fails to be what the pass needs is named as people know it", async () => {
  const world = new World(["a"]);
  world.dead.add("a");
  world.sync = world.make({ nameOf: (id) => `${id}.example:7401` });
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runFor(1000);
  expect(world.sync.state().reason).toBe("waiting for members: a.example:7401 is down");
  await world.clock.settled(world.sync.stop());
});
