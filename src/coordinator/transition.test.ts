import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LayoutHistory, append, headOf, historyOf } from "../layout/history.ts";
import type { Layout } from "../layout/layout.ts";
import type { ConsistencyLevel } from "../model/consistency.ts";
import { Murmur3 } from "../ring/murmur3.ts";
import { tokenFromHalves } from "../ring/token.ts";
import { Peer } from "./peer.ts";
import {
  TestCluster,
  TestLink,
  memberId,
  nextLayout,
  simple,
  testMember,
} from "./testing.suite.ts";

/** Layouts one after the other, all active, the first one read from. */
function changing(layout: Layout, ...next: Layout[]): LayoutHistory {
  return next.reduce(append, historyOf(layout));
}

const FIVE = ["dc1", "dc1", "dc1", "dc1", "dc1"];

/** Five members, of which the first layout has these; then one layout after the other. */
function ring(
  initial: readonly number[],
  ...steps: readonly (readonly number[])[]
): { cluster: TestCluster; history: LayoutHistory } {
  const shape = { datacenters: FIVE, replication: simple(3) };
  const cluster = new TestCluster({ ...shape, initial });
  let history = historyOf(cluster.layout);
  for (const step of steps) {
    history = append(history, nextLayout(headOf(history), step, shape));
  }
  cluster.useEverywhere(history);
  return { cluster, history };
}

function holders(cluster: TestCluster): number[] {
  return [...cluster.members.entries()].flatMap(([index, { engine }]) =>
    engine.cells.size > 0 ? [index] : [],
  );
}

function freezeAllBut(cluster: TestCluster, indexes: readonly number[]): void {
  for (const index of cluster.members.keys()) cluster.freeze(index, !indexes.includes(index));
}

/** The dumb second implementation: walks the ring member by member, counts level by level. */
class NaiveLayout {
  readonly layout: Layout;

  constructor(layout: Layout) {
    this.layout = layout;
  }

  replicas(token: bigint): readonly { id: string; dc: string }[] {
    const sorted = this.layout.members.toSorted((a, b) =>
      BigInt(a.tokens[0]!) < BigInt(b.tokens[0]!) ? -1 : 1,
    );
    const first = sorted.findIndex(({ tokens }) => BigInt(tokens[0]!) >= token);
    const walk = [...sorted.slice(Math.max(first, 0)), ...sorted.slice(0, Math.max(first, 0))];
    const { options } = this.layout.keyspaces[0]!.replication;
    const total = options["replication_factor"];
    if (total !== undefined) return walk.slice(0, Number(total));
    return walk.filter(({ id, dc }, at) => {
      const before = walk.slice(0, at).filter((other) => other.dc === dc && other.id !== id);
      return before.length < Number(options[dc] ?? 0);
    });
  }

  isReached(
    level: ConsistencyLevel,
    token: bigint,
    answering: ReadonlySet<string>,
    self: string,
  ): boolean {
    const { options } = this.layout.keyspaces[0]!.replication;
    const factors = new Map(Object.entries(options).map(([dc, factor]) => [dc, Number(factor)]));
    const simpleFactor = factors.get("replication_factor");
    const replicas = this.replicas(token);
    const all = replicas.filter(({ id }) => answering.has(id));
    const total = simpleFactor ?? [...factors.values()].reduce((sum, factor) => sum + factor, 0);
    const quorum = (factor: number): number => Math.floor(factor / 2) + 1;
    const local = this.layout.members.find(({ id }) => id === self)?.dc ?? "";
    const inside = (dc: string): number => all.filter((one) => one.dc === dc).length;
    if (level === "ONE") return all.length >= 1;
    if (level === "TWO") return all.length >= 2;
    if (level === "QUORUM") return all.length >= quorum(total);
    if (level === "ALL") return all.length >= total;
    if (level === "LOCAL_ONE") {
      return simpleFactor === undefined ? inside(local) >= 1 : all.length >= 1;
    }
    if (simpleFactor !== undefined) return all.length >= quorum(total);
    if (level === "LOCAL_QUORUM") return inside(local) >= quorum(factors.get(local) ?? 0);
    return [...factors].every(([dc, factor]) => inside(dc) >= quorum(factor));
  }
}

