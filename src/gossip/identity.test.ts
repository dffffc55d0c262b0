/** Who is heard in a ring: one process of each identity, of this cluster, not removed, not long gone. */
import { describe, expect, test } from "vitest";
import { nextVersion } from "../model/layout-version.ts";
import { nextGeneration } from "./gossip-io.ts";
import { effectsOf, ringOf } from "./rings.suite.ts";
import { addressOf, idOf } from "./world.suite.ts";

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
