/**
 * One run: a cluster forms, clients work while things go wrong, everything is healed, and what
 * happened is checked.
 *
 *     form -> create keyspaces -> work under faults -> heal -> (power loss of all) -> whole again ->
 *     read every key at ALL -> look at every replica -> stop -> check
 *
 * The part under faults is about safety: nothing wrong may be seen. The part after it is about
 * liveness: with every fault gone the ring has to recover by itself within a bounded time.
 */
import { must } from "../util/assert.ts";
import { SeededRng, randomChoice } from "../util/random.ts";
import { checkAll } from "./checkers/all.ts";
import { EventLog } from "./event-log.ts";
import { type History, type Violation } from "./history.ts";
import { watchRejections } from "./host.ts";
import { Nemesis } from "./nemesis.ts";
import type { Plant } from "./planted-bugs.ts";
import { Recorder } from "./recorder.ts";
import { SimulatedCluster } from "./simulated-cluster.ts";
import { type SimulationOptions, drawOptions, fork } from "./swarm.ts";
import { VirtualTime } from "./virtual-clock.ts";
import { allKeys } from "./wishes.ts";
import { ANSWERS_WITHIN_MS, Workload } from "./workload.ts";

/** Clients that are not done by then are ended: some seeds leave nobody to talk to for long. */
const WORK_WITHIN_MS = 30_000;
/** What the network still carries has arrived after this. */
const SETTLE_MS = 2000;

export interface SimulationResult {
  readonly options: SimulationOptions;
  readonly violations: readonly Violation[];
  readonly history: History;
  /** Equal for two runs that did the same. */
  readonly logHash: string;
  readonly events: number;
  readonly virtualMs: number;
}

export interface SimulationExtras {
  readonly plant?: Plant | undefined;
  /** Shows events as they happen. */
  readonly print?: ((line: string) => void) | undefined;
}

export function simulate(
  options: SimulationOptions,
  extras: SimulationExtras = {},
): Promise<SimulationResult> {
  return runWatched(() => new Simulation(options, extras));
}

/** The run that a seed stands for. */
export function simulateSeed(seed: number, extras?: SimulationExtras): Promise<SimulationResult> {
  return simulate(drawOptions(seed), extras);
}

/** What can be run once and looked at afterwards. */
export interface Runnable<Result> {
  readonly violations: readonly Violation[];
  run(): Promise<void>;
  result(): Result;
}

/** Makes a simulation and runs it; a rejection that nobody handles is a violation as well. */
export async function runWatched<Result>(
  make: () => Runnable<Result>,
): Promise<Result & { readonly violations: readonly Violation[] }> {
  const rejections = watchRejections();
  const simulation = make();
  try {
    await simulation.run();
  } finally {
    rejections.stop();
  }
  const violations = [...simulation.violations, ...rejections.take().map(unhandled)];
  return { ...simulation.result(), violations };
}

class Simulation {
  readonly violations: Violation[] = [];
  readonly #options: SimulationOptions;
  readonly #log: EventLog;
  readonly #time: VirtualTime;
  readonly #rng: SeededRng;
  readonly #recorder: Recorder;
  readonly #cluster: SimulatedCluster;
  readonly #workload: Workload;
  readonly #nemesis: Nemesis;

  constructor(options: SimulationOptions, extras: SimulationExtras) {
    this.#options = options;
    this.#log = new EventLog(extras.print);
    this.#time = new VirtualTime((error) => this.violations.push(thrown(error)));
    this.#rng = new SeededRng(options.seed ^ 0x5eed);
    const shared = { time: this.#time, log: this.#log };
    this.#recorder = new Recorder(shared, {
      replication: Object.fromEntries(
        options.keyspaces.map(({ name, replication }) => [name, replication]),
      ),
    });
    this.#cluster = new SimulatedCluster(
      {
        ...shared,
        rng: fork(this.#rng),
        recorder: this.#recorder,
        plant: extras.plant,
        onViolation: (violation) => this.violations.push(violation),
        onCrash: (process) => this.#workload.crashed(process),
        onStop: (process) => this.#workload.stopped(process),
      },
      options,
    );
    const { machines, network, indexOf } = this.#cluster;
    this.#workload = new Workload(
      { ...shared, rng: fork(this.#rng), recorder: this.#recorder, machines, indexOf },
      options,
    );
    this.#nemesis = new Nemesis(
      {
        ...shared,
        rng: fork(this.#rng),
        network,
        machines,
        crash: (machine, kind) => this.#cluster.crash(machine, kind),
        stop: (machine) => this.#cluster.stop(machine),
      },
      options,
    );
  }

