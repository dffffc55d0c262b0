import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { until } from "../../test/support/condition.ts";
import { KvError } from "../model/kv-error.ts";
import { type DynaringNode, createNode } from "./create-node.ts";
import { RELEASE_VERSION } from "./release.ts";
import { type TestCluster, createTestCluster } from "./test-cluster.ts";

const started: { stop(): Promise<void> }[] = [];
const directories: string[] = [];

afterEach(async () => {
  for (const running of started.splice(0)) await running.stop();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

async function cluster(...parameters: Parameters<typeof createTestCluster>): Promise<TestCluster> {
  const made = await createTestCluster(...parameters);
  started.push(made);
  return made;
}

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "dynaring-"));
  directories.push(made);
  return made;
}

function single(options: object): DynaringNode {
  const node = createNode({ internode: { port: 0 }, gossipIntervalMs: 100, ...options });
  started.push(node);
  return node;
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString();
}

describe("createTestCluster", () => {
  it("is a ring: what one member stores, every member returns", async () => {
    const { nodes } = await cluster(3);
    await nodes[0]?.keyspace("default").put("k", "v");
    for (const node of nodes) {
      expect(text((await node.keyspace("default").get("k"))?.value)).toBe("v");
    }
  });

  it("tells who answered, and gives later writes newer versions", async () => {
    const { keyspace } = await cluster(3);
    const first = await keyspace.put("k", "1", { consistency: "ALL" });
    expect(first.answeredBy).toHaveLength(3);
    const second = await keyspace.put("k", "2");
    expect(second.version.timestamp).toBeGreaterThan(first.version.timestamp);
    expect((await keyspace.get("k"))?.version).toEqual(second.version);
  });

  it("deletes, expires, scans and counts", async () => {
    const { keyspace } = await cluster(3);
    const keys = Array.from({ length: 100 }, (_, n) => `key${n}`);
    for (const key of keys) await keyspace.put(key, "v", { consistency: "ALL" });
    await keyspace.delete("key7", { consistency: "ALL" });
    await keyspace.put("key8", "v", { ttlMs: 0, consistency: "ALL" });
    expect(await keyspace.get("key7")).toBeUndefined();
    expect(await keyspace.get("key8")).toBeUndefined();
    const found = new Set<string | undefined>();
    for await (const key of keyspace.keys({ pageSize: 9 })) found.add(text(key));
    expect(found).toEqual(new Set(keys.filter((key) => key !== "key7" && key !== "key8")));
    expect(await keyspace.count()).toBe(98);
  });

  it("serves quorums while one of three members is gone, and says so when two are", async () => {
    const { nodes, keyspace } = await cluster(3);
    await keyspace.put("k", "v", { consistency: "ALL" });
    await nodes[2]?.stop();
    await keyspace.put("k", "w");
    expect(text((await keyspace.get("k"))?.value)).toBe("w");
    await nodes[1]?.stop();
    const refused = await keyspace.put("k", "x").catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(KvError);
    expect((refused as KvError).detail).toMatchObject({ code: "UNAVAILABLE", alive: 1 });
    expect((refused as KvError).outcome).toBe("failed");
  });

  it("two clusters live in one process without knowing each other", async () => {
    const [left, right] = [await cluster(2), await cluster(2)];
    await left.keyspace.put("k", "left");
    expect(await right.keyspace.get("k")).toBeUndefined();
  });

  it("a member of another cluster name is not let in", async () => {
    const { node } = await cluster(1);
    const stranger = single({ clusterName: "other", seeds: [node.address] });
    const start = stranger.start();
    const outcome = await Promise.race([
      start.then(() => "joined"),
      new Promise((resolve) => setTimeout(() => resolve("waits"), 500)),
    ]);
    expect(outcome).toBe("waits");
    expect(node.admin.status().members).toHaveLength(1);
    await stranger.stop();
    await expect(start).rejects.toThrow("was stopped before");
  });

  it("a ring that holds data gives a new member its part before it serves", async () => {
    const { node } = await cluster(1);
    await node.createKeyspace({ name: "ks", replicationFactor: 1 });
    const client = node.keyspace("ks");
    for (let key = 0; key < 200; key++) await client.put(`key-${key}`, `value-${key}`);
    const late = single({ clusterName: "test", seeds: [node.address] });
    await late.start();
    expect(late.admin.status().members).toHaveLength(2);
    for (let key = 0; key < 200; key++) {
      expect(text((await late.keyspace("ks").get(`key-${key}`))?.value)).toBe(`value-${key}`);
    }
  });

  it("a member that may not join by itself waits until it is planned in", async () => {
    const { node } = await cluster(1);
    const waiting = single({ clusterName: "test", seeds: [node.address], autoBootstrap: false });
    const start = waiting.start();
    await until("it waits", () => node.admin.topology().waiting.length === 1);
    const [{ address } = { address: "" }] = node.admin.topology().waiting;
    await node.admin.stage({ kind: "join", member: address });
    const plan = await node.admin.plan();
    await node.admin.commit(plan.hash);
    await start;
    expect(waiting.admin.status().members).toHaveLength(2);
  });

  it("members that start at once are all in the ring, and know its first keyspace", async () => {
    for (let round = 0; round < 5; round++) {
      const first = single({});
      await first.start();
      const others = [1, 2, 3, 4].map(() => single({ seeds: [first.address] }));
      await Promise.all(others.map((node) => node.start()));
      await first.createKeyspace({ name: "ks" });
      for (const node of [first, ...others]) {
        expect(node.admin.status().members).toHaveLength(5);
        await expect(node.keyspace("ks").put("k", "v")).resolves.toBeDefined();
      }
      for (const node of [first, ...others]) await node.stop();
    }
  });

  it("a token that has an owner is refused by name", async () => {
    const first = single({ numTokens: 1, initialToken: ["5"] });
    await first.start();
    const second = single({ seeds: [first.address], numTokens: 1, initialToken: ["5"] });
    await expect(second.start()).rejects.toThrow(/token 5 of member .* belongs to member/);
  });
});

