/**
 * The operator of the simulated ring: changes it at random while clients work and things go wrong.
 *
 * It is a sensible one. It keeps as many members as replicas are wanted, gives up nobody whose data
 * may be the last ones, and in the end removes what is dead. It is not a patient one: it begins
 * something new while the last change is under way, plans things and commits them too late, commits two
 * plans at once, at members that nobody can reach.
 */
import { headOf } from "../../layout/history.ts";
import type { Layout, LayoutMember } from "../../layout/layout.ts";
import type { StagedChange } from "../../model/topology-api.ts";
import {
  type Uint32Source,
  randomBelow,
  randomChoice,
  randomFraction,
  shuffled,
} from "../../util/random.ts";
import type { SimulatedMachine } from "../simulated-machine.ts";
import type { SimulatedNetwork } from "../simulated-network.ts";
import type { VirtualTime } from "../virtual-clock.ts";
import type { Committing } from "./committing.ts";
import type { FixedPlace, Fleet } from "./fleet.ts";
import { RingWishes } from "./ring-wishes.ts";
import { OPERATIONS, type OperationKind, type TopologyOptions } from "./topology-options.ts";

const AT_ONCE_MAX = 4;
const WAITING_WITHIN_MS = 6000;

export interface OperatorDeps {
  readonly time: VirtualTime;
  readonly rng: Uint32Source;
  readonly network: SimulatedNetwork;
  readonly fleet: Fleet;
  readonly committing: Committing;
  readonly crash: (machine: SimulatedMachine) => void;
  readonly stop: (machine: SimulatedMachine) => Promise<void>;
}

export class Operator {
  /** How often each was begun. */
  readonly counts: Map<OperationKind, number> = new Map();
  /** Layouts whose sync somebody was told to give up. */
  readonly cancelled: Set<string> = new Set();
  readonly #deps: OperatorDeps;
  readonly #options: TopologyOptions;
  readonly #wishes: RingWishes;
  #remaining = 0;
  #active = 0;

  constructor(deps: OperatorDeps, options: TopologyOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#wishes = new RingWishes(deps, options);
  }

  get isDone(): boolean {
    return this.#remaining <= 0 && this.#active === 0;
  }

  start(): void {
    this.#remaining = this.#options.topology.operations;
    this.#next();
  }

  /** Begins nothing new. */
  end(): void {
    this.#remaining = 0;
  }

  #next(): void {
    const { time, rng } = this.#deps;
    const waitMs = 2 * this.#options.topology.gapMeanMs * randomFraction(rng);
    time.schedule(time.nowMs + waitMs, () => {
      if (this.#remaining <= 0) return;
      if (this.#active < AT_ONCE_MAX) this.#begin();
      this.#next();
    });
  }

  #begin(): void {
    const kind = this.#draw();
    const work = this.#operate(kind);
    if (work === undefined) return;
    this.#remaining--;
    this.#active++;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    void work.finally(() => this.#active--);
  }

  #draw(): OperationKind {
    const { weights, ringMin, ringMax } = this.#options.topology;
    const size = this.#deps.fleet.newestHead()?.members.length ?? 0;
    if (size < ringMin) return "join";
    if (size > ringMax) return "leave";
    const total = OPERATIONS.reduce((sum, kind) => sum + weights[kind], 0);
    let point = randomFraction(this.#deps.rng) * total;
    for (const kind of OPERATIONS) {
      point -= weights[kind];
      if (point < 0) return kind;
    }
    return "join";
  }

