/** Rings in the small world of world.suite.ts, and what the tests ask of them. */
import { expect } from "vitest";
import type { LayoutIntent } from "../layout/intents.ts";
import type { GossipEffect } from "./gossip-io.ts";
import { type SimMember, World, type WorldOptions } from "./world.suite.ts";

export function effectsOf<Kind extends GossipEffect["kind"]>(
  member: SimMember,
  kind: Kind,
): (Extract<GossipEffect, { kind: Kind }> & { atMs: number })[] {
  return member.effects.filter(
    (effect): effect is Extract<GossipEffect, { kind: Kind }> & { atMs: number } =>
      effect.kind === kind,
  );
}

/** A ring that is whole, and has been for a while. */
export function ringOf(count: number, seed = 1, options: Omit<WorldOptions, "seed"> = {}): World {
  const world = new World({ seed, ...options });
  world.startAll(count, [1, 2]);
  expect(world.runUntil(() => isComplete(world, count), 60_000)).not.toBeNaN();
  world.run(30_000);
  return world;
}

export function isComplete(world: World, count: number): boolean {
  return world.isWhole() && world.get(1).disk.layout?.members.length === count;
}

export function downsOf(world: World): string[] {
  return world
    .running()
    .flatMap((member) =>
      effectsOf(member, "down").map(
        ({ memberId, reason }) => `${member.number}:${Number(memberId.slice(-12))} ${reason}`,
      ),
    );
}

export const keyspaceWish = (name: string): LayoutIntent => ({
  kind: "keyspace",
  definition: {
    name,
    replication: { class: "SimpleStrategy", options: { replication_factor: "3" } },
    readConsistency: "QUORUM",
    writeConsistency: "QUORUM",
    durability: "fsync",
  },
});
