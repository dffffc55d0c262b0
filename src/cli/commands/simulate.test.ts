import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { SimulationReport } from "../tokens/simulation.ts";
import { run, runOn, withDirectory } from "../tokens/run.suite.ts";

async function ringText(line: string): Promise<string> {
  const { code, out } = await run(`tokens ${line} --seed 1 --format ring`.split(" "));
  expect(code).toBe(0);
  return out;
}

async function report(yaml: string, line: string): Promise<SimulationReport> {
  const args = `simulate ring.yaml --seed 1 --json ${line}`.trim().split(" ");
  const { code, out, err } = await runOn(yaml, args);
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out) as SimulationReport;
}

const SIX = await ringText("--nodes 6 --num-tokens 1 --allocator even");
const VNODES = await ringText("--nodes 6 --num-tokens 16");
const UNEVEN = await ringText("--nodes 6 --num-tokens 16 --allocator random");
const RACKS = await ringText("--nodes 6 --num-tokens 8 --racks 3");

describe("replacing a dead member of six", () => {
  test("with one token each, its neighbours alone can help, three of them do", async () => {
    const { members, transfers, moved } = await report(SIX, "--replace n2");
    const replacement = members.find(({ name }) => name === "n2-new");
    expect(replacement?.after).toMatchObject({ tokens: 1, rebuildMembers: 4 });
    expect(transfers.map(({ from }) => from)).toEqual(["n1", "n3", "n6"]);
    expect(transfers.map(({ share }) => share.toFixed(4))).toEqual(["0.1667", "0.1667", "0.1667"]);
    expect(moved).toBeCloseTo(0.5);
  });

  test("with sixteen tokens each, everybody helps", async () => {
    const { members, transfers } = await report(VNODES, "--replace n2");
    const replacement = members.find(({ name }) => name === "n2-new");
    expect(replacement?.after).toMatchObject({ tokens: 16, rebuildMembers: 5 });
    const senders = transfers.map(({ from }) => from).toSorted();
    expect(senders).toEqual(["n1", "n3", "n4", "n5", "n6"]);
  });

  test("changes nothing about who owns what", async () => {
    const { members } = await report(VNODES, "--replace n2");
    const owned = (name: string) => members.find((member) => member.name === name);
    expect(owned("n2-new")?.after?.owns).toBeCloseTo(owned("n2")?.before?.owns ?? 0, 12);
    expect(owned("n2")?.after).toBeUndefined();
  });
});

test("nothing moves where nothing changes", async () => {
  const { isChanged, transfers, moved } = await report(VNODES, "");
  expect([isChanged, transfers, moved]).toEqual([false, [], 0]);
});

test("a new member takes its part from the others and nothing else moves", async () => {
  const { transfers, moved, minimum, members } = await report(VNODES, "--add 1");
  expect(new Set(transfers.map(({ to }) => to))).toEqual(new Set(["new1"]));
  expect(moved).toBeCloseTo(minimum, 9);
  expect(members.find(({ name }) => name === "new1")?.after?.owns).toBeCloseTo(3 / 7, 1);
});

test("new members stand in the racks with the least capacity", async () => {
  const { members } = await report(RACKS, "--remove n3 --add 3");
  const added = members.filter(({ before }) => before === undefined);
  expect(added.map(({ rack }) => rack)).toEqual(["rack3", "rack1", "rack2"]);
});

test("a member that leaves gives its data away itself, unless it is down", async () => {
  const leaving = await report(VNODES, "--remove n2");
  expect(new Set(leaving.transfers.map(({ from }) => from))).toEqual(new Set(["n2"]));
  const dead = await report(VNODES, "--remove n2 --down n2");
  expect(dead.transfers.map(({ from }) => from)).not.toContain("n2");
  expect(dead.moved).toBeCloseTo(leaving.moved, 9);
});

test("data whose only holder is down is lost", async () => {
  const single = await ringText("--nodes 3 --rf 1 --num-tokens 1 --allocator even");
  const { withoutSource, transfers } = await report(single, "--replace n2");
  expect(withoutSource).toBeCloseTo(1 / 3, 9);
  expect(transfers).toEqual([]);
  const { out } = await runOn(single, ["simulate", "ring.yaml", "--replace", "n2"]);
  expect(out).toContain("LOST: nobody who is up holds 33.33%");
});