  /** Undefined if there is nothing to do it with. */
  #operate(kind: OperationKind): Promise<unknown> | undefined {
    switch (kind) {
      case "join":
        return this.#join();
      case "join-waiting":
        return this.#joinWaiting(1 + randomBelow(this.#deps.rng, 2));
      case "lose":
        return this.#lose();
      case "replace":
        return this.#replace();
      case "double":
        return this.#double();
      case "several":
        return this.#change(() => this.#wishes.several());
      case "revert":
        return this.#with((via) => this.#deps.committing.revert(via));
      case "race":
        return this.#race();
      case "stale":
        return this.#stale();
      case "cut-off":
        return this.#cutOff();
      case "task":
        return this.#task();
      case "cleanup":
        return this.#with((via) =>
          this.#deps.committing.call(via, "cleanup", (admin) => admin.cleanup()),
        );
      case "rebuild":
        return this.#with((via) =>
          this.#deps.committing.call(via, "rebuild", (admin) => admin.rebuild()),
        );
      case "drain":
        return this.#drain();
      case "leave":
      case "remove":
      case "assassinate":
      case "move":
      case "weight":
      case "num-tokens":
      case "place":
      case "replication":
        return this.#change(() => this.#wishes.wish(kind));
    }
  }

  /** Members that can be asked. */
  #servers(): SimulatedMachine[] {
    const { fleet } = this.#deps;
    return fleet.machines.filter(
      (machine) =>
        machine.isReady &&
        !machine.isFrozen &&
        machine.process?.member.coordinator.refusal === undefined &&
        fleet.mayCommit(machine),
    );
  }

  #server(): SimulatedMachine | undefined {
    return randomChoice(this.#deps.rng, this.#servers());
  }

  #with(act: (via: SimulatedMachine) => Promise<unknown>): Promise<unknown> | undefined {
    const via = this.#server();
    return via === undefined ? undefined : act(via);
  }

  #head(machine: SimulatedMachine): Layout | undefined {
    const history = this.#deps.fleet.historyOf(machine);
    return history === undefined ? undefined : headOf(history);
  }

  /** Stages, plans and commits; with pauses, in which the ring may change. */
  #change(draw: () => readonly StagedChange[] | undefined): Promise<unknown> | undefined {
    const via = this.#server();
    const changes = via === undefined ? undefined : draw();
    if (via === undefined || changes === undefined) return undefined;
    return this.#commit(via, changes);
  }

  async #commit(via: SimulatedMachine, changes: readonly StagedChange[]): Promise<boolean> {
    const { committing, rng } = this.#deps;
    const isStaged = await committing.stage(via, changes);
    if (!isStaged) this.#notStaged(changes);
    if (!isStaged) return false;
    if (randomBelow(rng, 4) === 0) await this.#sleep(1000);
    const plan = await committing.plan(via);
    if (plan === undefined) return false;
    if (randomBelow(rng, 4) === 0) await this.#sleep(1500);
    return committing.commit(via, plan);
  }

  #notStaged(changes: readonly StagedChange[]): void {
    for (const change of changes) {
      if (["remove", "assassinate", "replace"].includes(change.kind) && "member" in change) {
        this.#deps.fleet.keep(change.member);
      }
    }
  }

  #join(): Promise<unknown> {
    const { fleet, rng } = this.#deps;
    const count = randomBelow(rng, 4) === 0 ? 2 : 1;
    for (let index = 0; index < count; index++) fleet.buy(true);
    return Promise.resolve();
  }

  /** New machines, once a member knows that they wait; their ids as that member names them. */
  async #bought(
    count: number,
    via: SimulatedMachine,
    fixed: FixedPlace = {},
  ): Promise<string[] | undefined> {
    const { fleet, time } = this.#deps;
    const machines = Array.from({ length: count }, () => fleet.buy(false, fixed));
    const deadlineMs = time.nowMs + WAITING_WITHIN_MS;
    while (time.nowMs < deadlineMs && via.isReady) {
      await this.#sleep(300);
      const waiting = new Set(
        via.isReady ? via.process?.admin.topology().waiting.map(({ id }) => id) : [],
      );
      const ids = machines.map((machine) => fleet.idOf(machine));
      if (ids.every((id) => waiting.has(id))) return ids;
    }
    return undefined;
  }

  #joinWaiting(count: number): Promise<unknown> | undefined {
    return this.#with(async (via) => {
      const ids = await this.#bought(count, via);
      if (ids === undefined) return;
      await this.#commit(
        via,
        ids.map((member) => ({ kind: "join", member })),
      );
    });
  }

  #double(): Promise<unknown> | undefined {
    const size = this.#deps.fleet.newestHead()?.members.length ?? 0;
    if (size === 0 || size > 3) return undefined;
    return this.#with(async (via) => {
      const members = await this.#bought(size, via);
      if (members !== undefined) await this.#commit(via, [{ kind: "double", members }]);
    });
  }

  /** A machine with its disk is gone. */
  #lose(): Promise<unknown> | undefined {
    const { fleet, rng } = this.#deps;
    const machine = randomChoice(
      rng,
      fleet.machines.filter((one) => fleet.isInRing(one)),
    );
    if (machine === undefined || !fleet.canSpare(fleet.idOf(machine))) return undefined;
    fleet.lose(machine);
    return Promise.resolve();
  }

  /** A new machine takes the tokens of a dead one, at its address or at another one. */
  #replace(): Promise<unknown> | undefined {
    const { fleet, rng } = this.#deps;
    const head = fleet.newestHead();
    if (head === undefined) return undefined;
    const dead = this.#dead(head);
    if (dead === undefined) return undefined;
    return this.#with(async (via) => {
      const { dc, rack, address, id } = dead;
      const isFree = !fleet.machines.some((machine) => machine.address === address);
      const isSame = isFree && randomBelow(rng, 2) === 0;
      const [by] = (await this.#bought(1, via, { dc, rack, ...(isSame && { address }) })) ?? [];
      if (by !== undefined) await this.#commit(via, [{ kind: "replace", member: id, by }]);
    });
  }

  /** A member that is dead already, or dies now. */
  #dead(head: Layout): LayoutMember | undefined {
    const { fleet, rng } = this.#deps;
    const [deadId] = shuffled(rng, fleet.deadIds());
    if (deadId !== undefined && this.#wishes.mayGiveUp(deadId, head)) {
      return head.members.find(({ id }) => id === deadId);
    }
    const member = randomChoice(rng, head.members);
    const machine = member === undefined ? undefined : fleet.machineOf(member.id);
    if (member === undefined || machine === undefined) return undefined;
    if (!this.#wishes.mayGiveUp(member.id, head)) return undefined;
    fleet.lose(machine);
    return member;
  }

  /** Two plans of two members at the same time: at most one of them holds. */
  #race(): Promise<unknown> | undefined {
    const [one, two] = shuffled(this.#deps.rng, this.#servers());
    if (one === undefined || two === undefined) return undefined;
    return this.#raceOf(one, two);
  }

  async #raceOf(one: SimulatedMachine, two: SimulatedMachine): Promise<void> {
    const { committing } = this.#deps;
    const plans = await Promise.all(
      [one, two].map(async (via) => {
        const isStaged = await committing.stage(via, this.#wishes.several().slice(0, 1));
        return isStaged ? committing.plan(via) : undefined;
      }),
    );
    await Promise.all(
      [one, two].map(async (via, index) => {
        const plan = plans[index];
        if (plan !== undefined) await committing.commit(via, plan);
      }),
    );
  }

  /** A plan that is committed when something else was committed meanwhile. */
  #stale(): Promise<unknown> | undefined {
    const [one, two] = shuffled(this.#deps.rng, this.#servers());
    if (one === undefined || two === undefined) return undefined;
    return this.#staleOf(one, two);
  }

  async #staleOf(one: SimulatedMachine, two: SimulatedMachine): Promise<void> {
    const { committing } = this.#deps;
    if (!(await committing.stage(one, this.#wishes.several().slice(0, 1)))) return;
    const plan = await committing.plan(one);
    await this.#commit(two, this.#wishes.several().slice(0, 1));
    await this.#sleep(600);
    if (plan !== undefined) await committing.commit(one, plan);
  }

  /** A member commits while nobody can reach it. */
  #cutOff(): Promise<unknown> | undefined {
    return this.#with(async (via) => {
      const { fleet, network, rng } = this.#deps;
      const mode = randomBelow(rng, 2) === 0 ? "drop" : "hold";
      const others = fleet.machines.filter((machine) => machine !== via);
      for (const { address } of others) {
        network.block(via.address, address, mode);
        network.block(address, via.address, mode);
      }
      const work = this.#commit(via, this.#wishes.several().slice(0, 1));
      await this.#sleep(4000);
      for (const { address } of others) {
        network.unblock(via.address, address);
        network.unblock(address, via.address);
      }
      await work;
    });
  }

  /** Pauses a task and resumes it, or cancels it. */
  #task(): Promise<unknown> | undefined {
    const { rng, committing } = this.#deps;
    const busy = this.#servers().flatMap((machine) => {
      const tasks = machine.process?.admin.tasks() ?? [];
      const open = tasks.find(({ state }) => state === "running" || state === "waiting");
      return open === undefined ? [] : [{ machine, task: open }];
    });
    const found = randomChoice(rng, busy);
    if (found === undefined) return undefined;
    const { machine, task } = found;
    const control = (action: "pause" | "resume" | "cancel"): Promise<unknown> =>
      committing.call(machine, action, (admin) => admin.controlTask(task.id, action));
    if (randomBelow(rng, 3) > 0) {
      return control("pause")
        .then(() => this.#sleep(2000))
        .then(() => control("resume"));
    }
    const hash = this.#head(machine)?.version.hash;
    if (hash !== undefined && task.kind === "sync") this.cancelled.add(hash);
    return control("cancel");
  }

  #drain(): Promise<unknown> | undefined {
    return this.#with(async (via) => {
      const { process } = via;
      await this.#deps.committing.call(via, "drain", (admin) => admin.drain());
      await this.#sleep(500);
      if (via.process !== process || !via.isReady) return;
      if (via.isFrozen) this.#deps.crash(via);
      else await this.#deps.stop(via);
      await this.#sleep(500);
      if (via.canStart) via.start();
    });
  }

  #sleep(limitMs: number): Promise<void> {
    const { time, rng } = this.#deps;
    return new Promise((resolve) => {
      time.schedule(time.nowMs + limitMs * randomFraction(rng), () => resolve());
    });
  }
}
