import { expect, test } from "vitest";
import { UntrustedDataError } from "../util/untrusted.ts";
import { type NewTask, TaskRegister } from "./tasks.ts";
import { ManualClock } from "../model/manual-clock.suite.ts";

const SYNC: NewTask = {
  kind: "sync",
  subject: "layout 5",
  title: "fetch 4 ranges for layout 5",
  unit: "ranges",
  total: 4,
};

interface Books {
  readonly clock: ManualClock;
  readonly register: TaskRegister;
  readonly changes: string[];
}

function makeBooks(historyMax = 100): Books {
  const clock = new ManualClock();
  const changes: string[] = [];
  const onChange = (): void => {
    changes.push(register.list()[0]?.state ?? "none");
  };
  const register = new TaskRegister({ clock, onChange }, { historyMax });
  return { clock, register, changes };
}

/** What another start of the same member reads from its disk. */
function restarted({ register }: Books, historyMax = 100): Books {
  const books = makeBooks(historyMax);
  books.register.restore(JSON.parse(JSON.stringify(register.document())));
  return books;
}

test("a task tells how far it is, and when it will be through at its present pace", () => {
  const { clock, register } = makeBooks();
  const task = register.open(SYNC);
  const startedAtMs = clock.nowMs;
  expect(task.view).toEqual({
    id: "sync-1",
    kind: "sync",
    title: SYNC.title,
    unit: "ranges",
    state: "running",
    reason: undefined,
    done: 0,
    total: 4,
    share: 0,
    bytes: 0,
    startedAtMs,
    finishedAtMs: undefined,
    etaSeconds: undefined,
  });
  for (const share of [0, 0.1, 0.2, 0.3]) {
    task.update({ done: 1, bytes: 1000, share });
    clock.nowMs += 10_000;
  }
  // A tenth in ten seconds; nothing more came in the last ten.
  expect(task.view).toMatchObject({ done: 1, bytes: 1000 });
  expect(task.view.etaSeconds).toBeCloseTo(70 / (0.3 / 0.4), 0);
});

test("a running task shows what its owner has told nobody yet, and books nothing for that", () => {
  const { clock, register, changes } = makeBooks();
  let fetched = 0;
  const progress = (): { bytes: number; share: number } => ({
    bytes: fetched * 1000,
    share: fetched / 10,
  });
  const task = register.open(SYNC, { progress });
  const before = changes.length;
  for (; fetched < 4; fetched++) {
    expect(register.list()).toMatchObject([
      { done: 0, bytes: fetched * 1000, share: fetched / 10 },
    ]);
    clock.nowMs += 1000;
  }
  expect(task.view.etaSeconds).toBeCloseTo(6, 5);
  expect(changes).toHaveLength(before);
  task.fail("no space");
  fetched = 9;
  expect(task.view).toMatchObject({ bytes: 4000, share: 0.4 });
  task.finish();
});

test("what is over is all done, or as far as it came", () => {
  const { register } = makeBooks();
  const [done, cancelled] = [register.open(SYNC), register.open({ ...SYNC, subject: "other" })];
  for (const task of [done, cancelled]) task.update({ done: 1 });
  done.finish();
  cancelled.cancelled();
  expect([done.view.share, cancelled.view.share]).toEqual([1, 0.25]);
});

test("the estimate looks at the last half minute only", () => {
  const { clock, register } = makeBooks();
  const task = register.open({ ...SYNC, total: 1000 });
  for (let second = 0; second <= 100; second++) {
    // One a second, and after a minute ten a second.
    task.update({ done: second <= 60 ? second : 60 + (second - 60) * 10 });
    clock.nowMs += 1000;
  }
  clock.nowMs -= 1000;
  expect(task.view.etaSeconds).toBeCloseTo((1000 - 460) / 10, 0);
});

test("waiting, pausing and going on are told apart, and every change of state is made known once", () => {
  const { register, changes } = makeBooks();
  const task = register.open(SYNC);
  task.wait("m2 is down");
  task.update({ done: 1 });
  task.wait("m2 is down");
  expect(task.view).toMatchObject({ state: "waiting", reason: "m2 is down", done: 1 });
  task.wait("m3 is down");
  task.update({ state: "running" });
  expect(task.view).toMatchObject({ state: "running", reason: undefined });
  task.update({ state: "paused" });
  task.finish();
  task.fail("too late");
  task.wait("too late");
  task.update({ done: 2, state: "running" });
  expect(changes).toEqual(["running", "waiting", "waiting", "running", "paused", "done"]);
  expect(task.view).toMatchObject({ state: "done", done: 1, reason: undefined });
});