describe("the weight of a member", () => {
  test("raised, it keeps its tokens, gets more, and about its part more data", async () => {
    const { members, transfers } = await report(RACKS, "--weight n3=2");
    const member = members.find(({ name }) => name === "n3");
    expect([member?.before?.tokens, member?.after?.tokens]).toEqual([8, 16]);
    expect(member?.after?.owns).toBeCloseTo(2 / 3, 1);
    expect(new Set(transfers.map(({ to }) => to))).toEqual(new Set(["n3"]));
  });

  test("lowered, it gives tokens up and sends data only", async () => {
    const { members, transfers } = await report(VNODES, "--weight n3=0.5");
    const member = members.find(({ name }) => name === "n3");
    expect(member?.after?.tokens).toBe(8);
    expect(member?.after?.owns).toBeCloseTo((0.5 / 5.5) * 3, 1);
    expect(new Set(transfers.map(({ from }) => from))).toEqual(new Set(["n3"]));
  });
});

describe("--rebalance", () => {
  test("moves tokens until all are within a percent, and says what that moves", async () => {
    const { rebalances, after, before, moved, members } = await report(UNEVEN, "--rebalance");
    expect(before.balance[0]?.max).toBeGreaterThan(1.05);
    expect(after.balance[0]).toMatchObject({ dc: "dc1" });
    expect(after.balance[0]?.max).toBeLessThanOrEqual(1.01);
    expect(after.balance[0]?.min).toBeGreaterThanOrEqual(0.99);
    expect(rebalances).toHaveLength(1);
    expect(rebalances[0]?.moved).toBeCloseTo(moved, 9);
    expect(moved).toBeGreaterThanOrEqual((rebalances[0]?.minimum ?? 1) - 1e-9);
    expect(members.map(({ after: state }) => state?.tokens)).toEqual(Array(6).fill(16));
  });

  test("moves no more than its budget", async () => {
    const { moved, after, before } = await report(UNEVEN, "--rebalance 2%");
    expect(moved).toBeCloseTo(0.02, 6);
    expect(after.balance[0]?.standardDeviation).toBeLessThan(
      before.balance[0]?.standardDeviation ?? 0,
    );
  });

  test("comes after the other changes, and evens out each datacenter", async () => {
    const two = await ringText("--nodes 6 --dcs 2 --num-tokens 16 --allocator random");
    const { after, rebalances } = await report(two, "--add 1 --dc dc1 --rebalance");
    expect(rebalances.map(({ dc }) => dc)).toEqual(["dc1", "dc2"]);
    for (const { max, min } of after.balance) {
      expect([max <= 1.01, min >= 0.99]).toEqual([true, true]);
    }
  });

  test("evens out every rack of Dynomite's ring by itself", async () => {
    const line = "--nodes 6 --racks 2 --num-tokens 1 --partitioner dynomite --allocator random";
    const { rebalances } = await report(await ringText(line), "--rebalance");
    expect(rebalances.map(({ dc, rack }) => `${dc}/${rack}`)).toEqual(["dc1/rack1", "dc1/rack2"]);
  });

  test("shows people what it moves", async () => {
    const { out } = await runOn(UNEVEN, ["simulate", "ring.yaml", "--rebalance"]);
    expect(out).toMatch(
      /Rebalance .*\nRing +Tokens moved +Data moved +At least +Between neighbours\ndc1 +\d+ +[\d.]+% +[\d.]+% +/,
    );
  });
});

test("data of transient replicas is shown apart", async () => {
  const transient = RACKS.replace(/dc1: 3/, "dc1: 3/1");
  const { out } = await runOn(transient, ["simulate", "ring.yaml", "--add", "1", "--seed", "1"]);
  expect(out).toMatch(/Owns +Transient +Rebuilt by/);
  expect(out).toMatch(/and what is not yet repaired of [\d.]+%, to new transient replicas/);
  const { members } = await report(transient, "");
  const sum = (owned: (state: { owns?: number; ownsTransient?: number }) => number | undefined) =>
    members.reduce((total, { after }) => total + (owned(after as object) ?? 0), 0);
  expect(sum(({ owns }) => owns)).toBeCloseTo(2, 9);
  expect(sum(({ ownsTransient }) => ownsTransient)).toBeCloseTo(1, 9);
});

