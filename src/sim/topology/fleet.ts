/**
 * The machines of a ring that changes: new ones come, some are lost for good, those that have left
 * are switched off.
 *
 * What nobody can survive is not done to the ring: a machine is only lost (or given up) when of every
 * range, in every layout that anybody still lives in, so many replicas are left that one of them has
 * whatever was acknowledged.
 */
import {
  type LayoutHistory,
  activeMembers,
  headOf,
  isMentioned,
  mayCommit,
} from "../../layout/history.ts";
import type { Layout } from "../../layout/layout.ts";
import { compareLayoutVersions, continues } from "../../model/layout-version.ts";
import { type Uint32Source, randomBelow, randomChoice, shuffled } from "../../util/random.ts";
import type { SimulatedCluster } from "../simulated-cluster.ts";
import { type SimulatedMachine, addressOf } from "../simulated-machine.ts";
import type { VirtualTime } from "../virtual-clock.ts";
import type { LayoutTables } from "./layout-tables.ts";
import type { LayoutWatch } from "./layout-watch.ts";
import type { TopologyOptions } from "./topology-options.ts";

const SEEDS_MAX = 3;
const REAP_MS = 500;
/** Reasons for which a member does not start at the moment. */
const PASSING =
  /does not take it in|in the ring this member has|was stopped before|every member had agreed on/;
/** Reasons for which it never does. */
const FINAL = /was removed from the ring|has left the ring/;

export interface FleetDeps {
  readonly time: VirtualTime;
  readonly rng: Uint32Source;
  readonly cluster: () => SimulatedCluster;
  readonly watch: LayoutWatch;
  readonly tables: LayoutTables;
}

/** Where a new machine has to be; by chance where nothing is said. */
export interface FixedPlace {
  readonly address?: string | undefined;
  readonly dc?: string | undefined;
  readonly rack?: string | undefined;
}

export class Fleet {
  readonly #deps: FleetDeps;
  readonly #options: TopologyOptions;
  /** Members that somebody wanted to remove: nobody may count on what they hold. */
  readonly #givenUp = new Set<string>();
  /** Machines that the ring does not want any more. */
  readonly #out = new Set<SimulatedMachine>();
  readonly #leaving = new Set<SimulatedMachine>();

  constructor(deps: FleetDeps, options: TopologyOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get machines(): readonly SimulatedMachine[] {
    return this.#deps.cluster().machines;
  }

  /** Switches off what has left, from now on. */
  start(): void {
    const { time } = this.#deps;
    time.schedule(time.nowMs + REAP_MS, () => {
      this.#reap();
      this.start();
    });
  }

  historyOf(machine: SimulatedMachine): LayoutHistory | undefined {
    return this.#deps.watch.last(machine.index)?.history;
  }

  idOf(machine: SimulatedMachine): string {
    return this.#deps.watch.idOf(machine.index) ?? "";
  }

  machineOf(id: string): SimulatedMachine | undefined {
    return this.machines.find((machine) => this.idOf(machine) === id);
  }

  /** The newest layout that anybody lives in who is still there, and not a newcomer yet. */
  newestHead(): Layout | undefined {
    const history = this.#newestHistory();
    return history === undefined ? undefined : headOf(history);
  }

  #newestHistory(): LayoutHistory | undefined {
    let newest: LayoutHistory | undefined;
    for (const machine of this.machines) {
      const history = this.historyOf(machine);
      if (history === undefined || !isMentioned(history, this.idOf(machine))) continue;
      const isNewer =
        newest === undefined ||
        compareLayoutVersions(headOf(history).version, headOf(newest).version) > 0;
      if (isNewer) newest = history;
    }
    return newest;
  }

  isInRing(machine: SimulatedMachine): boolean {
    const id = this.idOf(machine);
    return this.newestHead()?.members.some((member) => member.id === id) === true;
  }

  /** True if the ring may be changed through it. */
  mayCommit(machine: SimulatedMachine): boolean {
    const history = this.historyOf(machine);
    if (history === undefined) return false;
    return mayCommit(
      history,
      this.idOf(machine),
      (id) => this.machineOf(id)?.process !== undefined,
    );
  }

