import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PlanView, PlanWarning, StagedChange } from "../model/topology-api.ts";
import { type Layout, LayoutError, type LayoutKeyspace } from "./layout.ts";
import { type PlanFacts, planOf } from "./plan.ts";
import { factsOf, keyspaceWith, layoutOf, targetOf, waiting, withDown } from "./planning.suite.ts";
import { finished } from "../util/stepwise.ts";
import { type StagingFacts, applyStaged } from "./staging.ts";
import { member, memberId } from "./testing.suite.ts";

const step = 2n ** 62n;
const four = [1, 2, 3, 4].map((number) =>
  member(number, { tokens: [String(BigInt(number - 1) * step - 2n ** 63n + 5n)] }),
);
const head = layoutOf({ members: four, keyspaces: [keyspaceWith(1, { dc1: "3" })] });
const GIB = 2 ** 30;

interface Planned {
  readonly from?: Layout;
  readonly base?: Layout;
  readonly facts?: StagingFacts;
  readonly plan?: Partial<PlanFacts>;
}

function planned(changes: readonly StagedChange[], options: Planned = {}): PlanView {
  const from = options.from ?? head;
  const base = options.base ?? from;
  const facts = options.facts ?? factsOf(from);
  const target = targetOf(from, finished(applyStaged(from, changes, { ...facts, base })), base);
  const densities = new Map(from.keyspaces.map(({ id }) => [id, { bytes: GIB, keys: 1000 }]));
  const { aliveIds } = facts;
  const planFacts = { aliveIds, densities, streamBytesPerSecond: 2 ** 20, ...options.plan };
  return planOf({ head: from, base, target, changes, facts: planFacts });
}

function codesOf({ warnings }: PlanView): string[] {
  return warnings.map(({ code }) => code);
}

function messageOf({ warnings }: PlanView, code: PlanWarning["code"]): string {
  return warnings.flatMap((warning) => (warning.code === code ? [warning.message] : [])).join("\n");
}

describe("a plan", () => {
  it("shows what moves when a member leaves, by whom and how long", () => {
    const plan = planned([{ kind: "leave", member: memberId(4) }]);
    expect(plan.hash).toBe("0".repeat(31) + "2");
    expect(plan.base).toBe(head.version);
    expect(plan.transfers).toEqual(
      [1, 2, 3].map((number) => ({
        from: memberId(4),
        to: memberId(number),
        rangeCount: 1,
        keys: 250,
        bytes: GIB / 4,
      })),
    );
    expect([plan.movedBytes, plan.movedKeys, plan.etaSeconds]).toEqual([0.75 * GIB, 750, 256]);
    expect(plan.warnings).toEqual([]);
    expect(plan.steps).toEqual([
      "10.0.0.1:7004 hands over what it holds and leaves for good",
      "every member takes over layout 2: from then on a write has to reach its level among the " +
        "old replicas and among the new ones",
      "3 members fetch 3 ranges, about 768 MiB in 750 keys, while reads stay where they are",
      "when every member has confirmed that, reads go over to layout 2",
      "members drop the data that they do not own any more",
      "10.0.0.1:7004 is removed for good; its process can be ended",
    ]);
  });

  it("shows every member before and after, those who come and go included", () => {
    const facts = factsOf(head, { waiting: [waiting(5, { numTokens: 1 })] });
    const plan = planned(
      [
        { kind: "join", member: memberId(5) },
        { kind: "leave", member: memberId(1) },
      ],
      { facts },
    );
    const [first, ...others] = plan.members;
    expect(first).toMatchObject({ id: memberId(1), ownershipBefore: 0.75, ownershipAfter: 0 });
    expect(first).toMatchObject({ tokensBefore: 1, tokensAfter: 0, isUp: true });
    expect(others.at(-1)).toMatchObject({ id: memberId(5), ownershipBefore: 0, tokensAfter: 1 });
  });

  it("weights ownership by the size of the keyspaces", () => {
    const keyspaces = [keyspaceWith(1, { dc1: "1" }), keyspaceWith(2, { dc1: "4" })];
    const from = layoutOf({ ...head, keyspaces });
    const weighted = planned([], {
      from,
      plan: {
        densities: new Map([
          [1, { bytes: 300, keys: 1 }],
          [2, { bytes: 100, keys: 1 }],
        ]),
      },
    });
    expect(weighted.members[0]?.ownershipBefore).toBeCloseTo(0.75 * 0.25 + 0.25 * 1, 12);
    const empty = planned([], { from, plan: { densities: new Map() } });
    expect(empty.members[0]?.ownershipBefore).toBeCloseTo(0.5 * 0.25 + 0.5 * 1, 12);
    expect(empty.etaSeconds).toBe(0);
    const bare = planned([], { from: layoutOf({ ...head, keyspaces: [] }) });
    expect(bare.members[0]?.ownershipBefore).toBe(0.25);
  });

  it("counts the values of a comparison once, and nothing for who holds the range already", () => {
    const more: StagedChange = {
      kind: "replication",
      keyspace: "keyspace_1",
      replication: { class: "NetworkTopologyStrategy", options: { dc1: "4" } },
    };
    expect(planned([more]).movedBytes).toBe(GIB);
    const fewer = { ...more, replication: { ...more.replication, options: { dc1: "2" } } };
    const plan = planned([fewer]);
    expect([plan.movedBytes, plan.transfers]).toEqual([0, []]);
    expect(plan.steps.join("\n")).toContain("members compare 8 ranges that they hold");
  });

  it("says so when nothing moves", () => {
    const plan = planned([{ kind: "place", member: memberId(1), rack: "r1" }]);
    expect([plan.movedBytes, plan.etaSeconds, plan.transfers]).toEqual([0, 0, []]);
    expect(plan.steps).toContain("no data have to move");
  });
});

