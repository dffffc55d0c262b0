/** An operator with a ring of real processes and the command line: what goes wrong in practice. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { until } from "../support/condition.ts";
import { RingProcesses } from "../support/ring-processes.ts";
import { TestKeys } from "./topology-keys.ts";
import { SteadyLoad } from "./topology-load.ts";
import { TopologyRing } from "./topology-ring.ts";

let ring: TopologyRing;
const keys = new TestKeys(500, 100);
const nobody = new SteadyLoad([], { workers: 0, keysPerWorker: 1, pauseMs: 0, valueBytes: 0 });

beforeAll(async () => {
  const flags = ["--gossip-interval-ms", "300", "--log-level", "info"];
  const processes = await RingProcesses.start({ members: 3, flags });
  ring = new TopologyRing(processes);
  await processes.createKeyspace({
    name: "default",
    replication: { class: "SimpleStrategy", options: { replication_factor: "3" } },
  });
  await keys.write(processes.member(0).respPort);
}, 60_000);

afterAll(async () => {
  await ring?.processes.stop();
});

async function isDead(member: number): Promise<void> {
  await until(`member ${member} is dead`, async () => {
    const up = await ring.membersUp();
    return !up.includes(ring.address(member));
  });
}

it("what cannot be is refused in one sentence, and leaves nothing staged", async () => {
  const { processes } = ring;
  const [unknown, alive, stale] = await Promise.all([
    processes.cli(0, "removenode", "127.0.0.1:1", "--yes"),
    processes.cli(1, "removenode", ring.address(2), "--yes"),
    processes.cli(2, "commit", "123456"),
  ]);
  expect(unknown.exitCode).toBe(3);
  expect(unknown.stderr).toMatch(
    /^dynaring: removenode of 127.0.0.1:1 is not possible: no member in the ring has the id or address/,
  );
  expect(alive.stderr).toMatch(/ is alive: use decommission\n$/);
  expect(stale.exitCode).toBe(3);
  expect(stale.stderr).toMatch(/^dynaring: nothing is staged at this member: /);
  const { stdout } = await processes.cli(0, "topology", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ staged: [], readsFrom: expect.any(Number) });
});

it("a member whose disk is lost is replaced at its own address", async () => {
  const { processes } = ring;
  await processes.end(2, "SIGKILL");
  rmSync(join(processes.directory, "member2"), { recursive: true });
  processes.spawn(2, ["--auto-bootstrap", "false"]);
  await until("it waits outside", async () => {
    const { stdout } = await processes.cli(0, "topology", "--json");
    const { waiting } = JSON.parse(stdout) as { waiting: { address: string }[] };
    return waiting.some(({ address }) => address === ring.address(2));
  });
  await isDead(2);
  const replaced = await processes.cli(0, "replace", ring.address(2), ring.address(2), "--yes");
  expect(replaced.stderr).toBe("");
  expect(replaced.stdout).toContain("done: everybody reads from layout version");
  await processes.ready(2);
  expect(await keys.problems(ring, nobody)).toEqual([]);
}, 60_000);

it("a member that was removed while it was away is told so when it comes back", async () => {
  const { processes } = ring;
  await processes.end(2, "SIGKILL");
  await isDead(2);
  const removed = await processes.cli(0, "removenode", ring.address(2), "--yes");
  expect(removed.stdout).toContain("done: everybody reads from layout version");
  const { log } = processes.member(2);
  log.length = 0;
  processes.spawn(2);
  await until("it has ended", () => !processes.isRunning(2));
  expect(log.join("\n")).toMatch(/cannot start: this member .* was removed from the ring/);
  expect(log.join("\n")).not.toContain("member.serving");
}, 60_000);
