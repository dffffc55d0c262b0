/**
 * The rule of sources against brute force: on small rings every way in which a write can have reached a
 * quorum of the old replicas is tried with every way in which a read can ask a quorum of the new ones.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tokenHi, tokenLo } from "../ring/token.ts";
import { commit, genesis } from "./commit.ts";
import { keyspaceTable, replicationFactors } from "./keyspace-table.ts";
import type { Layout, LayoutMember } from "./layout.ts";
import { keyspace, member, memberId, start } from "./testing.suite.ts";
import { type SyncDuty, covers, syncDuties } from "./transition.ts";

interface Shape {
  readonly members: readonly LayoutMember[];
  readonly options: Readonly<Record<string, string>>;
  readonly isNetwork: boolean;
}

const DATACENTERS = ["dc1", "dc2"];

const shapes: fc.Arbitrary<Shape> = fc
  .record({
    numbers: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 6 }),
    shift: fc.integer({ min: 0, max: 3 }),
    isNetwork: fc.boolean(),
    factors: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 3 })),
  })
  .map(({ numbers, shift, isNetwork, factors }) => ({
    isNetwork,
    members: numbers.map((number) => {
      const tokens = [String(number * 100 + shift), String(number * 1000 + shift)];
      const dc = isNetwork ? DATACENTERS[number % 2]! : "dc1";
      return member(number, { dc, tokens });
    }),
    options: isNetwork
      ? Object.fromEntries(
          DATACENTERS.map((dc, index) => [dc, String(factors[index])] as const).filter(([dc]) =>
            numbers.some((number) => DATACENTERS[number % 2] === dc),
          ),
        )
      : { replication_factor: String(factors[0]) },
  }))
  .filter(({ options }) => Object.values(options).some((factor) => factor !== "0"));

function layoutOf({ members, options, isNetwork }: Shape): Layout {
  const className = isNetwork ? "NetworkTopologyStrategy" : "SimpleStrategy";
  const definition = keyspace("k", { replication: { class: className, options } });
  return commit(genesis(start(...members)), { kind: "create-keyspace", definition });
}

interface Replica {
  readonly id: string;
  readonly dc: string;
}

function replicasAt(layout: Layout, token: bigint): Replica[] {
  const table = keyspaceTable(layout, layout.keyspaces[0]!);
  return table.lookup(tokenHi(token), tokenLo(token)).members.map((at) => layout.members[at]!);
}

function subsets<T>(all: readonly T[]): T[][] {
  return all.reduce<T[][]>((sets, one) => [...sets, ...sets.map((set) => [...set, one])], [[]]);
}

/** Whether the replicas in `some` make a quorum of all, or of those in one datacenter. */
function isQuorum(some: readonly Replica[], layout: Layout, dc: string | undefined): boolean {
  const { total, perDatacenter } = replicationFactors(layout, layout.keyspaces[0]!);
  const factor = dc === undefined ? total : (perDatacenter?.get(dc) ?? 0);
  if (factor === 0) return false;
  const counted = some.filter((one) => dc === undefined || one.dc === dc);
  return counted.length >= Math.floor(factor / 2) + 1;
}

/** Who holds a write of `holders` when the duties at a token are done, each at its least. */
function holdersAfter(holders: ReadonlySet<string>, duties: readonly SyncDuty[]): Set<string> {
  const after = new Set(holders);
  for (const { receiver, source, holders: asked } of duties) {
    const from = source === undefined ? asked : [source];
    if (from.some((id) => holders.has(id))) after.add(receiver);
  }
  return after;
}

function isWithin(token: bigint, { start: from, end }: SyncDuty): boolean {
  if (from === end) return true;
  return from < end ? token > from && token <= end : token > from || token <= end;
}

describe("what is fetched for a layout", () => {
  test("makes every quorum of the new replicas meet every quorum of the old ones", () => {
    let checked = 0;
    fc.assert(
      fc.property(shapes, shapes, (before, after) => {
        fc.pre(before.isNetwork === after.isNetwork);
        const [base, target] = [layoutOf(before), layoutOf(after)];
        const duties = syncDuties(base, target);
        const tokens = [base, target].flatMap(({ members }) =>
          members.flatMap(({ tokens: owned }) => owned.map(BigInt)),
        );
        for (const token of tokens) {
          const [old, now] = [replicasAt(base, token), replicasAt(target, token)];
          const here = duties.filter((duty) => isWithin(token, duty));
          for (const dc of [undefined, "dc1", "dc2"]) {
            const writes = subsets(old).filter((set) => isQuorum(set, base, dc));
            const reads = subsets(now).filter((set) => isQuorum(set, target, dc));
            checked += writes.length * reads.length;
            const missed = writes.flatMap((write) => {
              const held = holdersAfter(new Set(write.map(({ id }) => id)), here);
              return reads
                .filter((read) => !read.some(({ id }) => held.has(id)))
                .map((read) => ({ token: String(token), dc, write, read }));
            });
            expect(missed).toEqual([]);
          }
        }
      }),
      { numRuns: 400 },
    );
    expect(checked).toBeGreaterThan(10_000);
  });

  test("is nothing where nothing changes, and only what a member does not hold yet otherwise", () => {
    fc.assert(
      fc.property(shapes, shapes, (before, after) => {
        const [base, target] = [layoutOf(before), layoutOf(after)];
        expect(syncDuties(base, base)).toEqual([]);
        for (const { receiver, source, holders, target: ids } of syncDuties(base, target)) {
          expect(ids).toContain(receiver);
          expect(holders).not.toContain(receiver);
          expect(ids).not.toContain(source);
        }
      }),
    );
  });

  test("is asked of nobody who was removed", () => {
    const members = [1, 2, 3, 4].map((number) => member(number));
    const options = { replication_factor: "3" };
    const base = layoutOf({ members, options, isNetwork: false });
    const removed = memberId(2);
    const left = base.members.filter(({ id }) => id !== removed);
    const target = { ...base, members: left, removedIds: [removed] };
    const duties = syncDuties(base, target);
    expect(duties.length).toBeGreaterThan(0);
    for (const { source, holders } of duties) {
      expect(source).toBeUndefined();
      expect(holders).not.toContain(removed);
    }
  });
});

describe("what replicas cover", () => {
  const replicas = ["a", "b", "c"].map((id) => ({ id, dc: "" }));
  const reach = (...ids: string[]) => covers(replicas, (id) => ids.includes(id));

  test("two of three meet every quorum, one does not", () => {
    expect([reach("a", "b"), reach("a"), reach()]).toEqual([true, false, false]);
  });

  test("each datacenter counts by itself", () => {
    const two = [...replicas, { id: "d", dc: "other" }];
    expect(covers(two, (id) => id !== "d")).toBe(false);
    expect(covers(two, (id) => id !== "a")).toBe(true);
  });
});