describe("a plan warns", () => {
  const down = withDown(factsOf(head), ...four.slice(0, 1));

  it("of a member that is down: it has to agree", () => {
    const plan = planned([{ kind: "leave", member: memberId(3) }], { facts: down });
    const message = messageOf(plan, "MEMBER_DOWN");
    expect(message).toContain(`10.0.0.1:7001 (${memberId(1)}) is down and has to agree`);
    expect(message).toContain("dynaring removenode");
    expect(message).not.toContain("has to send");
    expect(codesOf(planned([{ kind: "remove", member: memberId(1) }], { facts: down }))).toEqual(
      [],
    );
  });

  it("of a member that is down and has to send", () => {
    const move: StagedChange = { kind: "move", member: memberId(2), tokens: ["77"] };
    const plan = planned([move], { facts: down });
    expect(messageOf(plan, "MEMBER_DOWN")).toMatch(/10\.0\.0\.1:7001 .* has to send: \d+ ranges/u);
  });

  it("of quorums that cannot be had on the way", () => {
    const two = withDown(factsOf(head), ...four.slice(0, 2));
    const plan = planned([{ kind: "place", member: memberId(3), rack: "r1" }], { facts: two });
    expect(messageOf(plan, "LEVEL_UNSERVED")).toBe(
      "with the members that are alive now, LOCAL_QUORUM in dc1 of keyspace 'keyspace_1' cannot " +
        "be served for 50.0 % of the ring until the change is done, and for 50.0 % of it afterwards",
    );
  });

  it("of more replicas than members", () => {
    const replication = { class: "NetworkTopologyStrategy", options: { dc1: "5" } };
    const plan = planned([{ kind: "replication", keyspace: "keyspace_1", replication }]);
    expect(codesOf(plan)).toEqual(["LEVEL_UNSERVED"]);
    expect(messageOf(plan, "LEVEL_UNSERVED")).toContain("wants 5 replicas and dc1 has 4 members");
  });

  it("of replicas that share a rack, if they did not before", () => {
    const racked = four.map((one, index) => ({ ...one, rack: `r${index % 3}` }));
    const from = layoutOf({ ...head, members: racked });
    const simple = { class: "SimpleStrategy", options: { replication_factor: "3" } };
    const blind: StagedChange = {
      kind: "replication",
      keyspace: "keyspace_1",
      replication: simple,
    };
    const plan = planned([blind], { from });
    expect(codesOf(plan)).toEqual(["RACK_SHARED"]);
    expect(messageOf(plan, "RACK_SHARED")).toMatch(
      /^replicas of 50\.0 % of keyspace 'keyspace_1' share a rack although dc1 has enough racks/u,
    );
    const before = layoutOf({
      ...from,
      keyspaces: [{ ...keyspaceWith(1, {}), replication: simple }],
    });
    expect(codesOf(planned([], { from: before }))).toEqual([]);
  });

  it("of a ring that gets uneven", () => {
    const from = layoutOf({ ...head, keyspaces: [keyspaceWith(1, { dc1: "1" })] });
    const beside = String(BigInt(four[0]?.tokens[0] ?? 0) + 1n);
    const plan = planned([{ kind: "move", member: memberId(2), tokens: [beside] }], { from });
    expect(plan.warnings).toEqual([
      {
        code: "UNEVEN",
        message:
          "10.0.0.1:7003 will hold 2.00 times its fair share of dc1, the largest of it " +
          "(1.00 times before)",
      },
    ]);
  });

  it("of data that may be lost", () => {
    const facts = withDown(factsOf(head), ...four.slice(0, 2));
    const plan = planned(
      [1, 2].map((number) => ({ kind: "assassinate" as const, member: memberId(number) })),
      { facts },
    );
    expect(messageOf(plan, "DATA_AT_RISK")).toContain("too few replicas are left of 50.0 %");
  });

  it("of a change that is still under way, and plans from what is read", () => {
    const under = { ...targetOf(head, finished(applyStaged(head, [], factsOf(head)))) };
    const reverted = planned([], { from: under, base: head });
    expect(codesOf(reverted)).toEqual(["OVERTAKES"]);
    expect(reverted.movedBytes).toBe(0);
    const left = targetOf(
      head,
      finished(applyStaged(head, [{ kind: "leave", member: memberId(4) }], factsOf(head))),
    );
    const facts = { ...factsOf(left), aliveIds: factsOf(head).aliveIds };
    const plan = planned([{ kind: "move", member: memberId(3), tokens: ["1"] }], {
      from: left,
      base: head,
      facts,
    });
    expect(codesOf(plan)).toContain("OVERTAKES");
    expect(plan.transfers.some(({ from }) => from === memberId(4))).toBe(true);
  });
});

