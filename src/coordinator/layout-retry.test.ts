import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LayoutHistory, append, headOf, historyOf } from "../layout/history.ts";
import type { Coordinator } from "./coordinator.ts";
import { type Outcome, TestCluster, nextLayout, simple } from "./testing.suite.ts";

const SHAPE = {
  datacenters: ["dc1", "dc1", "dc1", "dc1", "dc1"],
  replication: simple(3),
  initial: [0, 1, 2],
};

/** Three members that hold everything, and the history in which two others join them. */
function growing(): { cluster: TestCluster; old: LayoutHistory; grown: LayoutHistory } {
  const cluster = new TestCluster(SHAPE);
  const old = historyOf(cluster.layout);
  return { cluster, old, grown: append(old, nextLayout(cluster.layout, [0, 1, 2, 3, 4], SHAPE)) };
}

/** Member 3, which is no replica, lives in a layout that the others do not know. */
function ahead(): ReturnType<typeof growing> & {
  history: LayoutHistory;
  coordinator: Coordinator;
} {
  const { cluster, old, grown } = growing();
  const history = append(old, nextLayout(cluster.layout, [0, 1, 2], SHAPE));
  cluster.use(3, history);
  return { cluster, old, grown, history, coordinator: cluster.members[3]!.coordinator };
}

function useAt(cluster: TestCluster, indexes: readonly number[], history: LayoutHistory): void {
  for (const index of indexes) cluster.use(index, history);
}

function expectOk(outcome: Outcome | undefined): void {
  expect(outcome?.error).toBeUndefined();
  expect(outcome?.count).toBe(1);
}

function expectNothingLeft(cluster: TestCluster): void {
  for (const { coordinator } of cluster.members) {
    expect(coordinator.inFlightBytes).toBe(0);
    expect(coordinator.pendingCount).toBe(0);
  }
}

function versions(cluster: TestCluster): string[] {
  const heads = cluster.members.flatMap(({ engine }) =>
    [...engine.cells.values()].map(
      (row) => `${row.timestamp}/${row.writer} ${Buffer.from(row.value ?? []).toString()}`,
    ),
  );
  return [...new Set(heads)];
}

