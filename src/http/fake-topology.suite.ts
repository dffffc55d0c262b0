/**
 * A TopologyApi over constants: one change at a time, which takes three looks to be finished.
 * Tests set its fields to have it stuck, failing or waiting.
 */
import { KvError } from "../model/kv-error.ts";
import type { LayoutVersion } from "../model/layout-version.ts";
import type {
  ActiveVersionView,
  CommitView,
  NetstatsView,
  PlanView,
  StagedChange,
  TaskState,
  TaskView,
  TopologyApi,
  TopologyView,
} from "../model/topology-api.ts";

const HASH = "00112233445566778899aabbccddeeff";

/** How often the topology is asked for before a change is finished. */
const LOOKS = 3;

export const FAKE_VERSION: LayoutVersion = { counter: 3, hash: HASH, lineage: "00112233" };

export const FAKE_PLAN: Omit<PlanView, "changes"> = {
  hash: "feedfacecafebeef0123456789abcdef",
  base: FAKE_VERSION,
  members: [
    plannedMember(1, { ownershipBefore: 1, ownershipAfter: 0.75 }),
    plannedMember(2, { isUp: false, ownershipBefore: 1, ownershipAfter: 0.75 }),
    plannedMember(4, { ownershipAfter: 0.5, tokensAfter: 16 }),
  ],
  transfers: [
    { ...pair(2, 4), rangeCount: 24, keys: 120_000, bytes: 31_457_280 },
    { ...pair(1, 4), rangeCount: 8, keys: 80_000, bytes: 20_971_520 },
  ],
  movedBytes: 52_428_800,
  movedKeys: 200_000,
  etaSeconds: 75,
  steps: ["127.0.0.1:7404 fetches 32 ranges", "everybody reads from the new layout"],
  warnings: [{ code: "MEMBER_DOWN", message: "127.0.0.1:7402 is down and holds up the change" }],
};

export class FakeTopology implements TopologyApi {
  versions: readonly ActiveVersionView[] = [{ ...FAKE_VERSION, phase: "current", waitingFor: [] }];
  staged: readonly StagedChange[] = [];
  taskList: readonly TaskView[] = [];
  mode: NetstatsView["mode"] = "NORMAL";
  /** Thrown by the next plan, commit or revert when set. */
  topologyFailure: KvError | undefined;
  /** What a change under way is stuck with, instead of getting on. */
  stuckTask: { readonly state: TaskState; readonly reason: string } | undefined;
  #looks = 0;

  topology(): TopologyView {
    if (this.versions.length > 1) this.#getOn();
    return {
      versions: this.versions,
      readsFrom: this.versions[0]?.counter ?? 0,
      staged: this.staged,
      waiting: [{ id: idOf(4), address: addressOf(4), dc: "dc1", rack: "rack4" }],
    };
  }

  stage(change: StagedChange): Promise<readonly StagedChange[]> {
    if (change.kind === "weight" && change.weight > 1000) {
      const expected = "at most 1000";
      const value = String(change.weight);
      return rejected({ code: "INVALID_ARGUMENT", argument: "weight", value, expected });
    }
    this.staged = [...this.staged, change];
    return Promise.resolve(this.staged);
  }

  unstage(): Promise<void> {
    this.staged = [];
    return Promise.resolve();
  }

  plan(): Promise<PlanView> {
    if (this.topologyFailure !== undefined) return Promise.reject(this.topologyFailure);
    if (this.staged.length === 0) return rejected({ code: "NOTHING_STAGED" });
    return Promise.resolve({ ...FAKE_PLAN, changes: this.staged });
  }

  commit(planHash: string): Promise<CommitView> {
    if (this.topologyFailure !== undefined) return Promise.reject(this.topologyFailure);
    if (this.staged.length === 0) return rejected({ code: "NOTHING_STAGED" });
    if (!FAKE_PLAN.hash.startsWith(planHash)) {
      return rejected({ code: "PLAN_STALE", hash: planHash, present: FAKE_PLAN.hash });
    }
    this.staged = [];
    return this.#begin(FAKE_PLAN.hash);
  }

  revert(): Promise<CommitView> {
    if (this.topologyFailure !== undefined) return Promise.reject(this.topologyFailure);
    if (this.versions.length === 1) {
      return rejected({ code: "CHANGE_REFUSED", change: "revert", reason: "nothing is under way" });
    }
    return this.#begin(HASH);
  }

