import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { movementBetween, type MovementMember, type MovementRing } from "./movement.ts";
import type { Replication } from "./strategy.ts";

const QUARTER = 2n ** 62n;
const FIRST = -(2n ** 63n) + 1n;
/** A token so many quarters into the ring. */
const at = (quarters: number): bigint => FIRST + (QUARTER * BigInt(quarters * 16)) / 16n;

const member = (id: string, tokens: bigint[], rack = "r1", dc = "dc1"): MovementMember => ({
  id,
  dc,
  rack,
  weight: 1,
  tokens,
});

const simple = (total: number): Replication => ({
  kind: "simple",
  factor: { total, transient: 0 },
});

const network = (factors: Record<string, number>): Replication => ({
  kind: "network-topology",
  order: "current",
  factors: new Map(
    Object.entries(factors).map(([dc, total]) => [dc, { total, transient: 0 }] as const),
  ),
});

const ring = (members: MovementMember[], replication: Replication): MovementRing => ({
  members,
  replication,
});

describe("what a change of the ring moves", () => {
  const three = [member("a", [at(0)]), member("b", [at(1)]), member("c", [at(2)])];

  it("is the part that a new member takes over, from those who lose it", () => {
    const after = [...three, member("d", [at(3)])];
    const movement = movementBetween(ring(three, simple(2)), ring(after, simple(2)));
    // d takes (2, 3] as first replica in place of b, and (1, 2] as second in place of a.
    expect(movement.transfers).toEqual([
      { from: "a", to: "d", share: 0.25, rangeCount: 1 },
      { from: "b", to: "d", share: 0.25, rangeCount: 1 },
    ]);
    expect(movement.moved).toBeCloseTo(0.5);
    expect(movement.minimum).toBeCloseTo(0.5);
    expect(movement.members.find(({ id }) => id === "d")).toEqual({
      id: "d",
      dc: "dc1",
      before: 0,
      after: 0.5,
      receives: 0.5,
      gives: 0,
      transient: { before: 0, after: 0, receives: 0, gives: 0 },
      rebuildMemberCount: 2,
    });
    expect(movement.balanceAfter).toEqual([{ dc: "dc1", max: 1, min: 1, standardDeviation: 0 }]);
    expect(movement.balanceBefore[0]!.max).toBeCloseTo(1.125);
  });

  it("comes from the survivors when the member that goes is dead", () => {
    const after = three.slice(1);
    const rings = [ring(three, simple(2)), ring(after, simple(2))] as const;
    const leaving = movementBetween(...rings);
    expect(new Set(leaving.transfers.map(({ from }) => from))).toEqual(new Set(["a"]));
    const dead = movementBetween(...rings, { unavailable: new Set(["a"]) });
    expect(new Set(dead.transfers.map(({ from }) => from))).toEqual(new Set(["b", "c"]));
    expect(dead.moved).toBeCloseTo(leaving.moved);
    expect(dead.withoutSource).toBe(0);
  });

  it("has no source where the only replica is dead", () => {
    const rings = [ring(three, simple(1)), ring(three.slice(1), simple(1))] as const;
    const movement = movementBetween(...rings, { unavailable: new Set(["a"]) });
    expect(movement.withoutSource).toBeCloseTo(0.5);
    expect(movement.transfers).toEqual([]);
  });

  it("is everything once more per replica when the replication factor rises", () => {
    const movement = movementBetween(ring(three, simple(1)), ring(three, simple(2)));
    expect(movement.moved).toBeCloseTo(1);
    expect(movement.minimum).toBeCloseTo(1);
  });

  it("comes from the new datacenter's own members only when they have it", () => {
    const remote = [member("x", [at(0.5)], "r1", "dc2"), member("y", [at(1.5)], "r2", "dc2")];
    const all = [...three, ...remote];
    const movement = movementBetween(
      ring(all, network({ dc1: 2 })),
      ring(all, network({ dc1: 2, dc2: 2 })),
    );
    expect(movement.moved).toBeCloseTo(2);
    expect(movement.transfers.every(({ from }) => ["a", "b", "c"].includes(from))).toBe(true);
    expect(movement.balanceBefore.find(({ dc }) => dc === "dc2")).toMatchObject({ max: 1, min: 1 });
  });

  it("is nothing when nothing changes, or when there was nothing", () => {
    expect(movementBetween(ring(three, simple(2)), ring(three, simple(2))).moved).toBe(0);
    expect(movementBetween(ring([], simple(2)), ring(three, simple(2)))).toMatchObject({
      moved: 0,
      withoutSource: 0,
    });
  });
});

