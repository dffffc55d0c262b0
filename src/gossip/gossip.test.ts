/** Rings of the real machine in virtual time: founding, spreading, failing, healing. */
import fc from "fast-check";
import { nextVersion } from "../model/layout-version.ts";
import { describe, expect, test } from "vitest";
import type { LayoutIntent } from "../layout/intents.ts";
import type { GossipEffect } from "./gossip-io.ts";
import { nextGeneration } from "./gossip-io.ts";
import { type SimMember, World, addressOf, idOf } from "./world.suite.ts";

function effectsOf<Kind extends GossipEffect["kind"]>(
  member: SimMember,
  kind: Kind,
): (Extract<GossipEffect, { kind: Kind }> & { atMs: number })[] {
  return member.effects.filter(
    (effect): effect is Extract<GossipEffect, { kind: Kind }> & { atMs: number } =>
      effect.kind === kind,
  );
}

/** A ring that is whole, and has been for a while. */
function ringOf(count: number, seed = 1, options = {}): World {
  const world = new World({ seed, ...options });
  world.startAll(count, [1, 2]);
  expect(world.runUntil(() => isComplete(world, count), 60_000)).not.toBeNaN();
  world.run(30_000);
  return world;
}

function isComplete(world: World, count: number): boolean {
  return world.isWhole() && world.get(1).disk.layout?.members.length === count;
}

function downsOf(world: World): string[] {
  return world
    .running()
    .flatMap((member) =>
      effectsOf(member, "down").map(
        ({ memberId, reason }) => `${member.number}:${Number(memberId.slice(-12))} ${reason}`,
      ),
    );
}

const keyspace = (name: string): LayoutIntent => ({
  kind: "keyspace",
  definition: {
    name,
    replication: { class: "SimpleStrategy", options: { replication_factor: "3" } },
    readConsistency: "QUORUM",
    writeConsistency: "QUORUM",
    durability: "fsync",
  },
});

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

describe("spreading", () => {
  test("an own state reaches everybody in a few rounds", () => {
    const world = ringOf(10);
    world.get(7).input({ kind: "set-state", name: "LOAD", value: "12345" });
    const know = (): boolean =>
      world
        .running()
        .every(({ gossiper }) => gossiper.member(idOf(7))?.states["LOAD"]?.value === "12345");
    expect(world.runUntil(know, 20_000)).toBeLessThan(6000);
    expect(effectsOf(world.get(1), "changed").at(-1)).toMatchObject({ memberId: idOf(7) });
  });

  test("a new layout is everywhere after a few round trips, and its maker sees that", () => {
    const world = ringOf(5);
    const maker = world.get(3);
    maker.want(keyspace("k"));
    const { version } = maker.disk.layout!;
    const hasAll = (): boolean =>
      maker.gossiper.members().every(({ layout }) => layout?.hash === version.hash);
    expect(world.runUntil(hasAll, 5000)).toBeLessThan(20);
  });

  test("keyspaces created on both sides of a partition are all there after it", () => {
    const world = ringOf(6);
    const half = (member: SimMember): boolean => member.number <= 3;
    world.isCut = (from, to) => half(from) !== half(to);
    world.run(40_000);
    world.get(1).want(keyspace("left"));
    world.get(4).want(keyspace("right"));
    world.get(5).want(keyspace("far_right"));
    world.run(5000);
    world.isCut = () => false;
    expect(world.runUntil(() => world.isWhole(), 30_000)).toBeLessThan(30_000);
    const names = world.get(2).disk.layout?.keyspaces.map(({ name }) => name);
    expect(names?.toSorted()).toEqual(["far_right", "left", "right"]);
  });

  test("an offer of a layout that loses is not handed on", () => {
    const world = ringOf(3);
    const offers = effectsOf(world.get(1), "send").filter(
      ({ message }) => message.kind !== "syn" && message.offer !== undefined,
    );
    expect(offers.length).toBeGreaterThan(0);
    const member = world.get(2);
    const before = effectsOf(member, "layout").length;
    for (const { message } of offers) member.input({ kind: "message", message });
    expect(effectsOf(member, "layout")).toHaveLength(before);
  });

  test("the same seed gives the same history", () => {
    const history = (): unknown => {
      const world = new World({ seed: 5, loss: 0.2 });
      world.startAll(4, [1, 2]);
      world.run(20_000);
      return world.running().map(({ effects }) => effects);
    };
    expect(history()).toEqual(history());
  });
});

