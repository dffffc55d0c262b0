/** Which members each strategy picks, and in which order. */
import { describe, expect, it } from "vitest";
import { buildReplicaTable } from "./replica-table.ts";
import { factor, network, oldNetwork, replicasAt, ring, simple } from "./small-rings.suite.ts";
import type { Replication } from "./strategy.ts";

describe("SimpleStrategy", () => {
  it("takes distinct members clockwise and all of them when there are too few", () => {
    const members = ring([[0n, 50n], [100n], [200n]]);
    expect(replicasAt(members, simple(2), -5n)).toEqual([0, 1]);
    expect(replicasAt(members, simple(5), 150n)).toEqual([2, 0, 1]);
  });

  it("makes the replicas at position N - T and later transient", () => {
    const members = ring([[0n], [100n], [200n]]);
    const transientOf = (replication: Replication): readonly boolean[] | undefined =>
      buildReplicaTable({ members, replication }).lookup(0, 50).transient;
    expect(transientOf(simple(3, 1))).toEqual([false, false, true]);
    expect(transientOf(simple(5, 3))).toEqual([false, false, true]);
    expect(transientOf(simple(5, 1))).toBeUndefined();
    expect(transientOf(simple(3))).toBeUndefined();
  });
});

describe("NetworkTopologyStrategy", () => {
  // Eight members dealt twice round a ring of 16; odd ones in DC 1, even ones in DC 2; the first
  // four in the first rack of their datacenter, the others in the second.
  const dealt = ring(
    Array.from({ length: 8 }, (_, member) => [BigInt(member), BigInt(member + 8)]),
    "12121212",
    "aaaabbbb",
  );
  const bothDcs = { "1": factor(3), "2": factor(3) };
  const placed = (order: "current" | "older"): string[] =>
    Array.from({ length: 8 }, (_, token) =>
      replicasAt(dealt, network(bothDcs, order), BigInt(token))
        .map((member) => member + 1)
        .join(""),
    );

  it("interleaves two datacenters in ring order, as Cassandra since 3.2", () => {
    expect(placed("current")).toEqual(
      "123456 234567 345678 456781 567812 678123 781234 812345".split(" "),
    );
  });

  it("can take new racks first, as Cassandra until 3.1 and the drivers", () => {
    expect(placed("older")).toEqual(
      "125364 235647 345678 456817 561728 671283 781234 812453".split(" "),
    );
  });

  // A, B, C in rack 1, D, E in rack 2, F in rack 3.
  const sixMembers = ring(
    Array.from({ length: 6 }, (_, member) => [BigInt(100 * (member + 1))]),
    "111111",
    "111223",
  );
  it.each([
    ["current", 2, "AD BD CD DF EF FA"],
    ["older", 2, "AD BD CD DF EF FA"],
    ["current", 3, "ADF BDF CDF DFA EFA FAD"],
    ["older", 3, "ADF BDF CDF DFA EFA FAD"],
    ["current", 4, "ABDF BCDF CDEF DEFA EFAB FABD"],
    ["older", 4, "ADFB BDFC CDFE DFAE EFAB FADB"],
    ["current", 5, "ABCDF BCDEF CDEFA DEFAB EFABC FABCD"],
  ] as const)("places in three uneven racks: %s order, RF %i", (order, rf, expected) => {
    const rows = sixMembers.map(({ tokens }) =>
      replicasAt(sixMembers, network({ "1": factor(rf) }, order), tokens[0]!)
        .map((member) => "ABCDEF"[member])
        .join(""),
    );
    expect(rows.join(" ")).toBe(expected);
  });

  it("is right where cassandra-driver lists a member twice", () => {
    // Ring order 0, 5, 2, 3, 1, 4; lookup owned by 5.
    const tokens = [0n, 4n, 2n, 3n, 5n, 1n].map((token) => [token]);
    const members = ring(tokens, "010011").map((member, index) => ({
      ...member,
      dc: index === 1 || index === 4 ? "D1" : "D0",
      rack: ["r3", "r3", "r2", "r0", "r3", "r0"][index]!,
    }));
    const rf = { D0: factor(4), D1: factor(4) };
    expect(replicasAt(members, network(rf), 1n)).toEqual([5, 2, 3, 1, 4, 0]);
    expect(replicasAt(members, network(rf, "older"), 1n)).toEqual([5, 2, 1, 4, 0, 3]);
  });

  it("makes the last T replicas of a datacenter transient", () => {
    const members = ring([[100n], [200n], [300n], [400n]]);
    const table = buildReplicaTable({ members, replication: network({ "1": factor(3, 1) }) });
    expect(table.lookup(0, 99)).toMatchObject({
      members: [0, 1, 2],
      transient: [false, false, true],
    });
    expect(table.lookup(0, 101)).toMatchObject({
      members: [1, 2, 3],
      transient: [false, false, true],
    });
  });

  it("gives up transient replicas first where a datacenter has too few members", () => {
    const members = ring([[100n], [200n], [300n]]);
    const transientOf = (total: number, transient: number): readonly boolean[] | undefined =>
      buildReplicaTable({
        members,
        replication: network({ "1": factor(total, transient) }),
      }).lookup(0, 99).transient;
    expect(transientOf(4, 2)).toEqual([false, false, true]);
    expect(transientOf(4, 1)).toBeUndefined();
  });

  it("keeps nothing in a datacenter without a factor, and an empty set if none has members", () => {
    expect(replicasAt(dealt, network({ "1": factor(2) }), 0n)).toEqual([0, 4]);
    expect(replicasAt(dealt, network({ other: factor(3) }), 0n)).toEqual([]);
  });
});