test("replicas that share a rack without need are shown, and racks whose loss takes a quorum", async () => {
  const simple = RACKS.replace(
    /replication: .*/,
    "replication: { class: SimpleStrategy, replication_factor: 3 }",
  );
  const { after } = await report(simple, "");
  expect(after.rackViolations.length).toBeGreaterThan(0);
  expect(after.availability.fatalRacks.map(({ rack }) => rack)).toEqual([
    "rack1",
    "rack2",
    "rack3",
  ]);
  const { after: placed } = await report(RACKS, "");
  expect([placed.rackViolations, placed.availability.fatalRacks]).toEqual([[], []]);
});

test("the model of Lynch and Snyder, with the figures recomputed from their formula", async () => {
  const { quorumModels } = await report(
    await ringText("--nodes 96 --num-tokens 2 --allocator even"),
    "",
  );
  const [model] = quorumModels;
  expect(model).toMatchObject({ dc: "dc1", members: 96, rf: 3, tokensPerMember: 2 });
  const figures = model?.rows.map(({ outagesPerCentury }) => outagesPerCentury.toFixed(2));
  expect(figures).toEqual(["0.47", "0.47", "0.67", "1.18", "1.90", "2.59", "2.94", "2.99"]);
});

test("a ring of ordered keys has ranges but no shares", async () => {
  const ordered = await ringText(
    "--nodes 4 --num-tokens 2 --allocator random --partitioner byteordered",
  );
  const args = "simulate ring.yaml --remove n2 --seed 1".split(" ");
  const { code, out } = await runOn(ordered, args);
  expect(code).toBe(0);
  expect(out).toContain("Balance: unknown");
  expect(out).toMatch(/^n2 +n4 +2 +\?$/m);
});

test("each of Dynomite's racks is a ring of its own", async () => {
  const dynomite = await ringText("--nodes 4 --racks 2 --partitioner dynomite --allocator even");
  const { members, transfers } = await report(dynomite, "--add 1 --rack rack1");
  const owns = (rack: string): number =>
    members
      .filter((member) => member.rack === rack)
      .reduce((sum, { after }) => sum + (after?.owns ?? 0), 0);
  expect([owns("rack1"), owns("rack2")]).toEqual([expect.closeTo(1, 9), expect.closeTo(1, 9)]);
  expect(transfers.every(({ from }) => ["n1", "n3"].includes(from))).toBe(true);
});

test("the report for people", async () => {
  const line = "simulate ring.yaml --replace n2 --seed 1";
  const { out } = await runOn(SIX, line.split(" "));
  expect(out).toMatchSnapshot();
});

test("--svg draws a sector for every range and replica, before and after", async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, "ring.svg");
    const args = ["simulate", "ring.yaml", "--replace", "n2", "--svg", file];
    expect((await runOn(SIX, args)).code).toBe(0);
    const svg = readFileSync(file, "utf8");
    // Six ranges of three replicas twice, six marks twice, and what moves, cut where the ring begins.
    expect(svg.match(/<path /g)).toHaveLength(2 * (18 + 6) + 2);
    expect(svg.match(/<text /g)).toHaveLength(2 * (6 + 1) + 7);
  });
});

test.each([
  ["--remove n9", "n9"],
  ["--replace n1 --remove n1", "'n1' is changed twice"],
  ["--remove n1,n2,n3,n4,n5,n6", "leaves no member"],
  ["--weight n1", "--weight"],
  ["--weight n1=0", "--weight"],
  ["--weight n1=2 --weight n1=3", "already"],
  ["--down n9", "n9"],
  ["--add x", "--add"],
  ["--rebalance 0.05", "as in 5%"],
  ["--add 1 --dc dc9", "--rack"],
  ["--keyspace shop", "it has default"],
  ["--allocator even", "balanced, cassandra, random"],
  ["--svg /nonexistent/ring.svg", "/nonexistent/ring.svg"],
])("'simulate ring.yaml %s' is a usage error", async (line, shown) => {
  const { code, out, err } = await runOn(SIX, ["simulate", "ring.yaml", ...line.split(" ")]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain(shown);
  expect(existsSync("/nonexistent")).toBe(false);
});
