/** Rings of the real machine in virtual time: spreading, failing, healing. */
import { describe, expect, test } from "vitest";
import { downsOf, effectsOf, keyspaceWish, ringOf } from "./rings.suite.ts";
import { type SimMember, World, addressOf, idOf } from "./world.suite.ts";

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
    maker.want(keyspaceWish("k"));
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
    world.get(1).want(keyspaceWish("left"));
    world.get(4).want(keyspaceWish("right"));
    world.get(5).want(keyspaceWish("far_right"));
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
