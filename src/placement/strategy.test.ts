import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { buildReplicaTable } from "./replica-table.ts";
import {
  type Replication,
  type ReplicationError,
  expandReplication,
  isDatacenterAware,
  parseReplication,
  replicationFactor,
} from "./strategy.ts";

const DCS = ["dc1", "dc2"];
const parseNetwork = (options: Record<string, string>): [string, number, number][] => {
  const replication = parseReplication({ class: "NetworkTopologyStrategy", options }, DCS);
  if (replication.kind !== "network-topology") throw new Error(replication.kind);
  return Array.from(replication.factors, ([dc, { total, transient }]) => [dc, total, transient]);
};

describe("SimpleStrategy's options", () => {
  it("are a replication factor, with or without transient replicas", () => {
    const parse = (text: string): unknown =>
      parseReplication({ class: "SimpleStrategy", options: { replication_factor: text } }, DCS);
    expect(parse("3")).toEqual({ kind: "simple", factor: { total: 3, transient: 0 } });
    expect(parse("3/1")).toEqual({ kind: "simple", factor: { total: 3, transient: 1 } });
    expect(parse("3/0")).toEqual({ kind: "simple", factor: { total: 3, transient: 0 } });
  });

  it("accept the class with its package", () => {
    const options = { replication_factor: "1" };
    const name = "org.apache.cassandra.locator.SimpleStrategy";
    expect(parseReplication({ class: name, options }, DCS).kind).toBe("simple");
  });

  it.each([
    [{}, "replication_factor"],
    [{ replication_factor: "0" }, "replication_factor"],
    [{ replication_factor: "three" }, "replication_factor"],
    [{ replication_factor: "-1" }, "replication_factor"],
    [{ replication_factor: "3/3" }, "replication_factor"],
    [{ replication_factor: "3/x" }, "replication_factor"],
    [{ replication_factor: "3", dc1: "3" }, "dc1"],
  ])("are refused with the field at fault: %j", (options: Record<string, string>, field) => {
    expect(() => parseReplication({ class: "SimpleStrategy", options }, DCS)).toThrow(
      expect.objectContaining({ name: "ReplicationError", field, value: options[field] ?? "" }),
    );
  });
});

describe("NetworkTopologyStrategy's options", () => {
  it("name datacenters", () => {
    expect(parseNetwork({ dc1: "3", dc2: "2/1" })).toEqual([
      ["dc1", 3, 0],
      ["dc2", 2, 1],
    ]);
  });

  it("expand replication_factor to every known datacenter that is not named", () => {
    expect(parseNetwork({ replication_factor: "3", dc2: "1" })).toEqual([
      ["dc1", 3, 0],
      ["dc2", 1, 0],
    ]);
  });

  it("leave a datacenter out that is given 0", () => {
    expect(parseNetwork({ replication_factor: "3", dc1: "0" })).toEqual([["dc2", 3, 0]]);
  });

  it("may be missing: one replica in each datacenter", () => {
    expect(parseNetwork({})).toEqual([
      ["dc1", 1, 0],
      ["dc2", 1, 0],
    ]);
  });

  it.each([
    [{ dc3: "3" }, "dc3"],
    [{ dc1: "many" }, "dc1"],
    [{ dc1: "2/2" }, "dc1"],
    [{ dc1: "0" }, "options"],
    [{ replication_factor: "0" }, "options"],
  ])("are refused with the field at fault: %j", (options: Record<string, string>, field) => {
    expect(() => parseNetwork(options)).toThrow(
      expect.objectContaining({ name: "ReplicationError", field }),
    );
  });

  it("name the known datacenters when one is unknown", () => {
    expect(() => parseNetwork({ dc3: "3" })).toThrow(/dc1, dc2/);
  });
});