  tasks(): readonly TaskView[] {
    return this.taskList;
  }

  controlTask(id: string, action: "pause" | "resume" | "cancel"): Promise<TaskView> {
    const task = this.taskList.find((known) => known.id === id);
    if (task === undefined) return rejected({ code: "UNKNOWN_TASK", id });
    if (task.finishedAtMs !== undefined) {
      return rejected({ code: "CHANGE_REFUSED", change: `${action} ${id}`, reason: "it is over" });
    }
    const states = { pause: "paused", resume: "running", cancel: "cancelled" } as const;
    return Promise.resolve(this.#put({ ...task, state: states[action] }));
  }

  netstats(): NetstatsView {
    const keyspace = "default";
    return {
      mode: this.mode,
      streams: [
        { peer: addressOf(2), direction: "in", keyspace, bytes: 1_048_576, cells: 4000 },
        { peer: addressOf(3), direction: "out", keyspace, bytes: 2048, cells: 8 },
      ],
      tasks: this.taskList,
    };
  }

  cleanup(): Promise<{ readonly cells: number; readonly bytes: number }> {
    return Promise.resolve({ cells: 1200, bytes: 3_145_728 });
  }

  rebuild(sourceDc?: string): Promise<TaskView> {
    const title = `rebuild from ${sourceDc ?? "any datacenter"}`;
    return Promise.resolve(this.#put({ ...fakeTask(), id: "rebuild-1", kind: "rebuild", title }));
  }

  drain(): Promise<void> {
    this.mode = "DRAINED";
    return Promise.resolve();
  }

  #begin(hash: string): Promise<CommitView> {
    const version = { counter: (this.versions.at(-1)?.counter ?? 0) + 1, hash, lineage: "" };
    const waitingFor = [addressOf(1)];
    this.versions = [...this.versions, { ...version, phase: "syncing", waitingFor }];
    this.#looks = 0;
    this.#put(fakeTask());
    return Promise.resolve({ version, waitingFor: [addressOf(2)] });
  }

  #getOn(): void {
    const task = fakeTask();
    if (this.stuckTask !== undefined) {
      this.#put({ ...task, ...this.stuckTask });
      return;
    }
    this.#looks++;
    const isDone = this.#looks >= LOOKS;
    const done = Math.round((task.total * this.#looks) / LOOKS);
    const bytes = done * 1_048_576;
    const finishedAtMs = isDone ? 1_700_000_003_000 : undefined;
    const share = done / task.total;
    this.#put({ ...task, done, share, bytes, finishedAtMs, state: isDone ? "done" : "running" });
    const head = this.versions.at(-1);
    if (isDone && head !== undefined) {
      this.versions = [{ ...head, phase: "current", waitingFor: [] }];
    }
  }

  #put(task: TaskView): TaskView {
    this.taskList = [...this.taskList.filter(({ id }) => id !== task.id), task];
    return task;
  }
}

/** A task that has just begun. */
export function fakeTask(): TaskView {
  return {
    id: "sync-12",
    kind: "sync",
    title: "fetch 32 ranges of default",
    state: "running",
    reason: undefined,
    done: 0,
    total: 32,
    unit: "ranges",
    share: 0,
    bytes: 0,
    startedAtMs: 1_700_000_000_000,
    finishedAtMs: undefined,
    etaSeconds: 30,
  };
}

function idOf(number: number): string {
  return `9f0c9d1a-6a3c-4a56-9d9a-2f5c1c2a7c0${number}`;
}

function addressOf(number: number): string {
  return `127.0.0.1:740${number}`;
}

function pair(from: number, to: number): { readonly from: string; readonly to: string } {
  return { from: idOf(from), to: idOf(to) };
}

function plannedMember(
  number: number,
  changes: Partial<PlanView["members"][number]>,
): PlanView["members"][number] {
  const tokens = number === 4 ? 0 : 2;
  return {
    id: idOf(number),
    address: addressOf(number),
    dc: "dc1",
    rack: `rack${number}`,
    isUp: true,
    ownershipBefore: 0,
    ownershipAfter: 0,
    tokensBefore: tokens,
    tokensAfter: tokens,
    ...changes,
  };
}

function rejected(detail: ConstructorParameters<typeof KvError>[0]): Promise<never> {
  return Promise.reject(new KvError(detail));
}
