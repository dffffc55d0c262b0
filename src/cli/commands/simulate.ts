/** `simulate`: what a change of a ring would do, without touching one. */
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { SeededRng } from "../../util/random.ts";
import { TOKENS_PER_MEMBER_MAX } from "../../ring/allocation/allocation.ts";
import type { CliContext } from "../context.ts";
import { CliError } from "../exit-codes.ts";
import { percentText } from "../layout.ts";
import { ALLOCATORS, type AllocatorName } from "../tokens/allocators.ts";
import { keyspaceNamed } from "../tokens/placed-ring.ts";
import { readRingFile } from "../tokens/ring-file.ts";
import { ringSvg } from "../tokens/ring-svg.ts";
import { type MemberReport, type Simulation, simulate } from "../tokens/simulation.ts";
import { simulationText } from "../tokens/simulation-text.ts";
import { wholeNumber } from "./up.ts";

const ADDED_MAX = 1000;
const SEED_MAX = 2 ** 32 - 1;

export function addSimulateCommand(program: Command, context: CliContext): void {
  const command = program
    .command("simulate")
    .description("What a change of a ring would do: ownership, data that moves, racks, quorums")
    .argument("<ring>", "ring file")
    .option("--keyspace <name>", "keyspace of the file (default: the only one)")
    .option("--add <count>", "members to add", wholeNumber(0, ADDED_MAX), 0)
    .option("--dc <name>", "datacenter of the added members (default: the only one)")
    .option("--rack <name>", "rack of the added members (default: the smallest, one by one)")
    .option(
      "--num-tokens <count>",
      "tokens of added members (default: as the others have)",
      wholeNumber(1, TOKENS_PER_MEMBER_MAX),
    )
    .option("--remove <names>", "members that leave and hand their data over, as a,b", names)
    .option("--replace <names>", "dead members whose tokens new ones take, as a,b", names)
    .option("--down <names>", "members that cannot send data, as a,b", names)
    .option("--weight <name=number>", "capacity of a member; may be repeated", weightOf)
    .option(
      "--rebalance [budget]",
      "then move tokens until all are within 1%; at most so much data, as 5% (of one copy)",
      budgetOf,
    )
    .addOption(
      new Option("--allocator <name>", "how new members choose tokens")
        .choices(ALLOCATORS)
        .default("balanced"),
    )
    .option("--seed <number>", "makes chance repeatable", wholeNumber(0, SEED_MAX))
    .option("--svg <file>", "draw the ring, before and after")
    .option("--json", "print JSON");
  command.action(() => runSimulate(context, command.args[0] ?? "", command.opts()));
}

interface SimulateFlags {
  readonly keyspace?: string;
  readonly add: number;
  readonly dc?: string;
  readonly rack?: string;
  readonly numTokens?: number;
  readonly remove?: readonly string[];
  readonly replace?: readonly string[];
  readonly down?: readonly string[];
  readonly weight?: ReadonlyMap<string, number>;
  /** Share of one copy of the data, or true for no limit. */
  readonly rebalance?: number | true;
  readonly allocator: AllocatorName;
  readonly seed?: number;
  readonly svg?: string;
  readonly json?: boolean;
}

function names(text: string): readonly string[] {
  return text.split(",").filter((name) => name !== "");
}

function weightOf(
  text: string,
  before: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> {
  const match = /^(.+)=(\d{1,7}(?:\.\d{1,9})?)$/.exec(text);
  const [, name = "", number = "0"] = match ?? [];
  if (!(Number(number) > 0)) {
    throw new InvalidArgumentError("Expected a member and a number above 0, as in c=2.");
  }
  if (before.has(name)) throw new InvalidArgumentError(`${name} has a new weight already.`);
  return new Map([...before, [name, Number(number)]]);
}

/** A percentage as a share. The sign is required, so that 0.05 cannot be meant as 5%. */
function budgetOf(text: string): number {
  const [, number] = /^(\d{1,6}(?:\.\d{1,9})?)%$/.exec(text) ?? [];
  if (number === undefined) {
    throw new InvalidArgumentError("Expected a percentage of one copy of the data, as in 5%.");
  }
  return Number(number) / 100;
}

function runSimulate(context: CliContext, file: string, flags: SimulateFlags): void {
  const ring = readRingFile(file);
  const { add, dc, rack, numTokens: tokenCount, remove = [], replace = [], down = [] } = flags;
  for (const name of down) {
    if (ring.members.some((member) => member.name === name)) continue;
    throw new CliError("usage", `--down: the ring has no member '${name}'`);
  }
  const weights = flags.weight ?? new Map<string, number>();
  const rebalanceBudget = flags.rebalance === true ? Infinity : flags.rebalance;
  const simulation = simulate(
    ring,
    keyspaceNamed(ring, flags.keyspace),
    { add, dc, rack, tokenCount, remove, replace, down, weights, rebalanceBudget },
    { allocator: flags.allocator, rng: new SeededRng(flags.seed ?? randomInt(SEED_MAX)) },
  );
  const { report } = simulation;
  if (flags.svg !== undefined) writeSvg(flags.svg, simulation);
  const json = flags.json === true;
  context.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : simulationText(report));
}

function writeSvg(file: string, { report, before, after }: Simulation): void {
  const pictures = report.isChanged
    ? [
        { caption: "before", placed: before },
        { caption: "after", placed: after, before },
      ]
    : [{ caption: report.keyspace, placed: after }];
  const legend = report.members.map((member) => ({
    name: member.name,
    text: legendText(member, report.isChanged),
  }));
  const svg = ringSvg(pictures, legend);
  try {
    writeFileSync(file, svg);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("usage", `the picture cannot be written: ${reason}`, { file });
  }
}

function legendText({ name, rack, before, after }: MemberReport, isChanged: boolean): string {
  const owns = (isChanged ? [before, after] : [after]).map((state) =>
    state === undefined ? "-" : percentText(state.owns, 1),
  );
  return `${name} (${rack})  ${owns.join(" → ")}`;
}