describe("failing and healing", () => {
  test("a member that falls silent is down for everybody after 18 to 21 seconds", () => {
    const world = ringOf(5);
    world.hasRefusals = false;
    const crashedAtMs = world.nowMs;
    world.crash(3);
    world.run(60_000);
    for (const member of world.running()) {
      const [down] = effectsOf(member, "down");
      expect(down).toMatchObject({ memberId: idOf(3), reason: "silent" });
      expect(down!.atMs - crashedAtMs).toBeGreaterThan(17_000);
      expect(down!.atMs - crashedAtMs).toBeLessThan(25_000);
    }
  });

  test("a member whose address refuses connections is down as soon as it is called", () => {
    const world = ringOf(3);
    world.crash(3);
    const isDown = (): boolean => world.running().every((member) => member.seesUp().length === 1);
    expect(world.runUntil(isDown, 20_000)).toBeLessThan(10_000);
    expect(downsOf(world)).toEqual(["1:3 refused", "2:3 refused"]);
  });

  test("a broken connection is followed up at once", () => {
    const world = ringOf(3);
    world.crash(3);
    world.get(1).input({ kind: "disconnected", address: addressOf(3) });
    expect(world.runUntil(() => world.get(1).seesUp().length === 1, 50)).toBeLessThan(50);
  });

  test("who stops on purpose is down at once and stays so while old news goes round", () => {
    const world = ringOf(5);
    const member = world.get(2);
    member.input({ kind: "shutdown" });
    expect(member.gossiper.phase).toBe("stopped");
    expect(member.gossiper.step({ kind: "tick" }, { monotonicMs: 0, wallMs: 0 })).toEqual([]);
    world.run(50);
    world.crash(2);
    world.run(60_000);
    expect(downsOf(world)).toEqual([
      "1:2 shutdown",
      "3:2 shutdown",
      "4:2 shutdown",
      "5:2 shutdown",
    ]);
    expect(world.get(1).gossiper.phi(idOf(2), world.nowMs)).toBe(Number.POSITIVE_INFINITY);
  });

  test("a late answer does not bring a member back that is down, nor one that stopped", () => {
    const world = ringOf(4);
    const late = effectsOf(world.get(3), "send").filter(({ message }) => message.kind === "ack");
    const bye = effectsOf(world.get(4), "send").filter(({ message }) => message.kind === "ack");
    world.get(4).input({ kind: "shutdown" });
    world.crash(3);
    world.crash(4);
    world.run(60_000);
    const fresh = world.start(5, { seeds: [1] });
    world.run(10_000);
    const ups = [world.get(1), fresh].map((member) => effectsOf(member, "up").length);
    for (const { message } of late) world.get(1).input({ kind: "message", message });
    for (const { message } of bye) {
      world.get(1).input({ kind: "message", message });
      fresh.input({ kind: "message", message });
    }
    expect([world.get(1), fresh].map((member) => effectsOf(member, "up").length)).toEqual(ups);
    expect(world.get(1).seesUp()).toEqual([2, 5]);
  });

  test("a member that only the layout knows is called", () => {
    const world = ringOf(3);
    const { layout } = world.get(1).disk;
    for (const number of [1, 2, 3]) world.crash(number);
    world.hasRefusals = false;
    const alone = world.restart(3, { seeds: [3] });
    expect(alone.disk.layout?.version).toEqual(layout?.version);
    world.run(20_000);
    const called = effectsOf(alone, "send")
      .filter(({ atMs }) => atMs > world.nowMs - 10_000)
      .map(({ address }) => address);
    expect(new Set(called)).toEqual(new Set([addressOf(1), addressOf(2)]));
  });

  test("a member that restarts is up again with a new generation", () => {
    const world = ringOf(4);
    const before = world.get(2).disk.generation!;
    world.restart(2);
    const isKnown = (): boolean =>
      world.running().every(({ gossiper }) => gossiper.member(idOf(2))!.generation > before);
    expect(world.runUntil(() => isKnown() && world.isWhole(), 5000)).toBeLessThan(5000);
    expect(downsOf(world)).toEqual(["1:2 restarted", "3:2 restarted", "4:2 restarted"]);
    world.run(60_000);
    expect(world.isWhole()).toBe(true);
  });

  test("a member that comes back at another address is known there", () => {
    const world = ringOf(4);
    world.crash(2);
    world.run(30_000);
    world.restart(2, { address: "moved:7400" });
    expect(world.runUntil(() => world.isWhole(), 5000)).toBeLessThan(5000);
    expect(world.get(4).gossiper.member(idOf(2))?.address).toBe("moved:7400");
    expect(world.get(4).disk.layout?.members[1]?.address).toBe("moved:7400");
  });

  test.each([
    [2, 1],
    [6, 3],
    [7, 2],
    [16, 8],
  ])("a ring of %i that was split at %i is whole soon after the heal", (count, cut) => {
    const world = ringOf(count, count);
    const half = (member: SimMember): boolean => member.number <= cut;
    world.isCut = (from, to) => half(from) !== half(to);
    world.run(120_000);
    for (const member of world.running()) {
      expect(member.seesUp()).toHaveLength((half(member) ? cut : count - cut) - 1);
    }
    world.isCut = () => false;
    expect(world.runUntil(() => world.isWhole(), 60_000)).toBeLessThan(10_000);
    world.run(60_000);
    expect(world.isWhole()).toBe(true);
  });

  test("who cannot be called is not up, whatever is heard of it", () => {
    const world = ringOf(4);
    world.crash(4);
    world.run(30_000);
    world.isCut = (from, to) => from.number === 1 && to.number === 4;
    world.restart(4);
    world.run(60_000);
    expect(world.get(2).seesUp()).toEqual([1, 3, 4]);
    expect(world.get(1).seesUp()).toEqual([2, 3]);
    world.isCut = () => false;
    expect(world.runUntil(() => world.isWhole(), 10_000)).toBeLessThan(10_000);
  });

  test("a member that was stalled convicts nobody, and is taken back", () => {
    const world = ringOf(5);
    const stalled = world.get(3);
    stalled.stalledUntilMs = world.nowMs + 60_000;
    world.run(59_000);
    expect(downsOf(world).toSorted()).toEqual([
      "1:3 silent",
      "2:3 silent",
      "4:3 silent",
      "5:3 silent",
    ]);
    world.run(1000);
    expect(world.runUntil(() => world.isWhole(), 10_000)).toBeLessThan(10_000);
    expect(effectsOf(stalled, "down")).toEqual([]);
  });

  test("a healthy ring stays whole, also when messages get lost", () => {
    const world = ringOf(5, 3, { loss: 0.1 });
    world.run(1_200_000);
    expect(downsOf(world)).toEqual([]);
    expect(world.isWhole()).toBe(true);
  });
});

