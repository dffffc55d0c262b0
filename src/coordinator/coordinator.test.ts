import { describe, expect, it } from "vitest";
import { historyOf } from "../layout/history.ts";
import { TestCluster } from "./testing.suite.ts";

const SIMPLE_3 = { class: "SimpleStrategy", options: { replication_factor: "3" } };

function three(): TestCluster {
  return new TestCluster({ datacenters: ["dc1", "dc1", "dc1"], replication: SIMPLE_3 });
}

function copies(cluster: TestCluster): number[] {
  return cluster.members.map(({ engine }) => engine.cells.size);
}

describe("writes", () => {
  it("a quorum write reaches all replicas and is answered once", () => {
    const cluster = three();
    const put = cluster.put(0, "k", "v");
    expect(put.isSettled).toBe(false);
    cluster.settle();
    expect(put.count).toBe(1);
    expect(put.error).toBeUndefined();
    expect(put.receipt?.answeredBy.length).toBeGreaterThanOrEqual(2);
    expect(copies(cluster)).toEqual([1, 1, 1]);
    expect(cluster.members[0]?.coordinator.pendingCount).toBe(0);
  });

  it("a write at ONE is answered before any peer is", () => {
    const cluster = three();
    const put = cluster.put(0, "k", "v", { consistency: "ONE" });
    expect(put.count).toBe(1);
    cluster.settle();
    expect(copies(cluster)).toEqual([1, 1, 1]);
  });

  it("is refused without sending anything when too few replicas are alive", () => {
    const cluster = three();
    cluster.kill(1);
    cluster.kill(2);
    const put = cluster.put(0, "k", "v");
    expect(put.error?.detail).toMatchObject({ code: "UNAVAILABLE", required: 2, alive: 1 });
    expect(put.error?.outcome).toBe("failed");
    cluster.settle();
    expect(copies(cluster)).toEqual([0, 0, 0]);
  });

  it("survives the death of one replica on the way", () => {
    const cluster = three();
    const put = cluster.put(0, "k", "v");
    cluster.kill(2);
    cluster.settle();
    expect(put.error).toBeUndefined();
    expect(put.count).toBe(1);
  });

  it("is unknown, and at once, when too many replicas die on the way", () => {
    const cluster = three();
    const put = cluster.put(0, "k", "v");
    cluster.kill(1);
    cluster.kill(2);
    expect(put.error?.detail).toMatchObject({ code: "REPLICA_FAILURE", received: 1 });
    expect(put.error?.outcome).toBe("unknown");
  });

  it("names the silent replicas at its deadline, and is unknown", () => {
    const cluster = three();
    cluster.freeze(1, true);
    cluster.freeze(2, true);
    const put = cluster.put(0, "k", "v");
    cluster.settle();
    cluster.clock.advance(990);
    expect(put.isSettled).toBe(false);
    cluster.clock.advance(60);
    expect(put.error?.detail).toMatchObject({
      code: "TIMEOUT",
      operation: "write",
      received: 1,
      silent: ["m1:1", "m2:1"],
    });
    expect(put.error?.outcome).toBe("unknown");
    expect(cluster.members[0]?.coordinator.pendingCount).toBe(0);
  });

  it("a replica that cannot store counts as failed, and the outcome stays unknown", () => {
    const cluster = three();
    for (const member of cluster.members.slice(1))
      member.engine.putError = new Error("disk on fire");
    const put = cluster.put(0, "k", "v");
    cluster.settle();
    expect(put.error?.detail).toMatchObject({
      code: "REPLICA_FAILURE",
      failures: [
        { replica: "m1:1", reason: "disk on fire" },
        { replica: "m2:1", reason: "disk on fire" },
      ],
    });
    expect(put.error?.outcome).toBe("unknown");
  });

  it("a repeated acknowledgement of one replica counts once", () => {
    const cluster = three();
    cluster.freeze(2, true);
    for (const member of cluster.members) member.engine.holdsAcks = true;
    const put = cluster.put(0, "k", "v");
    cluster.settle();
    const [local] = cluster.members[0]?.engine.held ?? [];
    local?.stored();
    local?.stored();
    expect(put.isSettled).toBe(false);
  });

  it("a stall of the coordinator does not count against its deadline", () => {
    const cluster = three();
    cluster.freeze(1, true);
    cluster.freeze(2, true);
    const put = cluster.put(0, "k", "v");
    cluster.settle();
    cluster.clock.advance(15_000, 15_000);
    expect(put.isSettled).toBe(false);
    cluster.freeze(1, false);
    cluster.settle();
    expect(put.error).toBeUndefined();
    expect(put.count).toBe(1);
  });
});

