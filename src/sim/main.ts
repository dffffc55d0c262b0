/**
 * `npm run sim`: runs seeds and shows what they broke.
 *
 *     npm run sim -- --seed 7              one seed, with its event-log hash
 *     npm run sim -- --seed 1 --seeds 500  a range
 *     npm run sim -- --seed 7 --verbose    every event
 */
import { Command, InvalidArgumentError } from "commander";
import { realMs } from "./host.ts";
import { PLANTED_BUGS, type PlantedBug } from "./planted-bugs.ts";
import { report } from "./report.ts";
import { simulate } from "./simulate.ts";
import { type SimulationOverrides, drawOptions } from "./swarm.ts";

interface Flags {
  readonly seed: number;
  readonly seeds: number;
  readonly members?: number;
  readonly operations?: number;
  readonly plant?: PlantedBug;
  readonly verbose?: boolean;
}

function count(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a whole number");
}

function plantedBug(text: string): PlantedBug {
  if (text in PLANTED_BUGS) return text as PlantedBug;
  throw new InvalidArgumentError(`expected one of ${Object.keys(PLANTED_BUGS).join(", ")}`);
}

async function run(flags: Flags): Promise<void> {
  const { seed: first, seeds, members, operations, plant } = flags;
  const overrides: SimulationOverrides = { members, operations };
  const print = flags.verbose === true ? (line: string) => console.log(line) : undefined;
  const startMs = realMs();
  const failing: number[] = [];
  let events = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const options = drawOptions(seed, overrides);
    const result = await simulate(options, {
      print,
      plant: plant === undefined ? undefined : PLANTED_BUGS[plant],
    });
    events += result.events;
    if (result.violations.length > 0) {
      failing.push(seed);
      console.log(report(result, { ...overrides, plant }));
    }
    if (seeds === 1) console.log(`event log ${result.logHash}`);
  }
  const seconds = (realMs() - startMs) / 1000;
  console.log(
    `${seeds} seeds in ${seconds.toFixed(1)} s (${(seeds / seconds).toFixed(1)} seeds/s, ` +
      `${Math.round(events / seconds)} events/s); ` +
      `failing: ${failing.length === 0 ? "none" : failing.join(", ")}`,
  );
  process.exitCode = failing.length === 0 ? 0 : 1;
}

await new Command("sim")
  .description("run production code on a simulated network and disk, from a seed")
  .requiredOption("--seed <number>", "the first seed", count)
  .option("--seeds <count>", "how many seeds", count, 1)
  .option("--members <count>", "members of the ring instead of the seed's number", count)
  .option("--operations <count>", "operations instead of the seed's number", count)
  .option("--plant <bug>", "put in a bug on purpose", plantedBug)
  .option("--verbose", "show every event")
  .action(run)
  .parseAsync();