describe("a write that a replica refuses because of its layout", () => {
  it("is made again when its coordinator goes over to the newer layout", () => {
    const { cluster, grown } = growing();
    useAt(cluster, [1, 2, 3, 4], grown);
    const put = cluster.put(0, "k", "value");
    cluster.settle();
    expect(put.isSettled).toBe(false);
    cluster.use(0, grown);
    cluster.settle();
    expectOk(put);
    expect(cluster.members[0]?.coordinator.counters).toMatchObject({ writes: 1, layoutRetries: 1 });
    expect(versions(cluster)).toEqual([
      `${put.receipt?.version?.timestamp}/${put.receipt?.version?.writer} value`,
    ]);
    expectNothingLeft(cluster);
  });

  it("is made again until the replicas have come over to the newer layout", () => {
    const { cluster, grown } = growing();
    cluster.use(0, grown);
    const put = cluster.put(0, "k", "value");
    cluster.run(100);
    expect(put.isSettled).toBe(false);
    useAt(cluster, [1, 2, 3, 4], grown);
    cluster.run(25);
    expectOk(put);
    expect(versions(cluster)).toHaveLength(1);
    expectNothingLeft(cluster);
  });

  it("reaches replicas of the newer layout that it was not sent to at first", () => {
    const { cluster, old } = growing();
    const head = nextLayout(cluster.layout, [2, 3, 4], SHAPE);
    useAt(cluster, [1, 2, 3, 4], append(old, head));
    const put = cluster.put(0, "k", "value", { consistency: "ALL" });
    cluster.settle();
    cluster.use(0, append(old, head));
    cluster.settle();
    expectOk(put);
    expect(cluster.members.map(({ engine }) => engine.cells.size)).toEqual([1, 1, 1, 1, 1]);
  });

  it("keeps the acknowledgements that it has", () => {
    const { cluster, grown } = growing();
    useAt(cluster, [2, 3, 4], grown);
    const put = cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    expect(put.isSettled).toBe(false);
    const stored = cluster.members[1]?.coordinator.counters.replicaWrites;
    useAt(cluster, [0, 1], grown);
    cluster.settle();
    expectOk(put);
    expect(cluster.members[1]?.coordinator.counters.replicaWrites).toBe(stored);
  });

  it("does not wait for a silent replica when one that lagged can do", () => {
    const { cluster, grown } = growing();
    cluster.use(0, grown);
    useAt(cluster, [3, 4], grown);
    const key = keyHeldBy(cluster, [0, 1, 2]);
    cluster.freeze(2, true);
    const put = cluster.put(0, key, "v");
    cluster.run(30);
    expect(put.isSettled).toBe(false);
    cluster.use(1, grown);
    cluster.run(30);
    expectOk(put);
  });

  it("waits for a replica that lags, also when another one dies meanwhile", () => {
    const { cluster, grown } = growing();
    useAt(cluster, [0, 3, 4], grown);
    const key = keyHeldBy(cluster, [0, 1, 2]);
    const put = cluster.put(0, key, "v");
    cluster.freeze(2, true);
    cluster.settle();
    cluster.kill(2);
    expect(put.isSettled).toBe(false);
    cluster.use(1, grown);
    cluster.run(30);
    expectOk(put);
  });

  it("reaches a lagging replica also after the level was reached", () => {
    const { cluster, grown } = growing();
    useAt(cluster, [0, 1, 3, 4], grown);
    const key = keyHeldBy(cluster, [0, 1, 2]);
    const put = cluster.put(0, key, "v");
    cluster.settle();
    expectOk(put);
    cluster.run(200);
    cluster.use(2, grown);
    cluster.run(30);
    expect(cluster.members[2]?.engine.cells.size).toBe(1);
    expectNothingLeft(cluster);
  });

  it("ends at the deadline of its first attempt", () => {
    const { cluster, coordinator } = ahead();
    const put = cluster.put(3, "k", "v");
    cluster.run(980);
    expect(put.isSettled).toBe(false);
    cluster.run(60);
    const reason = expect.stringContaining("another layout");
    expect(put.error?.detail).toMatchObject({
      code: "REPLICA_FAILURE",
      required: 2,
      received: 0,
      failures: ["m0:1", "m1:1", "m2:1"].map((replica) => ({ replica, reason })),
    });
    // Of two frames to one replica nobody can tell which was refused.
    expect(put.error?.outcome).toBe("unknown");
    expect(coordinator.counters.writeFailures).toBe(1);
    expectNothingLeft(cluster);
    cluster.run(500);
    expect(cluster.members.map(({ engine }) => engine.cells.size)).toEqual([0, 0, 0, 0, 0]);
  });

  it("is unknown if any of its attempts may have been stored", () => {
    const { cluster, history, grown } = ahead();
    const put = cluster.put(3, "k", "v");
    cluster.run(100);
    cluster.use(0, history);
    cluster.run(100);
    expect(cluster.members[0]?.engine.cells.size).toBe(1);
    cluster.use(0, grown);
    cluster.run(1000);
    expect(put.error?.outcome).toBe("unknown");
    expectNothingLeft(cluster);
  });

  it("fails when its keyspace is not in the newer layout", () => {
    const { cluster, old } = growing();
    const head = { ...nextLayout(cluster.layout, [0, 1, 2, 3], SHAPE), keyspaces: [] };
    useAt(cluster, [0, 1, 2], append(old, head));
    cluster.use(3, old);
    const put = cluster.put(3, "k", "v");
    const get = cluster.get(3, "k");
    cluster.settle();
    cluster.use(3, append(old, head));
    expect(put.error?.code).toBe("UNKNOWN_KEYSPACE");
    expect(put.error?.outcome).toBe("failed");
    expect(get.error?.code).toBe("UNKNOWN_KEYSPACE");
    expectNothingLeft(cluster);
  });

  it("ends when the last one to be asked again has stored another copy of it", () => {
    const { cluster, grown } = growing();
    useAt(cluster, [0, 1, 3, 4], grown);
    cluster.members[1]!.engine.putError = new Error("for a test");
    cluster.freeze(1, true);
    const put = cluster.put(0, "k", "v", { consistency: "ALL" });
    const link = cluster.links[0]![2]!;
    const copies = link.frames.map((frame) => Buffer.from(frame));
    cluster.settle();
    cluster.freeze(1, false);
    cluster.settle();
    expect(put.isSettled).toBe(false);
    cluster.use(2, grown);
    link.frames.push(...copies);
    cluster.settle();
    expect(put.error?.code).toBe("REPLICA_FAILURE");
    expect(put.error?.outcome).toBe("unknown");
    expectNothingLeft(cluster);
  });

  it("closes the link when what comes back is another write", () => {
    const { cluster, grown } = growing();
    cluster.use(0, grown);
    cluster.put(0, "k", "v");
    cluster.put(0, "k", "w");
    const [one, other] = cluster.links[0]?.[1]?.frames ?? [];
    other?.copy(one!, 12, 12);
    one?.writeDoubleLE(1, 28);
    expect(() => cluster.settle()).toThrow("another write");
  });
});

