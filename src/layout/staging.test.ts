import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StagedChange } from "../model/topology-api.ts";
import { SeededRng } from "../util/random.ts";
import { finished } from "../util/stepwise.ts";
import { commit, genesis } from "./commit.ts";
import { type Layout, LayoutError } from "./layout.ts";
import { planOf } from "./plan.ts";
import { factsOf, keyspaceWith, layoutOf, waiting, withDown } from "./planning.suite.ts";
import { checkContent } from "./rules.ts";
import { type StagedContent, type StagingFacts, applyStaged } from "./staging.ts";
import { keyspace, member, memberId, start } from "./testing.suite.ts";

const step = 2n ** 62n;
const quarter = (index: number): string[] => [String(BigInt(index) * step - 2n ** 63n + 5n)];
const four = [1, 2, 3, 4].map((number) => member(number, { tokens: quarter(number - 1) }));
const head = layoutOf({ members: four, keyspaces: [keyspaceWith(1, { dc1: "3" })] });

function after(changes: readonly StagedChange[], facts: StagingFacts = factsOf(head), from = head) {
  return finished(applyStaged(from, changes, facts));
}

interface Outcome {
  readonly content?: StagedContent;
  readonly code?: string;
  readonly refusal?: string;
}

function outcomeOf(apply: () => StagedContent): Outcome {
  try {
    return { content: apply() };
  } catch (error) {
    if (error instanceof LayoutError) return { code: error.code, refusal: error.message };
    throw error;
  }
}

function refusalOf(
  changes: readonly StagedChange[],
  facts: StagingFacts = factsOf(head),
  from: Layout = head,
): { code: string; message: string } {
  const { code, refusal } = outcomeOf(() => finished(applyStaged(from, changes, facts)));
  if (code === undefined || refusal === undefined) throw new Error("nothing was refused");
  return { code, message: refusal };
}

describe("a staged join", () => {
  const five = waiting(5, { address: "10.0.0.9:7400" });
  const facts = factsOf(head, { waiting: [five] });

  it("takes in a waiting member with the tokens of its allocator, by address or id", () => {
    for (const name of [five.id, "10.0.0.9:7400"]) {
      const { members } = after([{ kind: "join", member: name }], facts);
      expect(members.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5].map(memberId));
      expect(members[4]?.tokens).toHaveLength(4);
      expect(members[4]).not.toHaveProperty("numTokens");
    }
  });

  it("takes explicit tokens before the initial ones, and those before the allocator", () => {
    const told = factsOf(head, { waiting: [{ ...five, initialToken: ["9", "7"] }] });
    expect(after([{ kind: "join", member: five.id }], told).members[4]?.tokens).toEqual(["7", "9"]);
    const given: StagedChange = { kind: "join", member: five.id, tokens: ["11"] };
    expect(after([given], told).members[4]?.tokens).toEqual(["11"]);
  });

  it("gives several members tokens one after the other", () => {
    const many = [5, 6, 7, 8].map((number) => waiting(number));
    const joins = many.map(({ id }) => ({ kind: "join" as const, member: id }));
    const { members } = after(joins, factsOf(head, { waiting: many }));
    expect(new Set(members.flatMap(({ tokens }) => tokens)).size).toBe(4 + 16);
  });

  it("is refused for a token that somebody owns, naming the owner", () => {
    const [token = ""] = four[1]?.tokens ?? [];
    expect(refusalOf([{ kind: "join", member: five.id, tokens: [token] }], facts)).toEqual({
      code: "TOKEN_TAKEN",
      message:
        `the join of ${five.id} is not possible: token ${token} is owned by member ` +
        `${memberId(2)}`,
    });
  });

  it("is refused for what is no token", () => {
    const { code, message } = refusalOf([{ kind: "join", member: five.id, tokens: ["x"] }], facts);
    expect(code).toBe("CHANGE_REFUSED");
    expect(message).toContain('"x": expected a decimal integer');
  });

  it("is refused for a member that is in the ring, has left, or does not wait", () => {
    expect(refusalOf([{ kind: "join", member: memberId(1) }])).toEqual({
      code: "CHANGE_REFUSED",
      message:
        `the join of ${memberId(1)} is not possible: member 10.0.0.1:7001 (${memberId(1)}) is ` +
        "in the ring already",
    });
    expect(refusalOf([{ kind: "join", member: "nobody" }]).code).toBe("UNKNOWN_MEMBER");
    const gone = layoutOf({ ...head, removedIds: [five.id] });
    expect(refusalOf([{ kind: "join", member: five.id }], facts, gone).code).toBe("ID_REMOVED");
  });

  it("is refused for the address of a member that is in the ring", () => {
    const same = factsOf(head, { waiting: [waiting(5, { address: "10.0.0.1:7001" })] });
    expect(refusalOf([{ kind: "join", member: memberId(5) }], same).code).toBe("ADDRESS_TAKEN");
  });
});