describe("identity", () => {
  test("of two members with one identity the second one is told to stop", () => {
    const world = ringOf(3);
    const elder = world.get(3);
    world.run(5000);
    world.members.set(99, elder);
    world.members.delete(3);
    const copy = world.start(3, { seeds: [1, 2], address: "copy:7400" });
    const isTold = (): boolean => effectsOf(copy, "identity-conflict").length > 0;
    expect(world.runUntil(isTold, 10_000)).toBeLessThan(10_000);
    expect(effectsOf(copy, "identity-conflict")[0]).toMatchObject({
      memberId: idOf(3),
      address: "copy:7400",
      otherAddress: addressOf(3),
    });
    expect(effectsOf(elder, "identity-conflict")).toEqual([]);
    expect(copy.gossiper.phase).toBe("shadow");
  });

  test("a member that comes back at another address takes part although the old one is silent", () => {
    const world = ringOf(3);
    world.crash(3);
    const moved = world.restart(3, { address: "moved:7400" });
    expect(world.runUntil(() => world.isWhole(), 20_000)).toBeLessThan(20_000);
    expect(effectsOf(moved, "identity-conflict")).toEqual([]);
  });

  test("of two that are both in the ring the one that started later stays", () => {
    const world = ringOf(3);
    const elder = world.get(3);
    world.members.set(99, elder);
    world.members.delete(3);
    world.isCut = (from, to) => from === elder || to === elder;
    world.run(2000);
    const later = world.start(3, { seeds: [1, 2], address: "copy:7400" });
    expect(world.runUntil(() => later.gossiper.phase === "running", 20_000)).toBeLessThan(20_000);
    world.isCut = () => false;
    const isTold = (): boolean => effectsOf(elder, "identity-conflict").length > 0;
    expect(world.runUntil(isTold, 20_000)).toBeLessThan(20_000);
    expect(effectsOf(later, "identity-conflict")).toEqual([]);
  });

  test("of two members with one identity and generation both are told", () => {
    const world = ringOf(3);
    const one = world.get(3);
    world.members.set(99, one);
    world.members.delete(3);
    const copy = world.start(3, { seeds: [1, 2], address: "copy:7400" });
    const from = { id: idOf(3), address: one.address, generation: copy.disk.generation! };
    const twin = effectsOf(one, "send").at(-1)!.message;
    copy.input({ kind: "message", message: { ...twin, from } });
    expect(effectsOf(copy, "identity-conflict")).toHaveLength(1);
  });

  test("a member that lost its generation learns it from the others and goes beyond", () => {
    const world = ringOf(3);
    const known = world.get(1).gossiper.member(idOf(3))!.generation;
    world.get(3).disk.generation = undefined;
    world.wallOffsetMs = -1_000_000;
    const back = world.restart(3);
    expect(back.disk.generation).toBeLessThan(known);
    const isKnown = (): boolean =>
      [1, 2].every((one) => world.get(one).gossiper.member(idOf(3))?.generation === known + 1);
    expect(world.runUntil(() => isKnown() && world.isWhole(), 10_000)).toBeLessThan(10_000);
    expect(back.disk.generation).toBe(known + 1);
  });

  test("a start that claims to be more than a year ahead is not believed", () => {
    const world = ringOf(2);
    world.wallOffsetMs = 2 * 365 * 86_400_000;
    world.start(3, { seeds: [1] });
    world.wallOffsetMs = 0;
    world.run(10_000);
    expect(world.get(1).gossiper.member(idOf(3))).toBeUndefined();
    expect(effectsOf(world.get(1), "log")[0]).toMatchObject({
      event: "gossip.generation-ahead",
      fields: { memberId: idOf(3) },
    });
  });

  test("the generation is the wall clock in seconds, and more than the one before", () => {
    expect(nextGeneration(undefined, 5999)).toBe(5);
    expect(nextGeneration(4, 5999)).toBe(5);
    expect(nextGeneration(5, 5999)).toBe(6);
    expect(nextGeneration(900, 5999)).toBe(901);
  });

  test("another cluster on the same addresses is not talked to, and both names are logged", () => {
    const world = ringOf(2);
    world.start(3, { seeds: [1], clusterName: "other" });
    world.run(120_000);
    const warnings = effectsOf(world.get(1), "log").filter(({ level }) => level === "warn");
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings.length).toBeLessThan(5);
    expect(warnings[0]).toMatchObject({
      event: "gossip.other-cluster",
      fields: { ours: { name: "test" }, theirs: { name: "other" } },
    });
    expect(world.get(1).seesUp()).toEqual([2]);
    expect(world.get(3).gossiper.phase).toBe("shadow");
  });

  test("neither is one with another partitioner, nor one that was founded separately", () => {
    const world = ringOf(2);
    world.start(3, { seeds: [1], partitioner: "RandomPartitioner" });
    const separate = world.start(4, { seeds: [4] });
    separate.input({ kind: "message", message: effectsOf(world.get(1), "send").at(-1)!.message });
    world.run(10_000);
    expect(effectsOf(separate, "log")[0]).toMatchObject({ event: "gossip.other-cluster" });
    expect([world.get(1).seesUp(), world.get(3).seesUp(), separate.seesUp()]).toEqual([
      [2],
      [],
      [],
    ]);
  });
});

