/** Changing a ring of real members in one process: what is staged, planned, committed, and what becomes of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "../../test/support/condition.ts";
import type { StagedChange } from "../model/topology-api.ts";
import { type DynaringNode, createNode } from "./create-node.ts";
import type { NodeOptionsInput } from "./options-table.ts";

const KEYS = 200;
const nodes: DynaringNode[] = [];
const directories: string[] = [];

afterEach(async () => {
  await Promise.allSettled(nodes.splice(0).map((node) => node.stop()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function make(options: NodeOptionsInput = {}): DynaringNode {
  const seeds = nodes[0] === undefined ? [] : [nodes[0].address];
  const node = createNode({ gossipIntervalMs: 100, internode: { port: 0 }, seeds, ...options });
  nodes.push(node);
  return node;
}

function emptyDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "dynaring-topology-"));
  directories.push(directory);
  return directory;
}

/** A ring with a keyspace and some keys in it. */
async function ring(size: number, options: NodeOptionsInput = {}): Promise<DynaringNode[]> {
  const members: DynaringNode[] = [];
  for (let index = 0; index < size; index++) {
    const node = make(options);
    await node.start();
    members.push(node);
  }
  const [first] = members as [DynaringNode];
  await first.createKeyspace({ name: "ks", replicationFactor: Math.min(3, size) });
  for (let key = 0; key < KEYS; key++) await first.keyspace("ks").put(`k${key}`, `v${key}`);
  return members;
}

async function commit(node: DynaringNode, ...changes: StagedChange[]): Promise<void> {
  for (const change of changes) await node.admin.stage(change);
  const { hash } = await node.admin.plan();
  await node.admin.commit(hash);
}

function settled(members: readonly DynaringNode[]): Promise<void> {
  return until("every member reads from the only layout", () =>
    members.every(({ admin }) => admin.topology().versions.length === 1),
  );
}

async function expectAll(node: DynaringNode): Promise<void> {
  for (let key = 0; key < KEYS; key++) {
    const found = await node.keyspace("ks").get(`k${key}`);
    expect(Buffer.from(found?.value ?? []).toString()).toBe(`v${key}`);
  }
}

describe("a ring in use", () => {
  test("loses a member and nothing else", async () => {
    const members = await ring(4);
    const [first, , , last] = members as [DynaringNode, ...DynaringNode[]];
    await commit(first, { kind: "leave", member: last!.address });
    await settled(members);
    expect(last!.admin.netstats().mode).toBe("LEFT");
    expect(first.admin.status().members).toHaveLength(3);
    await expectAll(first);
    await expect(last!.keyspace("ks").get("k1")).rejects.toThrow("has left the ring");
  });

  test("drops what its members do not own any more", async () => {
    const members = await ring(2);
    const replication = { class: "SimpleStrategy", options: { replication_factor: "1" } };
    await commit(members[0]!, { kind: "replication", keyspace: "ks", replication });
    await settled(members);
    const held = (): number =>
      members.reduce((sum, { admin }) => sum + admin.info().storage.keys, 0);
    await until("each key is held once", () => held() === KEYS);
    expect(held()).toBe(KEYS);
    await expectAll(members[1]!);
  });

  test("of two commits at once makes exactly one, and the other's changes are staged again", async () => {
    const members = await ring(3);
    const [a, b, c] = members as [DynaringNode, DynaringNode, DynaringNode];
    await a.admin.stage({ kind: "num-tokens", member: c.address, numTokens: 4 });
    await b.admin.stage({ kind: "num-tokens", member: c.address, numTokens: 8 });
    const plans = await Promise.all([a.admin.plan(), b.admin.plan()]);
    const outcomes = await Promise.allSettled([
      a.admin.commit(plans[0].hash),
      b.admin.commit(plans[1].hash),
    ]);
    const lost = outcomes.filter(({ status }) => status === "rejected");
    expect(lost).toMatchObject([
      { reason: { code: expect.stringMatching(/^PLAN_(LOST|STALE)$/) } },
    ]);
    await settled(members);
    await until("the loser's changes are staged", () =>
      [a, b].some(({ admin }) => admin.topology().staged.length === 1),
    );
    const tokens = c.admin.info().member.tokens.length;
    expect([4, 8]).toContain(tokens);
    await expectAll(b);
  });

  test("refuses a plan for a ring that has changed since, and changes nothing", async () => {
    const [a, b] = (await ring(2)) as [DynaringNode, DynaringNode];
    await a.admin.stage({ kind: "num-tokens", member: a.address, numTokens: 4 });
    const { hash } = await a.admin.plan();
    await commit(b, { kind: "num-tokens", member: b.address, numTokens: 4 });
    await settled([a, b]);
    await expect(a.admin.commit(hash)).rejects.toMatchObject({ code: "PLAN_STALE" });
    expect(a.admin.info().member.tokens).toHaveLength(16);
    expect(a.admin.topology().staged).toHaveLength(1);
  });

  test("shows streams and how far they are while they are under way, and no longer", async () => {
    const members = await ring(2);
    const value = "v".repeat(8000);
    for (let key = 0; key < 16; key++) await members[0]!.keyspace("ks").put(`long${key}`, value);
    const joining = make({ streamThroughputBytes: 65_536 });
    const started = joining.start();
    const incoming = (): unknown =>
      joining.admin.netstats().streams.find(({ direction }) => direction === "in");
    await until("it fetches", () => {
      const [task] = joining.admin.tasks();
      // No range is on stable storage before the first checkpoint.
      return task?.done === 0 && task.bytes > 0 && task.share > 0 && task.share < 1;
    });
    expect(incoming()).toBeDefined();
    await started;
    expect(joining.admin.tasks()[0]).toMatchObject({ state: "done", share: 1 });
    expect(incoming()).toBeUndefined();
  });

  test("goes back to where it was while a member is on its way in", async () => {
    const members = await ring(3);
    const joining = make({ streamThroughputBytes: 65_536 });
    const started = joining.start();
    started.catch(() => {});
    const { admin } = members[0]!;
    await until("it is in the newest layout", () => admin.topology().versions.length > 1);
    // It may have been quicker; then there is nothing to go back from.
    const outcome = await admin.revert().then(() => "reverted", String);
    expect(outcome).toMatch(/^reverted$|nothing to revert/);
    await settled(members);
    await expectAll(members[1]!);
  });

  test("says why a change cannot be had, and stages nothing", async () => {
    const [a] = (await ring(1)) as [DynaringNode];
    const stage = (change: StagedChange): Promise<unknown> => a.admin.stage(change);
    await expect(stage({ kind: "leave", member: "10.9.9.9:1" })).rejects.toThrow(/10\.9\.9\.9:1/);
    await expect(stage({ kind: "leave", member: a.address })).rejects.toMatchObject({
      code: "CHANGE_REFUSED",
    });
    await expect(a.admin.plan()).rejects.toMatchObject({ code: "NOTHING_STAGED" });
    await expect(a.admin.controlTask("sync-99", "pause")).rejects.toMatchObject({
      code: "UNKNOWN_TASK",
    });
    expect(a.admin.topology().staged).toEqual([]);
  });
});

