import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EndpointTable, SHUTDOWN_HEARTBEAT, snapshotOf, versionOf } from "./endpoint-table.ts";
import type { EndpointSnapshot } from "./messages.ts";

const nobody = (): boolean => false;

function table(id: string, generation = 1): EndpointTable {
  return new EndpointTable({ id, address: `${id}:1`, generation });
}

/** One whole exchange: syn, ack, ack2. */
function exchange(a: EndpointTable, b: EndpointTable): void {
  const { wanted, states } = b.compare(a.digests(), nobody);
  mergeAll(a, states);
  mergeAll(b, a.answer(wanted));
}

function mergeAll(into: EndpointTable, states: readonly EndpointSnapshot[]): void {
  for (const snapshot of states) {
    if (snapshot.id !== into.self.id) into.merge(snapshot, 0);
  }
}

function contents(one: EndpointTable): unknown {
  return [one.self, ...one.others()]
    .map((endpoint) => {
      const { id, generation, heartbeat, states } = snapshotOf(endpoint, 0);
      return { id, generation, heartbeat, states: states.toSorted(([a], [b]) => (a < b ? -1 : 1)) };
    })
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

describe("endpoint table", () => {
  test("heartbeat and states share one counter", () => {
    const one = table("a");
    one.beat();
    one.set("LOAD", "5");
    one.beat();
    expect(snapshotOf(one.self, 0)).toMatchObject({ heartbeat: 3, states: [["LOAD", 2, "5"]] });
    expect(versionOf(one.self)).toBe(3);
    expect(snapshotOf(one.self, 2).states).toEqual([]);
  });

  test("a state set to what it is takes no version", () => {
    const one = table("a");
    expect(one.set("LOAD", "5")).toBe(true);
    expect(one.set("LOAD", "5")).toBe(false);
    expect(versionOf(one.self)).toBe(1);
  });

  test("the last heartbeat is the greatest there is", () => {
    const one = table("a");
    one.beatLast();
    expect(versionOf(one.self)).toBe(SHUTDOWN_HEARTBEAT);
  });

  test("one exchange makes two tables equal, and a second one has nothing to send", () => {
    const [a, b] = [table("a"), table("b")];
    a.set("LOAD", "1");
    b.set("LOAD", "2");
    b.beat();
    exchange(a, b);
    expect(contents(a)).toEqual(contents(b));
    expect(b.compare(a.digests(), nobody)).toEqual({ wanted: [], states: [] });
  });

  test("only what is newer travels", () => {
    const [a, b] = [table("a"), table("b")];
    a.set("LOAD", "1");
    a.set("DC", "dc1");
    exchange(a, b);
    a.set("LOAD", "2");
    const { wanted } = b.compare(a.digests(), nobody);
    expect(wanted).toEqual([["a", 1, 2]]);
    expect(a.answer(wanted)[0]?.states).toEqual([["LOAD", 3, "2"]]);
  });

  test("a new generation replaces everything", () => {
    const b = table("b");
    b.merge(snapshotOf(withState(table("a", 1), "OLD").self, 0), 0);
    const merged = b.merge(snapshotOf(withState(table("a", 2), "NEW").self, 0), 5);
    expect(merged).toMatchObject({ isNew: true, hasProgressed: true, names: ["NEW"] });
    expect([...(b.get("a")?.states.keys() ?? [])]).toEqual(["NEW"]);
    expect(b.merge(snapshotOf(withState(table("a", 1), "OLD").self, 0), 9)).toBeUndefined();
  });

  test("whoever asks for an older generation gets all of the newer one", () => {
    const a = withState(table("a", 2), "NEW");
    expect(a.answer([["a", 1, 1000]])[0]?.states).toHaveLength(1);
    expect(a.answer([["a", 3, 0]])).toEqual([]);
    expect(a.compare([["a", 1, 1000]], nobody).states).toHaveLength(1);
  });

  test("who is to be ignored is not asked for", () => {
    const a = table("a");
    const isB = (id: string): boolean => id === "b";
    const digests = [["b", 1, 1] as const, ["c", 1, 1] as const];
    expect(a.compare(digests, isB).wanted).toEqual([["c", 1, 0]]);
  });

  test("only the heartbeat is a sign of life", () => {
    const [a, b] = [table("a"), table("b")];
    a.beat();
    exchange(a, b);
    a.set("LOAD", "1");
    expect(b.merge(snapshotOf(a.self, 0), 7)?.hasProgressed).toBe(false);
    a.beat();
    expect(b.merge(snapshotOf(a.self, 0), 8)?.hasProgressed).toBe(true);
    expect(b.get("a")?.lastProgressMs).toBe(8);
  });

  test("late news does not bring an old state back", () => {
    const [a, b] = [table("a"), table("b")];
    a.set("LOAD", "old");
    const late = snapshotOf(a.self, 0);
    a.set("LOAD", "new");
    a.beat();
    exchange(a, b);
    expect(b.merge(late, 0)).toMatchObject({ hasProgressed: false, names: [] });
    expect(b.get("a")?.states.get("LOAD")?.value).toBe("new");
  });

  test("in whatever order exchanges happen, nothing is ever lost or invented", () => {
    const ids = ["a", "b", "c", "d"];
    const index = fc.nat({ max: 3 });
    const action = fc.oneof(
      fc.record({ set: index, value: fc.constantFrom("1", "2", "3") }),
      fc.record({ beat: index }),
      fc.record({ from: index, to: index }),
      // An old message that arrives late.
      fc.record({ late: fc.nat({ max: 100 }), to: index }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const tables = ids.map((id) => table(id));
        const sent: EndpointSnapshot[][] = [];
        for (const one of actions) {
          if ("set" in one) tables[one.set]!.set("LOAD", one.value);
          else if ("beat" in one) tables[one.beat]!.beat();
          else if ("late" in one) mergeAll(tables[one.to]!, sent[one.late % sent.length] ?? []);
          else if (one.from !== one.to) {
            const [a, b] = [tables[one.from]!, tables[one.to]!];
            sent.push(b.compare(a.digests(), nobody).states);
            exchange(a, b);
          }
        }
        // Twice around, everybody has heard of everybody.
        for (const a of [...tables, ...tables]) {
          for (const b of tables) if (a !== b) exchange(a, b);
        }
        for (const one of tables) expect(contents(one)).toEqual(contents(tables[0]!));
        for (const owner of tables) {
          const seen = tables[0]!.get(owner.self.id)!;
          expect(seen.states).toEqual(owner.self.states);
        }
      }),
    );
  });
});

function withState(one: EndpointTable, name: string): EndpointTable {
  one.set(name, "x");
  return one;
}
