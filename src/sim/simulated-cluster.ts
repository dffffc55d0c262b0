/**
 * A cluster on simulated parts: machines, their network, and what their operator does.
 *
 * Everything that goes wrong here without a client noticing - a member that cannot start again, a
 * ring that does not become whole, an assertion - is a violation too.
 */
import type { KeyspaceDefinition } from "../model/admin-api.ts";
import { must } from "../util/assert.ts";
import { type Uint32Source, randomBelow, randomChoice } from "../util/random.ts";
import type { EventLog } from "./event-log.ts";
import type { Violation } from "./history.ts";
import type { Plant } from "./planted-bugs.ts";
import type { Recorder } from "./recorder.ts";
import { type CrashKind, type Process, SimulatedMachine } from "./simulated-machine.ts";
import { CALM_NETWORK, SimulatedNetwork } from "./simulated-network.ts";
import { type KeyspacePlan, type MachinePlace, type SimulationOptions, fork } from "./swarm.ts";
import type { VirtualTime } from "./virtual-clock.ts";
import { bytesOf, splitKey } from "./wishes.ts";

/** Faults have ended, or never began: then everybody has to agree within this time. */
const WHOLE_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 20_000;
const RESTART_MS = 250;

export interface ClusterDeps {
  readonly time: VirtualTime;
  readonly rng: Uint32Source;
  readonly log: EventLog;
  readonly recorder: Recorder;
  readonly plant: Plant | undefined;
  readonly onViolation: (violation: Violation) => void;
  readonly onCrash: (process: Process) => void;
  readonly onStop: (process: Process) => void;
  /** See MachineDeps. */
  readonly onStart?: ((machine: SimulatedMachine) => void) | undefined;
  readonly onBoot?: ((machine: SimulatedMachine, process: Process) => void) | undefined;
  /** Whether a member has a good reason not to start: true for ever, "retry" for the moment. */
  readonly isStartExcused?:
    | ((machine: SimulatedMachine, error: unknown) => true | "retry" | undefined)
    | undefined;
}

export class SimulatedCluster {
  readonly network: SimulatedNetwork;
  /** Those that are there at present. */
  readonly machines: SimulatedMachine[];
  readonly #deps: ClusterDeps;
  readonly #options: SimulationOptions;
  /** All that ever were, by index. */
  readonly #everyMachine: SimulatedMachine[] = [];
  /** By number, as the stores know them. */
  readonly #keyspaces = new Map<number, string>();

  constructor(deps: ClusterDeps, options: SimulationOptions) {
    this.#deps = deps;
    this.#options = options;
    const { time, log, rng } = deps;
    this.network = new SimulatedNetwork({ time, log, rng: fork(rng) }, CALM_NETWORK);
    this.machines = [];
    for (const place of options.machines) this.add(place);
  }