describe("a member with a data directory", () => {
  test("still knows after a restart what was staged and which tasks there were", async () => {
    const dataDirectory = emptyDirectory();
    const [a] = (await ring(1, { dataDirectory })) as [DynaringNode];
    await a.admin.stage({ kind: "num-tokens", member: a.address, numTokens: 4 });
    await a.stop();
    nodes.length = 0;
    const again = make({ dataDirectory });
    await again.start();
    expect(again.admin.topology().staged).toMatchObject([{ kind: "num-tokens", numTokens: 4 }]);
  });

  test("of another ring of the same name is refused", async () => {
    const dataDirectory = emptyDirectory();
    await ring(1, { dataDirectory });
    await nodes[0]!.stop();
    nodes.length = 0;
    await ring(1);
    const stray = make({ dataDirectory });
    await expect(stray.start()).rejects.toThrow(/belongs to the ring .* founded separately/);
  });

  test("that is leaving starts as it was configured last", async () => {
    const dataDirectory = emptyDirectory();
    const members = await ring(3);
    const leaving = make({ dataDirectory });
    await leaving.start();
    await settled([...members, leaving]);
    // While somebody is down nobody forgets the layout in which its weight is another one.
    await members[2]!.stop();
    await commit(members[0]!, { kind: "weight", member: leaving.address, weight: 2 });
    await commit(members[0]!, { kind: "leave", member: leaving.address });
    await leaving.stop();
    const again = make({ dataDirectory, weight: 2 });
    await again.start();
    expect(again.admin.netstats().mode).toBe("LEAVING");
  });

  test("that was removed is refused for ever", async () => {
    const dataDirectory = emptyDirectory();
    const members = await ring(3);
    const dead = make({ dataDirectory });
    await dead.start();
    const { address } = dead;
    await settled(members);
    await dead.stop();
    const { admin } = members[0]!;
    await until("it counts as down", () =>
      admin.status().members.some(({ isUp, address: at }) => !isUp && at === address),
    );
    await commit(members[0]!, { kind: "remove", member: address });
    await settled(members);
    await expectAll(members[2]!);
    const zombie = make({ dataDirectory });
    await expect(zombie.start()).rejects.toThrow("was removed from the ring and never comes back");
    expect(admin.status().members).toHaveLength(3);
  });
});
