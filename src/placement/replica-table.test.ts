import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRng } from "../util/random.ts";
import { MAX_TOKEN, MIN_TOKEN, tokenFromHalves, tokenHi, tokenLo } from "../ring/token.ts";
import { type PlacementMember, buildReplicaTable } from "./replica-table.ts";
import type { NetworkTopologyReplication, Replication, ReplicationFactor } from "./strategy.ts";

const factor = (total: number, transient = 0): ReplicationFactor => ({ total, transient });
const simple = (total: number, transient = 0): Replication => ({
  kind: "simple",
  factor: factor(total, transient),
});
const oldNetwork = (total: number): Replication => ({
  kind: "old-network-topology",
  factor: factor(total),
});
const network = (
  factors: Record<string, ReplicationFactor>,
  order: NetworkTopologyReplication["order"] = "current",
): NetworkTopologyReplication => ({
  kind: "network-topology",
  factors: new Map(Object.entries(factors)),
  order,
});

function replicasAt(
  members: readonly PlacementMember[],
  replication: Replication,
  token: bigint,
): readonly number[] {
  const table = buildReplicaTable({ members, replication });
  return table.lookup(tokenHi(token), tokenLo(token)).members;
}

/** Members with these tokens, in `dc1` / `r1` unless said otherwise. */
function ring(tokens: readonly (readonly bigint[])[], dcs = "", racks = ""): PlacementMember[] {
  return tokens.map((own, member) => ({
    dc: dcs[member] ?? "1",
    rack: racks[member] ?? "1",
    tokens: own,
  }));
}

describe("a replica table", () => {
  const three = ring([[0n], [100n], [200n]]);

  it("gives a member the range from its predecessor, exclusive, to its own token, inclusive", () => {
    const primaryOf = (token: bigint): number | undefined => replicasAt(three, simple(1), token)[0];
    expect([1n, 100n, 101n, 200n].map(primaryOf)).toEqual([1, 1, 2, 2]);
  });

  it("gives what lies above the highest token to the lowest", () => {
    const primaryOf = (token: bigint): number | undefined => replicasAt(three, simple(1), token)[0];
    expect([201n, MAX_TOKEN, MIN_TOKEN, -1n, 0n].map(primaryOf)).toEqual([0, 0, 0, 0, 0]);
  });

  it("gives an empty set in a ring without members and in one without tokens", () => {
    for (const members of [[], ring([[], []])]) {
      const table = buildReplicaTable({ members, replication: simple(3) });
      expect(table.lookup(0, 0)).toEqual({ id: 0, members: [], transient: undefined });
      expect(table.sets).toHaveLength(1);
      expect(table.setIdOf(0, 0)).toBe(0);
      expect(table.ranges()).toEqual([]);
    }
  });

  it("gives the whole ring to a single token", () => {
    const table = buildReplicaTable({ members: ring([[7n]]), replication: simple(3) });
    expect(table.lookup(0, 7)).toBe(table.lookup(-1, 0));
    expect(table.ranges()).toEqual([
      { startHi: 0, startLo: 7, endHi: 0, endLo: 7, replicas: table.sets[0] },
    ]);
  });

  it("never makes a member without tokens a replica", () => {
    const members = ring([[0n], [], [200n]]);
    expect(replicasAt(members, simple(3), 5n)).toEqual([2, 0]);
    expect(replicasAt(members, network({ "1": factor(3) }), 5n)).toEqual([2, 0]);
  });

  it("interns sets: the same members in the same order are the same object", () => {
    const members = ring([
      [0n, 300n],
      [100n, 400n],
      [200n, 500n],
    ]);
    const table = buildReplicaTable({ members, replication: simple(2) });
    expect(table.sets).toHaveLength(3);
    expect(table.lookup(0, 50)).toBe(table.lookup(0, 350));
    expect(table.sets.map(({ id }) => id)).toEqual([0, 1, 2]);
    expect(table.sets).toContain(table.lookup(0, 350));
    expect(table.set(table.setIdOf(0, 350))).toBe(table.lookup(0, 50));
    expect(table.setCount).toBe(3);
  });

  it("keeps apart thousands of sets, as one member after another is the first of its set", () => {
    const count = 5000;
    const members = ring(Array.from({ length: count }, (_, member) => [BigInt(member)]));
    const table = buildReplicaTable({ members, replication: simple(3) });
    expect(table.setCount).toBe(count);
    expect(table.sets.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, id) => id));
    const found = Array.from({ length: count }, (_, token) => table.lookup(0, token).members);
    expect(found).toEqual(
      Array.from({ length: count }, (_, at) => [at, (at + 1) % count, (at + 2) % count]),
    );
  });

  it("lists its ranges in ring order, the wrapping one first", () => {
    const table = buildReplicaTable({ members: three, replication: simple(1) });
    const ranges = table
      .ranges()
      .map((range) => [
        tokenFromHalves(range.startHi, range.startLo),
        tokenFromHalves(range.endHi, range.endLo),
        range.replicas.members[0],
      ]);
    expect(ranges).toEqual([
      [200n, 0n, 0],
      [0n, 100n, 1],
      [100n, 200n, 2],
    ]);
  });
});

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