const LEVELS = ["ONE", "TWO", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM"] as const;
const COUNT = 5;

/** One layout: who is in it, where, and how the keyspace is replicated. */
const anyLayout = fc
  .record({
    dcs: fc.array(fc.constantFrom("dc1", "dc2"), { minLength: COUNT, maxLength: COUNT }),
    members: fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }),
    factors: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    isSimple: fc.boolean(),
  })
  .map(({ dcs, members, factors, isSimple }) => {
    const known = new Set(members.map((index) => dcs[index] as string));
    const options = Object.fromEntries(
      [...known].map((dc) => [dc, String(factors[dc === "dc1" ? 0 : 1])]),
    );
    const replication = isSimple
      ? simple(factors[0])
      : { class: "NetworkTopologyStrategy", options };
    return { members: members.map((at) => testMember(at, COUNT, dcs[at] as string)), replication };
  });

function withSteps(
  base: Layout,
  steps: readonly {
    members: Layout["members"];
    replication: { class: string; options: Record<string, string> };
  }[],
): Layout[] {
  return steps.map(({ members, replication }, step) => ({
    ...base,
    members,
    keyspaces: base.keyspaces.map((keyspace) => ({ ...keyspace, replication })),
    version: { counter: 10 + step, hash: `${step}`.repeat(32), lineage: `${step}`.repeat(8) },
  }));
}

function tokenOf(key: string): bigint {
  const hasher = new Murmur3();
  const bytes = Buffer.from(key);
  hasher.hash(bytes, 0, bytes.length);
  return tokenFromHalves(hasher.hi, hasher.lo);
}

