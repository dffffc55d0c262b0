/**
 * One run of the topology simulation:
 *
 *     form -> clients and operator work under faults -> heal -> the ring comes to rest -> (power loss
 *     of all) -> read every key at ALL -> look at every store -> stop -> check
 *
 * What is checked is what the basic simulation checks, and in addition all that must hold of layouts
 * (layout-watch.ts), of commits (committing.ts), and of data that move (data-watch.ts).
 */
import { headOf } from "../../layout/history.ts";
import type { StagedChange } from "../../model/topology-api.ts";
import { foreignSpans } from "../../node/held-data.ts";
import { measureNow } from "../../storage/measure.ts";
import { must } from "../../util/assert.ts";
import { SeededRng, randomChoice } from "../../util/random.ts";
import { checkAll } from "../checkers/all.ts";
import { EventLog } from "../event-log.ts";
import type { Violation } from "../history.ts";
import { Nemesis } from "../nemesis.ts";
import { Recorder } from "../recorder.ts";
import { type SimulationExtras, type SimulationResult, runWatched, thrown } from "../simulate.ts";
import { SimulatedCluster } from "../simulated-cluster.ts";
import type { Process, SimulatedMachine } from "../simulated-machine.ts";
import { fork } from "../swarm.ts";
import { VirtualTime } from "../virtual-clock.ts";
import { allKeys } from "../wishes.ts";
import { ANSWERS_WITHIN_MS, Workload } from "../workload.ts";
import { AdminCalls } from "./admin-calls.ts";
import { checkRequests } from "./check-requests.ts";
import { Committing } from "./committing.ts";
import { DataWatch } from "./data-watch.ts";
import { Finisher } from "./finisher.ts";
import { Fleet } from "./fleet.ts";
import { LayoutTables } from "./layout-tables.ts";
import { LayoutWatch } from "./layout-watch.ts";
import { Operator } from "./operator.ts";
import type { TopologyOptions } from "./topology-options.ts";

/** Beyond the time that the operator plans for. */
const WORK_SLACK_MS = 20_000;
const CLEAN_WITHIN_MS = 20_000;

export interface TopologyResult extends SimulationResult {
  readonly options: TopologyOptions;
  /** Operations of the operator that were begun, by kind. */
  readonly operations: ReadonlyMap<string, number>;
  /** Commits that succeeded. */
  readonly commits: number;
  /** Layouts that somebody lived in. */
  readonly layouts: number;
  readonly refusals: ReadonlyMap<string, number>;
}

export function simulateTopology(
  options: TopologyOptions,
  extras: SimulationExtras = {},
): Promise<TopologyResult> {
  return runWatched(() => new TopologySimulation(options, extras));
}

class TopologySimulation {
  readonly violations: Violation[] = [];
  readonly #options: TopologyOptions;
  readonly #log: EventLog;
  readonly #time: VirtualTime;
  readonly #rng: SeededRng;
  readonly #recorder: Recorder;
  readonly #tables = new LayoutTables();
  readonly #watch: LayoutWatch;
  readonly #data: DataWatch;
  readonly #fleet: Fleet;
  readonly #calls: AdminCalls;
  readonly #committing: Committing;
  readonly #cluster: SimulatedCluster;
  readonly #workload: Workload;
  readonly #nemesis: Nemesis;
  readonly #operator: Operator;

