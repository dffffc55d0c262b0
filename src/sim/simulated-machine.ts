/**
 * One machine of the simulated cluster: a disk and a wall clock that outlive the processes on it,
 * and at most one process at a time, which is a production `Member` on simulated parts.
 */
import type { AdminApi } from "../model/admin-api.ts";
import type { KvApi } from "../model/kv-api.ts";
import { type MemberOptions, Member } from "../node/member.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { LogEngine } from "../storage/log/log-engine.ts";
import { assert, must } from "../util/assert.ts";
import { type Uint32Source, randomBelow } from "../util/random.ts";
import type { EventLog } from "./event-log.ts";
import type { Plant } from "./planted-bugs.ts";
import { processLogger } from "./process-logger.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import { SimulatedTransport } from "./simulated-transport.ts";
import { type MachinePlace, type SimulationOptions, fork } from "./swarm.ts";
import { ProcessClock, type VirtualTime, type WallClock } from "./virtual-clock.ts";

export interface MachineDeps {
  readonly time: VirtualTime;
  readonly network: SimulatedNetwork;
  readonly log: EventLog;
  readonly rng: Uint32Source;
  /** A bug put in on purpose. */
  readonly plant: Plant | undefined;
  /** A member that was started serves. */
  readonly onReady: (machine: SimulatedMachine) => void;
  /** A member that was started gave up. */
  readonly onStartFailure: (machine: SimulatedMachine, error: unknown) => void;
  /** It is about to be started: the last moment to change its configuration. */
  readonly onStart?: ((machine: SimulatedMachine) => void) | undefined;
  /** A process was made and is about to start: whoever wants to watch its parts does it now. */
  readonly onBoot?: ((machine: SimulatedMachine, process: Process) => void) | undefined;
}

/** What stands in the configuration of a member; read when a process starts. */
export interface MachineConfig {
  dc: string;
  rack: string;
  weight: number;
  numTokens: number;
  seeds: readonly string[];
  autoBootstrap: boolean;
}

/** `power`: unsynced data may be lost; `kill`: only the process dies. */
export type CrashKind = "power" | "kill";

/** One life of the member. */
export interface Process {
  readonly clock: ProcessClock;
  readonly member: Member;
  /** The data plane that clients get: the member's, or a planted one. */
  readonly kv: KvApi;
  /** The control plane that operators get. */
  readonly admin: AdminApi;
  /** The store as it is, whatever is planted in front of it. */
  readonly engine: StorageEngine;
  readonly transport: SimulatedTransport | undefined;
  /** `start` has resolved and `stop` was not called. */
  readonly isReady: boolean;
}

type MutableProcess = { -readonly [K in keyof Process]: Process[K] };

export class SimulatedMachine {
  readonly index: number;
  readonly address: string;
  readonly place: MachinePlace;
  readonly wall: WallClock;
  readonly config: MachineConfig;
  readonly #deps: MachineDeps;
  readonly #options: SimulationOptions;
  #isScrapped = false;
  #disk: SimulatedDisk | undefined;
  #diskAfter: "power" | "kill" = "kill";
  #process: MutableProcess | undefined;
  #hasFaultyDisk = false;
  #isDiskLimited = false;

  /** By default at the place that the options have for this index. */
  constructor(
    index: number,
    deps: MachineDeps,
    options: SimulationOptions,
    place: MachinePlace = must(options.machines[index], "each machine has a place"),
  ) {
    this.index = index;
    this.place = place;
    this.address = place.address ?? addressOf(index);
    this.wall = { skewMs: place.skewMs };
    const { dc, rack } = place;
    const seeds = [addressOf(0), addressOf(1)];
    const { numTokens } = options;
    this.config = { dc, rack, weight: 1, numTokens, seeds, autoBootstrap: true };
    this.#deps = deps;
    this.#options = options;
  }

  /** It is down and may be started. */
  get canStart(): boolean {
    return this.#process === undefined && !this.#isScrapped;
  }