describe("transient replicas", () => {
  const three = [member("a", [at(0)]), member("b", [at(1)]), member("c", [at(2)])];
  const withTransient: Replication = { kind: "simple", factor: { total: 2, transient: 1 } };

  it("are counted apart from full ones, in shares and in movement", () => {
    const after = [...three, member("d", [at(3)])];
    const movement = movementBetween(ring(three, withTransient), ring(after, withTransient));
    // d becomes the full replica of (2, 3] in place of a, and the transient one of (1, 2] in place of a.
    expect(movement.transfers).toEqual([{ from: "a", to: "d", share: 0.25, rangeCount: 1 }]);
    expect([movement.moved, movement.minimum]).toEqual([0.25, 0.25]);
    expect(movement.members.find(({ id }) => id === "d")).toMatchObject({
      before: 0,
      after: 0.25,
      receives: 0.25,
      transient: { before: 0, after: 0.25, receives: 0.25, gives: 0 },
    });
    // a was the full replica of (2, 3] and is its transient one now, so it receives nothing for it.
    expect(movement.members.find(({ id }) => id === "a")?.transient).toEqual({
      before: 0.25,
      after: 0.25,
      receives: 0,
      gives: 0.25,
    });
    expect(movement.transient).toEqual({
      transfers: [{ from: "a", to: "d", share: 0.25, rangeCount: 1 }],
      moved: 0.25,
      withoutSource: 0,
    });
    expect(movement.balanceAfter).toEqual([{ dc: "dc1", max: 1, min: 1, standardDeviation: 0 }]);
  });

  it("receive everything when they become full ones, and cannot be the source of that", () => {
    const rings = [ring(three, withTransient), ring(three.slice(1), withTransient)] as const;
    const leaving = movementBetween(...rings);
    // b becomes the full replica of what a was; c its transient one.
    expect(leaving.transfers).toEqual([{ from: "a", to: "b", share: 0.5, rangeCount: 1 }]);
    const dead = movementBetween(...rings, { unavailable: new Set(["a"]) });
    expect([dead.moved, dead.withoutSource]).toEqual([0.5, 0.5]);
    expect(dead.transfers).toEqual([]);
  });

  it("move with the full ones when no replica is transient any more", () => {
    const movement = movementBetween(ring(three, withTransient), ring(three, simple(2)));
    expect([movement.moved, movement.transient.moved]).toEqual([1, 0]);
  });

  it("do not help to rebuild a member", () => {
    const same = ring(three, withTransient);
    // Each is a replica together with both others, but only the one before it is a full one there.
    const { members } = movementBetween(same, same);
    expect(members.map((each) => each.rebuildMemberCount)).toEqual([1, 1, 1]);
  });
});

describe("replicas that share a rack without need", () => {
  const members = [
    member("a", [at(0)], "r1"),
    member("b", [at(1)], "r1"),
    member("c", [at(2)], "r2"),
  ];

  it("are found under SimpleStrategy", () => {
    const same = ring(members, simple(2));
    expect(movementBetween(same, same).rackViolations).toEqual([
      { dc: "dc1", members: ["a", "b"], share: 0.5, rangeCount: 1 },
    ]);
  });

  it("do not arise under NetworkTopologyStrategy", () => {
    const same = ring(members, network({ dc1: 2 }));
    expect(movementBetween(same, same).rackViolations).toEqual([]);
  });
});

/** Small rings on 64 positions, so that the naive way can look at every position. */
const POSITIONS = 64;
const position = (index: number): bigint => -(2n ** 63n) + 2n ** 58n * BigInt(index + 1) - 1n;

/** Replicas of a position, told plainly: walk and take, a known rack only while repeats allow. */
function naiveReplicas(members: readonly MovementMember[], place: number, rf: number): string[] {
  const tokens = members
    .flatMap((each) => each.tokens.map((token) => ({ token, each })))
    .toSorted((a, b) => (a.token < b.token ? -1 : 1));
  const start = tokens.findIndex(({ token }) => token >= position(place));
  const walk = [...tokens.slice(Math.max(start, 0)), ...tokens.slice(0, Math.max(start, 0))];
  const racks = new Set(members.filter((m) => m.tokens.length > 0).map((m) => m.rack)).size;
  let repeats = rf - racks;
  const chosen: MovementMember[] = [];
  for (const { each } of walk) {
    if (chosen.length === rf || chosen.includes(each)) continue;
    if (chosen.some(({ rack }) => rack === each.rack) && repeats-- <= 0) continue;
    chosen.push(each);
  }
  return chosen.map(({ id }) => id);
}

const members = fc
  .record({
    racks: fc.array(fc.nat(2), { minLength: 2, maxLength: 6 }),
    slots: fc.uniqueArray(fc.nat(POSITIONS - 1), { minLength: 6, maxLength: 14 }),
    keep: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  })
  .map(({ racks, slots, keep }) => {
    const all = racks.map((rack, index) =>
      member(
        `n${index}`,
        slots.filter((_, slot) => slot % racks.length === index).map(position),
        `r${rack}`,
      ),
    );
    const some = all.filter((_, index) => keep[index]);
    return { all, some: some.length === 0 ? all.slice(0, 1) : some };
  });

describe("movement between any two rings", () => {
  it("is what counting position by position gives", () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 1, max: 4 }), fc.boolean(), (rings, rf, isJoin) => {
        const [before, after] = isJoin ? [rings.some, rings.all] : [rings.all, rings.some];
        const movement = movementBetween(
          ring(before, network({ dc1: rf })),
          ring(after, network({ dc1: rf })),
        );
        const received = new Map<string, number>();
        const owned = new Map<string, number>();
        for (let place = 0; place < POSITIONS; place++) {
          const old = naiveReplicas(before, place, rf);
          for (const id of naiveReplicas(after, place, rf)) {
            owned.set(id, (owned.get(id) ?? 0) + 1 / POSITIONS);
            if (!old.includes(id)) received.set(id, (received.get(id) ?? 0) + 1 / POSITIONS);
          }
        }
        for (const each of movement.members) {
          expect(each.receives).toBeCloseTo(received.get(each.id) ?? 0, 9);
          expect(each.after).toBeCloseTo(owned.get(each.id) ?? 0, 9);
        }
        const sent = movement.transfers.reduce((sum, { share }) => sum + share, 0);
        expect(sent + movement.withoutSource).toBeCloseTo(movement.moved, 9);
        expect(movement.moved).toBeGreaterThanOrEqual(movement.minimum - 1e-9);
        for (const { from, to } of movement.transfers) expect(from).not.toBe(to);
      }),
      { numRuns: 80 },
    );
  });
});