describe("replica_order", () => {
  const orderOf = (options: Record<string, string>): string => {
    const replication = parseReplication({ class: "NetworkTopologyStrategy", options }, DCS);
    if (replication.kind !== "network-topology") throw new Error(replication.kind);
    return replication.order;
  };

  it("is that of Cassandra since 3.2 unless the older one is asked for", () => {
    expect(orderOf({ dc1: "3" })).toBe("current");
    expect(orderOf({ dc1: "3", replica_order: "current" })).toBe("current");
    expect(orderOf({ dc1: "3", replica_order: "pre-3.2" })).toBe("older");
  });

  it("is no datacenter: without counts there is still one replica in each", () => {
    expect(parseNetwork({ replica_order: "pre-3.2" })).toEqual([
      ["dc1", 1, 0],
      ["dc2", 1, 0],
    ]);
  });

  it("decides the order in which replicas are listed, and nothing else", () => {
    // The example of CASSANDRA-10200 in cassandra.md, section 3: six members of two datacenters.
    const places = ["D0 r3", "D1 r3", "D0 r2", "D0 r0", "D1 r3", "D0 r0"];
    const ringOrder = [0, 5, 2, 3, 1, 4];
    const members = places.map((place, member) => ({
      dc: place.slice(0, 2),
      rack: place.slice(3),
      tokens: [BigInt(10 * ringOrder.indexOf(member))],
    }));
    const listed = (order: Record<string, string>): readonly number[] => {
      const options = { D0: "4", D1: "4", ...order };
      const replication = parseReplication({ class: "NetworkTopologyStrategy", options }, [
        "D0",
        "D1",
      ]);
      return buildReplicaTable({ members, replication }).lookup(0, 5).members;
    };
    expect(listed({})).toEqual([5, 2, 3, 1, 4, 0]);
    expect(listed({ replica_order: "pre-3.2" })).toEqual([5, 2, 1, 4, 0, 3]);
  });

  it.each(["older", "3.1", "", "PRE-3.2"])("is refused when it is %j", (replica_order) => {
    expect(() => orderOf({ dc1: "3", replica_order })).toThrow(
      expect.objectContaining({
        name: "ReplicationError",
        field: "replica_order",
        value: replica_order,
        expected: expect.stringContaining('"current" or "pre-3.2"') as string,
      }),
    );
  });

  it("is refused by strategies that have no racks", () => {
    const options = { replication_factor: "3", replica_order: "pre-3.2" };
    expect(() => parseReplication({ class: "SimpleStrategy", options }, DCS)).toThrow(
      expect.objectContaining({ field: "replica_order" }),
    );
  });
});

describe("LocalStrategy", () => {
  it("is refused with the reason and what to take instead", () => {
    for (const name of ["LocalStrategy", "org.apache.cassandra.locator.LocalStrategy"]) {
      expect(() => parseReplication({ class: name, options: {} }, DCS)).toThrow(
        expect.objectContaining({
          field: "class",
          value: name,
          expected: expect.stringMatching(
            /SimpleStrategy.*no other could find it.*factor of 1/,
          ) as string,
        }),
      );
    }
  });
});

describe("options as a keyspace keeps them", () => {
  const expand = (
    options: Record<string, string>,
    previous?: Record<string, string>,
  ): Readonly<Record<string, string>> =>
    expandReplication(
      { class: "NetworkTopologyStrategy", options },
      DCS,
      previous && { class: "NetworkTopologyStrategy", options: previous },
    ).options;

  it("name every datacenter that is known when the keyspace is made, and none given 0", () => {
    expect(expand({ replication_factor: "3" })).toEqual({ dc1: "3", dc2: "3" });
    expect(expand({ replication_factor: "3/1", dc2: "2" })).toEqual({ dc1: "3/1", dc2: "2" });
    expect(expand({ replication_factor: "3", dc1: "0" })).toEqual({ dc2: "3" });
    expect(expand({ dc1: "3" })).toEqual({ dc1: "3" });
    expect(expand({})).toEqual({ dc1: "1", dc2: "1" });
  });

  it("keep what was set before for a datacenter when a factor is expanded again", () => {
    expect(expand({ replication_factor: "5" }, { dc1: "3" })).toEqual({ dc1: "3", dc2: "5" });
    expect(expand({ replication_factor: "5", dc1: "4" }, { dc1: "3" })).toEqual({
      dc1: "4",
      dc2: "5",
    });
    expect(expand({ dc2: "2" }, { dc1: "3" })).toEqual({ dc2: "2" });
  });

  it("take the factor of SimpleStrategy when a keyspace turns to datacenters without options", () => {
    expect(expand({}, { replication_factor: "2" })).toEqual({ dc1: "2", dc2: "2" });
  });

  it("keep the order of replicas until it is named again, and write the usual one by leaving it out", () => {
    const older = { replica_order: "pre-3.2" };
    expect(expand({ dc1: "3", ...older })).toEqual({ dc1: "3", ...older });
    expect(expand(older)).toEqual({ dc1: "1", dc2: "1", ...older });
    expect(expand({ dc1: "2" }, { dc1: "3", ...older })).toEqual({ dc1: "2", ...older });
    expect(expand({ dc1: "2", replica_order: "current" }, { dc1: "3", ...older })).toEqual({
      dc1: "2",
    });
  });

  it("are refused when they leave no replica, and left alone for other strategies", () => {
    expect(() => expand({ dc1: "0" })).toThrow(expect.objectContaining({ field: "options" }));
    const simple = { class: "SimpleStrategy", options: { replication_factor: "3" } };
    expect(expandReplication(simple, DCS)).toBe(simple);
  });
});