  constructor(options: TopologyOptions, extras: SimulationExtras) {
    this.#options = options;
    this.#log = new EventLog(extras.print);
    const onViolation = (violation: Violation): void => this.#broken(violation);
    this.#time = new VirtualTime((error) => onViolation(thrown(error)));
    this.#rng = new SeededRng(options.seed ^ 0x7070_5eed);
    const shared = { time: this.#time, log: this.#log, onViolation };
    this.#recorder = new Recorder(shared, {
      replication: {},
      isRingChanging: true,
    });
    const instant = () => this.#recorder.instant();
    this.#watch = new LayoutWatch({ ...shared, tables: this.#tables, instant });
    const parts = { ...shared, watch: this.#watch, tables: this.#tables };
    const machinesThere = (): readonly SimulatedMachine[] => this.#cluster.machines;
    const watched = { recorder: this.#recorder, keys: allKeys(options) };
    this.#data = new DataWatch({ ...parts, ...watched, machines: machinesThere });
    const rng = (): SeededRng => fork(this.#rng);
    this.#fleet = new Fleet({ ...parts, rng: rng(), cluster: () => this.#cluster }, options);
    this.#calls = new AdminCalls(shared);
    // What may have been staged long ago: members refuse it themselves, except for the last resort.
    const isSafe = (change: StagedChange): boolean =>
      change.kind !== "assassinate" || this.#fleet.canSpare(change.member);
    this.#committing = new Committing({ ...parts, isSafe, calls: this.#calls });
    this.#cluster = new SimulatedCluster(
      {
        ...shared,
        rng: rng(),
        recorder: this.#recorder,
        plant: extras.plant,
        onCrash: (process) => this.#ended(process, true),
        onStop: (process) => this.#ended(process, false),
        onStart: this.#fleet.configure,
        onBoot: (machine, process) => this.#boot(machine, process),
        isStartExcused: this.#fleet.excuse,
      },
      options,
    );
    const { machines, network, indexOf } = this.#cluster;
    this.#workload = new Workload(
      { ...shared, rng: rng(), recorder: this.#recorder, machines, indexOf },
      options,
    );
    const crash = (machine: SimulatedMachine, kind: "power" | "kill" = "kill"): void =>
      this.#cluster.crash(machine, kind);
    const stop = (machine: SimulatedMachine): Promise<void> => this.#cluster.stop(machine);
    const world = { ...shared, network, machines, crash, stop };
    this.#nemesis = new Nemesis({ ...world, rng: rng() }, options);
    const { fleet, committing } = { fleet: this.#fleet, committing: this.#committing };
    this.#operator = new Operator({ ...world, rng: rng(), fleet, committing }, options);
  }

  async run(): Promise<void> {
    if (!(await this.#prepare())) return;
    await this.#work();
    if (await this.#recover()) await this.#lookAround();
    this.violations.push(...checkAll(this.#recorder), ...this.#checkRequests());
  }

  result(): Omit<TopologyResult, "violations"> {
    return {
      options: this.#options,
      history: this.#recorder,
      logHash: this.#log.hash,
      events: this.#time.eventCount,
      virtualMs: this.#time.nowMs,
      operations: this.#operator.counts,
      commits: this.#committing.committed.length,
      layouts: this.#watch.layouts.length,
      refusals: this.#committing.refusals,
    };
  }

  #broken(violation: Violation): void {
    this.violations.push(violation);
    this.#log.record(this.#time.nowMs, "violation", [violation.invariant, violation.message]);
  }

  #ended(process: Process, isCrash: boolean): void {
    if (isCrash) this.#workload.crashed(process);
    else this.#workload.stopped(process);
    this.#calls.ended(process);
  }

  /** Puts the watch in front of what every process is told of its layouts. */
  #boot(machine: SimulatedMachine, process: Process): void {
    this.#data.boot(machine, process);
    const { coordinator } = process.member;
    const identify = coordinator.identify.bind(coordinator);
    const useHistory = coordinator.useHistory.bind(coordinator);
    const watched: Pick<typeof coordinator, "identify" | "useHistory"> = {
      identify: (memberId, generation) => {
        this.#watch.identified(machine.index, memberId, generation);
        identify(memberId, generation);
      },
      useHistory: (history, peerOf, self) => {
        this.#watch.used(machine.index, self.memberId, history);
        this.#data.used(machine);
        useHistory(history, peerOf, self);
      },
    };
    Object.assign(coordinator, watched);
  }

  async #prepare(): Promise<boolean> {
    if (!(await this.#cluster.form())) return false;
    for (const keyspace of this.#options.keyspaces) {
      if (!(await this.#cluster.createKeyspace(keyspace))) return false;
    }
    this.#fleet.start();
    return true;
  }

  async #work(): Promise<void> {
    const { operations, gapMeanMs } = this.#options.topology;
    this.#nemesis.start();
    this.#workload.start();
    this.#operator.start();
    const withinMs = 2 * operations * gapMeanMs + WORK_SLACK_MS;
    await this.#time.runUntil(() => this.#operator.isDone, this.#time.nowMs + withinMs);
    this.#operator.end();
    this.#workload.end();
  }

  async #recover(): Promise<boolean> {
    this.#nemesis.heal();
    await this.#time.runUntil(
      () => this.#workload.isDone && this.#operator.isDone,
      this.#time.nowMs + ANSWERS_WITHIN_MS,
    );
    this.#workload.giveUp();
    if (!(await this.#settle("after everything was healed"))) return false;
    if (!this.#options.endsInPowerLoss) return true;
    for (const machine of this.#cluster.machines) {
      if (machine.process !== undefined) this.#cluster.crash(machine, "power");
    }
    for (const machine of this.#cluster.machines) if (machine.canStart) machine.start();
    return this.#settle("after a power loss of all");
  }

  async #settle(when: string): Promise<boolean> {
    const finisher = new Finisher({
      time: this.#time,
      rng: fork(this.#rng),
      fleet: this.#fleet,
      tables: this.#tables,
      committing: this.#committing,
      cancelled: this.#operator.cancelled,
    });
    const unrest = await finisher.settle();
    if (unrest === undefined) return true;
    this.#broken({
      invariant: "I22",
      message: `the ring does not come to rest ${when}: ${unrest}`,
    });
    return false;
  }

  /** Reads every key from all its replicas, then looks into the stores. */
  async #lookAround(): Promise<void> {
    const keys = allKeys(this.#options);
    const machineOf = (): SimulatedMachine => this.#anyMember();
    await this.#workload.readEachAtAll(keys, machineOf, (unread) => this.#broken(unread));
    const deadlineMs = this.#time.nowMs + CLEAN_WITHIN_MS;
    await this.#time.poll(() => this.#orphans() === undefined, 500, deadlineMs);
    const orphans = this.#orphans();
    if (orphans !== undefined) this.#broken({ invariant: "I23", message: orphans });
    this.#switchOffOutsiders();
    this.#cluster.lookAtAll(keys);
    await this.#cluster.stopAll();
  }

  /** Whoever has left, or never got in, may hold whatever it likes. */
  #switchOffOutsiders(): void {
    const outsiders = this.#cluster.machines.filter((machine) => !this.#fleet.isInRing(machine));
    for (const machine of outsiders) {
      if (machine.process !== undefined) this.#cluster.crash(machine, "kill");
      this.#cluster.retire(machine);
    }
  }

  /** Cells at a member that does not own them. */
  #orphans(): string | undefined {
    for (const { index, process } of this.#cluster.machines) {
      const history = this.#watch.last(index)?.history;
      if (process?.isReady !== true || history === undefined) continue;
      const foreign = foreignSpans(headOf(history), this.#watch.idOf(index) ?? "");
      for (const { keyspaceId, spans } of foreign) {
        const cells = spans.map((span) => measureNow(process.engine, keyspaceId, span).cells);
        const total = cells.reduce((sum, count) => sum + count, 0);
        if (total > 0) return `machine ${index} keeps ${total} cells that it does not own`;
      }
    }
    return undefined;
  }

  #checkRequests(): Violation[] {
    return checkRequests({
      operations: this.#recorder.operations,
      datacenters: this.#recorder.datacenters,
      watch: this.#watch,
      tables: this.#tables,
      addressOf: (machine) => this.#cluster.addressOf(machine),
    });
  }

  #anyMember(): SimulatedMachine {
    const members = this.#cluster.machines.filter(
      (machine) => machine.isReady && this.#fleet.isInRing(machine),
    );
    return must(randomChoice(this.#rng, members), "a machine");
  }
}
