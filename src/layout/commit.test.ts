import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type LayoutChange, commit, genesis } from "./commit.ts";
import { type Layout, type LayoutErrorCode, requireSameCluster } from "./layout.ts";
import { keyspace, member, memberId, start, winnerOf } from "./testing.suite.ts";

const addMember = (number: number, fields = {}): LayoutChange => ({
  kind: "add-member",
  member: member(number, fields),
});
const createKeyspace = (name: string, fields = {}): LayoutChange => ({
  kind: "create-keyspace",
  definition: keyspace(name, fields),
});

function failure(code: LayoutErrorCode, fields = {}): unknown {
  return expect.objectContaining({ code, fields: expect.objectContaining(fields) });
}

describe("the first layout", () => {
  test("it has counter 1 and its members in order of id, tokens in ring order", () => {
    const layout = genesis(start(member(2, { tokens: ["10", "-9", "9"] }), member(1)));
    const { counter, hash, lineage } = layout.version;
    expect([counter, lineage]).toEqual([1, hash.slice(0, 8)]);
    expect(hash).toMatch(/^[0-9a-f]{32}$/);
    expect(layout.members.map(({ id }) => id)).toEqual([memberId(1), memberId(2)]);
    expect(layout.members[1]?.tokens).toEqual(["-9", "9", "10"]);
  });

  test.each([
    ["clusterId", { clusterId: "C" }],
    ["clusterName", { clusterName: "" }],
    ["partitioner", { partitioner: "no such thing" }],
  ])("a malformed %s is refused", (field, fields) => {
    const make = (): Layout => genesis({ ...start(member(1)), ...fields });
    expect(make).toThrowError(failure("INVALID", { field }));
  });
});

describe("adding a member", () => {
  const ring = genesis(start(member(1)));

  test("it makes the next version and leaves the old one as it was", () => {
    const next = commit(ring, addMember(2));
    expect(next.version.counter).toBe(2);
    expect(next.version.hash).not.toBe(ring.version.hash);
    expect(next.members).toHaveLength(2);
    expect(ring.members).toHaveLength(1);
  });

  test("a member that is there already, just like that, changes nothing", () => {
    expect(commit(ring, addMember(1))).toBe(ring);
  });

  test("a token with an owner is refused and the owner named", () => {
    expect(() => commit(ring, addMember(2, { tokens: ["5", "100"] }))).toThrowError(
      failure("TOKEN_TAKEN", { token: "100", id: memberId(2), owner: memberId(1) }),
    );
  });

  test("a token given twice is refused", () => {
    expect(() => commit(ring, addMember(2, { tokens: ["5", "5"] }))).toThrowError(
      failure("INVALID", { field: `members.${memberId(2)}.tokens` }),
    );
  });

  test("the address of another member is refused", () => {
    expect(() => commit(ring, addMember(2, { address: member(1).address }))).toThrowError(
      failure("ADDRESS_TAKEN", { address: member(1).address, owner: memberId(1) }),
    );
  });

  test("an identity that is there with other settings is refused", () => {
    expect(() => commit(ring, addMember(1, { tokens: ["7"] }))).toThrowError(
      failure("ID_TAKEN", { id: memberId(1) }),
    );
  });

  test("an identity that was removed never comes back, with keyspaces or without", () => {
    const layout: Layout = { ...ring, removedIds: [memberId(2)] };
    expect(() => commit(layout, addMember(2))).toThrowError(failure("ID_REMOVED"));
    const holding: Layout = { ...commit(ring, createKeyspace("k")), removedIds: [memberId(2)] };
    expect(() => commit(holding, addMember(2))).toThrowError(failure("ID_REMOVED"));
  });

  test.each([
    [["01"]],
    [["-0"]],
    [["1.5"]],
    [[" 1"]],
    [[""]],
    [["0x10"]],
    [["9223372036854775808"]],
    [["-9223372036854775809"]],
    [[]],
  ])("tokens %j are refused", (tokens) => {
    expect(() => commit(ring, addMember(2, { tokens }))).toThrowError(
      failure("INVALID", { field: `members.${memberId(2)}.tokens` }),
    );
  });

  test("the ends of the ring are tokens", () => {
    const tokens = ["-9223372036854775808", "9223372036854775807"];
    expect(commit(ring, addMember(2, { tokens })).members[1]?.tokens).toEqual(tokens);
  });

  test("tokens of a wider ring are allowed to its partitioner", () => {
    const wide = genesis({ ...start(), partitioner: "RandomPartitioner" });
    const tokens = [String(2n ** 126n)];
    expect(commit(wide, addMember(2, { tokens })).members[0]?.tokens).toEqual(tokens);
  });

  test.each([
    ["id", { id: "Z" }],
    ["address", { address: "nowhere" }],
    ["respAddress", { respAddress: "host:99999" }],
    ["httpAddress", { httpAddress: ":1" }],
    ["dc", { dc: "" }],
    ["dc", { dc: "__proto__" }],
    ["rack", { rack: "a\nb" }],
    ["weight", { weight: 0 }],
    ["weight", { weight: Number.NaN }],
    ["weight", { weight: Infinity }],
  ])("a malformed %s is refused", (_, fields) => {
    expect(() => commit(ring, addMember(2, fields))).toThrowError(failure("INVALID"));
  });
});