describe("the name of a member", () => {
  it("may be a beginning of its id that nobody else has", () => {
    const other = member(9, { id: "b0000000-0000-4000-8000-000000000009", tokens: ["77"] });
    const ring = layoutOf({ ...head, members: [...four, other] });
    const { leavingIds } = after([{ kind: "leave", member: "B00" }], factsOf(ring), ring);
    expect(leavingIds).toEqual([other.id]);
  });

  it("is refused with the candidates when several have it", () => {
    const { code, message } = refusalOf([{ kind: "leave", member: "a0" }]);
    expect(code).toBe("CHANGE_REFUSED");
    for (const { address, id } of four) expect(message).toContain(`${address} (${id})`);
  });

  it("is refused with the members that there are when nobody has it", () => {
    const { code, message } = refusalOf([{ kind: "leave", member: "10.0.0.1:9" }]);
    expect(code).toBe("UNKNOWN_MEMBER");
    expect(message).toContain("has the id or address '10.0.0.1:9'; there are 10.0.0.1:7001");
  });
});

describe("a member that goes", () => {
  const [one, two] = four as [(typeof four)[0], (typeof four)[0]];

  it("leaves alive, into leavingIds", () => {
    const left = after([{ kind: "leave", member: two.id }]);
    expect(left.leavingIds).toEqual([two.id]);
    expect(left.members).toHaveLength(3);
    const facts = withDown(factsOf(head), two);
    expect(refusalOf([{ kind: "leave", member: two.id }], facts).message).toContain(
      "is down and cannot hand over what it holds: use removenode",
    );
  });

  it("is not the last one", () => {
    const alone = layoutOf({ members: [one] });
    const { message } = refusalOf([{ kind: "leave", member: one.id }], factsOf(alone), alone);
    expect(message).toContain("is the last one of the ring");
    expect(refusalOf([{ kind: "assassinate", member: one.id }], factsOf(alone), alone)).toEqual({
      code: "CHANGE_REFUSED",
      message:
        `assassinate of ${one.id} is not possible: nobody would be left in the ring; ` +
        "let another member join first, or take back with 'revert' what is under way",
    });
  });

  it("leaves somebody behind who is alive", () => {
    const ring = layoutOf({ members: [one, two] });
    const facts = withDown(factsOf(ring), two);
    expect(refusalOf([{ kind: "leave", member: one.id }], facts, ring).message).toBe(
      `the decommission of ${one.id} is not possible: ` +
        `only members that are down would be left in the ring: ${two.address}`,
    );
  });

  it("is removed dead, into removedIds", () => {
    expect(refusalOf([{ kind: "remove", member: one.id }]).message).toContain(
      "is alive: use decommission",
    );
    const removed = after([{ kind: "remove", member: one.id }], withDown(factsOf(head), one));
    expect(removed.removedIds).toEqual([one.id]);
    expect(removed.leavingIds).toEqual([]);
  });

  it("is removed while leaving, when it died on the way", () => {
    const ring = layoutOf({ ...head, members: four.slice(1), leavingIds: [one.id] });
    const facts = factsOf(ring, { base: head });
    const removed = after([{ kind: "remove", member: one.address }], facts, ring);
    expect([removed.leavingIds, removed.removedIds]).toEqual([[], [one.id]]);
    const alive = { ...facts, aliveIds: new Set([one.id]) };
    expect(refusalOf([{ kind: "remove", member: one.id }], alive, ring).message).toContain(
      "is alive: it is handing over what it holds and goes by itself",
    );
    expect(refusalOf([{ kind: "leave", member: one.id }], facts, ring).message).toContain(
      `member ${one.address} (${one.id}) is leaving already`,
    );
  });

  it("is not removed when too few replicas are left, but assassinated", () => {
    const facts = withDown(factsOf(head), one, two);
    const changes = [one, two].map(({ id }) => ({ kind: "remove" as const, member: id }));
    const { code, message } = refusalOf(changes, facts);
    expect(code).toBe("CHANGE_REFUSED");
    expect(message).toContain(`without ${one.id}, ${two.id} too few are left`);
    expect(message).toContain("accept the loss with assassinate");
    const lost = changes.map(({ member: id }) => ({ kind: "assassinate" as const, member: id }));
    expect(after(lost, facts).removedIds).toEqual([one.id, two.id]);
  });

  it("does not take the last replicas of a datacenter with it", () => {
    const far = member(5, { dc: "dc2", tokens: ["99"] });
    const both = layoutOf({
      members: [...four, far],
      keyspaces: [keyspaceWith(1, { dc1: "3", dc2: "1" })],
    });
    const leave: StagedChange = { kind: "leave", member: far.id };
    expect(refusalOf([leave], factsOf(both), both).message).toContain(
      "keyspace 'keyspace_1' keeps replicas in 'dc2', where no member would be left",
    );
    const replication = { class: "NetworkTopologyStrategy", options: { replication_factor: "2" } };
    const drop: StagedChange = { kind: "replication", keyspace: "keyspace_1", replication };
    const { keyspaces } = after([leave, drop], factsOf(both), both);
    expect(keyspaces[0]?.replication.options).toEqual({ dc1: "3" });
  });
});

