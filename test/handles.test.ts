import { expect, it } from "vitest";
import { createTestCluster } from "../src/index.ts";

/** Sockets, servers, timers and the like that keep the process alive. */
function handles(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => !name.includes("Pipe") && name !== "MessagePort")
    .sort();
}

it("100 starts and stops of a ring leave no handle, each start under a second", async () => {
  const before = handles();
  for (let round = 0; round < 100; round++) {
    const startMs = performance.now();
    const cluster = await createTestCluster(3);
    expect(performance.now() - startMs).toBeLessThan(1000);
    await cluster.keyspace.put("k", String(round));
    await cluster.stop();
  }
  await expect.poll(handles, { timeout: 2000 }).toEqual(before);
}, 60_000);