it("an unknown strategy is refused with the names that are known", () => {
  expect(() => parseReplication({ class: "MyStrategy", options: {} }, DCS)).toThrow(
    expect.objectContaining({
      field: "class",
      value: "MyStrategy",
      expected: expect.stringContaining("NetworkTopologyStrategy") as string,
    }),
  );
});

it("replication factors count by datacenter only where the strategy does", () => {
  const simple = parseReplication(
    { class: "SimpleStrategy", options: { replication_factor: "3/1" } },
    DCS,
  );
  const network = parseReplication(
    { class: "NetworkTopologyStrategy", options: { dc1: "3/1", dc2: "2" } },
    DCS,
  );
  expect([undefined, "dc1", "dc9"].map((dc) => replicationFactor(simple, dc))).toEqual([3, 3, 3]);
  expect([undefined, "dc1", "dc9"].map((dc) => replicationFactor(network, dc))).toEqual([5, 3, 0]);
  expect([simple, network].map(isDatacenterAware)).toEqual([false, true]);
});

describe("strategies without a number of their own", () => {
  const parse = (name: string, options: Record<string, string> = {}): Replication =>
    parseReplication({ class: name, options }, DCS);
  const members = [
    { dc: "dc1", rack: "a", tokens: [0n] },
    { dc: "dc1", rack: "a", tokens: [1n] },
    { dc: "dc1", rack: "b", tokens: [2n] },
    { dc: "dc2", rack: "a", tokens: [3n] },
    { dc: "dc2", rack: "c", tokens: [] },
  ];

  it("take no options", () => {
    for (const name of ["EverywhereStrategy", "RackPerReplica"]) {
      expect(() => parse(name, { dc1: "3" })).toThrow(expect.objectContaining({ field: "dc1" }));
    }
  });

  it("count members, or racks, that are in the ring", () => {
    const [everywhere, racks] = [parse("EverywhereStrategy"), parse("RackPerReplica")];
    expect(replicationFactor(everywhere, undefined, members)).toBe(4);
    expect(replicationFactor(everywhere, "dc2", members)).toBe(4);
    expect(replicationFactor(racks, undefined, members)).toBe(3);
    expect(replicationFactor(racks, "dc1", members)).toBe(2);
    expect(replicationFactor({ kind: "local" })).toBe(1);
    expect(() => replicationFactor(racks, "dc1")).toThrow("depends on the members");
    expect([everywhere, racks].map(isDatacenterAware)).toEqual([false, true]);
  });
});

it("OldNetworkTopologyStrategy takes a plain factor, also under its first name", () => {
  const options = { replication_factor: "3" };
  for (const name of ["OldNetworkTopologyStrategy", "RackAwareStrategy"]) {
    const replication = parseReplication({ class: name, options }, DCS);
    expect(replication).toEqual({
      kind: "old-network-topology",
      factor: { total: 3, transient: 0 },
    });
    expect(replicationFactor(replication, "dc1")).toBe(3);
  }
  const transient = { class: "OldNetworkTopologyStrategy", options: { replication_factor: "3/1" } };
  expect(() => parseReplication(transient, DCS)).toThrow(/no transient replicas/);
});

it("the page of reference names every strategy and option", () => {
  const page = readFileSync(
    new URL("../../docs/reference/replication.md", import.meta.url),
    "utf8",
  );
  let known = "";
  try {
    parseReplication({ class: "MyStrategy", options: {} }, DCS);
  } catch (error) {
    known = (error as ReplicationError).expected;
  }
  const names = known.replace("one of ", "").split(", ");
  expect(names.length).toBe(5);
  const headings = Array.from(page.matchAll(/^## `(\w+)`/gm), ([, name]) => name);
  expect(headings).toEqual([...names, "LocalStrategy"]);
  for (const option of ["replication_factor", "replica_order", "pre-3.2"]) {
    expect(page).toContain(`\`${option}\``);
  }
});
