/**
 * The end of a run: with every fault gone the ring has to come to rest, while the operator does what
 * only an operator can do: gives up the dead, resumes what was paused, asks for no more replicas than
 * there are members.
 */
import { headOf } from "../../layout/history.ts";
import type { Layout } from "../../layout/layout.ts";
import type { StagedChange, TaskView } from "../../model/topology-api.ts";
import { type Uint32Source, randomChoice } from "../../util/random.ts";
import type { SimulatedMachine } from "../simulated-machine.ts";
import type { VirtualTime } from "../virtual-clock.ts";
import type { Committing } from "./committing.ts";
import type { Fleet } from "./fleet.ts";
import type { LayoutTables } from "./layout-tables.ts";
import { show } from "./layout-watch.ts";
import { isEnoughFor, replicationChange } from "./ring-wishes.ts";

const ROUND_MS = 250;
/** Everything that is under way has an end within this time. */
export const SETTLED_WITHIN_MS = 90_000;
const CHANGE_EVERY_MS = 1500;
/** Whoever can still hear of its removal has heard of it by then. */
const UNAWARE_AFTER_MS = 30_000;

export interface FinisherDeps {
  readonly time: VirtualTime;
  readonly rng: Uint32Source;
  readonly fleet: Fleet;
  readonly tables: LayoutTables;
  readonly committing: Committing;
  readonly cancelled: ReadonlySet<string>;
}

export class Finisher {
  readonly #deps: FinisherDeps;
  #isChanging = false;

  constructor(deps: FinisherDeps) {
    this.#deps = deps;
  }

  /** Undefined, or why the ring has not come to rest in time. */
  async settle(): Promise<string | undefined> {
    const { time } = this.#deps;
    const deadlineMs = time.nowMs + SETTLED_WITHIN_MS;
    const unawareMs = time.nowMs + UNAWARE_AFTER_MS;
    let hasRestarted = false;
    let nextChangeMs = time.nowMs;
    for (;;) {
      const unrest = this.#unrest();
      if (unrest === undefined && !this.#isChanging) return undefined;
      if (time.nowMs >= deadlineMs) {
        return `${unrest ?? "a commit is not answered"} [${this.#heads().join("; ")}]`;
      }
      if (time.nowMs >= unawareMs) {
        if (!hasRestarted) this.#deps.fleet.restartNewcomers();
        hasRestarted = true;
        this.#deps.fleet.endUnaware();
      }
      this.#resumeTasks();
      for (const machine of this.members()) this.#deps.fleet.reseed(machine);
      if (time.nowMs >= nextChangeMs && !this.#isChanging) {
        nextChangeMs = time.nowMs + CHANGE_EVERY_MS;
        void this.#helpAlong();
      }
      await time.runFor(ROUND_MS);
    }
  }

  /** Machines that are to be in the ring. */
  members(): readonly SimulatedMachine[] {
    const { fleet } = this.#deps;
    return fleet.machines.filter(
      (machine) =>
        !fleet.isOut(machine) && (fleet.isInRing(machine) || machine.config.autoBootstrap),
    );
  }

  /** Where each machine is, for a message. */
  #heads(): string[] {
    const { fleet } = this.#deps;
    return fleet.machines.map((machine) => {
      const history = fleet.historyOf(machine);
      const name = `machine ${machine.index} ${fleet.idOf(machine).slice(0, 8)}`;
      if (history === undefined) return `${name} has no layout`;
      const out = fleet.isOut(machine) ? " and is out" : "";
      return `${name} has ${show(headOf(history).version)}, reads ${history.reads}${out}`;
    });
  }