describe("reads", () => {
  it("a quorum read returns what a quorum write stored, through any member", () => {
    const cluster = three();
    cluster.put(0, "k", "v");
    cluster.settle();
    for (const at of [0, 1, 2]) {
      const get = cluster.get(at, "k");
      cluster.settle();
      expect(get.text).toBe("v");
    }
  });

  it("asks only as many replicas as the level needs", () => {
    const cluster = three();
    const before = cluster.links[0]?.map((link) => link.frames.length);
    cluster.get(0, "k");
    const after = cluster.links[0]?.map((link) => link.frames.length);
    const sent = after?.reduce((sum, count, to) => sum + count - (before?.[to] ?? 0), 0);
    expect(sent).toBe(1);
  });

  it("a read at ONE is answered from the own copy at once", () => {
    const cluster = three();
    cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    expect(cluster.get(1, "k", { consistency: "ONE" }).text).toBe("v");
  });

  it("returns the newest of different copies and repairs what is behind", () => {
    const cluster = three();
    cluster.put(0, "k", "old", { consistency: "ALL" });
    cluster.settle();
    cluster.kill(0);
    cluster.clock.nowMs += 10;
    const put = cluster.put(1, "k", "new");
    cluster.settle();
    expect(put.error).toBeUndefined();
    for (const row of cluster.links) for (const link of row) link.isUp = true;
    const get = cluster.get(0, "k", { consistency: "ALL" });
    cluster.settle();
    expect(get.text).toBe("new");
    const stored = cluster.members.map(({ engine }) => [...engine.cells.values()][0]?.value);
    expect(stored.map((value) => Buffer.from(value ?? []).toString())).toEqual([
      "new",
      "new",
      "new",
    ]);
  });

  it("does not return a value before the level holds it", () => {
    const cluster = three();
    // A write that reached one replica only: what a reader saw once must not vanish again.
    cluster.kill(1);
    cluster.kill(2);
    cluster.put(0, "k", "v", { consistency: "ONE" });
    for (const row of cluster.links) for (const link of row) link.isUp = true;
    for (const member of cluster.members.slice(1)) member.engine.holdsAcks = true;
    const get = cluster.get(0, "k");
    cluster.settle();
    expect(get.isSettled).toBe(false);
    for (const { engine } of cluster.members) for (const sink of engine.held) sink.stored();
    cluster.settle();
    expect(get.text).toBe("v");
  });

  it("asks another replica when one is silent", () => {
    const cluster = three();
    cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    const first = cluster.get(0, "k");
    const asked = cluster.links[0]?.findIndex((link) => link.frames.length > 0) ?? -1;
    cluster.freeze(asked, true);
    cluster.settle();
    expect(first.isSettled).toBe(false);
    cluster.clock.advance(70);
    cluster.settle();
    expect(first.text).toBe("v");
  });

  it("avoids a replica that owes answers for long", () => {
    const cluster = three();
    cluster.freeze(1, true);
    cluster.put(0, "k", "v");
    cluster.settle();
    cluster.clock.advance(200);
    const get = cluster.get(0, "k");
    cluster.settle();
    expect(get.text).toBe("v");
  });

  it("a deleted key is absent, also where the delete did not arrive", () => {
    const cluster = three();
    cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    cluster.kill(2);
    cluster.clock.nowMs += 10;
    cluster.put(0, "k", undefined);
    cluster.settle();
    for (const row of cluster.links) for (const link of row) link.isUp = true;
    const get = cluster.get(2, "k");
    cluster.settle();
    expect(get.count).toBe(1);
    expect(get.found).toBeUndefined();
  });

  it("an expired value is absent", () => {
    const cluster = three();
    cluster.put(0, "k", "v", { expiresAtMs: cluster.clock.nowMs + 100 });
    cluster.settle();
    const before = cluster.get(1, "k");
    cluster.settle();
    expect(before.text).toBe("v");
    cluster.clock.nowMs += 100;
    const after = cluster.get(1, "k");
    cluster.settle();
    expect(after.count).toBe(1);
    expect(after.found).toBeUndefined();
  });

  it("fails at its deadline with the names of the silent replicas", () => {
    const cluster = three();
    cluster.freeze(1, true);
    cluster.freeze(2, true);
    const get = cluster.get(0, "k");
    cluster.settle();
    cluster.clock.advance(1200);
    expect(get.error?.detail).toMatchObject({ code: "TIMEOUT", operation: "read" });
  });
});

describe("bad requests", () => {
  it("a key or value over its limit is refused with both sizes", () => {
    const cluster = three();
    const key = cluster.put(0, "k".repeat(1025), "v");
    expect(key.error?.detail).toEqual({
      code: "TOO_LARGE",
      what: "key",
      sizeBytes: 1025,
      maxBytes: 1024,
    });
    const value = cluster.put(0, "k", "v".repeat((1 << 20) + 1));
    expect(value.error?.detail).toMatchObject({ code: "TOO_LARGE", what: "value" });
  });

  it("an unknown keyspace, ANY, and a count out of range are refused", () => {
    const cluster = three();
    expect(cluster.get(0, "k", { keyspace: "no" }).error?.code).toBe("UNKNOWN_KEYSPACE");
    expect(cluster.put(0, "k", "v", { consistency: "ANY" }).error?.code).toBe("UNSUPPORTED_LEVEL");
    expect(cluster.put(0, "k", "v", { consistency: 4 }).error?.code).toBe("INVALID_ARGUMENT");
    expect(cluster.put(0, "k", "v", { consistency: 0 }).error?.code).toBe("INVALID_ARGUMENT");
  });

  it("more bytes than may wait are refused as BUSY, until replicas have answered", () => {
    const cluster = three();
    for (let n = 0; n < 1000; n++) cluster.put(0, `k${n}`, "v");
    expect(cluster.put(0, "k", "v").error?.code).toBe("BUSY");
    cluster.settle();
    expect(cluster.members[0]?.coordinator.inFlightBytes).toBe(0);
    expect(cluster.put(0, "k", "v").error).toBeUndefined();
    cluster.settle();
    expect(cluster.get(1, "k").error).toBeUndefined();
    cluster.settle();
    expect(cluster.members[1]?.coordinator.inFlightBytes).toBe(0);
  });
});

