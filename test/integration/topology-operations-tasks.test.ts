/** An operator holds up a stream, lets it go on, gives it up, and goes back, by the command line. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TaskJson } from "../../src/http/topology-views.ts";
import { until } from "../support/condition.ts";
import { RingProcesses } from "../support/ring-processes.ts";
import { changeBy, unnoticed } from "./topology-commands.ts";
import { TestKeys } from "./topology-keys.ts";
import { TopologyRing } from "./topology-ring.ts";

let processes: RingProcesses;
let ring: TopologyRing;
const keys = new TestKeys(2000, 1500);
/** The member that joins, slowly. */
let slow: number;

beforeAll(async () => {
  const flags = ["--num-tokens", "4", "--gossip-interval-ms", "300", "--log-level", "info"];
  processes = await RingProcesses.startWithQuorums({ flags });
  ring = new TopologyRing(processes);
  await keys.write(processes.member(0).respPort);
  slow = await ring.addWaiting(["--stream-throughput-bytes", "64KiB"]);
}, 60_000);

afterAll(async () => {
  await processes?.stop();
});

async function task(action: string): Promise<TaskJson> {
  const { stdout, stderr } = await processes.cli(slow, "tasks", action, "sync-1", "--json");
  expect(stderr).toBe("");
  return JSON.parse(stdout) as TaskJson;
}

async function fetches(what: string, bytes: number): Promise<void> {
  await until(what, async () => (await ring.bytesIn(slow)) > bytes);
}

it("a sync is paused, resumed and cancelled, and revert goes back without a loss", async () => {
  await unnoticed(ring, keys, [0, 1, 2], async () => {
    const committed = await processes.cli(0, "join", ring.address(slow), "--yes", "--no-wait");
    expect(committed.stdout).toMatch(/\ncommitted layout version \d+, [\da-f]+\n$/);
    await fetches("the stream flows", 0);

    expect(await task("pause")).toMatchObject({ state: "paused" });
    const atPause = await ring.bytesIn(slow);
    expect(await task("resume")).toMatchObject({ state: "running" });
    await fetches("the stream flows again", atPause);

    expect(await task("cancel")).toMatchObject({ state: "cancelled" });
    const again = await processes.cli(slow, "tasks", "resume", "sync-1");
    expect(again).toMatchObject({ exitCode: 3, stdout: "" });
    expect(again.stderr).toMatch(/sync-1 .*cancelled/);
    const stuck = await processes.cli(0, "watch");
    expect(stuck.exitCode).toBe(4);
    expect(stuck.stderr).toMatch(/the change is stuck: sync-1 of .* cancelled .*revert/);

    const reverted = await processes.cli(0, "revert");
    expect(reverted.stdout).toContain("done: everybody reads from layout version");
    await until("its process has ended", () => !processes.isRunning(slow));
  });
}, 60_000);

it("the member joins after all with an empty data directory", async () => {
  rmSync(join(processes.directory, `member${slow}`), { recursive: true });
  processes.spawn(slow, ["--stream-throughput-bytes", "16MiB"]);
  await ring.waitsOutside(slow);
  await unnoticed(ring, keys, [0, 1, 2], () => changeBy(processes, 0, "join", ring.address(slow)));
  expect(await ring.membersUp()).toContain(ring.address(slow));
}, 60_000);
