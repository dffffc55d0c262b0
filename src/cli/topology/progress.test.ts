import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { FAKE_VERSION, fakeTask } from "../../http/fake-topology.suite.ts";
import { JsonProgress, PlainProgress, barLines } from "./progress.ts";
import type { ChangeProgress } from "./watch.ts";

function progress(...tasks: readonly Partial<ReturnType<typeof fakeTask>>[]): ChangeProgress {
  return {
    versions: [
      { ...FAKE_VERSION, counter: 2, phase: "synced", waitingFor: [] },
      // Overtaken: nobody has to care.
      { ...FAKE_VERSION, counter: 3, phase: "spreading", waitingFor: ["127.0.0.1:7409"] },
      { ...FAKE_VERSION, counter: 4, phase: "syncing", waitingFor: ["127.0.0.1:7404"] },
    ],
    tasks: tasks.map((task, index) => ({
      member: index === 0 ? "127.0.0.1:7404" : "10.0.0.1:7400",
      task: { ...fakeTask(), ...task },
    })),
  };
}

test("every task is a bar, which moves before a range is complete", () => {
  const lines = barLines(
    progress(
      { done: 3, share: 0.5, bytes: 2048 },
      { state: "done", done: 32, total: 32, share: 1 },
      { state: "paused", reason: "by hand", done: 0, total: 0 },
    ),
  );
  expect(lines.map(stripVTControlCharacters)).toEqual([
    "layout version 4 is syncing, waits for 127.0.0.1:7404",
    "127.0.0.1:7404  ████████████░░░░░░░░░░░░  50%, 3 of 32 ranges, 2 KiB, 30s left",
    "10.0.0.1:7400   ████████████████████████  100%, 32 of 32 ranges, 0 bytes",
    "10.0.0.1:7400   ░░░░░░░░░░░░░░░░░░░░░░░░  0%, 0 of 0 ranges, 0 bytes, paused: by hand",
  ]);
});

test("without a terminal a line comes for every tenth and every change of state", () => {
  let out = "";
  const reporter = new PlainProgress((text) => void (out += text));
  for (let done = 0; done <= 32; done++) reporter.show(progress({ done, share: done / 32 }));
  reporter.show(progress({ done: 32, share: 1, state: "done" }));
  reporter.end();
  const lines = out.trimEnd().split("\n");
  expect(lines[0]).toBe("layout version 4 is syncing, waits for 127.0.0.1:7404");
  expect(lines.length).toBe(1 + 11 + 1);
  expect(lines.at(-1)).toBe(
    "127.0.0.1:7404: sync-12 done, 100%, 32 of 32 ranges, fetch 32 ranges of default",
  );
});

test("as JSON only what has changed is a line", () => {
  const lines: unknown[] = [];
  const reporter = new JsonProgress((text) => lines.push(JSON.parse(text)));
  for (const done of [1, 1, 2]) reporter.show(progress({ done }));
  reporter.end();
  expect(lines).toMatchObject([
    { event: "progress", tasks: [{ task: { done: 1 } }] },
    { event: "progress", tasks: [{ task: { done: 2 } }] },
  ]);
});