test("people's wishes reach the owner, and what cannot be is refused", async () => {
  const { register } = makeBooks();
  const wishes: string[] = [];
  const wish = (name: string): (() => Promise<void>) => {
    return () => {
      wishes.push(name);
      return Promise.resolve();
    };
  };
  const control = { pause: wish("pause"), resume: wish("resume"), cancel: wish("cancel") };
  const task = register.open(SYNC, control);
  await register.control("sync-1", "pause");
  task.update({ state: "paused" });
  expect(await register.control("sync-1", "resume")).toMatchObject({ id: "sync-1" });
  task.update({ state: "running" });
  const refusal = expect.objectContaining({ code: "CHANGE_REFUSED" });
  await expect(register.control("sync-1", "resume")).rejects.toEqual(refusal);
  task.fail("disk full");
  await expect(register.control("sync-1", "pause")).rejects.toEqual(refusal);
  await register.control("sync-1", "resume");
  task.update({ state: "running" });
  expect(task.view).toMatchObject({ state: "running", reason: undefined, finishedAtMs: undefined });
  await register.control("sync-1", "cancel");
  task.cancelled();
  await expect(register.control("sync-1", "cancel")).rejects.toEqual(refusal);
  const unknown = expect.objectContaining({ code: "UNKNOWN_TASK" });
  await expect(register.control("sync-2", "cancel")).rejects.toEqual(unknown);
  expect(wishes).toEqual(["pause", "resume", "resume", "cancel"]);
});

test("a task without a handle for it cannot be paused", async () => {
  const { register } = makeBooks();
  register.open({ ...SYNC, kind: "cleanup" }, {});
  const refusal = expect.objectContaining({ code: "CHANGE_REFUSED" });
  await expect(register.control("cleanup-1", "pause")).rejects.toEqual(refusal);
  await expect(register.control("cleanup-1", "cancel")).rejects.toEqual(refusal);
});

test("after a restart, tasks wait for their owners, and go on as the same ones", () => {
  const books = makeBooks();
  books.register.open(SYNC).update({ done: 3, bytes: 77 });
  books.register.open({ ...SYNC, kind: "rebuild" }).update({ state: "paused" });
  books.register.open({ ...SYNC, subject: "layout 4" }).fail("disk full");
  books.register.open({ ...SYNC, kind: "cleanup" }).finish();
  const { register } = restarted(books);
  expect(register.list().map(({ id, state, reason }) => [id, state, reason])).toEqual([
    ["cleanup-4", "done", undefined],
    ["sync-3", "failed", "disk full"],
    ["rebuild-2", "paused", undefined],
    ["sync-1", "waiting", "restarted"],
  ]);
  const sync = register.open({ ...SYNC, total: 5 });
  expect(sync.view).toMatchObject({ id: "sync-1", state: "running", done: 3, total: 5, bytes: 77 });
  expect(register.open({ ...SYNC, kind: "rebuild" }).view.state).toBe("paused");
  expect(register.open({ ...SYNC, subject: "layout 4" }).view).toMatchObject({
    id: "sync-3",
    state: "running",
    reason: undefined,
  });
  // What is done is not begun again.
  expect(register.open({ ...SYNC, kind: "cleanup" }).id).toBe("cleanup-5");
  expect(register.list()).toHaveLength(5);
});

test("a task that nobody takes up again can be cancelled", async () => {
  const books = makeBooks();
  books.register.open(SYNC, { cancel: () => Promise.reject(new Error("of the earlier start")) });
  const { register } = restarted(books);
  expect(await register.control("sync-1", "cancel")).toMatchObject({ state: "cancelled" });
});

test("of the tasks that are over, only the latest are remembered", () => {
  const { register } = makeBooks(3);
  const running = register.open({ ...SYNC, subject: "running" });
  for (let index = 0; index < 10; index++) {
    const task = register.open({ ...SYNC, subject: `${index}` });
    if (index % 2 === 0) task.fail("for a test");
    else task.finish();
  }
  expect(register.list().map(({ id }) => id)).toEqual(["sync-11", "sync-10", "sync-9", running.id]);
  expect(register.list().map(({ state }) => state)).toEqual(["done", "failed", "done", "running"]);
});

test("a document that is none is refused", () => {
  const { document } = { document: makeBooks().register.document() };
  for (const wrong of [
    undefined,
    { ...document, next: 0 },
    { ...document, tasks: [{ id: 3 }] },
    { ...document, tasks: "many" },
  ]) {
    expect(() => makeBooks().register.restore(wrong)).toThrow(UntrustedDataError);
  }
});
