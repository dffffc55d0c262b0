/** A ring of three under load doubles, is spread over racks, and gives a dead member up, by the command line. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { until } from "../support/condition.ts";
import { RingProcesses } from "../support/ring-processes.ts";
import { changeBy, expectMovedAsPlanned, unnoticed } from "./topology-commands.ts";
import { TestKeys } from "./topology-keys.ts";
import { TopologyRing } from "./topology-ring.ts";

let processes: RingProcesses;
let ring: TopologyRing;
const keys = new TestKeys(2000, 300);

beforeAll(async () => {
  const flags = ["--num-tokens", "4", "--gossip-interval-ms", "300", "--log-level", "info"];
  processes = await RingProcesses.start({ members: 3, flags });
  ring = new TopologyRing(processes);
  await processes.createKeyspace({
    name: "default",
    replication: { class: "NetworkTopologyStrategy", options: { dc1: "3" } },
  });
  await keys.write(processes.member(0).respPort);
}, 60_000);

afterAll(async () => {
  await processes?.stop();
});

it("double: three waiting members take half of every range of one member each", async () => {
  const waiting: number[] = [];
  for (let count = 0; count < 3; count++) waiting.push(await ring.addWaiting());
  const names = waiting.map((index) => ring.address(index));
  const change = await unnoticed(ring, keys, [0, 1, 2], () =>
    changeBy(processes, 0, "double", ...names),
  );
  expect(change.plan.movedKeys).toBeGreaterThan(2000);
  await expectMovedAsPlanned(ring, change);
  for (const index of waiting) await processes.ready(index);
  expect(await ring.membersUp()).toHaveLength(6);
}, 60_000);

it("place: a member alone in its rack holds everything afterwards", async () => {
  const moved = ring.address(1);
  const change = await unnoticed(ring, keys, [0, 1, 2, 3, 4, 5], () =>
    changeBy(processes, 0, "place", moved, "--rack", "r2"),
  );
  const after = change.plan.members.find(({ address }) => address === moved);
  expect(after).toMatchObject({ rack: "r2", ownershipAfter: 1 });
  await expectMovedAsPlanned(ring, change);
}, 60_000);

it("assassinate: not a member that lives; a dead one is gone for good, and is told so", async () => {
  const address = ring.address(5);
  const refused = await processes.cli(0, "assassinate", address, "--yes");
  expect(refused.exitCode).toBe(3);
  expect(refused.stderr).toContain(`${address} is alive: use decommission`);
  await processes.end(5, "SIGKILL");
  await until("it is dead", async () => !(await ring.membersUp()).includes(address));
  await unnoticed(ring, keys, [0, 1, 2, 3, 4], () =>
    changeBy(processes, 0, "assassinate", address),
  );
  const { log } = processes.member(5);
  log.length = 0;
  processes.spawn(5);
  await until("it has ended", () => !processes.isRunning(5));
  expect(log.join("\n")).toMatch(/cannot start: this member .* was removed from the ring/);
  expect(log.join("\n")).not.toContain("member.serving");
}, 60_000);