  async run(): Promise<void> {
    if (!(await this.#prepare())) return;
    await this.#work();
    if (await this.#recover()) await this.#lookAround();
    this.violations.push(...checkAll(this.#recorder));
  }

  result(): Omit<SimulationResult, "violations"> {
    return {
      options: this.#options,
      history: this.#recorder,
      logHash: this.#log.hash,
      events: this.#time.eventCount,
      virtualMs: this.#time.nowMs,
    };
  }

  async #prepare(): Promise<boolean> {
    if (!(await this.#cluster.form())) return false;
    for (const keyspace of this.#options.keyspaces) {
      if (!(await this.#cluster.createKeyspace(keyspace))) return false;
    }
    return true;
  }

  async #work(): Promise<void> {
    this.#nemesis.start();
    this.#workload.start();
    await this.#time.runUntil(() => this.#workload.isDone, this.#time.nowMs + WORK_WITHIN_MS);
    this.#workload.end();
  }

  async #recover(): Promise<boolean> {
    this.#nemesis.heal();
    const deadlineMs = this.#time.nowMs + ANSWERS_WITHIN_MS;
    await this.#time.runUntil(() => this.#workload.isDone, deadlineMs);
    this.#workload.giveUp();
    if (!(await this.#cluster.becomeWhole("after everything was healed"))) return false;
    await this.#time.runFor(SETTLE_MS);
    if (!this.#options.endsInPowerLoss) return true;
    for (const machine of this.#cluster.machines) this.#cluster.crash(machine, "power");
    for (const machine of this.#cluster.machines) machine.start();
    return this.#cluster.becomeWhole("after a power loss of all");
  }

  /** Repairs every key by reading all its replicas, then looks into the stores. */
  async #lookAround(): Promise<void> {
    const keys = allKeys(this.#options);
    const machineOf = () => must(randomChoice(this.#rng, this.#cluster.machines), "a machine");
    const unread = (violation: Violation): void => void this.violations.push(violation);
    await this.#workload.readEachAtAll(keys, machineOf, unread);
    for (const { name } of this.#options.keyspaces) await this.#scan(name);
    this.#cluster.lookAtAll(keys);
    await this.#cluster.stopAll();
  }

  async #scan(keyspace: string): Promise<void> {
    const machine = must(randomChoice(this.#rng, this.#cluster.machines), "a machine");
    let problem: string | undefined = "no answer";
    this.#workload.scanAll(machine, keyspace).then(
      (keys) => {
        problem = undefined;
        this.#recorder.scans.push({ keyspace, member: machine.index, keys });
      },
      (error: unknown) => {
        problem = String(error);
      },
    );
    const isOver = (): boolean => problem !== "no answer";
    await this.#time.runUntil(isOver, this.#time.nowMs + ANSWERS_WITHIN_MS);
    if (problem === undefined) return;
    const message = `${keyspace} cannot be scanned in a healthy ring: ${problem}`;
    this.violations.push({ invariant: "I26", message });
  }
}

export function thrown(error: unknown): Violation {
  return { invariant: "I28", message: `a process failed: ${stackOf(error)}` };
}

function unhandled(reason: unknown): Violation {
  return { invariant: "I28", message: `unhandled rejection: ${stackOf(reason)}` };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