describe("updating a member", () => {
  const ring = commit(genesis(start(member(1))), addMember(2));
  const update = (number: number, fields = {}): LayoutChange => ({
    kind: "addresses",
    id: memberId(number),
    addresses: member(number, fields),
  });

  test("addresses change, the rest stays", () => {
    const moved = { address: "new:1", respAddress: "new:2", httpAddress: "new:3" };
    const next = commit(ring, update(2, moved));
    expect(next.members[1]).toEqual(member(2, moved));
    expect(next.version.counter).toBe(3);
  });

  test("an update to what is there changes nothing", () => {
    expect(commit(ring, update(2))).toBe(ring);
  });

  test("it works in a ring that holds keyspaces", () => {
    const holding = commit(ring, createKeyspace("k"));
    expect(commit(holding, update(2, { address: "new:1" })).members[1]?.address).toBe("new:1");
  });

  test("the address of another member is refused", () => {
    expect(() => commit(ring, update(2, { address: member(1).address }))).toThrowError(
      failure("ADDRESS_TAKEN", { owner: memberId(1) }),
    );
  });

  test("nobody there", () => {
    expect(() => commit(ring, update(3))).toThrowError(
      failure("UNKNOWN_MEMBER", { id: memberId(3) }),
    );
  });
});

describe("creating a keyspace", () => {
  const ring = genesis(start(member(1)));

  test("SELECT numbers follow the order of creation, ids come from the names", () => {
    const ab = commit(commit(ring, createKeyspace("a")), createKeyspace("b"));
    const ba = commit(commit(ring, createKeyspace("b")), createKeyspace("a"));
    const view = (layout: Layout): unknown =>
      Object.fromEntries(layout.keyspaces.map(({ name, id, index }) => [name, { id, index }]));
    const [a, b] = [idOf(ab, "a"), idOf(ab, "b")];
    expect(view(ab)).toEqual({ a: { id: a, index: 0 }, b: { id: b, index: 1 } });
    expect(view(ba)).toEqual({ a: { id: a, index: 1 }, b: { id: b, index: 0 } });
  });

  test("names that give the same id get different ones", () => {
    const [first, second] = twoNamesOfOneId();
    const both = commit(commit(ring, createKeyspace(first)), createKeyspace(second));
    expect(idOf(both, second)).toBe(idOf(both, first) + 1);
    expect(both.keyspaces.map(({ id }) => id)).toEqual(
      [idOf(both, first), idOf(both, second)].toSorted((a, b) => a - b),
    );
  });

  test("the same definition again changes nothing, in whatever order its options come", () => {
    const options = { dc1: "3", dc2: "1" };
    const replication = { class: "NetworkTopologyStrategy", options };
    const layout = commit(ring, createKeyspace("k", { replication }));
    const reordered = { ...replication, options: { dc2: "1", dc1: "3" } };
    expect(commit(layout, createKeyspace("k", { replication: reordered }))).toBe(layout);
  });

  test("another definition under the same name is refused", () => {
    const layout = commit(ring, createKeyspace("k"));
    expect(() => commit(layout, createKeyspace("k", { durability: "memory" }))).toThrowError(
      failure("KEYSPACE_EXISTS", { keyspace: "k" }),
    );
  });

  test.each(["", "a-b", "a b", "é", "k".repeat(49)])("the name '%s' is refused", (name) => {
    expect(() => commit(ring, createKeyspace(name))).toThrowError(failure("INVALID"));
  });

  test("whatever the rules say against its replication is in the error", () => {
    const rules = {
      checkReplication: () => {
        throw new RangeError("no such strategy");
      },
    };
    expect(() => commit(ring, createKeyspace("k"), rules)).toThrowError(
      failure("INVALID_REPLICATION", { keyspace: "k", reason: "no such strategy" }),
    );
  });

  test("a datacenter that would not survive as a key of an object is refused", () => {
    const replication = {
      class: "NetworkTopologyStrategy",
      options: Object.fromEntries([["__proto__", "3"]]),
    };
    expect(() => commit(ring, createKeyspace("k", { replication }))).toThrowError(
      failure("INVALID"),
    );
  });

  test("words that are no level and no durability are refused", () => {
    const fields = [
      { readConsistency: "SOME" },
      { writeConsistency: "SOME" },
      { durability: "maybe" },
    ];
    for (const wrong of fields) {
      expect(() => commit(ring, createKeyspace("k", wrong))).toThrowError(failure("INVALID"));
    }
  });
});

describe("two layouts", () => {
  const ring = genesis(start(member(1)));

  test("more commits win", () => {
    const longer = commit(commit(ring, addMember(2)), addMember(3));
    const shorter = commit(ring, addMember(4));
    expect(winnerOf(longer, shorter)).toBe(longer);
    expect(winnerOf(shorter, longer)).toBe(longer);
  });

  test("of two forks the greater hash wins, for everybody in every order", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 2, max: 99 }), { minLength: 2 }), (numbers) => {
        const forks = numbers.map((number) => commit(ring, addMember(number)));
        const winner = forks.reduce(winnerOf);
        expect(forks.toReversed().reduce(winnerOf)).toBe(winner);
        expect(winner.version.hash).toBe(
          forks
            .map(({ version }) => version.hash)
            .toSorted()
            .at(-1),
        );
      }),
    );
  });

  test("rings that were founded separately are never mixed", () => {
    const other = genesis({ ...start(member(1)), clusterId: memberId(0) });
    expect(() => requireSameCluster(ring, other)).toThrowError(
      failure("OTHER_CLUSTER", { otherClusterId: memberId(0) }),
    );
  });
});

function idOf(layout: Layout, name: string): number {
  return layout.keyspaces.find((one) => one.name === name)?.id ?? Number.NaN;
}

/** Two names whose keyspaces would have the same id, found by trying. */
function twoNamesOfOneId(): [string, string] {
  const ring = genesis(start(member(1)));
  const nameById = new Map<number, string>();
  for (let number = 0; ; number++) {
    const name = `k${number}`;
    const id = idOf(commit(ring, createKeyspace(name)), name);
    const other = nameById.get(id);
    if (other !== undefined) return [other, name];
    nameById.set(id, name);
  }
}
