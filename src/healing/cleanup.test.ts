import fc from "fast-check";
import { expect, test } from "vitest";
import { silentLogger } from "../model/deps.ts";
import { StorageError } from "../storage/storage-error.ts";
import { type CleanupResult, type KeyspaceSpans, cleanUp } from "./cleanup.ts";
import { type TaskHandle, TaskRegister } from "./tasks.ts";
import { ManualClock } from "../model/manual-clock.suite.ts";
import { NaiveEngine, noSink } from "../storage/naive-engine.suite.ts";
import { isInSpan } from "./testing.suite.ts";

interface Parts {
  readonly engine: NaiveEngine;
  readonly clock: ManualClock;
  readonly task: TaskHandle;
  readonly run: (
    foreign: readonly KeyspaceSpans[],
    isWanted?: () => boolean,
  ) => Promise<CleanupResult>;
}

/** A store with one cell at each of these tokens, in both of two keyspaces. */
function makeParts(tokens: readonly number[]): Parts {
  const engine = new NaiveEngine();
  const clock = new ManualClock();
  for (const token of tokens) {
    for (const keyspaceId of [1, 2]) {
      const key = Buffer.from(`key-${token}`);
      const value = token % 2 === 0 ? undefined : Buffer.from("12345");
      const version = { timestamp: 1, writer: 1, expiresAtMs: 0 };
      const cell = { keyspaceId, tokenHi: token, tokenLo: 5, key, value, ...version };
      engine.put(cell, "memory", noSink);
    }
  }
  const register = new TaskRegister({ clock });
  const about = { kind: "cleanup", subject: "", title: "", unit: "ranges", total: 0 } as const;
  const task = register.open(about);
  const run: Parts["run"] = (foreign, isWanted = () => true) =>
    clock.settled(cleanUp({ engine, clock, logger: silentLogger, isWanted }, foreign, task));
  return { engine, clock, task, run };
}

const span = (startHi: number, endHi: number): KeyspaceSpans["spans"][number] => ({
  startHi,
  startLo: 5,
  endHi,
  endLo: 5,
});

const hi = fc.integer({ min: -9, max: 9 });

test("what lies in the spans is gone and counted, and all else is still there", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(hi, { maxLength: 15 }),
      fc.array(fc.tuple(hi, hi), { maxLength: 4 }),
      async (tokens, pairs) => {
        const { engine, run, task } = makeParts(tokens);
        const spans = pairs.map(([start, end]) => span(start, end));
        const rows = [...engine.cells.values()];
        const isForeign = (row: (typeof rows)[number]): boolean =>
          row.keyspaceId === 1 && spans.some((one) => isInSpan(one, row.tokenHi, row.tokenLo));
        const dropped = await run([{ keyspaceId: 1, spans }]);
        expect([...engine.cells.values()]).toEqual(rows.filter((row) => !isForeign(row)));
        const gone = rows.filter(isForeign);
        const bytes = gone.reduce((sum, row) => sum + row.key.length + row.valueBytes, 0);
        expect(dropped).toEqual({ cells: gone.length, bytes });
        const { length } = spans;
        expect(task.view).toMatchObject({ state: "done", done: length, total: length, bytes });
      },
    ),
  );
});

test("it ends before the next span when it is not wanted any more", async () => {
  const { engine, run, task } = makeParts([1, 2, 3]);
  let asked = 0;
  const spans = [span(0, 1), span(1, 2), span(2, 3)];
  const dropped = await run([{ keyspaceId: 1, spans }], () => asked++ < 2);
  expect(dropped.cells).toBe(2);
  expect(engine.cells.size).toBe(4);
  expect(task.view).toMatchObject({ state: "cancelled", done: 2, total: 3 });
});

test("a drop that fails fails the task with its reason", async () => {
  const { engine, run, task } = makeParts([1, 2, 3]);
  engine.putError = new StorageError("READ_ONLY", "a sync failed");
  await expect(run([{ keyspaceId: 1, spans: [span(0, 3)] }])).rejects.toBe(engine.putError);
  expect(task.view).toMatchObject({ state: "failed", reason: "a sync failed" });
});