const topology = fc
  .array(
    fc.record({
      dc: fc.constantFrom("dc1", "dc2", "dc3"),
      rack: fc.constantFrom("r1", "r2", "r3", "r4"),
      tokenCount: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .chain((members) =>
    fc.record({
      members: fc.constant(members),
      seed: fc.integer({ min: 0, max: 1_000_000 }),
      // Small spans crowd the tokens, large ones spread them over the ring.
      span: fc.constantFrom(7, 32, 64),
    }),
  )
  .map(({ members, seed, span }) => {
    const rng = new SeededRng(seed);
    const taken = new Set<bigint>();
    return members.map(({ dc, rack, tokenCount }) => ({
      dc,
      rack,
      tokens: Array.from({ length: tokenCount }, () => {
        for (;;) {
          const token = BigInt.asIntN(span, tokenFromHalves(rng.uint32() | 0, rng.uint32()));
          if (!taken.has(token)) {
            taken.add(token);
            return token;
          }
        }
      }),
    }));
  });

const factors = fc.dictionary(
  fc.constantFrom("dc1", "dc2", "dc3", "dc4"),
  fc
    .record({ total: fc.integer({ min: 1, max: 6 }), transient: fc.integer({ min: 0, max: 5 }) })
    .map(({ total, transient }) => ({ total, transient: Math.min(transient, total - 1) })),
);

describe("on random topologies", () => {
  it("places as a naive walk along the ring does", () => {
    const replication = fc.oneof(
      fc.integer({ min: 1, max: 6 }).map((total) => simple(total)),
      factors.map((by) => network(by, "current")),
      factors.map((by) => network(by, "older")),
      fc.integer({ min: 1, max: 6 }).map(oldNetwork),
      fc.constant<Replication>({ kind: "rack-per-replica" }),
    );
    fc.assert(
      fc.property(
        topology,
        replication,
        fc.bigInt(MIN_TOKEN, MAX_TOKEN),
        (members, chosen, any) => {
          const table = buildReplicaTable({ members, replication: chosen });
          const tokens = members.flatMap((member) => member.tokens);
          for (const token of [
            any,
            ...tokens,
            ...tokens.map((own) => BigInt.asIntN(64, own + 1n)),
          ]) {
            const set = table.lookup(tokenHi(token), tokenLo(token));
            expect(set.members).toEqual(naivePlacement(members, chosen, token).map(({ at }) => at));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("marks the same replicas transient as the naive walk", () => {
    fc.assert(
      fc.property(topology, factors, (members, by) => {
        const replication = network(by);
        const table = buildReplicaTable({ members, replication });
        for (const token of members.flatMap((member) => member.tokens)) {
          const { transient } = table.lookup(tokenHi(token), tokenLo(token));
          const expected = naivePlacement(members, replication, token).map((r) => r.isTransient);
          expect(transient ?? expected.map(() => false)).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("covers the ring with ranges that agree with lookups", () => {
    fc.assert(
      fc.property(topology, (members) => {
        const table = buildReplicaTable({ members, replication: simple(3) });
        const ranges = table.ranges();
        expect(ranges).toHaveLength(members.flatMap((member) => member.tokens).length);
        for (const [index, range] of ranges.entries()) {
          expect(table.lookup(range.endHi, range.endLo)).toBe(range.replicas);
          const previous = ranges.at(index - 1)!;
          expect([range.startHi, range.startLo]).toEqual([previous.endHi, previous.endLo]);
        }
      }),
      { numRuns: 200 },
    );
  });
});

it("builds and finds its way in a table of 1000 members with 256 tokens each", () => {
  const rng = new SeededRng(3);
  const members = Array.from({ length: 1000 }, (_, member) => ({
    dc: "dc1",
    rack: `r${member % 3}`,
    tokens: Array.from({ length: 256 }, () => tokenFromHalves(rng.uint32() | 0, rng.uint32())),
  }));
  const table = buildReplicaTable({ members, replication: network({ dc1: factor(3) }) });
  const sorted = members
    .flatMap(({ tokens }, member) => tokens.map((token) => ({ token, member })))
    .sort((a, b) => (a.token < b.token ? -1 : 1));
  for (let index = 1; index < sorted.length; index += 97) {
    const { token, member } = sorted[index]!;
    const after = sorted[index - 1]!.token + 1n;
    expect(table.lookup(tokenHi(token), tokenLo(token)).members[0]).toBe(member);
    expect(table.lookup(tokenHi(after), tokenLo(after)).members[0]).toBe(member);
  }
});

interface NaiveReplica {
  readonly at: number;
  readonly isTransient: boolean;
}

/** Placement as the classes of Cassandra do it: one forward walk for one token. */
function naivePlacement(
  members: readonly PlacementMember[],
  replication: Replication,
  token: bigint,
): NaiveReplica[] {
  const sorted = members
    .flatMap(({ tokens }, at) => tokens.map((own) => ({ own, at })))
    .sort((a, b) => (a.own < b.own ? -1 : 1));
  const found = sorted.findIndex(({ own }) => own >= token);
  const start = found === -1 ? 0 : found;
  const walk = [...sorted.slice(start), ...sorted.slice(0, start)].map(({ at }) => at);
  switch (replication.kind) {
    case "simple": {
      const { total, transient } = replication.factor;
      const distinct = [...new Set(walk)].slice(0, total);
      return distinct.map((at, pick) => ({ at, isTransient: pick >= total - transient }));
    }
    case "network-topology":
      return replication.order === "current"
        ? naiveCurrent(members, replication, walk)
        : naiveOlder(members, replication, walk).map((at) => ({ at, isTransient: false }));
    case "old-network-topology":
      return naiveOldNetworkTopology(members, replication.factor.total, walk).map((at) => ({
        at,
        isTransient: false,
      }));
    case "rack-per-replica": {
      const racks = new Map<string, number>();
      for (const at of walk) {
        const rack = `${members[at]!.dc}/${members[at]!.rack}`;
        if (!racks.has(rack)) racks.set(rack, at);
      }
      return Array.from(racks.values(), (at) => ({ at, isTransient: false }));
    }
    case "everywhere":
    case "local":
      throw new Error("no walk needed");
  }
}

function naiveCurrent(
  members: readonly PlacementMember[],
  replication: NetworkTopologyReplication,
  walk: readonly number[],
): NaiveReplica[] {
  const states = new Map(
    Array.from(replication.factors, ([dc, { total, transient }]) => {
      const inDc = members.filter((member) => member.dc === dc && member.tokens.length > 0);
      const left = Math.min(total, inDc.length);
      const repeats = total - new Set(inDc.map((member) => member.rack)).size;
      return [dc, { left, repeats, transient: Math.max(0, transient - (total - left)) }];
    }),
  );
  const taken: NaiveReplica[] = [];
  const racks = new Set<string>();
  for (const at of walk) {
    const { dc, rack } = members[at]!;
    const state = states.get(dc);
    if (state === undefined || state.left === 0) continue;
    if (taken.some((replica) => replica.at === at)) continue;
    if (racks.has(`${dc}/${rack}`)) {
      if (state.repeats <= 0) continue;
      state.repeats--;
    }
    racks.add(`${dc}/${rack}`);
    taken.push({ at, isTransient: state.left <= state.transient });
    state.left--;
  }
  return taken;
}

function naiveOldNetworkTopology(
  members: readonly PlacementMember[],
  total: number,
  walk: readonly number[],
): number[] {
  const primary = members[walk[0]!]!;
  const taken = walk.slice(0, 1);
  let [hasOtherDc, hasOtherRack] = [false, false];
  for (const at of walk.slice(1)) {
    const { dc, rack } = members[at]!;
    if (taken.length >= total) break;
    if (dc !== primary.dc) {
      if (!hasOtherDc) taken.push(at);
      hasOtherDc = true;
    } else if (rack !== primary.rack) {
      if (!hasOtherRack) taken.push(at);
      hasOtherRack = true;
    }
  }
  for (const at of walk) if (taken.length < total && !taken.includes(at)) taken.push(at);
  return taken;
}

function naiveOlder(
  members: readonly PlacementMember[],
  replication: NetworkTopologyReplication,
  walk: readonly number[],
): number[] {
  const taken = new Set<number>();
  const states = new Map(
    Array.from(replication.factors, ([dc, { total }]) => {
      const inDc = members.filter((member) => member.dc === dc && member.tokens.length > 0);
      const racks = new Set(inDc.map((member) => member.rack));
      return [
        dc,
        {
          wanted: Math.min(total, inDc.length),
          rackCount: racks.size,
          seen: new Set<string>(),
          own: new Set<number>(),
          aside: new Set<number>(),
        },
      ];
    }),
  );
  for (const at of walk) {
    const { dc, rack } = members[at]!;
    const state = states.get(dc);
    if (state === undefined || state.own.size === state.wanted) continue;
    const take = (member: number): void => {
      if (state.own.size === state.wanted) return;
      state.own.add(member);
      taken.add(member);
    };
    if (state.seen.size === state.rackCount) take(at);
    else if (state.seen.has(rack)) state.aside.add(at);
    else {
      take(at);
      state.seen.add(rack);
      if (state.seen.size === state.rackCount) for (const other of state.aside) take(other);
    }
  }
  return [...taken];
}
