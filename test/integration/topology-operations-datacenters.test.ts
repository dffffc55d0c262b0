/**
 * A ring in one datacenter is extended to a second one, which is rebuilt from the first, and a member
 * of each leaves: by the command line, while clients use LOCAL_QUORUM in both.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { until } from "../support/condition.ts";
import { RingProcesses } from "../support/ring-processes.ts";
import { LIGHT_LOAD, changeBy, expectMovedAsPlanned, served } from "./topology-commands.ts";
import { TestKeys } from "./topology-keys.ts";
import { SteadyLoad } from "./topology-load.ts";
import { TopologyRing } from "./topology-ring.ts";

let processes: RingProcesses;
let ring: TopologyRing;
let here: SteadyLoad;
const loads: SteadyLoad[] = [];
const keys = new TestKeys(1000, 300);
const DC1 = [0, 1, 2];
const DC2 = [3, 4, 5];

beforeAll(async () => {
  const flags = ["--num-tokens", "4", "--gossip-interval-ms", "300", "--log-level", "info"];
  processes = await RingProcesses.start({ members: 3, flags });
  ring = new TopologyRing(processes);
  for (const _ of DC2) await processes.add(["--dc", "dc2"]);
  for (const index of DC2) await processes.ready(index);
  await processes.createKeyspace({
    name: "default",
    replication: { class: "NetworkTopologyStrategy", options: { dc1: "2" } },
  });
  await keys.write(processes.member(0).respPort);
  here = startLoad("here", DC1);
}, 60_000);

afterAll(async () => {
  for (const load of loads) await load.stop();
  await processes?.stop();
});

function startLoad(keyPrefix: string, through: readonly number[]): SteadyLoad {
  const load = new SteadyLoad(portsOf(through), { ...LIGHT_LOAD, keyPrefix });
  loads.push(load);
  load.start();
  return load;
}

function portsOf(through: readonly number[]): readonly number[] {
  return through.map((index) => processes.member(index).respPort);
}

it("alter-keyspace brings the data to the other datacenter", async () => {
  await served(here);
  const replication = "dc1:2,dc2:2";
  const altered = ["alter-keyspace", "default", "--replication", replication];
  const change = await changeBy(processes, 0, ...altered);
  expect(change.plan.movedKeys).toBeGreaterThan(2 * keys.count * 0.9);
  await expectMovedAsPlanned(ring, change);
}, 60_000);

it("rebuild dc1: a member of the other datacenter fetches from the first", async () => {
  startLoad("there", DC2);
  const rebuilt = await processes.cli(3, "rebuild", "dc1");
  expect(rebuilt).toMatchObject({ exitCode: 0, stderr: "" });
  expect(rebuilt.stdout).toMatch(/^State +: done\nProgress +: 100%/m);
  const nowhere = await processes.cli(3, "rebuild", "dc9");
  expect(nowhere).toMatchObject({ exitCode: 3, stdout: "" });
  expect(nowhere.stderr).toContain("dc9");
}, 60_000);

it("a member of each datacenter leaves", async () => {
  for (const [leaving, load, stay] of [
    [2, here, [0, 1]],
    [5, loads[1]!, [3, 4]],
  ] as const) {
    load.use(portsOf(stay));
    await expectMovedAsPlanned(ring, await changeBy(processes, leaving, "decommission"));
    const left = await processes.cli(leaving, "netstats");
    expect(left.stdout).toMatch(/^Mode: LEFT\n/);
    await processes.end(leaving, "SIGTERM");
  }
  await until("two of each are left", async () => (await ring.membersUp()).length === 4);
}, 60_000);

it("nobody has noticed, and every replica has everything", async () => {
  for (const load of loads) {
    await served(load);
    await load.stop();
  }
  expect(loads.flatMap(({ problems }) => problems)).toEqual([]);
  const leftAt = portsOf([2, 5]);
  const cutOff = loads.flatMap((load) => [...load.cutOff.keys()]);
  expect(cutOff.filter((port) => !leftAt.includes(port))).toEqual([]);
  expect(await keys.problems(ring, ...loads)).toEqual([]);
}, 60_000);