  /** Its disk is lost; it never starts again. */
  scrap(): void {
    assert(this.#process === undefined, "a machine is scrapped when it is down");
    this.#isScrapped = true;
    this.#disk = undefined;
    this.#note("scrapped");
  }

  /** The process, whether it serves yet or not. */
  get process(): Process | undefined {
    return this.#process;
  }

  get isReady(): boolean {
    return this.#process?.isReady === true;
  }

  get isFrozen(): boolean {
    return this.#process?.clock.isFrozen === true;
  }

  /** Its disk failed the present process: syncs that failed, or no space. */
  get hasFaultyDisk(): boolean {
    return this.#hasFaultyDisk;
  }

  get isDiskLimited(): boolean {
    return this.#isDiskLimited;
  }

  /** The next syncs fail; what they should have saved may be gone. */
  failSyncs(count: number): void {
    this.#note("sync-failure", count);
    this.#hasFaultyDisk = true;
    this.#disk?.failSyncs(count);
  }

  /** So many bytes can still be written; undefined: any number. */
  limitDisk(freeBytes: number | undefined): void {
    this.#note("disk-limit", freeBytes ?? -1);
    if (freeBytes !== undefined) this.#hasFaultyDisk = true;
    this.#isDiskLimited = freeBytes !== undefined;
    const used = this.#disk?.usedBytes() ?? 0;
    this.#disk?.setCapacity(freeBytes === undefined ? Number.POSITIVE_INFINITY : used + freeBytes);
  }

  /** Starts a process. Its end of starting is told through `onReady` or `onStartFailure`. */
  start(): void {
    assert(this.#process === undefined, "one process at a time");
    this.#note("start");
    this.#deps.onStart?.(this);
    const process = this.#boot();
    this.#hasFaultyDisk = false;
    this.#process = process;
    this.#deps.onBoot?.(this, process);
    const isCurrent = (): boolean => this.#process === process;
    process.member.start().then(
      () => {
        if (!isCurrent()) return;
        process.isReady = true;
        this.#note("ready");
        this.#deps.onReady(this);
      },
      (error: unknown) => {
        if (!isCurrent()) return;
        this.#process = undefined;
        this.#diskAfter = "kill";
        process.clock.kill();
        process.transport?.crashed(true);
        this.#deps.onStartFailure(this, error);
      },
    );
  }

  /** Ends the process without warning. `kernelLives` tells whether its peers are told. */
  crash(kind: CrashKind, kernelLives: boolean): void {
    const process = must(this.#process, "a process to crash");
    this.#note("crash", kind, kernelLives ? "reset" : "silent");
    this.#process = undefined;
    process.clock.kill();
    process.transport?.crashed(kernelLives);
    this.#diskAfter = kind;
  }

  /** Stops the process in good order; resolves when it has ended. */
  async stop(): Promise<void> {
    const process = must(this.#process, "a process to stop");
    this.#note("stop");
    process.isReady = false;
    await process.member.stop();
    if (this.#process !== process) return;
    this.#note("stopped", process.clock.pendingTimers);
    assert(process.clock.pendingTimers === 0, () => `member ${this.index} stopped and left timers`);
    process.clock.kill();
    this.#process = undefined;
    this.#diskAfter = "kill";
  }

  freeze(): void {
    this.#note("freeze");
    this.#process?.clock.freeze();
  }

  thaw(): void {
    if (!this.isFrozen) return;
    this.#note("thaw");
    this.#process?.clock.thaw(randomBelow(this.#deps.rng, 2) === 0 ? "timer" : "input");
  }

  #note(event: string, ...fields: (string | number)[]): void {
    this.#deps.log.record(this.#deps.time.nowMs, event, [this.index, ...fields]);
  }

  #boot(): MutableProcess {
    const { time, network, log, plant } = this.#deps;
    const rng = fork(this.#deps.rng);
    const { timerLatenessMs } = this.#options;
    const clock = new ProcessClock({ time, rng: fork(rng), wall: this.wall }, { timerLatenessMs });
    const disk = this.#diskFor(clock);
    this.#disk = disk;
    const logger = processLogger(this.#deps, this.index);
    const engine = new LogEngine({ disk, clock, logger }, this.#options.engine);
    const bug = { clock, rng: fork(rng) };
    let transport: SimulatedTransport | undefined;
    const member = new Member(
      {
        clock,
        rng,
        logger,
        disk,
        makeEngine: () => plant?.engine?.(engine, bug) ?? engine,
        makeTransport: (self) => {
          const options = { ...self, address: this.address };
          transport = new SimulatedTransport(
            { time, network, log, clock, rng: fork(rng) },
            options,
          );
          return transport;
        },
      },
      memberOptions(this.config, this.#options),
    );
    plant?.member?.(member, { ...bug, engine });
    const kv = plant?.kv?.(member.kv, bug) ?? member.kv;
    return {
      clock,
      member,
      kv,
      admin: plant?.admin?.(member.admin, bug) ?? member.admin,
      engine,
      isReady: false,
      get transport() {
        return transport;
      },
    };
  }

  #diskFor(process: ProcessClock): SimulatedDisk {
    // What a device has finished comes from outside: it is no timer of the process.
    const { time } = this.#deps;
    const clock = {
      defer: (callback: () => void) => process.defer(callback),
      setTimer: (delayMs: number, callback: () => void) =>
        process.input(time.nowMs + delayMs, callback),
    };
    if (this.#disk === undefined) {
      const { syncDelayMs } = this.#options;
      return new SimulatedDisk({ clock, rng: fork(this.#deps.rng) }, { syncDelayMs });
    }
    return this.#diskAfter === "power" ? this.#disk.crash(clock) : this.#disk.killProcess(clock);
  }
}

export function addressOf(index: number): string {
  return `10.0.0.${index + 1}:7000`;
}

function memberOptions(config: MachineConfig, options: SimulationOptions): MemberOptions {
  return {
    clusterName: "simulated",
    ...config,
    partitioner: "Murmur3Partitioner",
    initialToken: [],
    allocator: "random",
    readTimeoutMs: options.requestTimeoutMs,
    writeTimeoutMs: options.requestTimeoutMs,
    speculativeRetryMs: options.speculativeRetryMs,
    gossipIntervalMs: options.gossipIntervalMs ?? 200,
    phiConvictThreshold: 8,
    keyBytesMax: 1024,
    valueBytesMax: 4096,
    inFlightBytesMax: options.inFlightBytesMax,
    snitch: "simulated",
    streamBytesPerSecond: 16 << 20,
    releaseVersion: "0.0.0",
    host: {
      nodeVersion: "simulated",
      dataDirectory: undefined,
      memory: () => ({ heapUsedBytes: 0, heapTotalBytes: 0, rssBytes: 0 }),
    },
  };
}
