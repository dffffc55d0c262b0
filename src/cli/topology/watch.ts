/**
 * Watching a change of the ring until everybody reads from the new layout and no data are on their
 * way: the layout versions of one member, and the tasks of every member that can be asked.
 *
 * The member that was asked first may be the one that leaves, or may be restarted meanwhile, so any
 * member that the watcher has heard of will do. Watching changes nothing: it can end at any time.
 */
import type { ActiveVersionJson, TaskJson, TopologyJson } from "../../http/topology-views.ts";
import type { StatusJson } from "../../http/views.ts";
import { MemberClient } from "../client.ts";
import { CliError } from "../exit-codes.ts";
import { isUnfinished } from "./task-text.ts";

export interface MemberTask {
  /** Address of the member that does it. */
  readonly member: string;
  readonly task: TaskJson;
}

export interface ChangeProgress {
  readonly versions: readonly ActiveVersionJson[];
  /** Of this change: unfinished ones, and those that have finished since the watch began. */
  readonly tasks: readonly MemberTask[];
}

export interface WatchDeps {
  readonly fetch: typeof globalThis.fetch;
  readonly pause: (delayMs: number) => Promise<void>;
  /** Resolves when nobody wants to watch any more. */
  readonly stopWished: Promise<unknown>;
  readonly show: (progress: ChangeProgress) => void;
}

export type WatchEnd =
  | { readonly kind: "finished"; readonly counter: number }
  | { readonly kind: "stopped" }
  /** Members that are waited for have tasks that ended without success, and do nothing about it. */
  | { readonly kind: "stuck"; readonly tasks: readonly MemberTask[] };

interface Look {
  readonly topology: TopologyJson;
  /** Sync tasks, history included. */
  readonly tasks: readonly MemberTask[];
}

const LOOK_INTERVAL_MS = 500;
/** One member that does not answer must not hold up the view of the others. */
const LOOK_TIMEOUT_MS = 3000;
/** A member may take this many looks to begin again what has failed, or to answer again. */
const PATIENCE_LOOKS = 10;

export class ChangeWatcher {
  readonly #deps: WatchDeps;
  /** URLs that may be asked where the ring stands; whoever answered last comes first. */
  #urls: readonly string[];
  /** Tasks that were over before. */
  readonly #history = new Set<string>();

  /** @param url of the member to ask first */
  constructor(deps: WatchDeps, url: string) {
    this.#deps = deps;
    this.#urls = [url];
  }

  /** Takes note of what is over already. Call it before the change begins. */
  async begin(): Promise<void> {
    const { tasks } = await this.#look();
    for (const entry of tasks) if (!isUnfinished(entry.task)) this.#history.add(nameOf(entry));
  }

  /**
   * Resolves when the ring has come to this version (or a later one) and to rest, when the change is
   * stuck, or when somebody wishes to stop.
   *
   * @param counter of the layout version to wait for
   * @param leaving addresses of members that go: they are the last to be asked
   */
  async watch(counter: number, leaving: readonly string[] = []): Promise<WatchEnd> {
    const stopped = this.#deps.stopWished.then(() => "stopped" as const);
    let patience = PATIENCE_LOOKS;
    for (;;) {
      const look = await Promise.race([this.#answered(leaving), stopped]);
      if (look === "stopped") return { kind: "stopped" };
      const stuck = look === undefined ? [] : this.#show(look);
      if (look !== undefined && isAtRest(look, counter)) {
        return { kind: "finished", counter: look.topology.readsFrom };
      }
      patience = look === undefined || stuck.length > 0 ? patience - 1 : PATIENCE_LOOKS;
      if (patience < 0 && look !== undefined) return { kind: "stuck", tasks: stuck };
      if (patience < 0) throw nobodyAnswers(this.#urls);
      await Promise.race([this.#deps.pause(LOOK_INTERVAL_MS), stopped]);
    }
  }

  /** Shows a look; returns what it is stuck with. */
  #show({ topology, tasks }: Look): readonly MemberTask[] {
    const shown = tasks.filter((entry) => !this.#history.has(nameOf(entry)));
    this.#deps.show({ versions: topology.versions, tasks: shown });
    return stuckTasks({ topology, tasks });
  }

  async #answered(leaving: readonly string[]): Promise<Look | undefined> {
    try {
      return await this.#look(leaving);
    } catch (error) {
      if (error instanceof CliError) return undefined;
      throw error;
    }
  }

  /** Asks one member after the other where the ring stands, and then all of them for their tasks. */
  async #look(leaving: readonly string[] = []): Promise<Look> {
    const { url, status, topology } = await this.#firstAnswer();
    const known = status.members.flatMap(({ address, httpAddress, isSelf, isUp }) => {
      const own = httpAddress === undefined ? undefined : `http://${httpAddress}`;
      const memberUrl = isSelf ? url : own;
      return memberUrl === undefined ? [] : [{ address, url: memberUrl, isUp }];
    });
    const goes = (address: string): number => (leaving.includes(address) ? 1 : 0);
    const [self] = known.filter((member) => member.url === url && goes(member.address) === 0);
    const others = known.toSorted((a, b) => goes(a.address) - goes(b.address));
    this.#urls = [
      ...new Set([...(self === undefined ? [] : [url]), ...others.map((other) => other.url), url]),
    ];
    const answers = await Promise.all(
      known.filter(({ isUp }) => isUp).map((member) => this.#tasksOf(member)),
    );
    return { topology, tasks: answers.flat() };
  }

  async #firstAnswer(): Promise<{
    readonly url: string;
    readonly status: StatusJson;
    readonly topology: TopologyJson;
  }> {
    let failure: unknown;
    for (const url of this.#urls) {
      const client = this.#client(url);
      try {
        const [status, topology] = await Promise.all([client.status(), client.topology()]);
        return { url, status, topology };
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  async #tasksOf(member: {
    readonly address: string;
    readonly url: string;
  }): Promise<readonly MemberTask[]> {
    try {
      const tasks = await this.#client(member.url).tasks();
      return tasks
        .filter(({ kind }) => kind === "sync")
        .map((task) => ({ member: member.address, task }));
    } catch (error) {
      if (error instanceof CliError) return [];
      throw error;
    }
  }

  #client(url: string): MemberClient {
    return new MemberClient(this.#deps.fetch, url, LOOK_TIMEOUT_MS);
  }
}

function isAtRest({ topology, tasks }: Look, counter: number): boolean {
  const [only, ...others] = topology.versions;
  if (only === undefined || others.length > 0 || only.counter < counter) return false;
  return tasks.every(({ task }) => !isUnfinished(task));
}

/** Failures of members that are waited for and have nothing under way. */
function stuckTasks({ topology, tasks }: Look): readonly MemberTask[] {
  const waitedFor = new Set(topology.versions.flatMap(({ waitingFor }) => waitingFor));
  const busy = new Set(tasks.filter(({ task }) => isUnfinished(task)).map(({ member }) => member));
  return tasks.filter(
    ({ member, task }) =>
      waitedFor.has(member) &&
      !busy.has(member) &&
      (task.state === "failed" || task.state === "cancelled"),
  );
}

function nameOf({ member, task }: MemberTask): string {
  return `${member}/${task.id}`;
}

function nobodyAnswers(urls: readonly string[]): CliError {
  const text = `no member answers any more (${urls.join(", ")}); the change goes on without being watched`;
  return new CliError("unreachable", text, { urls });
}
