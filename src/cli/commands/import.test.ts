import { describe, expect, test } from "vitest";
import { parseRingFile } from "../tokens/ring-file.ts";
import { ringFileText } from "../tokens/ring-text.ts";
import type { Query, Row } from "../tokens/live-cluster.ts";
import { run } from "../tokens/run.suite.ts";
import { importLive } from "./import.ts";

/** `nodetool ring` of two datacenters, in the layout of Cassandra 5.0. */
const RING = `
Datacenter: dc1
==========
Address     Rack        Status State   Load            Owns                Token                                       
                                                                           4611686018427387904                         
10.0.0.1    r1          Up     Normal  71.23 KiB       66.67%              -9223372036854775808                        
10.0.0.2    rack two    Down   Normal  ?               ?                   0                                           
10.0.0.1    r1          Up     Normal  71.23 KiB       66.67%              4611686018427387904                         

Datacenter: dc2
==========
Address     Rack        Status State   Load            Owns                Token                                       

10.0.1.1    r1          Up     Leaving 1.5 GiB         33.33%              100                                         
10.0.1.2    r2          Up     Joining 0 bytes         ?                   200                                         

  Warning: "nodetool ring" is used to output all the tokens of a node.
  To view status related info of a node use "nodetool status" instead.


  Note: Non-system keyspaces don't have the same replication settings, effective ownership information is meaningless`;

const detail = (host: string, dc: string, rack: string): string =>
  `EndpointDetails(host:${host}, datacenter:${dc}, rack:${rack})`;

function rangeLine(start: string, end: string, hosts: readonly string[]): string {
  const details = hosts.map((host) => detail(host, "dc1", `r${host.at(-1)}`));
  return (
    `\tTokenRange(start_token:${start}, end_token:${end}, endpoints:[${hosts.join(", ")}], ` +
    `rpc_endpoints:[${hosts.join(", ")}], endpoint_details:[${details.join(", ")}])`
  );
}

/** `nodetool describering`: four members, two replicas. */
const DESCRIBERING = [
  "Schema Version:e84b6a60-24cf-30ca-9b58-452d92911703",
  "TokenRange: ",
  rangeLine("300", "0", ["10.0.0.1", "10.0.0.2"]),
  rangeLine("0", "100", ["10.0.0.2", "10.0.0.3"]),
  rangeLine("100", "200", ["10.0.0.3", "10.0.0.4"]),
  rangeLine("200", "300", ["10.0.0.4", "10.0.0.1"]),
  "",
].join("\n");

test("nodetool ring becomes a ring file, without the members that still join", async () => {
  const { code, out, err } = await run(
    ["import", "--keyspace", "k", "--replication", "dc1:2"],
    [RING],
  );
  expect([code, err]).toEqual([0, "note: 10.0.1.2 is joining and was left out\n"]);
  expect(out).toBe(`partitioner: Murmur3Partitioner
members:
  - name: 10.0.0.1
    dc: dc1
    rack: r1
    tokens: [ -9223372036854775808, 4611686018427387904 ]
  - name: 10.0.0.2
    dc: dc1
    rack: rack two
    tokens: [ 0 ]
  - name: 10.0.1.1
    dc: dc2
    rack: r1
    tokens: [ 100 ]
keyspaces:
  - name: k
    replication: { class: NetworkTopologyStrategy, dc1: 2 }
`);
});

test("what import writes is a ring file, as YAML and as JSON", async () => {
  const [yaml, json] = await Promise.all([
    run(["import"], [RING]),
    run(["import", "--json"], [RING]),
  ]);
  const ring = parseRingFile(yaml.out, "yaml");
  expect(ring.members.map(({ tokens }) => tokens)).toEqual([
    [-(2n ** 63n), 2n ** 62n],
    [0n],
    [100n],
  ]);
  expect({ ...parseRingFile(json.out, "json"), partitioner: 0 }).toEqual({
    ...ring,
    partitioner: 0,
  });
});

