/** How the real machine founds a ring, and comes back to one, in virtual time. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { effectsOf, isComplete, ringOf } from "./rings.suite.ts";
import { World, addressOf } from "./world.suite.ts";

describe("founding a ring", () => {
  test("a member alone is a ring at once", () => {
    const world = new World({ seed: 1 });
    const [member] = world.startAll(1);
    expect(member!.effects.map(({ kind }) => kind)).toEqual(["found", "running"]);
    expect(member!.gossiper.phase).toBe("running");
  });

  test.each([2, 3, 5, 10])("%i members that start together are one ring in a blink", (count) => {
    const world = new World({ seed: count });
    world.startAll(count, [1, 2]);
    expect(world.runUntil(() => isComplete(world, count), 100)).toBeLessThan(100);
    expect(effectsOf(world.get(1), "found")).toHaveLength(1);
    expect(world.get(2).effects.some(({ kind }) => kind === "found")).toBe(false);
  });

  test("thirty members over a network that loses one message in five end as one ring", () => {
    const world = new World({ seed: 30, loss: 0.2, maxDelayMs: 200 });
    world.startAll(30, [1, 2, 3]);
    expect(world.runUntil(() => isComplete(world, 30), 60_000)).toBeLessThan(60_000);
  });

  test("whatever the seed of chance, delays and losses, all end in one layout that holds all", () => {
    const settings = fc.record({
      seed: fc.nat(),
      count: fc.integer({ min: 3, max: 8 }),
      loss: fc.constantFrom(0, 0.1, 0.3),
      maxDelayMs: fc.constantFrom(2, 50, 700),
    });
    fc.assert(
      fc.property(settings, ({ count, ...options }) => {
        const world = new World(options);
        world.startAll(count, [1, 2]);
        expect(world.runUntil(() => isComplete(world, count), 120_000)).not.toBeNaN();
      }),
      { numRuns: 30 },
    );
  });

  test("who is not the first seed waits for a layout as long as it takes", () => {
    const world = new World({ seed: 1 });
    const second = world.start(2, { seeds: [1, 2] });
    world.run(600_000);
    expect(second.gossiper.phase).toBe("shadow");
    const told = effectsOf(second, "log").filter(({ event }) => event === "gossip.ring-not-found");
    expect(told[0]).toMatchObject({
      level: "warn",
      fields: { seeds: [addressOf(1), addressOf(2)] },
    });
    expect(told).toHaveLength(10);
    world.start(1, { seeds: [1, 2] });
    expect(world.runUntil(() => isComplete(world, 2), 2000)).toBeLessThan(2000);
  });

  test("the first seed does not wait longer for seeds that are silent than it must", () => {
    const world = new World({ seed: 1 });
    world.hasRefusals = false;
    const first = world.start(1, { seeds: [1, 2] });
    world.run(4900);
    expect(first.gossiper.phase).toBe("shadow");
    world.run(1100);
    expect(effectsOf(first, "found")).toHaveLength(1);
  });

  test("the first seed knows itself under another name", () => {
    const world = new World({ seed: 1 });
    const alias = addressOf(1);
    const member = world.start(9, { seeds: [1], address: "host-nine:7400" });
    world.send(member, alias, new Uint8Array());
    const syn = effectsOf(member, "send")[0]!.message;
    member.input({ kind: "message", message: syn });
    expect(member.effects.map(({ kind }) => kind)).toEqual(["send", "found", "running"]);
  });

  test("the first seed does not found a second ring when it starts with an empty disk", () => {
    const world = ringOf(3);
    world.crash(1);
    world.run(1000);
    const reborn = world.start(7, { seeds: [1, 2], address: addressOf(1) });
    expect(world.runUntil(() => reborn.gossiper.phase === "running", 5000)).toBeLessThan(5000);
    expect(effectsOf(reborn, "found")).toEqual([]);
    expect(reborn.disk.layout?.clusterId).toBe(world.get(2).disk.layout?.clusterId);
  });

  test("a first seed with an empty disk takes the layout of a seed that is itself starting", () => {
    const world = ringOf(3);
    for (const number of [1, 2, 3]) world.crash(number);
    const disk = world.get(2).disk;
    world.members.delete(1);
    world.isCut = (from) => from.number === 2;
    world.restart(2);
    world.isCut = () => false;
    const first = world.start(1, { seeds: [1, 2] });
    world.run(10_000);
    expect(effectsOf(first, "found")).toEqual([]);
    expect(first.disk.layout?.clusterId).toBe(disk.layout?.clusterId);
  });

  test("a whole ring that was switched off comes back with its layout, also without its seeds", () => {
    const world = ringOf(5);
    const version = world.get(3).disk.layout?.version;
    for (const number of [1, 2, 3, 4, 5]) world.crash(number);
    for (const number of [3, 4, 5]) world.restart(number);
    expect(world.runUntil(() => world.isWhole(), 30_000)).toBeLessThan(30_000);
    expect(world.get(4).disk.layout?.version).toEqual(version);
  });
});