/** The ring is cut into so many cells, each with one key at its end, so that keys can be counted. */
const CELLS = 128;
const CELL = 2n ** 64n / BigInt(CELLS);

function tokenOfCell(cell: number): bigint {
  return BigInt(cell) * CELL - 2n ** 63n;
}

/** Replicas as the strategies' documentation has them, without any table: a walk for each key. */
function naiveReplicas({ members }: Layout, keyspace: LayoutKeyspace, token: bigint): string[] {
  const ring = members
    .flatMap((owner) => owner.tokens.map((text) => ({ token: BigInt(text), owner })))
    .toSorted((a, b) => (a.token < b.token ? -1 : 1));
  const at = ring.findIndex((entry) => entry.token >= token);
  const first = at === -1 ? 0 : at;
  const walk = [...ring.slice(first), ...ring.slice(0, first)].map(({ owner }) => owner);
  const distinct = [...new Set(walk)];
  const { class: name, options } = keyspace.replication;
  if (name === "SimpleStrategy") {
    return distinct.slice(0, Number(options["replication_factor"])).map(({ id }) => id);
  }
  return Object.entries(options).flatMap(([dc, factor]) => {
    const inside = distinct.filter((one) => one.dc === dc);
    let repeats = Number(factor) - new Set(inside.map(({ rack }) => rack)).size;
    const picked: typeof inside = [];
    for (const candidate of inside) {
      if (picked.length >= Number(factor)) break;
      const isRepeat = picked.some(({ rack }) => rack === candidate.rack);
      if (isRepeat && repeats <= 0) continue;
      if (isRepeat) repeats--;
      picked.push(candidate);
    }
    return picked.map(({ id }) => id);
  });
}

/** For each key that a member gains: who could give it. */
function naiveGains(base: Layout, target: Layout): { to: string; givers: string[] }[] {
  return target.keyspaces.flatMap((keyspace, index) => {
    const before = base.keyspaces[index] ?? keyspace;
    return Array.from({ length: CELLS }, (_, cell) => {
      const token = tokenOfCell(cell);
      const old = naiveReplicas(base, before, token);
      const givers = old.filter((id) => !target.removedIds.includes(id));
      const gainers = naiveReplicas(target, keyspace, token).filter((id) => !old.includes(id));
      return givers.length === 0 ? [] : gainers.map((to) => ({ to, givers }));
    }).flat();
  });
}

const anyReplication = fc.oneof(
  fc
    .record({ dc1: fc.integer({ min: 1, max: 4 }), dc2: fc.integer({ min: 1, max: 3 }) })
    .map(({ dc1, dc2 }) => ({
      class: "NetworkTopologyStrategy",
      options: { dc1: String(dc1), dc2: String(dc2) },
    })),
  fc.integer({ min: 1, max: 4 }).map((factor) => ({
    class: "SimpleStrategy",
    options: { replication_factor: String(factor) },
  })),
);

const MEMBERS = 7;
const anyRing = fc
  .record({
    cells: fc.uniqueArray(fc.integer({ min: 0, max: CELLS - 1 }), {
      minLength: 3 * (MEMBERS + 2),
      maxLength: 3 * (MEMBERS + 2),
    }),
    racks: fc.array(fc.integer({ min: 0, max: 2 }), {
      minLength: MEMBERS + 2,
      maxLength: MEMBERS + 2,
    }),
    replications: fc.tuple(anyReplication, anyReplication),
  })
  .map(({ cells, racks, replications }) => {
    const tokensOf = (number: number): string[] =>
      cells
        .slice(3 * number, 3 * number + 1 + (number % 3))
        .toSorted((a, b) => a - b)
        .map((cell) => String(tokenOfCell(cell)));
    const placeOf = (number: number) => ({
      dc: `dc${1 + (number % 2)}`,
      rack: `r${racks[number]}`,
    });
    const members = Array.from({ length: MEMBERS }, (_, number) =>
      member(number, { ...placeOf(number), tokens: tokensOf(number) }),
    );
    const outside = [MEMBERS, MEMBERS + 1].map((number) =>
      waiting(number, { ...placeOf(number), initialToken: tokensOf(number) }),
    );
    const keyspaces = replications.map((replication, index) => ({
      ...keyspaceWith(index + 1, {}),
      replication,
    }));
    return { head: layoutOf({ members, keyspaces }), outside, spare: cells[3 * MEMBERS + 5] ?? 0 };
  });