describe("a write that is under way when the layout changes", () => {
  it("goes on with the acknowledgements that come", () => {
    const { cluster, grown } = growing();
    for (const { engine } of cluster.members) engine.holdsAcks = true;
    const put = cluster.put(0, "k", "v");
    cluster.settle();
    cluster.useEverywhere(grown);
    expect(put.isSettled).toBe(false);
    for (const { engine } of cluster.members) for (const sink of engine.held) sink.stored();
    cluster.settle();
    expectOk(put);
    expect(cluster.members[0]?.coordinator.counters.layoutRetries).toBe(0);
    expectNothingLeft(cluster);
  });

  it("takes the answer of a member that has left meanwhile, or the write that it sends back", () => {
    for (const isBehind of [true, false]) {
      const { cluster } = growing();
      cluster.freeze(2, true);
      const put = cluster.put(0, "k", "v", { consistency: "ALL" });
      cluster.settle();
      const shrunk = historyOf(nextLayout(cluster.layout, [0, 1, 3], SHAPE));
      useAt(cluster, isBehind ? [0] : [0, 1, 2, 3], shrunk);
      cluster.settle();
      expect(put.isSettled).toBe(false);
      cluster.freeze(2, false);
      cluster.run(50);
      expectOk(put);
      expect(cluster.members[3]?.engine.cells.size).toBe(isBehind ? 0 : 1);
      expectNothingLeft(cluster);
    }
  });

  it("is told when the link to a member that has left breaks", () => {
    const { cluster } = growing();
    cluster.freeze(2, true);
    const put = cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    cluster.use(0, historyOf(nextLayout(cluster.layout, [0, 1, 3], SHAPE)));
    cluster.kill(2);
    expect(put.error?.code).toBe("REPLICA_FAILURE");
  });

  it("does not wait for a dead member that is in no active layout any more", () => {
    const { cluster } = growing();
    cluster.freeze(2, true);
    const put = cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    cluster.members[0]!.peers[2]!.isConvicted = true;
    cluster.use(0, historyOf(nextLayout(cluster.layout, [0, 1, 3], SHAPE)));
    expect(put.error?.detail).toMatchObject({
      code: "REPLICA_FAILURE",
      failures: [{ replica: "m2:1", reason: "disconnected" }],
    });
  });

  it("counts no byte twice when its own store answers after the deadline", () => {
    const { cluster } = growing();
    const engine = cluster.members[0]!.engine;
    engine.holdsAcks = true;
    const put = cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.run(1100);
    expect(put.error?.code).toBe("TIMEOUT");
    for (const sink of engine.held) sink.stored();
    expectNothingLeft(cluster);
  });
});

describe("a read that a replica refuses because of its layout", () => {
  it("is made again, whoever of both lags", () => {
    for (const ahead of [[0], [1, 2, 3, 4]]) {
      const { cluster, grown } = growing();
      cluster.put(0, "k", "v", { consistency: "ALL" });
      cluster.settle();
      useAt(cluster, ahead, grown);
      const get = cluster.get(0, "k", { consistency: "ALL" });
      cluster.run(100);
      expect(get.isSettled).toBe(false);
      cluster.useEverywhere(grown);
      cluster.run(25);
      expectOk(get);
      expect(get.text).toBe("v");
      expect(cluster.members[0]?.coordinator.counters.layoutRetries).toBeGreaterThan(0);
      expectNothingLeft(cluster);
    }
  });

  it("asks another replica meanwhile", () => {
    const { cluster, grown } = growing();
    cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    cluster.use(1, grown);
    const get = cluster.get(0, "k");
    cluster.settle();
    expect(get.text).toBe("v");
    cluster.run(100);
    expectNothingLeft(cluster);
  });

  it("takes no answer of this member itself under a layout that it has left", () => {
    const { cluster, old } = growing();
    cluster.put(0, "k", "old", { consistency: "ALL" });
    cluster.settle();
    const head = nextLayout(cluster.layout, [2, 3, 4], SHAPE);
    cluster.useEverywhere(historyOf(head));
    cluster.clock.nowMs += 10;
    cluster.put(3, "k", "new", { consistency: "ALL" });
    cluster.settle();
    useAt(cluster, [0, 1, 2], old);
    const get = cluster.get(0, "k");
    cluster.freeze(2, true);
    const { engine } = cluster.members[1]!;
    const headOfCell = engine.head.bind(engine);
    const getCell = engine.get.bind(engine);
    const history = { ...append(old, head), reads: head.version.counter };
    const leave = (): void => useAt(cluster, [0, 2, 3, 4], history);
    engine.head = (...cell) => (leave(), headOfCell(...cell));
    engine.get = (...cell) => (leave(), getCell(...cell));
    cluster.run(100);
    cluster.freeze(2, false);
    cluster.settle();
    expect(get.text).toBe("new");
  });

  it("goes on when the layout changes in the middle of a repair", () => {
    const { cluster, grown } = growing();
    for (const at of [1, 2]) cluster.links[0]![at]!.isUp = false;
    cluster.put(0, "k", "v", { consistency: "ONE" });
    for (const at of [1, 2]) cluster.links[0]![at]!.isUp = true;
    for (const at of [1, 2]) cluster.members[at]!.engine.holdsAcks = true;
    const get = cluster.get(0, "k");
    cluster.settle();
    expect(get.isSettled).toBe(false);
    cluster.useEverywhere(grown);
    cluster.run(60);
    for (const { engine } of cluster.members) {
      engine.holdsAcks = false;
      for (const sink of engine.held) sink.stored();
    }
    cluster.run(100);
    expectOk(get);
    expect(get.text).toBe("v");
    expectNothingLeft(cluster);
  });

  it("ends at the deadline of its first attempt", () => {
    const { cluster, grown } = growing();
    cluster.use(0, grown);
    const get = cluster.get(0, "k");
    cluster.run(1000);
    expect(get.isSettled).toBe(false);
    cluster.run(100);
    expect(get.error?.detail).toMatchObject({ code: "REPLICA_FAILURE", operation: "read" });
    expectNothingLeft(cluster);
  });
});