describe("who is not in the layout", () => {
  test("a stranger that fell silent is forgotten by all, and welcome when it starts again", () => {
    const world = ringOf(3);
    world.start(4, { seeds: [1], isStranger: true });
    world.run(10_000);
    expect(world.get(2).seesUp()).toEqual([1, 3, 4]);
    world.crash(4);
    world.run(120_000);
    const known = world.running().map(({ gossiper }) => gossiper.members().length);
    expect(known).toEqual([3, 3, 3]);
    world.restart(4);
    world.run(10_000);
    expect(world.get(2).seesUp()).toEqual([1, 3, 4]);
  });

  test("a member of the layout is never forgotten", () => {
    const world = ringOf(3);
    world.crash(3);
    world.run(600_000);
    expect(world.get(1).gossiper.members()).toHaveLength(3);
    world.restart(3);
    expect(world.runUntil(() => world.isWhole(), 5000)).toBeLessThan(5000);
  });

  test("an identity that was removed is not heard of any more", () => {
    const world = ringOf(3);
    const member = world.get(1);
    const { version, clusterId, members } = member.disk.layout!;
    const layout = { clusterId, members, payload: {}, removedIds: [idOf(3)] };
    const next = nextVersion(version, version.hash, version.counter);
    member.input({ kind: "layout", layout: { ...layout, ...next } });
    expect(effectsOf(member, "down")).toMatchObject([{ memberId: idOf(3), reason: "removed" }]);
    world.isCut = (from) => from === member;
    world.run(10_000);
    expect(member.gossiper.member(idOf(3))).toBeUndefined();
  });
});