  /** Members whose machine is gone for good. */
  deadIds(): readonly string[] {
    const head = this.newestHead();
    if (head === undefined) return [];
    const present = this.#presentIds();
    return [...head.members.map(({ id }) => id), ...head.leavingIds].filter(
      (id) => !present.has(id),
    );
  }

  /** A new machine, which is started. */
  buy(autoBootstrap: boolean, fixed: FixedPlace = {}): SimulatedMachine {
    const { rng } = this.#deps;
    const rack = fixed.rack ?? `rack${1 + randomBelow(rng, this.#options.topology.racks)}`;
    const address = fixed.address ?? this.#freeAddress();
    const dc = fixed.dc ?? randomChoice(rng, this.#options.topology.datacenters) ?? "dc1";
    const place = { dc, rack, skewMs: 0, address };
    const machine = this.#deps.cluster().add(place);
    machine.config.autoBootstrap = autoBootstrap;
    machine.config.numTokens = 1 + randomBelow(rng, 4);
    machine.start();
    return machine;
  }

  /** The disk of a machine is lost, and what stood on it. */
  lose(machine: SimulatedMachine): void {
    const cluster = this.#deps.cluster();
    if (machine.process !== undefined) cluster.crash(machine, "power");
    cluster.retire(machine);
  }

  /**
   * Starts anew, with other seeds, who is not in the ring and whose seeds are all gone: nobody can
   * tell it where the ring is but its operator.
   */
  reseed(machine: SimulatedMachine): void {
    if (machine.isReady || machine.process === undefined) return;
    const addresses = new Set(this.newestHead()?.members.map(({ address }) => address));
    const isLost =
      this.historyOf(machine) === undefined &&
      !machine.config.seeds.some((seed) => addresses.has(seed));
    if (!isLost) return;
    this.#deps.cluster().crash(machine, "kill");
    machine.start();
  }

  /**
   * Ends members that the others have removed by force and that have not heard of it, because they
   * have a fork of their own that wins; and newcomers that were taken in there. An operator is told to
   * end a member's process before it is removed by force.
   */
  endUnaware(): void {
    for (const machine of this.machines.filter((one) => this.#isUnaware(one))) this.lose(machine);
  }

  /** Starts newcomers again that have waited long: they may know a fork that nobody else has. */
  restartNewcomers(): void {
    for (const machine of this.machines) {
      const history = this.historyOf(machine);
      if (machine.isReady || machine.process === undefined || history === undefined) continue;
      if (isMentioned(history, this.idOf(machine))) continue;
      this.#deps.cluster().crash(machine, "kill");
      machine.start();
    }
  }

  #isUnaware(machine: SimulatedMachine): boolean {
    const fork = this.historyOf(machine);
    if (fork === undefined) return false;
    const head = headOf(fork);
    const others = this.machines
      .flatMap((other) => this.historyOf(other) ?? [])
      .filter((other) => !isOneBranch(fork, other));
    const removed = new Set(others.flatMap((other) => headOf(other).removedIds));
    for (const id of head.removedIds) removed.delete(id);
    const id = this.idOf(machine);
    if (removed.has(id)) return true;
    const isNewcomer = fork.layouts[0]?.members.every((member) => member.id !== id) === true;
    return isNewcomer && head.members.some((member) => removed.has(member.id));
  }

  async restart(machine: SimulatedMachine): Promise<void> {
    await this.#deps.cluster().stop(machine);
    if (machine.canStart) machine.start();
  }

  /** True if the ring can do without what this member holds. */
  canSpare(memberId: string): boolean {
    const present = this.#presentIds();
    const histories = this.machines.flatMap((machine) => this.historyOf(machine) ?? []);
    const removed = new Set(histories.flatMap((history) => headOf(history).removedIds));
    const isLost = (id: string): boolean =>
      id === memberId || !present.has(id) || removed.has(id) || this.#givenUp.has(id);
    const isLeft = (machine: SimulatedMachine): boolean => !isLost(this.idOf(machine));
    // Somebody has to be able to change the ring again.
    const newest = this.#newestHistory();
    const isAble = (machine: SimulatedMachine): boolean =>
      newest === undefined || mayCommit(newest, this.idOf(machine), (id) => !isLost(id));
    if (!this.machines.some((machine) => isLeft(machine) && isAble(machine))) return false;
    const layouts = new Set(histories.flatMap((history) => history.layouts));
    return [...layouts].every((layout) => this.#deps.tables.isCovered(layout, isLost));
  }

  giveUp(memberId: string): void {
    this.#givenUp.add(memberId);
  }

  /** Its removal could not even be staged. */
  keep(memberId: string): void {
    this.#givenUp.delete(memberId);
  }

  /** What its operator writes into the configuration before a member is started. */
  readonly configure = (machine: SimulatedMachine): void => {
    // Who was told that it is removed may have been told by a fork that has lost since.
    this.#out.delete(machine);
    const history = this.#newestHistory();
    if (history === undefined) return;
    const { config } = machine;
    const id = this.idOf(machine);
    const entry = activeMembers(history).find((member) => member.id === id);
    if (entry !== undefined) {
      const { dc, rack, weight } = entry;
      Object.assign(config, { dc, rack, weight });
    }
    const others = headOf(history).members.filter(({ address }) => address !== machine.address);
    const alive = others.filter((member) => this.machineOf(member.id)?.isReady === true);
    const seeds = alive.length > 0 ? alive : others;
    config.seeds = shuffled(
      this.#deps.rng,
      seeds.map(({ address }) => address),
    ).slice(0, SEEDS_MAX);
  };

  /** See ClusterDeps. */
  readonly excuse = (machine: SimulatedMachine, error: unknown): true | "retry" | undefined => {
    const text = String(error);
    if (PASSING.test(text)) return "retry";
    if (!FINAL.test(text)) return undefined;
    const id = this.idOf(machine);
    const isKnown = this.#deps.watch.layouts.some(
      ({ leavingIds, removedIds }) => leavingIds.includes(id) || removedIds.includes(id),
    );
    if (!isKnown) return undefined;
    this.#out.add(machine);
    return true;
  };

  /** True if this member takes no part in the ring any more. */
  isOut(machine: SimulatedMachine): boolean {
    return this.#out.has(machine) || this.#hasLeft(machine);
  }

  #hasLeft({ process }: SimulatedMachine): boolean {
    return process?.isReady === true && process.member.admin.netstats().mode === "LEFT";
  }

  #reap(): void {
    for (const machine of this.machines) {
      if (this.#out.has(machine) && machine.process === undefined) {
        this.#deps.cluster().retire(machine);
      } else if (!machine.isFrozen && !this.#leaving.has(machine) && this.#hasLeft(machine)) {
        this.#leaving.add(machine);
        const { time, rng } = this.#deps;
        time.schedule(time.nowMs + randomBelow(rng, 2000), () => void this.#switchOff(machine));
      }
    }
  }

  /** Half of them are started once more: they must not get in again. */
  async #switchOff(machine: SimulatedMachine): Promise<void> {
    const cluster = this.#deps.cluster();
    if (machine.process?.isReady === true) await cluster.stop(machine);
    this.#leaving.delete(machine);
    if (!machine.canStart) return;
    if (randomBelow(this.#deps.rng, 2) === 0) machine.start();
    else cluster.retire(machine);
  }

  #presentIds(): ReadonlySet<string> {
    return new Set(this.machines.map((machine) => this.idOf(machine)));
  }

  /** Addresses are used again when their machine is gone. */
  #freeAddress(): string {
    const taken = new Set(this.machines.map(({ address }) => address));
    for (const { address } of this.newestHead()?.members ?? []) taken.add(address);
    const free: string[] = [];
    for (let index = 0; free.length < 3; index++) {
      if (!taken.has(addressOf(index))) free.push(addressOf(index));
    }
    return randomChoice(this.#deps.rng, free) ?? addressOf(taken.size);
  }
}

/** True if the newest layout of one of them continues that of the other. */
function isOneBranch(a: LayoutHistory, b: LayoutHistory): boolean {
  const [one, other] = [headOf(a).version, headOf(b).version];
  return continues(one, other) || continues(other, one);
}