describe("OldNetworkTopologyStrategy", () => {
  it.each([
    ["all in one rack", "1111", "1111", "234 341 412 123"],
    ["the third in another datacenter", "1121", "1111", "234 341 431 132"],
    ["the third in another rack, the fourth elsewhere", "1112", "1121", "234 341 412 134"],
  ])("places as Cassandra 3.11 does: %s", (_, dcs, racks, expected) => {
    const members = ring([[0n], [10n], [20n], [30n]], dcs, racks);
    const placed = [5n, 15n, 25n, 35n].map((key) =>
      replicasAt(members, oldNetwork(3), key)
        .map((member) => member + 1)
        .join(""),
    );
    expect(placed.join(" ")).toBe(expected);
  });
});

describe("EverywhereStrategy", () => {
  it("makes every member with tokens a replica of everything", () => {
    const members = ring([[0n], [], [200n]]);
    const table = buildReplicaTable({ members, replication: { kind: "everywhere" } });
    expect(table.sets).toEqual([{ id: 0, members: [0, 2], transient: undefined }]);
    expect(table.lookup(0, 100)).toBe(table.sets[0]);
  });
});

describe("LocalStrategy", () => {
  it("keeps everything on the member itself, which it must be told", () => {
    const members = ring([[0n], [200n]]);
    const replication: Replication = { kind: "local" };
    const table = buildReplicaTable({ members, replication, self: 1 });
    expect(table.sets).toEqual([{ id: 0, members: [1], transient: undefined }]);
    expect(() => buildReplicaTable({ members, replication })).toThrow("needs to know its member");
  });
});

describe("RackPerReplica, the placement of Dynomite", () => {
  const replication: Replication = { kind: "rack-per-replica" };
  // Seed 000_8028f472c579d2ad.txt: every rack holds the whole range, so tokens repeat across racks
  // and within a datacenter. Tokens of Dynomite-manager for racks of two and three slots.
  const two = [1383429731n, 3530913378n];
  const three = [1383429731n, 2815085496n, 4246741261n];

  it("finds the member of the same token in every rack", () => {
    const tokens = [...two, ...two].map((token) => [token]);
    const members = ring(tokens, "1111", "aabb");
    expect(replicasAt(members, replication, 0n)).toEqual([0, 2]);
    expect(replicasAt(members, replication, 1383429732n)).toEqual([1, 3]);
    expect(replicasAt(members, replication, 4294967295n)).toEqual([0, 2]);
  });

  it("splits ranges where racks of different sizes differ", () => {
    const members = ring(
      [...two, ...three].map((token) => [token]),
      "11222",
      "aabbb",
    );
    const table = buildReplicaTable({ members, replication });
    expect(
      table.ranges().map(({ endLo, replicas }) => [BigInt(endLo), ...replicas.members]),
    ).toEqual([
      [1383429731n, 0, 2],
      [2815085496n, 3, 1],
      [3530913378n, 1, 4],
      [4246741261n, 4, 0],
    ]);
  });
});
