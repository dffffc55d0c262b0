/** How a sync is stopped, paused and taken up again. */
import { expect, test } from "vitest";
import type { Ask } from "../codec/ask.ts";
import { noSink } from "../storage/naive-engine.suite.ts";
import type { RangeSyncDeps } from "./range-sync.ts";
import { SMALL, World, cellOf, duty } from "./sync-world.suite.ts";
import { makeAsk } from "./testing.suite.ts";

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

test("what was fetched before a stop is not fetched again after it", async () => {
  const world = new World(["a"], { ...SMALL, checkpointBytes: 1e9, bytesPerSecond: 1000 });
  for (let index = 0; index < 60; index++) world.put("a", cellOf(index));
  world.start(duty({ source: "a", holders: ["a"] }));
  await world.clock.runUntil(() => world.own.cells.size > 30);
  await world.restart(false);
  await world.run();
  expect(world.own.putCount).toBeLessThan(70);
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
