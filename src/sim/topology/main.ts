/**
 * `npm run sim:topology`: changes rings at random under load and faults, and shows what broke.
 *
 *     npm run sim:topology -- --seed 7              one seed, with its event-log hash
 *     npm run sim:topology -- --seed 1 --seeds 500  a range
 *     npm run sim:topology -- --seed 7 --verbose    every event
 */
import { Command, InvalidArgumentError } from "commander";
import { realMs } from "../host.ts";
import { broken, violationLines } from "../report.ts";
import { PLANTED_TOPOLOGY_BUGS, type PlantedTopologyBug } from "./planted-bugs.ts";
import { type TopologyResult, simulateTopology } from "./simulate-topology.ts";
import { type TopologyOverrides, drawTopologyOptions } from "./topology-options.ts";

interface Flags {
  readonly seed: number;
  readonly seeds: number;
  readonly operations?: number;
  readonly plant?: PlantedTopologyBug;
  readonly verbose?: boolean;
}

function count(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a whole number");
}

function plantedBug(text: string): PlantedTopologyBug {
  if (text in PLANTED_TOPOLOGY_BUGS) return text as PlantedTopologyBug;
  throw new InvalidArgumentError(
    `expected one of ${Object.keys(PLANTED_TOPOLOGY_BUGS).join(", ")}`,
  );
}

class Totals {
  readonly operations = new Map<string, number>();
  readonly refusals = new Map<string, number>();
  readonly failing: number[] = [];
  commits = 0;
  layouts = 0;
  events = 0;
  requests = 0;

  add(result: TopologyResult): void {
    for (const [kind, number] of result.operations) addTo(this.operations, kind, number);
    for (const [code, number] of result.refusals) addTo(this.refusals, code, number);
    this.commits += result.commits;
    this.layouts += result.layouts;
    this.events += result.events;
    this.requests += result.history.operations.length;
    if (result.violations.length > 0) this.failing.push(result.options.seed);
  }

  get operationCount(): number {
    return [...this.operations.values()].reduce((sum, number) => sum + number, 0);
  }
}

function addTo(map: Map<string, number>, key: string, number: number): void {
  map.set(key, (map.get(key) ?? 0) + number);
}

function show(map: ReadonlyMap<string, number>): string {
  const sorted = [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([key, number]) => `${key} ${number}`).join(", ");
}

async function run({ seed: first, seeds, operations, plant: bug, verbose }: Flags): Promise<void> {
  const overrides: TopologyOverrides = { operations };
  const print = verbose === true ? (line: string) => console.log(line) : undefined;
  const plant = bug === undefined ? undefined : PLANTED_TOPOLOGY_BUGS[bug];
  const startMs = realMs();
  const totals = new Totals();
  for (let seed = first; seed < first + seeds; seed++) {
    const result = await simulateTopology(drawTopologyOptions(seed, overrides), { print, plant });
    totals.add(result);
    if (result.violations.length > 0) {
      console.log(`seed ${seed} breaks ${broken(result).join(", ")} (event log ${result.logHash})`);
      for (const line of violationLines(result)) console.log(line);
    }
    if (seeds === 1) console.log(`event log ${result.logHash}`);
  }
  const seconds = (realMs() - startMs) / 1000;
  const { operationCount, commits, layouts, events, requests, failing } = totals;
  console.log(`operations: ${show(totals.operations)}`);
  console.log(`refused: ${show(totals.refusals)}`);
  console.log(
    `${seeds} seeds, ${operationCount} topology operations, ${commits} commits, ${layouts} layouts, ` +
      `${requests} requests in ${seconds.toFixed(1)} s (${(operationCount / seconds).toFixed(1)} ` +
      `operations/s, ${Math.round(events / seconds)} events/s); ` +
      `failing: ${failing.length === 0 ? "none" : failing.join(", ")}`,
  );
  process.exitCode = failing.length === 0 ? 0 : 1;
}

await new Command("sim:topology")
  .description("change simulated rings at random, from a seed")
  .requiredOption("--seed <number>", "the first seed", count)
  .option("--seeds <count>", "how many seeds", count, 1)
  .option("--operations <count>", "operations per seed instead of the seed's number", count)
  .option("--plant <bug>", "put in a bug on purpose", plantedBug)
  .option("--verbose", "show every event")
  .action(run)
  .parseAsync();
