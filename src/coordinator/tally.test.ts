import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Requirement, requirementFor } from "./requirement.ts";
import { Tally, type TallyState } from "./tally.ts";

type Event = { readonly position: number; readonly isOk: boolean };

/** The dumb second implementation: counts everything anew, for every possible future. */
function naiveState(requirement: Requirement, events: readonly Event[]): TallyState {
  const first = new Map<number, boolean>();
  for (const { position, isOk } of events) if (!first.has(position)) first.set(position, isOk);
  const count = (group: number, isWanted: (outcome: boolean | undefined) => boolean): number =>
    requirement.groupsOf.filter((of, at) => of.includes(group) && isWanted(first.get(at))).length;
  const groups = requirement.needed.map((needed, group) => ({
    isReached: count(group, (outcome) => outcome === true) >= needed,
    isPossible: count(group, (outcome) => outcome !== false) >= needed,
  }));
  if (groups.every(({ isReached }) => isReached)) return "reached";
  return groups.every(({ isPossible }) => isPossible) ? "open" : "unreachable";
}

const requirement: fc.Arbitrary<Requirement> = fc
  .record({
    groupsOf: fc.array(fc.subarray([0, 1, 2]), { minLength: 1, maxLength: 7 }),
    needed: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 3, maxLength: 3 }),
  })
  .map(({ groupsOf, needed }) => demanding(groupsOf, needed));

function demanding(groupsOf: readonly (readonly number[])[], needed: number[]): Requirement {
  const groups = needed.map((_, group) =>
    [...groupsOf.keys()].filter((position) => groupsOf[position]?.includes(group)),
  );
  return {
    consistency: "QUORUM",
    groupsOf,
    groups,
    needed,
    sizes: groups.map(({ length }) => length),
    total: needed.reduce((sum, count) => sum + count, 0),
  };
}

describe("Tally", () => {
  it("agrees with counting everything anew, until it has decided", () => {
    const events = fc.array(
      fc.record({ position: fc.integer({ min: 0, max: 6 }), isOk: fc.boolean() }),
      { maxLength: 15 },
    );
    fc.assert(
      fc.property(requirement, events, (wanted, all) => {
        const tally = new Tally(wanted);
        const seen: Event[] = [];
        let expected = naiveState(wanted, []);
        expect(tally.state).toBe(expected);
        for (const event of all.filter(({ position }) => position < wanted.groupsOf.length)) {
          seen.push(event);
          if (event.isOk) tally.ok(event.position);
          else tally.failed(event.position);
          if (expected === "open") expected = naiveState(wanted, seen);
          expect(tally.state).toBe(expected);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("counts a replica that repeats itself once", () => {
    const wanted = demanding([[0], [0], [0]], [2]);
    const tally = new Tally(wanted);
    tally.ok(1);
    expect(tally.ok(1)).toBe("open");
    expect(tally.failed(1)).toBe("open");
    expect(tally.okCount).toBe(1);
    expect(tally.ok(2)).toBe("reached");
  });
});

describe("what a level asks", () => {
  const simple = {
    factors: { total: 3, perDatacenter: undefined },
    datacenters: ["a", "a", "b"],
    localDatacenter: "a",
  };
  const perDatacenter = new Map([
    ["a", 3],
    ["b", 2],
  ]);
  const network = {
    factors: { total: 5, perDatacenter },
    datacenters: ["a", "b", "a", "b", "a"],
    localDatacenter: "b",
  };

  it.each([
    ["ONE", 1],
    ["TWO", 2],
    ["THREE", 3],
    ["QUORUM", 2],
    ["ALL", 3],
    ["LOCAL_ONE", 1],
    ["LOCAL_QUORUM", 2],
    ["EACH_QUORUM", 2],
    [2, 2],
  ] as const)("%s of three replicas without datacenters is %i of all", (level, count) => {
    const wanted = requirementFor(level, simple);
    expect(wanted).toMatchObject({ needed: [count], groupsOf: [[0], [0], [0]], total: count });
  });

  it.each([
    ["QUORUM", [3], [0, 0, 0, 0, 0]],
    ["ALL", [5], [0, 0, 0, 0, 0]],
    ["LOCAL_ONE", [1], [-1, 0, -1, 0, -1]],
    ["LOCAL_QUORUM", [2], [-1, 0, -1, 0, -1]],
    ["EACH_QUORUM", [2, 2], [0, 1, 0, 1, 0]],
  ] as const)("%s over two datacenters", (level, needed, groupOf) => {
    const groupsOf = groupOf.map((group) => (group < 0 ? [] : [group]));
    expect(requirementFor(level, network)).toMatchObject({ needed, groupsOf });
  });

  it("counts the factor that was asked for, not the replicas that there are", () => {
    const lonely = { ...simple, datacenters: ["a"] };
    expect(new Tally(requirementFor("QUORUM", lonely)).state).toBe("unreachable");
  });

  it.each(["ANY", 0, 4, 1.5] as const)("%s cannot be asked", (level) => {
    expect(() => requirementFor(level, simple)).toThrow(
      expect.objectContaining({ name: "KvError" }),
    );
  });
});
