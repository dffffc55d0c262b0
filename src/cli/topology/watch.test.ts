import { beforeEach, expect, test } from "vitest";
import { FAKE_VERSION, fakeTask } from "../../http/fake-topology.suite.ts";
import type { ActiveVersionJson, TaskJson } from "../../http/topology-views.ts";
import { FAKE_MEMBERS } from "../../http/fakes.suite.ts";
import { CliError } from "../exit-codes.ts";
import { type ChangeProgress, ChangeWatcher, type WatchEnd } from "./watch.ts";

interface FakeMember {
  isUp: boolean;
  versions: readonly ActiveVersionJson[];
  tasks: readonly TaskJson[];
}

const OLD: ActiveVersionJson = { ...FAKE_VERSION, phase: "current", waitingFor: [] };
const NEW: ActiveVersionJson = {
  ...FAKE_VERSION,
  counter: 4,
  phase: "syncing",
  waitingFor: ["127.0.0.1:7402"],
};
const DONE: ActiveVersionJson = { ...NEW, phase: "current", waitingFor: [] };

/** Three members whose HTTP ports are 1, 2 and 3; all of them know each other. */
let members: readonly FakeMember[];
let shown: ChangeProgress[];
/** What happens before the look of this number, from 1. */
let events: ReadonlyMap<number, () => void>;

beforeEach(() => {
  members = [1, 2, 3].map(() => ({ isUp: true, versions: [OLD, NEW], tasks: [] }));
  shown = [];
  events = new Map();
});

const member = (number: number): FakeMember => members[number - 1]!;

const fetch = (async (input: string) => {
  await Promise.resolve();
  const { port, pathname } = new URL(input);
  const asked = member(Number(port));
  if (!asked.isUp) throw new TypeError("fetch failed");
  const versions = asked.versions;
  const bodies: Record<string, unknown> = {
    "/v1/status": statusAt(Number(port)),
    "/v1/topology": { versions, readsFrom: versions[0]?.counter, staged: [], waiting: [] },
    "/v1/tasks": asked.tasks,
  };
  return Response.json(bodies[pathname]);
}) as typeof globalThis.fetch;

function statusAt(port: number): unknown {
  return {
    clusterName: "test",
    partitioner: "p",
    snitch: "s",
    layout: { counter: 3, hash: "00" },
    members: FAKE_MEMBERS.map((view, index) => ({
      ...view,
      phi: undefined,
      isUp: true,
      isSelf: index + 1 === port,
      httpAddress: `127.0.0.1:${index + 1}`,
    })),
  };
}

async function watch(leaving: readonly string[] = []): Promise<WatchEnd> {
  let looks = 1;
  let stop: () => void = () => {};
  const stopWished = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const pause = async (): Promise<void> => {
    await Promise.resolve();
    looks++;
    events.get(looks)?.();
    if (looks === 100) stop();
  };
  const deps = { fetch, pause, stopWished, show: (view: ChangeProgress) => void shown.push(view) };
  const watcher = new ChangeWatcher(deps, "http://127.0.0.1:1");
  await watcher.begin();
  events.get(1)?.();
  return watcher.watch(4, leaving);
}

function allDone(): void {
  for (const each of members) Object.assign(each, { versions: [DONE], tasks: [] });
}

test("a change is finished when one version is left and nobody syncs", async () => {
  member(3).tasks = [fakeTask()];
  events = new Map([
    [3, () => members.forEach((each) => (each.versions = [DONE]))],
    [6, () => (member(3).tasks = [{ ...fakeTask(), state: "done", finishedAtMs: 1 }])],
  ]);
  expect(await watch()).toEqual({ kind: "finished", counter: 4 });
  expect(shown.length).toBe(6);
  expect(shown.at(-1)?.tasks).toMatchObject([
    { member: "127.0.0.1:7403", task: { state: "done" } },
  ]);
});

test("the version before the change is no end of it", async () => {
  members.forEach((each) => (each.versions = [OLD]));
  events = new Map([[4, allDone]]);
  expect(await watch()).toEqual({ kind: "finished", counter: 4 });
  expect(shown.length).toBe(4);
});

test("tasks that were over before are not shown", async () => {
  member(1).tasks = [{ ...fakeTask(), id: "sync-1", state: "done", finishedAtMs: 1 }];
  member(2).tasks = [fakeTask(), { ...fakeTask(), id: "cleanup-1", kind: "cleanup" }];
  events = new Map([[2, allDone]]);
  await watch();
  expect(shown[0]?.tasks.map(({ task }) => task.id)).toEqual(["sync-12"]);
});

test("when the member that was asked goes away, the others are asked", async () => {
  events = new Map([
    [2, () => (member(1).isUp = false)],
    [4, () => (member(2).isUp = false)],
    [6, allDone],
  ]);
  expect(await watch()).toEqual({ kind: "finished", counter: 4 });
  expect(shown.length).toBe(6);
});

test("a member that leaves is not believed while others can be asked", async () => {
  events = new Map([
    [2, () => (member(1).versions = [DONE])],
    [5, allDone],
  ]);
  expect(await watch(["127.0.0.1:7401"])).toEqual({ kind: "finished", counter: 4 });
  expect(shown.length).toBe(5);
});

test("nobody who answers any more ends the watching, a short silence does not", async () => {
  const everybody = (isUp: boolean) => () => members.forEach((each) => (each.isUp = isUp));
  events = new Map([
    [2, everybody(false)],
    [9, everybody(true)],
    [12, everybody(false)],
  ]);
  const error = await watch().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CliError);
  expect(error).toMatchObject({ exit: "unreachable" });
  expect(shown.length).toBe(1 + 3);
});

test("a member that is waited for and has given up is what the change is stuck with", async () => {
  const failed = { ...fakeTask(), state: "failed", reason: "disk full", finishedAtMs: 1 } as const;
  member(1).tasks = [{ ...failed, id: "sync-3" }];
  member(2).tasks = [failed];
  const end = await watch();
  expect(end).toMatchObject({ kind: "stuck", tasks: [{ member: "127.0.0.1:7402" }] });
});

test("a member that tries again is not stuck", async () => {
  const failed = { ...fakeTask(), state: "failed", finishedAtMs: 1 } as const;
  member(2).tasks = [failed, { ...fakeTask(), id: "sync-13", state: "waiting" }];
  expect(await watch()).toEqual({ kind: "stopped" });
});
