import { expect, test } from "vitest";
import { runOn } from "../tokens/run.suite.ts";

const RING = `
members:
  - { name: a, address: 10.0.0.1, dc: dc1, rack: r1, tokens: [100] }
  - { name: b, dc: dc1, rack: r2, tokens: [200] }
  - { name: c, dc: dc1, rack: r3, tokens: [300] }
  - { name: d, dc: dc1, rack: r1, tokens: [400] }
keyspaces:
  - { name: k, replication: { class: NetworkTopologyStrategy, dc1: 3/1 } }
`;

test("every range with its replicas, transient ones marked", async () => {
  const { out } = await runOn(RING, ["replicas", "ring.yaml"]);
  expect(out).toBe(
    "(400, 100]\ta b c(transient)\n(100, 200]\tb c d(transient)\n" +
      "(200, 300]\tc d b(transient)\n(300, 400]\td b c(transient)\n",
  );
});

test("tokens belong to the range that they end or lie in", async () => {
  const args = ["replicas", "ring.yaml", "--keyspace", "k", "--tokens"];
  const { out } = await runOn(RING, args, ["100\n101\n-7\n401\n"]);
  expect(out).toBe(
    "100\ta b c(transient)\n101\tb c d(transient)\n-7\ta b c(transient)\n401\ta b c(transient)\n",
  );
});

test("keys are hashed first", async () => {
  const { out } = await runOn(RING, ["replicas", "ring.yaml", "--keys", "foo", "--json"]);
  expect(JSON.parse(out)).toEqual({
    key: "foo",
    token: "-2129773440516405919",
    replicas: [
      { name: "a", address: "10.0.0.1", dc: "dc1", rack: "r1", isTransient: false },
      { name: "b", dc: "dc1", rack: "r2", isTransient: false },
      { name: "c", dc: "dc1", rack: "r3", isTransient: true },
    ],
  });
});

test("a ring of ordered keys works the same", async () => {
  const ring = `
partitioner: OrderPreservingPartitioner
members:
  - { name: a, dc: dc1, rack: r1, tokens: [h] }
  - { name: b, dc: dc1, rack: r1, tokens: [p] }
keyspaces: [{ name: k, replication: { class: SimpleStrategy, replication_factor: 1 } }]
`;
  const args = ["replicas", "ring.yaml", "--keys", "apple", "h", "hat", "zebra"];
  const { out } = await runOn(ring, args);
  expect(out).toBe("apple\tapple\ta\nh\th\ta\nhat\that\tb\nzebra\tzebra\ta\n");
});

test("each of Dynomite's racks holds the key once", async () => {
  const ring = `
partitioner: DynomitePartitioner
members:
  - { name: a, dc: d, rack: r1, tokens: [1383429731] }
  - { name: b, dc: d, rack: r1, tokens: [3530913378] }
  - { name: c, dc: d, rack: r2, tokens: [1383429731] }
keyspaces: [{ name: k, replication: { class: RackPerReplica } }]
`;
  const { out } = await runOn(ring, ["replicas", "ring.yaml", "--keys", "foo", "a"]);
  expect(out).toBe("foo\t3303027599\tb c\na\t1262581116\ta c\n");
});

test.each([
  [["replicas", "ring.yaml", "--keyspace", "shop"], "it has k"],
  [["replicas", "ring.yaml", "--keys", "--tokens"], "either"],
  [["replicas", "ring.yaml", "foo"], "'foo'"],
  [["replicas", "ring.yaml", "--tokens", "foo"], "argument 1: invalid token"],
  [["replicas", "missing.yaml"], "missing.yaml"],
])("%j is a usage error", async (args, shown) => {
  const { code, out, err } = await runOn(RING, args);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain(shown);
});

test("with several keyspaces one has to be chosen", async () => {
  const two = RING.replace(/(?<= {2})(- \{ name: k.*)/, "$1\n  $1").replace(
    /k(?=, repl.*\n$)/,
    "m",
  );
  const { code, err } = await runOn(two, ["replicas", "ring.yaml"]);
  expect(code).toBe(1);
  expect(err).toContain("choose one with --keyspace: k, m");
});

test("a ring without tokens holds nothing", async () => {
  const empty = RING.replaceAll(/tokens: \[\d+\]/g, "tokens: []");
  const { code, out } = await runOn(empty, ["replicas", "ring.yaml", "--tokens", "5"]);
  expect([code, out]).toEqual([0, "5\t\n"]);
});
