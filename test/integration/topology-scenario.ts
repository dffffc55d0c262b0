/**
 * A ring of real processes through everything that can happen to it, under a steady load at
 * LOCAL_QUORUM: it grows from 3 to 6 members while the receiver and a sender of a stream are killed,
 * gives two members up, replaces one that was killed, goes from RF 3 to 2 and back, and from 1 token
 * per member to 16.
 *
 * The same for tests and for long runs; only sizes differ.
 */
import type { PlanJson } from "../../src/http/topology-views.ts";
import { until } from "../support/condition.ts";
import { RingProcesses } from "../support/ring-processes.ts";
import { TestKeys } from "./topology-keys.ts";
import { SteadyLoad } from "./topology-load.ts";
import { type CommittedChange, TopologyRing } from "./topology-ring.ts";

export interface ScenarioOptions {
  readonly keys: number;
  readonly valueBytes: number;
  /** Throttle of the members that join. Their streams have to last long enough to be killed. */
  readonly joinBytesPerSecond: number;
  readonly workers: number;
  readonly pauseMs: number;
  /** So many operations right before each change are the measure for latencies during it. */
  readonly operationsBefore: number;
  readonly log: (text: string) => void;
}

export interface Moved {
  readonly what: string;
  readonly plannedBytes: number;
  readonly movedBytes: number;
}

export interface ScenarioResult {
  readonly problems: readonly string[];
  /** Ports at which operations were cut off though nobody was killed there. */
  readonly cutOffElsewhere: readonly number[];
  readonly operations: number;
  /** Changes in which nobody was killed. */
  readonly moved: readonly Moved[];
}

const REPLICATION = { class: "SimpleStrategy" };

export async function runScenario(options: ScenarioOptions): Promise<ScenarioResult> {
  const flags = ["--num-tokens", "1", "--gossip-interval-ms", "300", "--log-level", "warn"];
  const processes = await RingProcesses.start({ members: 3, flags });
  const scenario = new Scenario(new TopologyRing(processes), options);
  try {
    return await scenario.run();
  } finally {
    await scenario.stop();
    await processes.stop();
  }
}

class Scenario {
  readonly #ring: TopologyRing;
  readonly #options: ScenarioOptions;
  readonly #keys: TestKeys;
  readonly #load: SteadyLoad;
  readonly #moved: Moved[] = [];
  readonly #killedPorts = new Set<number>();

  constructor(ring: TopologyRing, options: ScenarioOptions) {
    this.#ring = ring;
    this.#options = options;
    this.#keys = new TestKeys(options.keys, options.valueBytes);
    const ports = ring.processes.members.map(({ respPort }) => respPort);
    this.#load = new SteadyLoad(ports, { ...options, keysPerWorker: 20 });
  }

  stop(): Promise<void> {
    return this.#load.stop();
  }