describe("a scan that a replica refuses because of its layout", () => {
  async function settled<T>(
    cluster: TestCluster,
    promise: Promise<T>,
    act: () => void,
  ): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let turn = 0; turn < 500 && !isSettled; turn++) {
      cluster.run(5);
      if (turn === 10) act();
      await Promise.resolve();
    }
    return promise;
  }

  it("is made again on the spans of the newer layout, whoever of both lags", async () => {
    for (const ahead of [[0], [1, 2, 3, 4]]) {
      const { cluster, grown } = growing();
      for (let n = 0; n < 50; n++) cluster.put(0, `k${n}`, "v", { consistency: "ALL" });
      cluster.settle();
      useAt(cluster, ahead, grown);
      const { coordinator } = cluster.members[0]!;
      const counted = coordinator.count("ks", "QUORUM");
      expect(await settled(cluster, counted, () => cluster.useEverywhere(grown))).toBe(50);
      expect(coordinator.counters.layoutRetries).toBeGreaterThan(0);
      expectNothingLeft(cluster);
    }
  });

  it("ends at its deadline", async () => {
    const { cluster, grown } = growing();
    cluster.use(0, grown);
    const { coordinator } = cluster.members[0]!;
    const page = coordinator.scan({ keyspace: "ks", cursor: "0", limit: 10 });
    await expect(settled(cluster, page, () => {})).rejects.toMatchObject({
      detail: { code: "REPLICA_FAILURE", operation: "read" },
    });
    expectNothingLeft(cluster);
  });
});

describe("changing over member by member", () => {
  it("fails no operation and loses no write, in whatever order members come over", () => {
    const anyStep = fc.record({
      member: fc.nat({ max: 4 }),
      waitMs: fc.nat({ max: 12 }),
      writesAt: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 5, maxLength: 30 }), (steps) => {
        const cluster = new TestCluster({ ...SHAPE, initial: undefined });
        const histories = [historyOf(cluster.layout)];
        for (const indexes of [
          [0, 1, 2, 3],
          [1, 2, 3, 4],
        ]) {
          const last = histories.at(-1)!;
          histories.push(append(last, nextLayout(headOf(last), indexes, SHAPE)));
        }
        const at = [0, 0, 0, 0, 0];
        const puts: Outcome[] = [];
        for (const [index, { member, waitMs, writesAt }] of steps.entries()) {
          at[member] = Math.min(at[member]! + 1, histories.length - 1);
          cluster.use(member, histories[at[member]!]!);
          if (writesAt !== undefined) puts.push(cluster.put(writesAt, `k${index}`, `v${index}`));
          cluster.run(waitMs);
        }
        cluster.useEverywhere(histories.at(-1)!);
        cluster.run(60);
        for (const put of puts) expectOk(put);
        for (const [index, { writesAt }] of steps.entries()) {
          if (writesAt === undefined) continue;
          const get = cluster.get(index % 5, `k${index}`);
          cluster.settle();
          expect(get.text).toBe(`v${index}`);
        }
        expectNothingLeft(cluster);
      }),
      { numRuns: 30 },
    );
  });
});

/** A key that these members hold in all active layouts, as the first of them sees it. */
function keyHeldBy(cluster: TestCluster, indexes: readonly number[]): string {
  const { coordinator } = cluster.members[indexes[0]!]!;
  const wanted = indexes.map((index) => `m${index}:1`).sort();
  for (let n = 0; n < 1000; n++) {
    const { hi, lo } = coordinator.locate("ks", Buffer.from(`key${n}`));
    const plan = coordinator.placement("ks").plan(hi, lo);
    const addresses = plan.replicas.map(({ address }) => address).sort();
    if (addresses.join() === wanted.join()) return `key${n}`;
  }
  throw new Error("no such key");
}
