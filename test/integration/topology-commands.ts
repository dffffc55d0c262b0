/** An operator at the command line of a ring that serves: what the commands say, and what the ring did. */
import { expect } from "vitest";
import type { PlanJson } from "../../src/http/topology-views.ts";
import { until } from "../support/condition.ts";
import type { RingProcesses } from "../support/ring-processes.ts";
import type { TestKeys } from "./topology-keys.ts";
import { type LoadOptions, SteadyLoad } from "./topology-load.ts";
import type { CommittedChange, TopologyRing } from "./topology-ring.ts";

/** Operations before a change begins and after it has ended. */
const OPERATIONS_AROUND = 100;

export const LIGHT_LOAD: LoadOptions = {
  workers: 4,
  keysPerWorker: 5,
  pauseMs: 10,
  valueBytes: 100,
};

interface CommandEvent {
  readonly event: string;
  readonly plan?: PlanJson;
  readonly version?: { readonly counter: number };
}

/** Runs a command that changes the ring, without a question; resolves when it has watched it to its end. */
export async function changeBy(
  processes: RingProcesses,
  member: number,
  ...command: readonly string[]
): Promise<CommittedChange> {
  const run = await processes.cli(member, ...command, "--yes", "--json");
  if (run.exitCode !== 0) throw new Error(`${command.join(" ")}: ${run.stdout}${run.stderr}`);
  const events = run.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as CommandEvent);
  const plan = events.find(({ event }) => event === "planned")?.plan;
  const version = events.find(({ event }) => event === "committed")?.version;
  expect(events.at(-1)).toMatchObject({ event: "finished" });
  if (plan === undefined || version === undefined) throw new Error(`no plan: ${run.stdout}`);
  return { plan, counter: version.counter };
}

/** Writes and reads go on while something happens; afterwards everybody holds what was acknowledged. */
export async function unnoticed<T>(
  ring: TopologyRing,
  keys: TestKeys,
  through: readonly number[],
  act: () => Promise<T>,
): Promise<T> {
  const load = new SteadyLoad(
    through.map((index) => ring.processes.member(index).respPort),
    LIGHT_LOAD,
  );
  load.start();
  let result: T;
  try {
    await served(load);
    result = await act();
    await served(load);
  } finally {
    await load.stop();
  }
  expect(load.problems).toEqual([]);
  expect(load.cutOff.size).toBe(0);
  expect(await keys.problems(ring, load)).toEqual([]);
  return result;
}

/** Waits until that load has done so many more operations. */
export async function served(load: SteadyLoad): Promise<void> {
  const { operations } = load;
  await until("the load is served", () => load.operations > operations + OPERATIONS_AROUND);
}

/** What moved is what was planned, give or take a tenth. */
export async function expectMovedAsPlanned(
  ring: TopologyRing,
  { plan, counter }: CommittedChange,
): Promise<void> {
  const share = (await ring.movedBytes(counter)) / plan.movedBytes;
  expect(share).toBeGreaterThan(0.9);
  expect(share).toBeLessThan(1.1);
}
