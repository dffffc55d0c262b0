import fc from "fast-check";
import { pack, unpack } from "msgpackr";
import { describe, expect, test } from "vitest";
import { UntrustedDataError } from "../util/untrusted.ts";
import { commit, genesis } from "./commit.ts";
import { decodeLayout, encodeLayout } from "./encoding.ts";
import { type Layout, LayoutError } from "./layout.ts";
import { anyKeyspace, anyMember, keyspace, member, memberId, start } from "./testing.suite.ts";

const layouts: fc.Arbitrary<Layout> = fc
  .tuple(
    fc.integer({ min: 0, max: 5 }).chain((count) => fc.tuple(...numbers(count).map(anyMember))),
    fc.integer({ min: 0, max: 4 }).chain((count) => fc.tuple(...numbers(count).map(anyKeyspace))),
  )
  .map(([members, definitions]) => {
    let layout = genesis(start(...members));
    for (const definition of definitions) {
      layout = commit(layout, { kind: "create-keyspace", definition });
    }
    return layout;
  });

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

describe("encoded layouts", () => {
  test("a layout survives JSON and MessagePack", () => {
    fc.assert(
      fc.property(layouts, (layout) => {
        const plain = encodeLayout(layout);
        expect(decodeLayout(plain)).toEqual(layout);
        expect(decodeLayout(JSON.parse(JSON.stringify(plain)))).toEqual(layout);
        expect(decodeLayout(unpack(pack(plain)))).toEqual(layout);
      }),
    );
  });

  test("the format stays readable: version 1 as it was first written", () => {
    const options = { replication_factor: "3" };
    const layout = decodeLayout({
      format: 1,
      clusterId: "c0000000-0000-4000-8000-000000000000",
      clusterName: "test",
      partitioner: "Murmur3Partitioner",
      counter: 2,
      hash: "3bdf662559dc4f8880f098e0caa50a58",
      lineage: "f69676a23bdf6625",
      parent: "f69676a27203d5ec960a663f9b5f084e",
      base: 1,
      members: [
        {
          id: "a0000000-0000-4000-8000-000000000001",
          address: "10.0.0.1:7001",
          dc: "dc1",
          rack: "r1",
          weight: 1,
          tokens: ["100"],
        },
      ],
      keyspaces: [
        {
          name: "k",
          replication: { class: "SimpleStrategy", options },
          readConsistency: "QUORUM",
          writeConsistency: "QUORUM",
          durability: "fsync",
          id: 24_775,
          index: 0,
        },
      ],
      leavingIds: [],
      removedIds: [],
    });
    const definition = keyspace("k");
    expect(layout).toEqual(
      commit(genesis(start(member(1))), { kind: "create-keyspace", definition }),
    );
  });

  test("any single change to the data is noticed", () => {
    const layout = commit(genesis(start(member(1), member(2))), {
      kind: "create-keyspace",
      definition: keyspace("k"),
    });
    const places = leaves(encodeLayout(layout));
    expect(places.length).toBeGreaterThan(20);
    const unnoticed: string[] = [];
    for (const place of places) {
      for (const wrong of [undefined, null, -1, 2 ** 53, "x", "", [], {}, true, ["1"], [{}]]) {
        const damaged = structuredClone(encodeLayout(layout));
        replaceAt(damaged, place, wrong);
        const isSame = JSON.stringify(damaged) === JSON.stringify(encodeLayout(layout));
        if (isSame || refuses(damaged)) continue;
        unnoticed.push(`${place.join(".")} = ${JSON.stringify(wrong)}`);
      }
    }
    expect(unnoticed).toEqual([]);
  });

  test("what is no layout at all is refused with the place", () => {
    for (const data of [undefined, null, 1, "layout", [], {}]) {
      expect(() => decodeLayout(data)).toThrowError(UntrustedDataError);
    }
    expect(() => decodeLayout({ ...encodeLayout(genesis(start())), format: 2 })).toThrowError(
      expect.objectContaining({ path: "layout.format", found: "2" }),
    );
  });

  test("a layout that breaks a rule is refused, its hash being right or not", () => {
    const plain = encodeLayout(genesis(start(member(1), member(2))));
    const members = plain["members"] as unknown[];
    expect(() => decodeLayout({ ...plain, members: members.toReversed() })).toThrowError(
      LayoutError,
    );
    expect(() => decodeLayout({ ...plain, members: [members[0], members[0]] })).toThrowError(
      LayoutError,
    );
  });

  test("layouts that differ in the counter alone have different hashes", () => {
    const layout = genesis(start(member(1)));
    const addresses = { ...member(1), address: "new:1" };
    const moved = commit(layout, { kind: "addresses", id: memberId(1), addresses });
    const back = commit(moved, { kind: "addresses", id: memberId(1), addresses: member(1) });
    const { version, parent, base } = layout;
    expect({ ...back, version, parent, base }).toEqual(layout);
    expect(back.version.hash).not.toBe(layout.version.hash);
  });
});

function refuses(data: unknown): boolean {
  try {
    decodeLayout(data);
    return false;
  } catch (error) {
    return error instanceof UntrustedDataError || error instanceof LayoutError;
  }
}

/** The paths to everything in plain data, containers included. */
function leaves(data: unknown, path: readonly string[] = []): string[][] {
  if (typeof data !== "object" || data === null) return [[...path]];
  const inner = Object.entries(data).flatMap(([key, value]) => leaves(value, [...path, key]));
  return path.length === 0 ? inner : [[...path], ...inner];
}

function replaceAt(data: unknown, path: readonly string[], value: unknown): void {
  let container = data as Record<string, unknown>;
  for (const key of path.slice(0, -1)) container = container[key] as Record<string, unknown>;
  container[path.at(-1)!] = value;
}