describe("a staged replacement", () => {
  const [dead] = four as [(typeof four)[0]];
  const heir = waiting(5, { address: dead.address, weight: 7 });
  const replace: StagedChange = { kind: "replace", member: dead.id, by: heir.id };

  it("gives the dead one's tokens and weight to another, even at the same address", () => {
    const facts = withDown(factsOf(head, { waiting: [heir] }), dead);
    const { members, removedIds } = after([replace], facts);
    expect(members.at(-1)).toMatchObject({ id: heir.id, tokens: dead.tokens, weight: 1 });
    expect(removedIds).toEqual([dead.id]);
  });

  it("may also be a join beside the dead one's token, and its removal", () => {
    const facts = withDown(factsOf(head, { waiting: [waiting(5)] }), dead);
    const beside = String(BigInt(dead.tokens[0] ?? 0) - 1n);
    const { members, removedIds } = after(
      [
        { kind: "join", member: heir.id, tokens: [beside] },
        { kind: "remove", member: dead.address },
      ],
      facts,
    );
    expect(members.at(-1)?.tokens).toEqual([beside]);
    expect(removedIds).toEqual([dead.id]);
  });

  it("is refused for a live member, and for another rack", () => {
    expect(refusalOf([replace], factsOf(head, { waiting: [heir] })).message).toContain("is alive");
    const apart = factsOf(head, { waiting: [{ ...heir, rack: "r9" }] });
    expect(refusalOf([replace], withDown(apart, dead)).message).toContain(
      "is in dc1/r9 and the dead one in dc1/r1",
    );
  });
});

describe("another number of tokens", () => {
  it("keeps the present ones when there are to be more", () => {
    const { members } = after([{ kind: "num-tokens", member: memberId(2), numTokens: 8 }]);
    expect(members[1]?.tokens).toHaveLength(8);
    expect(members[1]?.tokens).toEqual(expect.arrayContaining([...(four[1]?.tokens ?? [])]));
  });

  it("follows the weight, and comes back with it", () => {
    const heavy: StagedChange = { kind: "weight", member: memberId(2), weight: 3 };
    expect(after([heavy]).members[1]).toMatchObject({ weight: 3 });
    expect(after([heavy]).members[1]?.tokens).toHaveLength(3);
    expect(after([heavy, { ...heavy, weight: 1 }]).members).toEqual(head.members);
  });

  it("is refused where nobody could own so many", () => {
    for (const numTokens of [0, 1.5, 100_000]) {
      expect(refusalOf([{ kind: "num-tokens", member: memberId(2), numTokens }])).toEqual({
        code: "CHANGE_REFUSED",
        message:
          `num_tokens ${numTokens} of ${memberId(2)} is not possible: a member owns 1 to 1536 ` +
          `tokens, not ${numTokens}`,
      });
    }
    const weightless: StagedChange = { kind: "weight", member: memberId(2), weight: 0 };
    expect(refusalOf([weightless]).message).toContain("a weight is a number above 0, not 0");
  });
});

