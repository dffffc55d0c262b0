/** Members are restarted one after the other under load, and nobody notices. */
import { expect, it } from "vitest";
import { restartAll } from "./topology-restarts.ts";

it("a rolling restart is not noticed, and moves nothing", async () => {
  const { problems, operations, tasks, commits } = await restartAll({
    members: 5,
    rounds: 1,
    keys: 1000,
    workers: 5,
    pauseMs: 10,
    log: () => {},
  });
  expect(problems).toEqual([]);
  expect(operations).toBeGreaterThan(200);
  expect(tasks).toBe(0);
  expect(commits).toBe(0);
}, 180_000);