  /** One more machine, which is not started yet. */
  add(place: MachinePlace): SimulatedMachine {
    const { time, log, rng, plant, onStart, onBoot } = this.#deps;
    const parts = {
      time,
      log,
      plant,
      onStart,
      onBoot,
      network: this.network,
      rng: fork(rng),
      onReady: (machine: SimulatedMachine) => this.#look(machine, "restarted"),
      onStartFailure: (machine: SimulatedMachine, error: unknown) =>
        this.#startFailed(machine, error),
    };
    const index = this.#everyMachine.length;
    const machine = new SimulatedMachine(index, parts, this.#options, place);
    this.#everyMachine.push(machine);
    this.#deps.recorder.machine(place.dc);
    this.machines.push(machine);
    return machine;
  }

  /** A machine that is down is there no more. */
  retire(machine: SimulatedMachine): void {
    machine.scrap();
    this.machines.splice(this.machines.indexOf(machine), 1);
  }

  /** The machine that has, or had last, this address; -1 if none had. */
  readonly indexOf = (address: string): number =>
    this.#everyMachine.findLastIndex((machine) => machine.address === address);

  /** Of any machine that ever was. */
  addressOf(index: number): string | undefined {
    return this.#everyMachine[index]?.address;
  }

  /** Founds the ring; false if that does not succeed. */
  async form(): Promise<boolean> {
    const [first, ...others] = this.machines;
    first?.start();
    await this.#deps.time.runUntil(() => first?.isReady === true, WHOLE_WITHIN_MS);
    for (const machine of others) {
      machine.start();
      await this.#deps.time.runFor(randomBelow(this.#deps.rng, 300));
    }
    return this.becomeWhole("after the first start");
  }

  /** Waits until all members serve, see each other, and live in one layout. */
  async becomeWhole(when: string): Promise<boolean> {
    const { time } = this.#deps;
    const deadlineMs = time.nowMs + WHOLE_WITHIN_MS;
    const isWhole = await time.poll(() => this.#isWhole, 100, deadlineMs);
    if (!isWhole) {
      const views = this.machines.map((machine) => viewOf(machine)).join("; ");
      this.#broken("I26", `the ring is not whole within ${WHOLE_WITHIN_MS} ms ${when}: ${views}`);
    }
    return isWhole;
  }

  /** Creates a keyspace through any member, and waits until all have it. */
  async createKeyspace(plan: KeyspacePlan): Promise<boolean> {
    const { time, rng } = this.#deps;
    const machine = must(randomChoice(rng, this.machines), "a machine");
    const { admin } = must(machine.process, "a running member").member;
    let outcome = "no answer";
    admin.createKeyspace(definitionOf(plan)).then(
      () => (outcome = "ok"),
      (error: unknown) => (outcome = describe(error)),
    );
    await time.runUntil(() => outcome !== "no answer", time.nowMs + WHOLE_WITHIN_MS);
    if (outcome !== "ok") this.#broken("I26", `cannot create ${plan.name}: ${outcome}`);
    if (outcome !== "ok" || !(await this.becomeWhole("after creating a keyspace"))) return false;
    const { keyspace } = must(machine.process, "a running member").member.coordinator.placement(
      plan.name,
    );
    this.#keyspaces.set(keyspace.id, plan.name);
    return true;
  }

  crash(machine: SimulatedMachine, kind: CrashKind): void {
    const process = must(machine.process, "a process to crash");
    machine.crash(kind, kind === "kill" || randomBelow(this.#deps.rng, 2) === 0);
    this.#deps.recorder.crash(machine.index, kind);
    this.#deps.onCrash(process);
  }

  async stop(machine: SimulatedMachine): Promise<void> {
    const process = must(machine.process, "a process to stop");
    try {
      await machine.stop();
    } catch (error) {
      this.#broken("I28", `member ${machine.index} cannot stop: ${describe(error)}`);
    }
    this.#deps.onStop(process);
  }

  /** Notes what each member holds at the end, and who should. */
  lookAtAll(keys: readonly string[]): void {
    for (const machine of this.machines) this.#look(machine, "final");
    const serving = this.machines.find(
      ({ process }) => process?.member.coordinator.refusal === undefined && process !== undefined,
    );
    const { admin } = must(serving?.process, "a member that serves").member;
    for (const key of keys) {
      const [keyspace, name] = splitKey(key);
      const { replicas } = admin.endpoints(keyspace, bytesOf(name));
      this.#deps.recorder.replicas.set(
        key,
        replicas.map(({ address }) => this.indexOf(address)),
      );
    }
  }

  async stopAll(): Promise<void> {
    const { time } = this.#deps;
    let stopped = 0;
    const running = this.machines.filter(({ process }) => process !== undefined);
    for (const machine of running) void this.stop(machine).then(() => stopped++);
    const isStopped = (): boolean => stopped === running.length;
    if (await time.runUntil(isStopped, time.nowMs + STOP_WITHIN_MS)) return;
    this.#broken("I28", `${running.length - stopped} members do not stop`);
  }

  #look(machine: SimulatedMachine, reason: "restarted" | "final"): void {
    const engine = machine.process?.engine;
    if (engine === undefined) return;
    this.#deps.recorder.snapshot(machine.index, reason, engine, this.#keyspaces);
  }

  get #isWhole(): boolean {
    let layout: string | undefined;
    for (const { isReady, process } of this.machines) {
      if (!isReady || process === undefined) return false;
      const status = process.member.admin.status();
      if (status.members.length !== this.machines.length) return false;
      if (status.members.some(({ isUp }) => !isUp)) return false;
      layout ??= status.layout.hash;
      if (layout !== status.layout.hash) return false;
    }
    return true;
  }

  /** A start may fail while the disk does; whoever supervises the process tries again. */
  #startFailed(machine: SimulatedMachine, error: unknown): void {
    const { time, log } = this.#deps;
    log.record(time.nowMs, "start-failed", [machine.index, describe(error)]);
    const excuse = this.#deps.isStartExcused?.(machine, error);
    if (excuse === true) return;
    if (excuse === undefined && !machine.hasFaultyDisk && !machine.isDiskLimited) {
      this.#broken("I26", `member ${machine.index} cannot start: ${describe(error)}`);
    }
    time.schedule(time.nowMs + RESTART_MS, () => {
      if (machine.canStart) machine.start();
    });
  }

  #broken(invariant: string, message: string): void {
    this.#deps.onViolation({ invariant, message });
  }
}

function definitionOf({ name, durability, replication }: KeyspacePlan): KeyspaceDefinition {
  const options = (counts: Readonly<Record<string, number>>): Record<string, string> =>
    Object.fromEntries(Object.entries(counts).map(([dc, count]) => [dc, String(count)]));
  return {
    name,
    durability,
    readConsistency: "QUORUM",
    writeConsistency: "QUORUM",
    replication:
      typeof replication === "number"
        ? { class: "SimpleStrategy", options: options({ replication_factor: replication }) }
        : { class: "NetworkTopologyStrategy", options: options(replication) },
  };
}

/** What a member sees of the ring, for a message. */
function viewOf({ index, isReady, process }: SimulatedMachine): string {
  if (process === undefined) return `member ${index} is down`;
  if (!isReady) return `member ${index} is starting`;
  const { layout, members } = process.member.admin.status();
  const down = members.filter(({ isUp }) => !isUp).map(({ address }) => address);
  return (
    `member ${index} has layout ${layout.counter} ${layout.hash.slice(0, 8)} with ` +
    `${members.length} members, down: ${down.join(", ") || "none"}`
  );
}

export function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