describe("doubling", () => {
  const four2 = [5, 6, 7, 8].map((number) => waiting(number));
  const facts = factsOf(head, { waiting: four2 });
  const names = four2.map(({ id }) => id);

  it("puts a new member in the middle of each range and leaves the tokens that are there", () => {
    const { members } = after([{ kind: "double", members: names }], facts);
    expect(members.slice(0, 4)).toEqual(four);
    const tokens = members
      .flatMap((one) => one.tokens.map(BigInt))
      .toSorted((a, b) => (a < b ? -1 : 1));
    expect(new Set(tokens.map((token, index) => token - (tokens[index - 1] ?? token)))).toEqual(
      new Set([0n, step / 2n]),
    );
  });

  it("cuts the ranges of each rack where racks are rings of their own", () => {
    const racks = four.map((one, index) => ({ ...one, rack: `r${index % 2}` }));
    const ring = layoutOf({ members: racks, keyspaces: [keyspaceWith(1, { dc1: "2" })] });
    const outside = four2.map((one, index) => ({ ...one, rack: `r${index % 2}` }));
    const inRacks = factsOf(ring, { waiting: outside });
    const { members } = after([{ kind: "double", members: names }], inRacks, ring);
    for (const rack of ["r0", "r1"]) {
      const tokens = members
        .filter((one) => one.rack === rack)
        .flatMap((one) => one.tokens.map(BigInt))
        .toSorted((a, b) => (a < b ? -1 : 1));
      const gaps = tokens.slice(1).map((token, index) => token - (tokens[index] ?? 0n));
      for (const gap of gaps) expect(Number(gap - step)).toBeLessThanOrEqual(2);
    }
  });

  it("is refused for another number of members than there are", () => {
    const { message } = refusalOf([{ kind: "double", members: names.slice(1) }], facts);
    expect(message).toContain("dc1/r1 has 4 and gets 3");
    const twice = [...names, names[0] ?? ""];
    expect(refusalOf([{ kind: "double", members: twice }], facts).message).toContain("named twice");
  });
});

describe("a staged replication", () => {
  const alter = (options: Readonly<Record<string, string>>): StagedChange => ({
    kind: "replication",
    keyspace: "keyspace_1",
    replication: { class: "NetworkTopologyStrategy", options },
  });

  it("is written out by datacenter, and may ask for more replicas than there are members", () => {
    const [changed] = after([alter({ dc1: "9" })]).keyspaces;
    expect(changed?.replication.options).toEqual({ dc1: "9" });
  });

  it("is refused with what would be right", () => {
    expect(refusalOf([alter({ dc7: "1" })])).toEqual({
      code: "INVALID_REPLICATION",
      message:
        "the new replication of keyspace 'keyspace_1' is not possible: dc7 is '1', expected a " +
        "known datacenter (dc1)",
    });
    const other: StagedChange = {
      kind: "replication",
      keyspace: "x",
      replication: { class: "SimpleStrategy", options: { replication_factor: "1" } },
    };
    expect(refusalOf([other]).code).toBe("UNKNOWN_KEYSPACE");
  });
});

describe("what is staged", () => {
  it("is committed as it is, and planned under the hash of that commit", () => {
    const founded = genesis(start(...four));
    const definition = keyspace("k", { replication: keyspaceWith(1, { dc1: "2" }).replication });
    const ring = commit(founded, { kind: "create-keyspace", definition });
    const changes: StagedChange[] = [{ kind: "leave", member: memberId(4) }];
    const facts = factsOf(ring);
    const content = finished(applyStaged(ring, changes, facts));
    const target = commit(ring, { kind: "plan", content });
    expect(target).toMatchObject({ ...content, base: 2, version: { counter: 3 } });
    const planFacts = { ...facts, densities: new Map(), streamBytesPerSecond: 1 };
    const plan = planOf({ head: ring, base: ring, target, changes, facts: planFacts });
    expect(plan).toMatchObject({ hash: target.version.hash, base: ring.version, warnings: [] });
  });
});

