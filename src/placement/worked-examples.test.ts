/** The examples that the project's sources (seeds) work out, as far as they are about replicas. */
import { describe, expect, it } from "vitest";
import { evenTokens } from "../ring/allocation/even.ts";
import { MURMUR3_SPACE } from "../ring/allocation/token-space.ts";
import { randomTokens } from "../ring/tokens.ts";
import { SeededRng } from "../util/random.ts";
import { type PlacementMember, type ReplicaTable, buildReplicaTable } from "./replica-table.ts";
import { parseReplication } from "./strategy.ts";

const simple = (factor: number): ReturnType<typeof parseReplication> =>
  parseReplication({ class: "SimpleStrategy", options: { replication_factor: String(factor) } }, [
    "dc1",
  ]);

function table(tokenLists: readonly (readonly bigint[])[], factor: number): ReplicaTable {
  const members: PlacementMember[] = tokenLists.map((tokens) => ({
    dc: "dc1",
    rack: "r1",
    tokens,
  }));
  return buildReplicaTable({ members, replication: simple(factor) });
}

/** Who else holds something that the member holds. */
function helpersOf(member: number, ring: ReplicaTable): readonly number[] {
  const helpers = new Set<number>();
  for (const { members } of ring.sets) {
    if (members.includes(member)) for (const other of members) helpers.add(other);
  }
  helpers.delete(member);
  return [...helpers].sort((a, b) => a - b);
}

describe("replication (seed 004_8ac4267dc1ab63f8.txt)", () => {
  it("with factor 3 makes each member a replica of three ranges", () => {
    const ring = table(
      evenTokens(MURMUR3_SPACE, 6).map((token) => [token]),
      3,
    );
    for (let member = 0; member < 6; member++) {
      expect(
        ring.ranges().filter(({ replicas }) => replicas.members.includes(member)),
      ).toHaveLength(3);
    }
  });

  it("with factor 1 keeps one copy, on the member whose range it is", () => {
    const ring = table([[0n], [100n]], 1);
    expect(ring.lookup(0, 50).members).toEqual([1]);
    expect(ring.lookup(0, 101).members).toEqual([0]);
  });
});

describe("rebuilding a member (seed 002_f63f9bce2325fc5d.txt)", () => {
  it("of six with one token each gets help from its neighbours only: 1, 3, 4 for node 2", () => {
    const ring = table(
      evenTokens(MURMUR3_SPACE, 6).map((token) => [token]),
      3,
    );
    // Members are numbered from 1 in the seed. It takes one helper for each of the three ranges.
    expect(helpersOf(1, ring).map((member) => member + 1)).toEqual([1, 3, 4, 6]);
    const held = ring.sets
      .filter(({ members }) => members.includes(1))
      .map(({ members }) => members.map((member) => member + 1).join(""));
    expect(held.toSorted()).toEqual(["123", "234", "612"]);
  });

  it("of six with many tokens each gets help from all others", () => {
    const rng = new SeededRng(1);
    const taken = new Set<bigint>();
    const lists = Array.from({ length: 6 }, () => {
      const tokens = randomTokens(rng, 32, taken);
      for (const token of tokens) taken.add(token);
      return tokens;
    });
    expect(helpersOf(1, table(lists, 3))).toEqual([0, 2, 3, 4, 5]);
  });
});

describe("consistent hashing (seed 003_c5be78923d79028f.txt)", () => {
  const four = evenTokens(MURMUR3_SPACE, 4);

  it("affects only the neighbours when a member leaves", () => {
    const before = table(
      four.map((token) => [token]),
      1,
    );
    const after = table([[four[0]!], [], [four[2]!], [four[3]!]], 1);
    const moved = before.ranges().filter(({ endHi, endLo, replicas }) => {
      return after.lookup(endHi, endLo).members[0] !== replicas.members[0];
    });
    expect(moved.map(({ replicas }) => replicas.members[0])).toEqual([1]);
    expect(after.lookup(moved[0]!.endHi, moved[0]!.endLo).members).toEqual([2]);
  });

  it("skips virtual nodes so that a preference list has distinct members", () => {
    const ring = table([[0n, 10n, 20n], [30n], [40n]], 3);
    expect(ring.lookup(0, 5).members).toEqual([0, 1, 2]);
    expect(ring.lookup(0, 35).members).toEqual([2, 0, 1]);
  });
});