describe("a member with a data directory", () => {
  it("finds identity, ring and data again", async () => {
    const dataDirectory = directory();
    const first = single({ dataDirectory });
    await first.start();
    await first.createKeyspace({ name: "ks", replicationFactor: 1 });
    await first.keyspace("ks").put("k", "v");
    const { member } = first.admin.info();
    await first.stop();
    const second = single({ dataDirectory });
    await second.start();
    expect(second.admin.info().member.id).toBe(member.id);
    expect(second.admin.info().member.tokens).toEqual(member.tokens);
    expect(text((await second.keyspace("ks").get("k"))?.value)).toBe("v");
  });

  it("keeps its data in LMDB if told so, and does not open them with the other engine", async () => {
    const dataDirectory = directory();
    const first = single({ dataDirectory, engine: "lmdb" });
    await first.start();
    await first.createKeyspace({ name: "ks", replicationFactor: 1 });
    await first.keyspace("ks").put("k", "v");
    await first.stop();
    const other = single({ dataDirectory });
    await expect(other.start()).rejects.toThrow(/engine 'lmdb'.*configured for 'log'/);
    const again = single({ dataDirectory, engine: "lmdb" });
    await again.start();
    expect(text((await again.keyspace("ks").get("k"))?.value)).toBe("v");
  });

  it("of another cluster is refused", async () => {
    const dataDirectory = directory();
    const first = single({ dataDirectory });
    await first.start();
    await first.stop();
    const second = single({ dataDirectory, clusterName: "other" });
    await expect(second.start()).rejects.toThrow(/belongs to cluster 'dynaring'/);
  });

  it("does not start under another rack than the ring has for it", async () => {
    const dataDirectory = directory();
    const first = single({ dataDirectory });
    await first.start();
    await first.stop();
    const second = single({ dataDirectory, rack: "r9" });
    await expect(second.start()).rejects.toThrow(/rack rack1.*rack r9/);
  });
});

it("balances the tokens of members that join", async () => {
  const { node } = await cluster(5);
  const shares = Object.values(node.admin.status().effectiveOwnership ?? {});
  expect(shares).toHaveLength(5);
  for (const share of shares) expect(Math.abs(share - 3 / 5)).toBeLessThan(0.03);
});

it("gives a member of twice the weight twice the tokens", async () => {
  const { nodes } = await cluster(2, { node: (index) => ({ weight: index + 1 }) });
  const counts = nodes.map(({ admin }) => admin.info().member.tokens.length);
  expect(counts).toEqual([16, 32]);
});

describe("keyspaces", () => {
  it("are created once, and a second definition is refused", async () => {
    const { nodes } = await cluster(2);
    const input = { name: "ks", replicationFactor: 2 };
    const created = await nodes[0]?.createKeyspace(input);
    expect(await nodes[1]?.createKeyspace(input)).toEqual(created);
    const other = nodes[1]?.createKeyspace({ name: "ks", replicationFactor: 1 });
    await expect(other).rejects.toMatchObject({ detail: { code: "KEYSPACE_EXISTS" } });
    const bad = nodes[1]?.createKeyspace({ name: "k2", replication: { class: "No", options: {} } });
    await expect(bad).rejects.toMatchObject({
      detail: { code: "INVALID_ARGUMENT", value: "No" },
    });
  });

  it("created on every member at once are all there afterwards", async () => {
    const { nodes } = await cluster(3);
    const names = nodes.map((_, index) => `ks${index}`);
    await Promise.all(nodes.map((node, index) => node.createKeyspace({ name: `ks${index}` })));
    await expect
      .poll(() =>
        nodes.map(({ admin }) =>
          admin
            .keyspaces()
            .map(({ name }) => name)
            .sort(),
        ),
      )
      .toEqual(nodes.map(() => ["default", ...names]));
  });
});

it("the release is the one of the package", () => {
  expect(RELEASE_VERSION).toBe(packageJson.version);
});
