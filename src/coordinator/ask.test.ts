import { describe, expect, it } from "vitest";
import type { AskError } from "../codec/ask.ts";
import { FrameError, LAYOUT_BYTES, type LayoutStamp, putLayout } from "../codec/frames.ts";
import { append, historyOf } from "../layout/history.ts";
import { TestCluster, memberId, nextLayout, simple } from "./testing.suite.ts";

const SHAPE = { datacenters: ["dc1", "dc1", "dc1"], replication: simple(3) };
const TIMEOUT_MS = 300;

function echoing(): TestCluster {
  const cluster = new TestCluster(SHAPE);
  cluster.serveStream = (keyspaceId, body) =>
    Buffer.from(`${keyspaceId}: ${body.subarray(LAYOUT_BYTES).toString()}`);
  return cluster;
}

function makeBody(layout: LayoutStamp): Buffer {
  const body = Buffer.alloc(LAYOUT_BYTES + 5, "hello", "latin1");
  putLayout(body, 0, layout);
  body.write("hello", LAYOUT_BYTES);
  return body;
}

/** Asks member `to`, and settles what comes of it. */
function ask(cluster: TestCluster, to: number): Promise<string | AskError> {
  const question = { memberId: memberId(to), keyspaceId: 7, makeBody };
  const { coordinator } = cluster.members[0]!;
  return coordinator.ask(question, TIMEOUT_MS).then(
    (body) => body.toString(),
    (error: AskError) => error,
  );
}

describe("asking one member", () => {
  it("resolves with a copy of its answer", async () => {
    const cluster = echoing();
    const answer = ask(cluster, 1);
    cluster.settle();
    expect(await answer).toBe("7: hello");
    expect(cluster.members[0]!.coordinator.pendingCount).toBe(0);
  });

  it("a member that is down, unknown, or breaks off gives no answer", async () => {
    const cluster = echoing();
    const brokenOff = ask(cluster, 1);
    cluster.kill(1);
    expect(await brokenOff).toMatchObject({ code: "DOWN" });
    expect(await ask(cluster, 1)).toMatchObject({ code: "DOWN" });
    expect(await ask(cluster, 9)).toMatchObject({ code: "DOWN" });
    expect(cluster.members[0]!.coordinator.pendingCount).toBe(0);
  });

  it("a member that lives in another layout refuses, and both exchange layouts", async () => {
    const cluster = echoing();
    const next = nextLayout(cluster.layout, [0, 1, 2], SHAPE);
    cluster.use(1, append(historyOf(cluster.layout), next));
    const answer = ask(cluster, 1);
    cluster.settle();
    expect(await answer).toMatchObject({ code: "LAYOUT" });
    expect(new Set(cluster.layoutMismatches)).toEqual(new Set([0, 1]));
  });

  it("an answer under a layout that is over is none", async () => {
    const cluster = echoing();
    const answer = ask(cluster, 1);
    cluster.use(0, historyOf(nextLayout(cluster.layout, [0, 1, 2], SHAPE)));
    cluster.settle();
    expect(await answer).toMatchObject({ code: "LAYOUT" });
  });

  it("an answer under the same head counts, though the history has moved on", async () => {
    const cluster = echoing();
    const answer = ask(cluster, 1);
    cluster.use(0, historyOf(cluster.layout));
    cluster.settle();
    expect(await answer).toBe("7: hello");
  });

  it("a silent member has its time and no more", async () => {
    const cluster = echoing();
    cluster.freeze(1, true);
    const answer = ask(cluster, 1);
    let isOver = false;
    void answer.then(() => (isOver = true));
    cluster.run(TIMEOUT_MS - 20);
    await Promise.resolve();
    expect(isOver).toBe(false);
    cluster.run(60);
    expect(await answer).toMatchObject({
      code: "TIMEOUT",
      message: `has not answered in ${TIMEOUT_MS} ms`,
    });
    cluster.freeze(1, false);
    cluster.settle();
    expect(cluster.members[0]!.coordinator.pendingCount).toBe(0);
  });

  it("what the member's stream throws is the text of a refusal", async () => {
    const cluster = echoing();
    cluster.serveStream = () => {
      throw new Error("record 17 is damaged");
    };
    const answer = ask(cluster, 1);
    cluster.settle();
    expect(await answer).toMatchObject({
      code: "REFUSED",
      message: "refuses: record 17 is damaged",
    });
  });

  it("a malformed request is refused, and the link stays", async () => {
    const cluster = echoing();
    cluster.serveStream = () => {
      throw new FrameError("malformed stream request");
    };
    const answer = ask(cluster, 1);
    cluster.settle();
    expect(await answer).toMatchObject({
      code: "REFUSED",
      message: "refuses: malformed stream request",
    });
  });

  it("of many requests at once each is answered", async () => {
    const cluster = echoing();
    const answers = Array.from({ length: 20 }, () => ask(cluster, 1));
    cluster.settle();
    expect(await Promise.all(answers)).toHaveLength(20);
  });
});

describe("draining", () => {
  it("is told to those who keep clients, when requests are refused already", () => {
    const { coordinator } = echoing().members[0]!;
    const heard: (string | undefined)[] = [];
    coordinator.onRefusing((reason) => heard.push(reason, coordinator.refusal));
    coordinator.refuseBecause("it is drained");
    expect(heard).toEqual(["it is drained", "it is drained"]);
  });

  it("ends when no operation of a client is under way, whatever is asked meanwhile", async () => {
    const cluster = echoing();
    const { coordinator } = cluster.members[0]!;
    await coordinator.drained();
    let isDrained = false;
    cluster.freeze(1, true);
    void ask(cluster, 1);
    cluster.put(0, "k", "v");
    const drained = coordinator.drained().then(() => (isDrained = true));
    const page = coordinator.scan({ keyspace: "ks", cursor: "0", limit: 1 });
    cluster.run(100);
    await Promise.resolve();
    expect(isDrained).toBe(false);
    for (let turn = 0; turn < 300 && !isDrained; turn++) {
      cluster.run(10);
      await Promise.resolve();
    }
    await drained;
    expect(await page).toMatchObject({ cursor: "0" });
  });
});