describe("a write while the layout changes", () => {
  it("is ok if and only if its level is reached in every active layout", () => {
    fc.assert(
      fc.property(
        fc.array(anyLayout, { minLength: 1, maxLength: 3 }),
        fc.record({
          answering: fc.subarray([0, 1, 2, 3, 4]),
          level: fc.constantFrom(...LEVELS),
          at: fc.nat({ max: COUNT - 1 }),
          key: fc.string({ maxLength: 4 }),
        }),
        (steps, { answering, level, at, key }) => {
          const cluster = new TestCluster({ datacenters: FIVE, replication: simple(3) });
          const layouts = withSteps(cluster.layout, steps);
          cluster.useEverywhere({ layouts, reads: 10 });
          freezeAllBut(cluster, [...answering, at]);
          const put = cluster.put(at, key, "v", { consistency: level });
          cluster.settle();
          const ids = new Set([...answering, at].map(memberId));
          const isReached = layouts.every((layout) =>
            new NaiveLayout(layout).isReached(level, tokenOf(key), ids, memberId(at)),
          );
          expect(put.isSettled && put.error === undefined).toBe(isReached);
          cluster.clock.advance(1200, 100);
          expect(put.count).toBe(1);
          const { inFlightBytes, pendingCount } = cluster.members[at]!.coordinator;
          expect({ inFlightBytes, pendingCount }).toEqual({ inFlightBytes: 0, pendingCount: 0 });
        },
      ),
      { numRuns: 120 },
    );
  });

  it("goes to the replicas of all layouts and counts in each of them", () => {
    const { cluster } = ring([0, 1, 2], [2, 3, 4]);
    freezeAllBut(cluster, [0, 1, 2]);
    const put = cluster.put(0, "k", "v");
    cluster.settle();
    expect(put.isSettled).toBe(false);
    freezeAllBut(cluster, [0, 1, 2, 3]);
    cluster.settle();
    expect(put.error).toBeUndefined();
    expect(put.count).toBe(1);
    freezeAllBut(cluster, [0, 1, 2, 3, 4]);
    cluster.settle();
    expect(holders(cluster)).toEqual([0, 1, 2, 3, 4]);
  });

  it("counts in three layouts at once", () => {
    const { cluster } = ring([0, 1, 2], [0, 1, 3], [0, 3, 4]);
    freezeAllBut(cluster, [0, 1]);
    const put = cluster.put(0, "k", "v");
    cluster.settle();
    // Two of three hold it in the first two layouts, one of three in the last.
    expect(put.isSettled).toBe(false);
    freezeAllBut(cluster, [0, 4]);
    cluster.settle();
    expect(put.error).toBeUndefined();
    expect(put.count).toBe(1);
  });

  it("names what the most demanding layout asks when it is refused", () => {
    const shape = { datacenters: FIVE, replication: simple(2) };
    const cluster = new TestCluster({ ...shape, initial: [0, 1] });
    const wider = nextLayout(cluster.layout, [0, 1, 2, 3, 4], { ...shape, replication: simple(5) });
    cluster.useEverywhere(changing(cluster.layout, wider));
    for (const index of [2, 3, 4]) cluster.kill(index);
    const put = cluster.put(0, "k", "v");
    expect(put.error?.detail).toMatchObject({ code: "UNAVAILABLE", required: 3, alive: 2 });
  });

  it("follows the replication factor from 3 to 2 and back", () => {
    const shape = { datacenters: ["dc1", "dc1", "dc1"], replication: simple(3) };
    const cluster = new TestCluster(shape);
    const two = nextLayout(cluster.layout, [0, 1, 2], { ...shape, replication: simple(2) });
    const three = nextLayout(two, [0, 1, 2], shape);
    const historyTo2 = changing(cluster.layout, two);
    const historyTo3 = changing(two, three);
    for (const history of [historyTo2, historyOf(two), historyTo3, historyOf(three)]) {
      cluster.useEverywhere(history);
      const put = cluster.put(0, `key of ${headOf(history).version.counter}`, "v");
      cluster.settle();
      expect(put.error).toBeUndefined();
      expect(put.count).toBe(1);
    }
    expect(cluster.put(0, "k", "v", { consistency: 3 }).error).toBeUndefined();
    cluster.useEverywhere(historyTo3);
    expect(cluster.put(0, "k", "v", { consistency: 3 }).error?.code).toBe("INVALID_ARGUMENT");
  });

  it("takes a new datacenter into account as soon as it is in a layout", () => {
    const datacenters = ["dc1", "dc1", "dc1", "dc2", "dc2"];
    const network = (
      options: Record<string, string>,
    ): { class: string; options: typeof options } => ({
      class: "NetworkTopologyStrategy",
      options,
    });
    const cluster = new TestCluster({
      datacenters,
      replication: network({ dc1: "3" }),
      initial: [0, 1, 2],
    });
    const next = nextLayout(cluster.layout, [0, 1, 2, 3, 4], {
      datacenters,
      replication: network({ dc1: "3", dc2: "2" }),
    });
    cluster.useEverywhere(changing(cluster.layout, next));
    freezeAllBut(cluster, [0, 1, 2]);
    const local = cluster.put(0, "a", "v", { consistency: "LOCAL_QUORUM" });
    const each = cluster.put(0, "b", "v", { consistency: "EACH_QUORUM" });
    cluster.settle();
    expect(local.count).toBe(1);
    expect(local.error).toBeUndefined();
    expect(each.isSettled).toBe(false);
    freezeAllBut(cluster, [0, 1, 2, 3, 4]);
    cluster.settle();
    expect(each.error).toBeUndefined();
    expect(each.receipt?.answeredBy).toEqual(["m0:1", "m1:1", "m2:1", "m3:1", "m4:1"]);
  });
});