  #unrest(): string | undefined {
    const { fleet } = this.#deps;
    const head = fleet.newestHead();
    if (head === undefined) return "there is no layout";
    const members = this.members();
    for (const machine of members) {
      const problem = this.#unrestOf(machine, head);
      if (problem !== undefined) return `machine ${machine.index} ${problem}`;
    }
    if (head.leavingIds.length > 0) return `${head.leavingIds.join(", ")} are still leaving`;
    if (head.members.length !== members.length) {
      return `${head.members.length} members on ${members.length} machines`;
    }
    if (!isEnoughFor(head, head.members)) return `${head.members.length} members are too few`;
    const left = fleet.machines.find(
      (machine) => machine.process !== undefined && head.removedIds.includes(fleet.idOf(machine)),
    );
    if (left !== undefined && !fleet.isOut(left)) {
      return `machine ${left.index} does not know that it has left`;
    }
    return undefined;
  }

  #unrestOf({ isReady, process, isFrozen }: SimulatedMachine, head: Layout): string | undefined {
    if (process === undefined) return "is down";
    if (!isReady || isFrozen) return "is starting";
    const { admin } = process.member;
    const { versions, readsFrom } = admin.topology();
    if (versions.length > 1 || versions[0]?.hash !== head.version.hash) {
      const list = versions.map(
        (version) =>
          `${show(version)} ${version.phase} waits for ${version.waitingFor.join(", ") || "nobody"}`,
      );
      return `lives in ${list.join("; ")} and reads from ${readsFrom}`;
    }
    const task = admin.tasks().find((one) => isOpen(one));
    if (task !== undefined) return `has task '${task.title}', ${task.state}: ${task.reason ?? ""}`;
    const down = admin.status().members.find(({ isUp }) => !isUp);
    return down === undefined ? undefined : `sees ${down.address} down`;
  }

  #resumeTasks(): void {
    for (const machine of this.members()) {
      if (!machine.isReady) continue;
      for (const task of machine.process?.admin.tasks() ?? []) {
        const { id, state } = task;
        if (!isOpen(task) || (state !== "paused" && state !== "failed")) continue;
        void this.#deps.committing.call(machine, "resume", (admin) =>
          admin.controlTask(id, "resume"),
        );
      }
    }
  }

  /** Does what the ring cannot do by itself. */
  async #helpAlong(): Promise<void> {
    const { fleet, rng, committing, cancelled } = this.#deps;
    const head = fleet.newestHead();
    const via = randomChoice(rng, this.#committers());
    const history = via === undefined ? undefined : fleet.historyOf(via);
    if (head === undefined || via === undefined || history === undefined) return;
    if (headOf(history).version.hash !== head.version.hash) return;
    this.#isChanging = true;
    try {
      const changes = this.#neededChanges(head);
      const dead = new Set(fleet.deadIds());
      if (head.members.every(({ id }) => dead.has(id))) {
        await committing.revert(via);
      } else if (changes.length > 0) {
        await committing.call(via, "unstage", (admin) => admin.unstage());
        if (!(await committing.stage(via, changes))) return;
        const plan = await committing.plan(via);
        if (plan !== undefined) await committing.commit(via, plan);
      } else if (cancelled.has(head.version.hash) && history.layouts.length > 1) {
        await this.#undoCancel(via);
      }
    } finally {
      this.#isChanging = false;
    }
  }

  /** Members that may change the ring; such that serve already, if there are any. */
  #committers(): readonly SimulatedMachine[] {
    const { fleet } = this.#deps;
    const able = fleet.machines.filter(
      (machine) => machine.process !== undefined && !machine.isFrozen && fleet.mayCommit(machine),
    );
    const ready = able.filter((machine) => machine.isReady);
    return ready.length > 0 ? ready : able;
  }

  #neededChanges(head: Layout): readonly StagedChange[] {
    const removals = this.#deps.fleet
      .deadIds()
      .map((member): StagedChange => ({ kind: "remove", member }));
    if (removals.length > 0) return [...this.#withoutDatacenters(head), ...removals];
    if (isEnoughFor(head, head.members)) return [];
    return head.keyspaces.map((keyspace) =>
      replicationChange(head, keyspace, (members) => members),
    );
  }

  /** Replication without the datacenters in which nobody is left. */
  #withoutDatacenters(head: Layout): readonly StagedChange[] {
    const dead = new Set(this.#deps.fleet.deadIds());
    const left = new Set(head.members.filter(({ id }) => !dead.has(id)).map(({ dc }) => dc));
    return head.keyspaces.flatMap(({ name, replication }): StagedChange[] => {
      const emptied = Object.keys(replication.options).filter(
        (option) => option !== "replication_factor" && !left.has(option),
      );
      if (emptied.length === 0) return [];
      const options = { ...replication.options };
      for (const dc of emptied) options[dc] = "0";
      return [{ kind: "replication", keyspace: name, replication: { ...replication, options } }];
    });
  }

  /** Whoever cancels a sync has to revert the change, or to start its member anew. */
  async #undoCancel(via: SimulatedMachine): Promise<void> {
    if (await this.#deps.committing.revert(via)) return;
    for (const machine of this.members()) {
      const tasks = machine.isReady ? (machine.process?.admin.tasks() ?? []) : [];
      const hasGivenUp = tasks.some(({ kind, state }) => kind === "sync" && state === "cancelled");
      if (hasGivenUp) await this.#deps.fleet.restart(machine);
    }
  }
}

/** A sync that has failed is wanted still; others are for whoever asked for them. */
function isOpen({ kind, state }: TaskView): boolean {
  return (
    ["running", "waiting", "paused"].includes(state) || (kind === "sync" && state === "failed")
  );
}
