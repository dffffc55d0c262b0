/** What an operator does to a ring of real processes, over HTTP: plan, commit, wait, look. */
import type {
  CommitJson,
  NetstatsJson,
  PlanJson,
  StagedChangeJson,
  TaskJson,
  TopologyJson,
} from "../../src/http/topology-views.ts";
import type { InfoJson, RangeJson, StatusJson } from "../../src/http/views.ts";
import { until } from "../support/condition.ts";
import type { RingProcesses } from "../support/ring-processes.ts";

/** Streams of large rings take their time on a busy machine. */
/** Each look costs every member some work, which clients would notice. */
const LOOK_MS = 250;
const CHANGE_DEADLINE_MS = 600_000;

export interface CommittedChange {
  readonly plan: PlanJson;
  readonly counter: number;
}

export class TopologyRing {
  readonly processes: RingProcesses;

  constructor(processes: RingProcesses) {
    this.processes = processes;
  }

  /** Indexes of the members whose processes run. */
  get running(): readonly number[] {
    return this.processes.members
      .map(({ index }) => index)
      .filter((index) => this.processes.isRunning(index));
  }

  get<T>(member: number, path: string): Promise<T> {
    return this.#call<T>(member, "GET", path);
  }

  post<T>(member: number, path: string, body?: unknown): Promise<T> {
    return this.#call<T>(member, "POST", path, body);
  }

  async #call<T>(member: number, method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.processes.member(member).httpUrl}${path}`, {
      method,
      ...(body !== undefined && {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} of member ${member}: ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  address(member: number): string {
    return this.processes.member(member).internode;
  }

  /** Starts a member that waits outside, and waits until the ring has heard of it. */
  async addWaiting(flags: readonly string[] = []): Promise<number> {
    const index = await this.processes.add(["--auto-bootstrap", "false", ...flags]);
    await this.waitsOutside(index);
    return index;
  }

  /** Waits until the ring has heard of a member outside. */
  async waitsOutside(index: number): Promise<void> {
    await until(`member ${index} waits outside`, async () => {
      this.processes.requireRunning(index);
      const { waiting } = await this.get<TopologyJson>(0, "/v1/topology");
      return waiting.some(({ address }) => address === this.address(index));
    });
  }

  /** Stages, plans and commits at the first member. */
  async commit(...changes: readonly StagedChangeJson[]): Promise<CommittedChange> {
    for (const change of changes) await this.post(0, "/v1/topology/staged", change);
    const plan = await this.get<PlanJson>(0, "/v1/topology/plan");
    const { version } = await this.post<CommitJson>(0, "/v1/topology/commit", { hash: plan.hash });
    return { plan, counter: version.counter };
  }

  /** Waits until every member of the ring reads from that layout or a later one, and from no other. */
  async settled(counter: number): Promise<void> {
    await until(
      `everybody reads from layout ${counter} alone`,
      async () => {
        for (const member of this.running) {
          const { versions } = await this.get<TopologyJson>(member, "/v1/topology");
          if (versions.length > 1 || (versions[0]?.counter ?? 0) < counter) return false;
        }
        return true;
      },
      CHANGE_DEADLINE_MS,
      LOOK_MS,
    );
  }

  tasks(member: number): Promise<readonly TaskJson[]> {
    return this.get<readonly TaskJson[]>(member, "/v1/tasks");
  }

  /** The task with which a member fetches what that layout gives it. */
  async syncOf(member: number, counter: number): Promise<TaskJson | undefined> {
    const tasks = await this.tasks(member);
    return tasks.find(
      ({ kind, title }) => kind === "sync" && title.endsWith(` for layout ${counter}`),
    );
  }

  /** Bytes that members have fetched for a layout. */
  async movedBytes(counter: number): Promise<number> {
    let bytes = 0;
    for (const member of this.running) bytes += (await this.syncOf(member, counter))?.bytes ?? 0;
    return bytes;
  }

  /** Bytes that a member has fetched in the streams that are under way. */
  async bytesIn(member: number): Promise<number> {
    const { streams } = await this.get<NetstatsJson>(member, "/v1/netstats");
    const incoming = streams.filter(({ direction }) => direction === "in");
    return incoming.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async rebuild(member: number): Promise<void> {
    const { id } = await this.post<TaskJson>(member, "/v1/rebuild", {});
    await until(
      `member ${member} is rebuilt`,
      async () => (await this.tasks(member)).find((task) => task.id === id)?.state === "done",
      CHANGE_DEADLINE_MS,
    );
  }

  info(member: number): Promise<InfoJson> {
    return this.get<InfoJson>(member, "/v1/info");
  }

  ranges(keyspace: string): Promise<readonly RangeJson[]> {
    return this.get<readonly RangeJson[]>(0, `/v1/keyspaces/${keyspace}/ranges`);
  }

  /** Addresses of the members in the ring that are up, as one of them sees it. */
  async membersUp(seenBy = 0): Promise<readonly string[]> {
    const { members } = await this.get<StatusJson>(seenBy, "/v1/status");
    return members.filter(({ isUp }) => isUp).map(({ address }) => address);
  }

  async layoutCounter(): Promise<number> {
    const { layout } = await this.get<StatusJson>(0, "/v1/status");
    return layout.counter;
  }
}