type ChangeMaker = (spare: number) => StagedChange;
const anyMember = fc.integer({ min: 0, max: MEMBERS - 1 }).map(memberId);
const anyChange: fc.Arbitrary<ChangeMaker> = fc.oneof(
  fc.constantFrom(MEMBERS, MEMBERS + 1).map((number) => () => ({
    kind: "join" as const,
    member: memberId(number),
  })),
  anyMember.map((name) => () => ({ kind: "leave" as const, member: name })),
  anyMember.map((name) => () => ({ kind: "assassinate" as const, member: name })),
  anyMember.map((name) => (spare: number) => ({
    kind: "move" as const,
    member: name,
    tokens: [String(tokenOfCell(spare))],
  })),
  fc.tuple(anyMember, fc.constantFrom("r0", "r1", "r2")).map(([name, rack]) => () => ({
    kind: "place" as const,
    member: name,
    rack,
  })),
  anyReplication.map((replication) => () => ({
    kind: "replication" as const,
    keyspace: "keyspace_1",
    replication,
  })),
);

describe("what a plan says that moves", () => {
  it("is what placing every single key before and after says", () => {
    let moving = 0;
    fc.assert(
      fc.property(anyRing, fc.array(anyChange, { minLength: 1, maxLength: 3 }), (ring, makers) => {
        const { head: from, outside, spare } = ring;
        const changes = makers.map((make) => make(spare));
        const facts = factsOf(from, { waiting: outside });
        const content = contentOrNothing(() => finished(applyStaged(from, changes, facts)));
        if (content === undefined) return;
        const target = targetOf(from, content);
        const density = { keys: CELLS, bytes: CELLS * 100 };
        const densities = new Map([
          [1, density],
          [2, density],
        ]);
        const { aliveIds } = facts;
        const planFacts = { aliveIds, densities, streamBytesPerSecond: 100 };
        const plan = planOf({ head: from, base: from, target, changes, facts: planFacts });

        const gains = naiveGains(from, target);
        const received = new Map<string, number>();
        const possible = new Map<string, number>();
        for (const { to, givers } of gains) {
          received.set(to, (received.get(to) ?? 0) + 1);
          for (const giver of givers) {
            const pair = `${giver} ${to}`;
            possible.set(pair, (possible.get(pair) ?? 0) + 1);
          }
        }
        const plannedKeys = new Map<string, number>();
        for (const { from: giver, to, keys, bytes } of plan.transfers) {
          plannedKeys.set(to, (plannedKeys.get(to) ?? 0) + keys);
          expect(keys).toBeLessThanOrEqual(possible.get(`${giver} ${to}`) ?? 0);
          expect(bytes).toBe(100 * keys);
        }
        expect(plannedKeys).toEqual(received);
        expect(plan.movedBytes).toBe(100 * gains.length);
        expect(plan.etaSeconds).toBe(Math.max(0, ...received.values()));
        if (gains.length > 0) moving++;
      }),
      { numRuns: 60 },
    );
    expect(moving).toBeGreaterThan(20);
  });

  it("goes with ownerships that add up to the replicas of each key", () => {
    fc.assert(
      fc.property(anyRing, ({ head: from }) => {
        const plan = planned([], { from });
        const replicas = from.keyspaces.map(
          (keyspace) =>
            Array.from({ length: CELLS }, (_, cell) =>
              naiveReplicas(from, keyspace, tokenOfCell(cell)),
            ).flat().length / CELLS,
        );
        const mean = replicas.reduce((sum, count) => sum + count, 0) / replicas.length;
        for (const side of ["ownershipBefore", "ownershipAfter"] as const) {
          const sum = plan.members.reduce((total, one) => total + (one[side] ?? 0), 0);
          expect(sum).toBeCloseTo(mean, 9);
        }
      }),
      { numRuns: 20 },
    );
  });
});

function contentOrNothing<T>(apply: () => T): T | undefined {
  try {
    return apply();
  } catch (error) {
    if (error instanceof LayoutError) return undefined;
    throw error;
  }
}
