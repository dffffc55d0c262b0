/**
 * What disturbs a cluster while clients work: machines that lose power, processes that die or stand
 * still, paths that are cut, clocks that jump. Which of these, and how often, the seed decides.
 *
 * Nothing here exceeds what the store promises to bear: disks keep what was synced, and a machine
 * that is down comes back.
 */
import {
  type Uint32Source,
  randomBelow,
  randomChoice,
  randomFraction,
  shuffled,
} from "../util/random.ts";
import type { EventLog } from "./event-log.ts";
import type { CrashKind, SimulatedMachine } from "./simulated-machine.ts";
import type { BlockMode, SimulatedNetwork } from "./simulated-network.ts";
import { DISTURBANCES, type Disturbance, type SimulationOptions } from "./swarm.ts";
import type { VirtualTime } from "./virtual-clock.ts";

/** All clocks together stay well within the drift that hybrid clocks accept (60 s). */
const SKEW_MAX_MS = 10_000;

export interface NemesisDeps {
  readonly time: VirtualTime;
  readonly rng: Uint32Source;
  readonly network: SimulatedNetwork;
  readonly log: EventLog;
  readonly machines: readonly SimulatedMachine[];
  readonly crash: (machine: SimulatedMachine, kind: CrashKind) => void;
  readonly stop: (machine: SimulatedMachine) => Promise<void>;
}

export class Nemesis {
  readonly #deps: NemesisDeps;
  readonly #options: SimulationOptions;
  #isActive = false;

  constructor(deps: NemesisDeps, options: SimulationOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  start(): void {
    this.#isActive = true;
    this.#deps.network.faults = this.#options.network;
    this.#scheduleNext();
  }

  /**
   * Ends every disturbance: paths are free, disks have space, machines are up, clocks stay as they
   * are. A store whose disk failed takes no writes until its process starts anew.
   */
  heal(): void {
    this.#isActive = false;
    const { network, machines } = this.#deps;
    network.heal();
    for (const machine of machines) {
      machine.thaw();
      machine.limitDisk(undefined);
      if (machine.hasFaultyDisk && machine.process !== undefined) this.#deps.crash(machine, "kill");
      if (machine.canStart) machine.start();
    }
  }

  #scheduleNext(): void {
    const { disturbanceGapMs, disturbances } = this.#options;
    const total = Object.values(disturbances).reduce((sum, weight) => sum + weight, 0);
    if (disturbanceGapMs === 0 || total === 0) return;
    this.#later(2 * disturbanceGapMs, () => {
      this.#disturb(this.#draw(total));
      this.#scheduleNext();
    });
  }

  #draw(total: number): Disturbance {
    let point = randomFraction(this.#deps.rng) * total;
    for (const name of DISTURBANCES) {
      point -= this.#options.disturbances[name];
      if (point < 0) return name;
    }
    return "clog";
  }

  #disturb(disturbance: Disturbance): void {
    switch (disturbance) {
      case "power-loss":
        return this.#crashOne("power");
      case "kill":
        return this.#crashOne("kill");
      case "power-loss-of-all":
        return this.#crashAll();
      case "restart":
        return this.#restart();
      case "freeze":
        return this.#freeze();
      case "partition":
        return this.#partition(true);
      case "one-way-partition":
        return this.#partition(false);
      case "isolation":
        return this.#isolate();
      case "clog":
        return this.#clog();
      case "clock-jump":
        return this.#jump();
      case "sync-failure":
        return this.#failSyncs();
      case "disk-full":
        return this.#fillDisk();
    }
  }

  #crashOne(kind: CrashKind): void {
    const machine = this.#someone((other) => other.process !== undefined);
    if (machine !== undefined) this.#crash(machine, kind);
  }

  #crashAll(): void {
    for (const machine of this.#deps.machines) {
      if (machine.process !== undefined) this.#crash(machine, "power");
    }
  }

  #crash(machine: SimulatedMachine, kind: CrashKind): void {
    this.#deps.crash(machine, kind);
    this.#startLater(machine);
  }

  #restart(): void {
    const machine = this.#someone((other) => other.isReady && !other.isFrozen);
    if (machine === undefined) return;
    void this.#deps.stop(machine).then(() => this.#startLater(machine));
  }

  #startLater(machine: SimulatedMachine): void {
    const start = (): void => {
      if (machine.canStart) machine.start();
    };
    if (this.#isActive) this.#later(1500, start);
    else start();
  }

  #freeze(): void {
    const machine = this.#someone((other) => other.process !== undefined && !other.isFrozen);
    if (machine === undefined) return;
    machine.freeze();
    this.#later(randomBelow(this.#deps.rng, 4) === 0 ? 12_000 : 1500, () => machine.thaw());
  }

  #partition(bothWays: boolean): void {
    const addresses = shuffled(this.#deps.rng, this.#addresses);
    const cut = 1 + randomBelow(this.#deps.rng, addresses.length - 1);
    this.#blockBetween(addresses.slice(0, cut), addresses.slice(cut), bothWays);
  }

  #isolate(): void {
    const [alone = "", ...others] = shuffled(this.#deps.rng, this.#addresses);
    this.#blockBetween([alone], others, true);
  }

  #blockBetween(left: readonly string[], right: readonly string[], bothWays: boolean): void {
    const mode: BlockMode = randomBelow(this.#deps.rng, 2) === 0 ? "hold" : "drop";
    for (const from of left) {
      for (const to of right) {
        this.#blockFor(from, to, mode);
        if (bothWays) this.#blockFor(to, from, mode);
      }
    }
  }

  /** One path stands still and then delivers everything at once. */
  #clog(): void {
    const [from = "", to = ""] = shuffled(this.#deps.rng, this.#addresses);
    this.#blockFor(from, to, "hold");
  }

  #blockFor(from: string, to: string, mode: BlockMode): void {
    this.#deps.network.block(from, to, mode);
    this.#later(4000, () => this.#deps.network.unblock(from, to));
  }

  #jump(): void {
    const { rng, time, log } = this.#deps;
    const machine = this.#someone(() => true);
    if (machine === undefined) return;
    machine.wall.skewMs = Math.floor((randomFraction(rng) * 2 - 1) * SKEW_MAX_MS);
    log.record(time.nowMs, "clock-jump", [machine.index, machine.wall.skewMs]);
  }

  #failSyncs(): void {
    const machine = this.#someone((other) => other.process !== undefined);
    machine?.failSyncs(1 + randomBelow(this.#deps.rng, 3));
  }

  #fillDisk(): void {
    const machine = this.#someone((other) => other.process !== undefined);
    if (machine === undefined) return;
    machine.limitDisk(randomBelow(this.#deps.rng, 4096));
    this.#later(4000, () => machine.limitDisk(undefined));
  }

  get #addresses(): string[] {
    return this.#deps.machines.map(({ address }) => address);
  }

  #someone(isSuitable: (machine: SimulatedMachine) => boolean): SimulatedMachine | undefined {
    return randomChoice(this.#deps.rng, this.#deps.machines.filter(isSuitable));
  }

  /** Within `limitMs`, unless everything is healed before. */
  #later(limitMs: number, action: () => void): void {
    const { time, rng } = this.#deps;
    time.schedule(time.nowMs + limitMs * randomFraction(rng), () => {
      if (this.#isActive) action();
    });
  }
}
