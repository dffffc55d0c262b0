/** What a sync makes of sources that lie and of a store that fails. */
import { expect, test } from "vitest";
import type { Ask } from "../codec/ask.ts";
import { type ChunkEnd, StreamChunkWriter } from "../codec/stream-frames.ts";
import { tokenHi, tokenLo } from "../ring/token.ts";
import { NaiveEngine } from "../storage/naive-engine.suite.ts";
import { StorageError } from "../storage/storage-error.ts";
import { KEYSPACE, World, cellOf, duty } from "./sync-world.suite.ts";
import { makeAsk } from "./testing.suite.ts";

const END: ChunkEnd = { cursorHi: 0, cursorLo: 0, taken: 0, isComplete: false };

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