  async run(): Promise<ScenarioResult> {
    await this.#ring.processes.createKeyspace({
      name: "default",
      replication: { ...REPLICATION, options: { replication_factor: "3" } },
    });
    await this.#keys.write(this.#ring.processes.member(0).respPort);
    this.#load.start();
    await this.#operated();
    await this.#grow();
    await this.#decommission();
    await this.#replace();
    await this.#phase("RF 3 to 2", () => this.#replicate(2));
    await this.#phase("RF 2 to 3", () => this.#replicate(3));
    await this.#phase("1 token to 16", () => this.#toManyTokens());
    await this.#load.stop();
    const problems = [
      ...this.#load.problems,
      ...(await this.#keys.problems(this.#ring, this.#load)),
    ];
    return {
      problems,
      cutOffElsewhere: [...this.#load.cutOff.keys()].filter((port) => !this.#killedPorts.has(port)),
      operations: this.#load.operations,
      moved: this.#moved,
    };
  }

  async #phase(name: string, act: () => Promise<void>): Promise<void> {
    this.#load.takeLatencies();
    await this.#operated();
    const before = percentile99(this.#load.takeLatencies());
    const startMs = performance.now();
    await act();
    const latenciesMs = this.#load.takeLatencies();
    const during = percentile99(latenciesMs);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    this.#options.log(
      `${name}: ${seconds} s, ${latenciesMs.length} operations, p99 ${during.toFixed(1)} ms, ` +
        `right before ${before.toFixed(1)} ms: ${(during / before).toFixed(2)} times; ` +
        `${this.#load.problems.length} problems`,
    );
  }

  /** Clients have done as much as is measured before a change. */
  #operated(): Promise<void> {
    const enough = this.#load.operations + this.#options.operationsBefore;
    return until("clients go on", () => this.#load.operations >= enough, 120_000);
  }

  async #grow(): Promise<void> {
    const flags = ["--stream-throughput-bytes", String(this.#options.joinBytesPerSecond)];
    const joining: number[] = [];
    for (let count = 0; count < 3; count++) joining.push(await this.#ring.addWaiting(flags));
    await this.#phase("grow from 3 to 6, receiver and sender killed", () => this.#join(joining));
  }

  async #join(joining: readonly number[]): Promise<void> {
    const { plan, counter } = await this.#ring.commit(
      ...joining.map((index) => ({ kind: "join" as const, member: this.#ring.address(index) })),
    );
    const infos = await Promise.all(joining.map((index) => this.#ring.info(index)));
    const plannedBytes = infos.map(({ member }) => bytesTo(plan, member.id));
    const most = Math.max(...plannedBytes);
    const receiver = joining[plannedBytes.indexOf(most)] ?? 0;
    const sender = 2;
    await this.#fetched(receiver, counter, most / 3);
    await this.#killAndRestart(receiver);
    await this.#fetched(receiver, counter, most / 6);
    await this.#killAndRestart(sender);
    await this.#ring.settled(counter);
    // Writes went on without them while they were down.
    for (const index of [receiver, sender]) await this.#ring.rebuild(index);
  }

  async #fetched(member: number, counter: number, bytes: number): Promise<void> {
    await until(
      `member ${member} has fetched ${bytes} bytes`,
      async () => {
        const task = await this.#ring.syncOf(member, counter);
        if (task?.state === "done") throw new Error("the stream is over too early to be killed");
        return (await this.#ring.bytesIn(member)) >= bytes;
      },
      120_000,
      100,
    );
  }

  async #killAndRestart(member: number): Promise<void> {
    const { processes } = this.#ring;
    this.#killedPorts.add(processes.member(member).respPort);
    await processes.end(member, "SIGKILL");
    processes.spawn(member);
    await until(`member ${member} answers again`, () =>
      this.#ring.tasks(member).then(
        () => true,
        () => false,
      ),
    );
  }

  /** Two at once, and their processes end. */
  async #decommission(): Promise<void> {
    const { processes } = this.#ring;
    const leaving = [1, 4];
    const stay = this.#ring.running.filter((index) => !leaving.includes(index));
    this.#load.use(stay.map((index) => processes.member(index).respPort));
    for (const index of leaving) this.#killedPorts.add(processes.member(index).respPort);
    const changes = leaving.map((index) => ({
      kind: "leave" as const,
      member: this.#ring.address(index),
    }));
    await this.#phase("decommission two", () =>
      this.#change("decommission two", () => this.#ring.commit(...changes)),
    );
    for (const index of leaving) await processes.end(index, "SIGTERM");
  }

  async #replace(): Promise<void> {
    const { processes } = this.#ring;
    const dead = 2;
    this.#killedPorts.add(processes.member(dead).respPort);
    await processes.end(dead, "SIGKILL");
    const by = await this.#ring.addWaiting();
    await until("everybody knows that it is dead", async () => {
      const up = await this.#ring.membersUp();
      return !up.includes(this.#ring.address(dead));
    });
    const stay = this.#ring.running.filter((index) => index !== by);
    this.#load.use(stay.map((index) => processes.member(index).respPort));
    const change = {
      kind: "replace" as const,
      member: this.#ring.address(dead),
      by: this.#ring.address(by),
    };
    const name = "replace one that was killed";
    await this.#phase(name, () => this.#change(name, () => this.#ring.commit(change)));
  }

  #replicate(factor: number): Promise<void> {
    const replication = { ...REPLICATION, options: { replication_factor: String(factor) } };
    return this.#change(`RF ${factor}`, () =>
      this.#ring.commit({ kind: "replication", keyspace: "default", replication }),
    );
  }

  #toManyTokens(): Promise<void> {
    return this.#change("1 token to 16", () =>
      this.#ring.commit(
        ...this.#ring.running.map((index) => ({
          kind: "num-tokens" as const,
          member: this.#ring.address(index),
          numTokens: 16,
        })),
      ),
    );
  }

  /** A change that nobody disturbs, so that what it moves can be compared with what was planned. */
  async #change(what: string, commit: () => Promise<CommittedChange>): Promise<void> {
    const { plan, counter } = await commit();
    await this.#ring.settled(counter);
    const movedBytes = await this.#ring.movedBytes(counter);
    this.#moved.push({ what, plannedBytes: plan.movedBytes, movedBytes });
    this.#options.log(`${what}: ${plan.movedBytes} bytes planned, ${movedBytes} moved`);
  }
}

function percentile99(ascending: readonly number[]): number {
  return ascending[Math.floor(ascending.length * 0.99)] ?? 0;
}

function bytesTo({ transfers }: PlanJson, memberId: string): number {
  return transfers.reduce((sum, { to, bytes }) => sum + (to === memberId ? bytes : 0), 0);
}