describe("layout versions", () => {
  it("a replica that stays in another layout refuses, stores nothing, and is named", () => {
    const cluster = three();
    const { layout } = cluster;
    const version = { ...layout.version, counter: layout.version.counter + 1 };
    for (const at of [1, 2]) cluster.use(at, historyOf({ ...layout, version }));
    const put = cluster.put(0, "k", "v");
    cluster.settle();
    expect(put.isSettled).toBe(false);
    cluster.run(1100);
    expect(put.error?.detail).toMatchObject({
      code: "REPLICA_FAILURE",
      failures: [
        { replica: "m1:1", reason: expect.stringContaining("another layout") },
        { replica: "m2:1", reason: expect.stringContaining("another layout") },
      ],
    });
    expect(copies(cluster)).toEqual([1, 0, 0]);
    // This member itself has stored it, so the write may show up.
    expect(put.error?.outcome).toBe("unknown");
    expect(new Set(cluster.layoutMismatches)).toEqual(new Set([0, 1, 2]));
  });
});

describe("levels over datacenters", () => {
  const shape = {
    datacenters: ["dc1", "dc1", "dc2", "dc2"],
    replication: { class: "NetworkTopologyStrategy", options: { dc1: "2", dc2: "2" } },
  };

  it("LOCAL_QUORUM needs nobody elsewhere, QUORUM does", () => {
    const cluster = new TestCluster(shape);
    cluster.freeze(2, true);
    cluster.freeze(3, true);
    const local = cluster.put(0, "k", "v", { consistency: "LOCAL_QUORUM" });
    const all = cluster.put(0, "k", "v", { consistency: "QUORUM" });
    cluster.settle();
    expect(local.error).toBeUndefined();
    expect(local.count).toBe(1);
    expect(all.isSettled).toBe(false);
  });

  it("EACH_QUORUM waits for every datacenter, and reads there too", () => {
    const cluster = new TestCluster(shape);
    const put = cluster.put(0, "k", "v", { consistency: "EACH_QUORUM" });
    cluster.settle();
    expect(put.receipt?.answeredBy.length).toBe(4);
    const get = cluster.get(3, "k", { consistency: "EACH_QUORUM" });
    cluster.settle();
    expect(get.text).toBe("v");
    cluster.kill(2);
    expect(cluster.put(0, "k", "v", { consistency: "EACH_QUORUM" }).error?.code).toBe(
      "UNAVAILABLE",
    );
  });
});

describe("scans", () => {
  async function walk(cluster: TestCluster, limit: number): Promise<string[]> {
    const keys: string[] = [];
    let cursor = "0";
    do {
      const page = cluster.members[0]?.coordinator.scan({ keyspace: "ks", cursor, limit });
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
      };
      page?.then(settle, settle);
      for (let turn = 0; turn < 10_000 && !isSettled; turn++) {
        cluster.settle();
        await Promise.resolve();
      }
      const { keys: found, cursor: next } = (await page) ?? { keys: [], cursor: "0" };
      for (const key of found) keys.push(Buffer.from(key).toString());
      cursor = next;
    } while (cursor !== "0");
    return keys;
  }

  it("returns every live key once on a quiet ring, whatever the page size", async () => {
    const cluster = new TestCluster({
      datacenters: ["dc1", "dc1", "dc1", "dc1", "dc1"],
      replication: { class: "SimpleStrategy", options: { replication_factor: "2" } },
    });
    const expected = Array.from({ length: 200 }, (_, n) => `key${n}`);
    for (const key of expected) cluster.put(0, key, "v", { consistency: "ALL" });
    cluster.put(1, "", "the empty key has the minimum token", { consistency: "ALL" });
    cluster.settle();
    cluster.clock.nowMs += 10;
    cluster.put(0, "key7", undefined, { consistency: "ALL" });
    cluster.settle();
    const live = ["", ...expected.filter((key) => key !== "key7")].sort();
    for (const limit of [1, 7, 1000]) {
      const keys = await walk(cluster, limit);
      expect(keys.sort()).toEqual(live);
    }
  });

  it("refuses a cursor that is none", async () => {
    const cluster = three();
    const request = { keyspace: "ks", cursor: "x", limit: 10 };
    await expect(cluster.members[0]?.coordinator.scan(request)).rejects.toMatchObject({
      detail: { code: "INVALID_ARGUMENT", value: "x" },
    });
  });
});
