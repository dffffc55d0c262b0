/**
 * Members are stopped and started again one after the other, as for a new release, under a steady
 * load: nobody who asks the ring notices, and no data move.
 */
import { until } from "../support/condition.ts";
import { RingProcesses } from "../support/ring-processes.ts";
import { TestKeys } from "./topology-keys.ts";
import { SteadyLoad } from "./topology-load.ts";
import { TopologyRing } from "./topology-ring.ts";

/** Members hear of each other sooner than by default, or most of the time would be waiting for that. */
const FLAGS = ["--gossip-interval-ms", "300", "--log-level", "warn"];

export interface RestartOptions {
  readonly members: number;
  readonly rounds: number;
  readonly keys: number;
  readonly workers: number;
  readonly pauseMs: number;
  readonly log: (text: string) => void;
}

export interface RestartResult {
  readonly problems: readonly string[];
  /** Operations that had to be made again through another member. */
  readonly madeAgain: number;
  readonly operations: number;
  /** Tasks that any member has had: none, because nothing moves. */
  readonly tasks: number;
  /** Commits that the restarts have made. */
  readonly commits: number;
}

export async function restartAll(options: RestartOptions): Promise<RestartResult> {
  const { members, keys: count } = options;
  const processes = await RingProcesses.start({ members, flags: FLAGS });
  const ring = new TopologyRing(processes);
  const keys = new TestKeys(count, 100);
  const ports = processes.members.map(({ respPort }) => respPort);
  const load = new SteadyLoad(ports, { ...options, keysPerWorker: 20, valueBytes: 100 });
  try {
    await processes.createKeyspace({
      name: "default",
      replication: { class: "SimpleStrategy", options: { replication_factor: "3" } },
    });
    await keys.write(ports[0] ?? 0);
    load.start();
    const before = await ring.layoutCounter();
    for (let round = 1; round <= options.rounds; round++) {
      for (const { index } of processes.members) await restart(ring, index);
      options.log(
        `round ${round}: ${load.operations} operations, ${load.problems.length} problems`,
      );
    }
    await load.stop();
    // Writes went on without each member while it was away.
    for (const index of ring.running) await ring.rebuild(index);
    let tasks = 0;
    for (const index of ring.running) {
      tasks += (await ring.tasks(index)).filter(({ kind }) => kind !== "rebuild").length;
    }
    return {
      problems: [...load.problems, ...(await keys.problems(ring, load))],
      madeAgain: [...load.cutOff.values()].reduce((sum, times) => sum + times, 0),
      operations: load.operations,
      tasks,
      commits: (await ring.layoutCounter()) - before,
    };
  } finally {
    await load.stop();
    await processes.stop();
  }
}

/** The next one has to wait until all others see this one again. */
async function restart(ring: TopologyRing, index: number): Promise<void> {
  const { processes } = ring;
  await processes.end(index, "SIGTERM");
  processes.spawn(index);
  await processes.ready(index);
  await until(`everybody sees member ${index} up`, async () => {
    for (const other of ring.running) {
      const up = await ring.membersUp(other);
      if (up.length < processes.members.length) return false;
    }
    return true;
  });
}