describe("a write that is late", () => {
  it("is reported by members that do not own it any more, for them to drop it", () => {
    const { cluster, history } = ring([0, 1, 2], [2, 3, 4]);
    freezeAllBut(cluster, [2, 3, 4]);
    const put = cluster.put(3, "k", "v", { consistency: "ALL" });
    cluster.settle();
    const over = historyOf(headOf(history));
    for (const at of [0, 1]) cluster.use(at, over);
    freezeAllBut(cluster, [0, 1, 2, 3, 4]);
    cluster.settle();
    // Its coordinator has not heard yet that nobody reads from the old layout.
    expect(put.error).toBeUndefined();
    expect(put.count).toBe(1);
    expect(cluster.strayWrites).toEqual([0, 1]);
    expect(holders(cluster)).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("a read while the layout changes", () => {
  it("does not believe those that may have dropped what it asks for", async () => {
    const { cluster, history } = ring([0, 1, 2], [3, 4]);
    cluster.put(0, "k", "v");
    cluster.settle();
    expect(holders(cluster)).toEqual([0, 1, 2, 3, 4]);
    freezeAllBut(cluster, [3]);
    const get = cluster.get(3, "k");
    const page = cluster.members[3]!.coordinator.scan({ keyspace: "ks", cursor: "0", limit: 10 });
    cluster.settle();
    cluster.useEverywhere(historyOf(headOf(history)));
    for (const at of [0, 1, 2]) cluster.members[at]!.engine.cells.clear();
    freezeAllBut(cluster, [0, 1, 2, 3, 4]);
    cluster.settle();
    expect(get.text).toBe("v");
    const { keys } = await page;
    expect(keys.map((key) => Buffer.from(key).toString())).toEqual(["k"]);
  });

  it("asks only replicas of the layout that is read from", () => {
    const { cluster, history } = ring([0, 1, 2], [2, 3, 4]);
    cluster.useEverywhere(historyOf(history.layouts[0]!));
    cluster.put(0, "k", "v");
    cluster.settle();
    cluster.useEverywhere(history);
    const get = cluster.get(3, "k", { consistency: "ONE" });
    cluster.settle();
    expect(get.text).toBe("v");
    const reads = cluster.members.map(({ coordinator }) => coordinator.counters.replicaReads);
    expect(reads.slice(3)).toEqual([0, 0]);
  });

  it("goes over to the next layout when that is read from", () => {
    const { cluster, history } = ring([0, 1, 2], [2, 3, 4]);
    cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    cluster.useEverywhere({ ...history, reads: headOf(history).version.counter });
    const { readLayout } = cluster.members[0]!.coordinator.placement("ks");
    expect(readLayout).toBe(headOf(history));
    for (const index of [0, 1]) cluster.kill(index);
    const get = cluster.get(4, "k");
    cluster.settle();
    expect(get.text).toBe("v");
  });

  it("returns nothing that a read in the next layout could miss", () => {
    const { cluster, history } = ring([0, 1, 2], [2, 3, 4]);
    // A write that only the old quorum has got, and whose coordinator gave up on it.
    freezeAllBut(cluster, [0, 1]);
    const put = cluster.put(0, "k", "v");
    cluster.run(1100);
    expect(put.error?.outcome).toBe("unknown");
    for (const row of cluster.links) for (const link of row) link.frames.length = 0;
    freezeAllBut(cluster, [0, 1, 3, 4]);
    for (const at of [3, 4]) cluster.members[at]!.engine.holdsAcks = true;
    const seen = cluster.get(1, "k");
    cluster.run(100);
    expect(seen.isSettled).toBe(false);
    for (const { engine } of cluster.members) for (const sink of engine.held) sink.stored();
    cluster.settle();
    expect(seen.text).toBe("v");
    freezeAllBut(cluster, [0, 1, 2, 3, 4]);
    cluster.useEverywhere(historyOf(headOf(history)));
    for (const at of [2, 3, 4]) {
      const again = cluster.get(at, "k");
      cluster.settle();
      expect(again.text).toBe("v");
    }
  });

  it("is not held up by members of a layout to come", () => {
    const { cluster, history } = ring([0, 1, 2], [2, 3, 4]);
    cluster.useEverywhere(historyOf(history.layouts[0]!));
    cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    cluster.useEverywhere(history);
    for (const index of [3, 4]) cluster.kill(index);
    const get = cluster.get(0, "k");
    cluster.settle();
    expect(get.text).toBe("v");
  });

  it("asks replicas of all layouts first, so a quorum of two answers is enough", () => {
    const { cluster } = ring([0, 1, 2], [0, 1, 3]);
    cluster.put(0, "k", "v", { consistency: "ALL" });
    cluster.settle();
    const get = cluster.get(2, "k");
    cluster.settle();
    expect(get.receipt?.answeredBy).toEqual(["m0:1", "m1:1"]);
  });
});

describe("plans", () => {
  it("reads and writes have the same plan while all layouts place a key alike", () => {
    const { cluster, history } = ring([0, 1, 2, 3, 4]);
    const head = headOf(history);
    const moved = head.members.map((member) => ({ ...member, address: `${member.address}0` }));
    const version = { ...head.version, counter: head.version.counter + 1 };
    cluster.useEverywhere(append(history, { ...head, members: moved, version }));
    const placement = cluster.members[0]!.coordinator.placement("ks");
    expect(placement.plan(5, 5)).toBe(placement.readPlan(5, 5));
    expect(placement.readLayout).toBe(head);
  });

  it("a key that a change does not concern keeps the plan that it has", () => {
    const { cluster } = ring([0, 1, 2, 3], [0, 1, 2, 3, 4]);
    const placement = cluster.members[0]!.coordinator.placement("ks");
    const his = Array.from({ length: 64 }, (_, at) => (at - 32) * 2 ** 26);
    const isSame = his.map((hi) => placement.plan(hi, 0) === placement.readPlan(hi, 0));
    expect(new Set(isSame)).toEqual(new Set([true, false]));
    for (const hi of his) expect(placement.plan(hi, 0)).toBe(placement.plan(hi, 0));
  });

  it("a keyspace that the layout in use for reading lacks is read where it is", () => {
    const { cluster, history } = ring([0, 1, 2], [0, 1, 2, 3]);
    const [first, head] = history.layouts as [Layout, Layout];
    cluster.useEverywhere({ ...history, layouts: [{ ...first, keyspaces: [] }, head] });
    expect(cluster.members[0]!.coordinator.placement("ks").readLayout).toBe(head);
    cluster.put(0, "k", "v");
    cluster.settle();
    const get = cluster.get(3, "k");
    cluster.settle();
    expect(get.text).toBe("v");
  });
});

describe("a member that stops", () => {
  it("answers reads that wait for members that were removed meanwhile", () => {
    const cluster = new TestCluster({
      datacenters: FIVE,
      replication: simple(3),
      initial: [0, 1, 2],
    });
    cluster.put(0, "k", "v");
    cluster.settle();
    const shape = { datacenters: FIVE, replication: simple(3) };
    const next = nextLayout(cluster.layout, [0, 3, 4], shape);
    cluster.useEverywhere(changing(cluster.layout, next));
    freezeAllBut(cluster, [0, 1, 2]);
    const reading = cluster.get(0, "k");
    cluster.settle();
    const { coordinator, peers } = cluster.members[0]!;
    // Removed members have one link in common, which leads nowhere.
    const nowhere = new TestLink("", "");
    const removed = [3, 4].map((at) => {
      const place = { memberId: memberId(at), address: `m${at}:1`, dc: "", rack: "" };
      return new Peer(place, nowhere);
    });
    const peerOf = (id: string): Peer =>
      [...removed, ...peers].find((peer) => peer.memberId === id) as Peer;
    const last = nextLayout(next, [0, 1, 2], shape);
    coordinator.useHistory(changing(cluster.layout, next, last), peerOf, peers[0]!);
    expect(reading.isSettled).toBe(false);
    coordinator.stop();
    expect(reading.isSettled).toBe(true);
  });
});