describe("nodetool describering", () => {
  test("tells the owners, and the replication is found by trying", async () => {
    const { code, out, err } = await run(["import", "--keyspace", "shop"], [DESCRIBERING]);
    expect([code, err]).toEqual([0, ""]);
    const ring = parseRingFile(out, "ring");
    expect(ring.members).toMatchObject([
      { name: "10.0.0.1", dc: "dc1", rack: "r1", tokens: [0n] },
      { name: "10.0.0.2", tokens: [100n] },
      { name: "10.0.0.3", tokens: [200n] },
      { name: "10.0.0.4", tokens: [300n] },
    ]);
    expect(ring.keyspaces).toMatchObject([
      { name: "shop", options: { class: "NetworkTopologyStrategy", dc1: "2" } },
    ]);
  });

  test("SimpleStrategy is found where racks play no part", async () => {
    const oneRack = DESCRIBERING.replaceAll("rack:r2", "rack:r1");
    const { out, err } = await run(["import"], [oneRack]);
    expect(err).toBe("");
    const options = parseRingFile(out, "ring").keyspaces[0]?.options;
    expect(options).toEqual({ class: "SimpleStrategy", replication_factor: "2" });
  });

  test("a replication that does not explain the ranges is reported", async () => {
    const { code, err } = await run(["import", "--replication", "dc1:3"], [DESCRIBERING]);
    expect(code).toBe(0);
    expect(err).toContain("the cluster places 4 of 4 ranges otherwise");
  });
});

describe("a running cluster", () => {
  const uuid = { toString: () => "9f0c9d1a-6a3c-4a56-9d9a-2f5c1c2a7c11" };
  const TABLES: Readonly<Record<string, readonly Row[]>> = {
    "system.local": [
      {
        key: "local",
        broadcast_address: { toString: () => "10.0.0.2" },
        partitioner: "org.apache.cassandra.dht.Murmur3Partitioner",
        data_center: "dc1",
        rack: "r2",
        host_id: uuid,
        tokens: ["100", "-5"],
      },
    ],
    "system.peers": [
      { peer: "10.0.0.1", data_center: "dc1", rack: "r1", host_id: uuid, tokens: new Set(["7"]) },
      { peer: "10.0.0.9", data_center: null, rack: null, host_id: null, tokens: null },
    ],
    "system_schema.keyspaces": [
      {
        keyspace_name: "system_auth",
        replication: {
          class: "org.apache.cassandra.locator.SimpleStrategy",
          replication_factor: "1",
        },
      },
      {
        keyspace_name: "mine",
        replication: { class: "org.apache.cassandra.locator.LocalStrategy" },
      },
      {
        keyspace_name: "shop",
        replication: new Map([
          ["class", "org.apache.cassandra.locator.NetworkTopologyStrategy"],
          ["dc1", "2"],
        ]),
      },
    ],
  };
  const query: Query = (cql) => {
    const table = / FROM (\S+)$/.exec(cql)?.[1] ?? "";
    return Promise.resolve(TABLES[table] ?? []);
  };

  test("is read from the tables of one node, without ghosts and system keyspaces", async () => {
    const { ring, notes } = await importLive(query);
    expect(notes).toEqual(["10.0.0.9 has no tokens, place or host id and was left out"]);
    expect(ringFileText(ring)).toBe(`partitioner: Murmur3Partitioner
members:
  - name: 10.0.0.1
    dc: dc1
    rack: r1
    tokens: [ 7 ]
  - name: 10.0.0.2
    dc: dc1
    rack: r2
    tokens: [ -5, 100 ]
keyspaces:
  - name: shop
    replication: { class: NetworkTopologyStrategy, dc1: 2 }
`);
  });

  test("an answer without a needed column is refused", async () => {
    const broken: Query = async (cql) =>
      (await query(cql)).map(({ partitioner: _partitioner, ...row }) => row);
    await expect(importLive(broken)).rejects.toThrow(/column partitioner is missing/);
  });

  test("that does not answer is exit code 2", async () => {
    const { code, out, err } = await run(["import", "--cluster", "127.0.0.1:1"]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("127.0.0.1:1");
  });
});

test.each([
  [["import"], "", "standard input holds no members"],
  [["import"], "hello\nworld\n", "standard input holds no members"],
  [["import"], RING.replace("Normal", "Narmol"), "standard input:6"],
  [["import"], RING.replace("-9223372036854775808", "x"), "10.0.0.1: invalid token"],
  [["import"], DESCRIBERING.replace("endpoints:[10.0.0.1, ", "endpoints:["), "standard input:3"],
  [["import", "--replication", "dc9:3"], RING, "dc9"],
  [["import", "missing.txt"], "", "missing.txt"],
  [["import", "missing.txt", "--cluster", "a"], "", "either"],
  [["import", "--cluster", "a:b:c"], "", "--cluster"],
  [["import", "--partitioner", "md5"], RING, "'md5'"],
])("%j is a usage error", async (args, input, shown) => {
  const { code, out, err } = await run(args, [input]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain(shown);
});