describe("whatever is staged", () => {
  const outside = [5, 6, 7, 8].map((number) => waiting(number, { numTokens: 1 + (number % 3) }));
  const dead = four[3] as (typeof four)[0];
  const from = layoutOf({ ...head, keyspaces: [keyspaceWith(1, { dc1: "2" })] });
  const anybody = fc.integer({ min: 1, max: 8 }).map(memberId);
  const anyReplication = fc.constantFrom(
    { class: "SimpleStrategy", options: { replication_factor: "2" } },
    { class: "NetworkTopologyStrategy", options: { replication_factor: "3" } },
    { class: "NetworkTopologyStrategy", options: { dc2: "1" } },
  );
  const anyChange: fc.Arbitrary<StagedChange> = fc.oneof(
    fc.record({ kind: fc.constant("join" as const), member: anybody }),
    fc.record({ kind: fc.constant("leave" as const), member: anybody }),
    fc.record({ kind: fc.constant("remove" as const), member: anybody }),
    fc.record({ kind: fc.constant("assassinate" as const), member: anybody }),
    fc.record({
      kind: fc.constant("move" as const),
      member: anybody,
      tokens: fc.array(fc.integer({ min: -9, max: 9 }).map(String), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant("replace" as const), member: anybody, by: anybody }),
    fc.record({
      kind: fc.constant("weight" as const),
      member: anybody,
      weight: fc.constantFrom(0.5, 1, 2, 3.5),
    }),
    fc.record({
      kind: fc.constant("place" as const),
      member: anybody,
      dc: fc.constantFrom(undefined, "dc1", "dc2"),
      rack: fc.constantFrom(undefined, "r1", "r2"),
    }),
    fc.record({
      kind: fc.constant("num-tokens" as const),
      member: anybody,
      numTokens: fc.integer({ min: 1, max: 5 }),
    }),
    fc.record({
      kind: fc.constant("double" as const),
      members: fc.constant(outside.map(({ id }) => id)),
    }),
    fc.record({
      kind: fc.constant("replication" as const),
      keyspace: fc.constant("keyspace_1"),
      replication: anyReplication,
    }),
  );

  /** A change that takes this one back, if there is one. */
  function inverse(change: StagedChange): StagedChange | undefined {
    if (change.kind === "join") return { kind: "leave", member: change.member };
    const present = "member" in change ? from.members.find(({ id }) => id === change.member) : null;
    if (change.kind === "replication") {
      const [{ replication } = { replication: change.replication }] = from.keyspaces;
      return { ...change, replication };
    }
    if (present === undefined || present === null) return undefined;
    const { tokens, weight, dc, rack } = present;
    if (change.kind === "move") return { ...change, tokens };
    if (change.kind === "weight") return { ...change, weight };
    if (change.kind === "place") return { ...change, dc, rack };
    if (change.kind === "num-tokens") return { ...change, numTokens: tokens.length };
    return undefined;
  }

  const anyReversible = anyChange.filter((change) => inverse(change) !== undefined);

  it("keeps the rules of layouts, or is refused with a reason", () => {
    const counts = { made: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(anyChange, { minLength: 1, maxLength: 3 }), fc.nat(), (staged, seed) => {
        const facts = { ...factsOf(from, { waiting: outside }), rng: new SeededRng(seed) };
        const before = JSON.stringify(from);
        const outcome = outcomeOf(() => finished(applyStaged(from, staged, withDown(facts, dead))));
        const again = { ...facts, rng: new SeededRng(seed) };
        expect(outcomeOf(() => finished(applyStaged(from, staged, withDown(again, dead))))).toEqual(
          outcome,
        );
        expect(JSON.stringify(from)).toBe(before);
        expect(outcome.refusal ?? "").toMatch(/^$| is not possible: .{10}/u);
        if (outcome.content === undefined) {
          counts.refused++;
          return;
        }
        counts.made++;
        const { content } = outcome;
        checkContent({ ...content, base: 1 }, {});
        for (const { id } of from.members) {
          const places = [
            content.members.some((one) => one.id === id),
            content.leavingIds.includes(id),
            content.removedIds.includes(id),
          ];
          expect(places.filter(Boolean)).toHaveLength(1);
        }
      }),
      { numRuns: 150 },
    );
    expect(counts.made).toBeGreaterThan(10);
    expect(counts.refused).toBeGreaterThan(10);
  });

  it("is undone by what takes it back, as if it never had been staged", () => {
    let undone = 0;
    fc.assert(
      fc.property(fc.array(anyReversible, { minLength: 1, maxLength: 3 }), (staged) => {
        const back = staged.flatMap((change) => inverse(change) ?? []).toReversed();
        const facts = factsOf(from, { waiting: outside });
        const { content } = outcomeOf(() =>
          finished(applyStaged(from, [...staged, ...back], facts)),
        );
        if (content === undefined) return;
        undone++;
        expect(layoutOf(content)).toEqual(layoutOf(from));
      }),
      { numRuns: 150 },
    );
    expect(undone).toBeGreaterThan(10);
  });
});
