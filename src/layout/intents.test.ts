import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commit, genesis } from "./commit.ts";
import { type LayoutIntent, applyIntents, unsatisfied } from "./intents.ts";
import type { Layout } from "./layout.ts";
import { keyspace, member, memberId, start, winnerOf } from "./testing.suite.ts";

const join = (number: number, fields = {}): LayoutIntent => ({
  kind: "join",
  member: member(number, fields),
});
const moved = (number: number, address: string): LayoutIntent => ({
  kind: "addresses",
  id: memberId(number),
  addresses: { address },
});
const wants = (name: string, fields = {}): LayoutIntent => ({
  kind: "keyspace",
  definition: keyspace(name, fields),
});

const founded = genesis(start(member(0)));

describe("intents", () => {
  test("what is missing is committed in order, what is there is left alone", () => {
    const intents = [join(0), join(1), moved(1, "new:1"), wants("k")];
    expect(unsatisfied(founded, intents)).toEqual(intents.slice(1));
    const { layout, impossible } = applyIntents(founded, intents);
    expect(impossible).toEqual([]);
    expect(layout?.version.counter).toBe(4);
    expect(layout?.members[1]).toEqual(member(1, { address: "new:1" }));
    expect(unsatisfied(layout!, intents)).toEqual([]);
    expect(applyIntents(layout!, intents)).toEqual({ layout: undefined, impossible: [] });
  });

  test("what has become impossible is reported, the rest is committed all the same", () => {
    const late = join(2, { tokens: ["0"] });
    const { layout, impossible } = applyIntents(founded, [late, join(1), moved(3, "new:3")]);
    expect(layout?.members).toHaveLength(2);
    expect(impossible).toEqual([
      { intent: late, error: expect.objectContaining({ code: "TOKEN_TAKEN" }) },
      { intent: moved(3, "new:3"), error: expect.objectContaining({ code: "UNKNOWN_MEMBER" }) },
    ]);
  });

  test("a keyspace of another definition is impossible, one of the same is satisfied", () => {
    const layout = commit(founded, { kind: "create-keyspace", definition: keyspace("k") });
    const other = wants("k", { durability: "memory" });
    expect(applyIntents(layout, [wants("k"), other])).toEqual({
      layout: undefined,
      impossible: [{ intent: other, error: expect.objectContaining({ code: "KEYSPACE_EXISTS" }) }],
    });
  });
});

/** Members that hold a layout and intents each, and hand layouts to each other. */
class Exchange {
  readonly layouts: Layout[];
  readonly #intents: readonly (readonly LayoutIntent[])[];

  constructor(intents: readonly (readonly LayoutIntent[])[]) {
    this.#intents = intents;
    this.layouts = intents.map(() => founded);
  }

  /** The receiver takes over the winner and commits what it misses. True if anything changed. */
  hand(from: number, to: number): boolean {
    const before = this.layouts[to]!;
    const winner = winnerOf(this.layouts[from]!, before);
    this.layouts[to] = applyIntents(winner, this.#intents[to]!).layout ?? winner;
    return this.layouts[to] !== before;
  }

  settle(): number {
    const all = this.layouts.map((_, index) => index);
    for (let round = 1; round <= 1000; round++) {
      const changes = all.flatMap((from) => all.map((to) => this.hand(from, to)));
      if (!changes.includes(true)) return round;
    }
    throw new Error("still changing after 1000 rounds");
  }
}

/** Pairs (from, to) below `count`; a pair (i, i) lets member i commit on its own. */
function handings(count: number): fc.Arbitrary<[number, number][]> {
  const index = fc.nat({ max: count - 1 });
  return fc.array(fc.tuple(index, index), { maxLength: 5 * count });
}

describe("members that commit at once on forks", () => {
  const scenario = fc
    .integer({ min: 2, max: 12 })
    .chain((count) => fc.tuple(fc.constant(count), handings(count)));

  test("they end with one layout that holds everybody, in whatever order layouts travel", () => {
    fc.assert(
      fc.property(scenario, ([count, order]) => {
        const intents = Array.from({ length: count }, (_, index) => [
          join(index),
          moved(index, `moved:${index + 1}`),
        ]);
        const exchange = new Exchange(intents);
        for (const [from, to] of order) exchange.hand(from, to);
        exchange.settle();
        expect(new Set(exchange.layouts.map(({ version }) => version.hash)).size).toBe(1);
        expect(unsatisfied(exchange.layouts[0]!, intents.flat())).toEqual([]);
      }),
    );
  });

  test("keyspaces made on different forks are all there, and keep their ids", () => {
    fc.assert(
      fc.property(scenario, ([count, order]) => {
        // Two members each want the same keyspace.
        const intents = Array.from({ length: count }, (_, index) => [wants(`k${index >> 1}`)]);
        const exchange = new Exchange(intents);
        const idsByName = new Map<string, Set<number>>();
        for (const [from, to] of order) {
          exchange.hand(from, to);
          for (const { name, id } of exchange.layouts[to]!.keyspaces) {
            idsByName.set(name, (idsByName.get(name) ?? new Set()).add(id));
          }
        }
        exchange.settle();
        expect(new Set(exchange.layouts.map(({ version }) => version.hash)).size).toBe(1);
        expect(unsatisfied(exchange.layouts[0]!, intents.flat())).toEqual([]);
        for (const { name, id } of exchange.layouts[0]!.keyspaces) {
          expect([...(idsByName.get(name) ?? [id])]).toEqual([id]);
        }
      }),
    );
  });

  test("joins that meet a keyspace either are in or are told why not", () => {
    fc.assert(
      fc.property(scenario, ([count, order]) => {
        const intents = Array.from({ length: count }, (_, index) => [
          index === 0 ? wants("k") : join(index),
        ]);
        const exchange = new Exchange(intents);
        for (const [from, to] of order) exchange.hand(from, to);
        exchange.settle();
        const [layout] = exchange.layouts;
        for (const { intent, error } of applyIntents(layout!, intents.flat()).impossible) {
          expect([intent.kind, error.code]).toEqual(["join", "RING_HOLDS_DATA"]);
        }
        expect(new Set(exchange.layouts.map(({ version }) => version.hash)).size).toBe(1);
      }),
    );
  });
});
