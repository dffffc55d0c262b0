/** What a failing run tells: invariant, seed, options, and the command that repeats it. */
import type { SimulationResult } from "./simulate.ts";
import type { SimulationOverrides } from "./swarm.ts";

/** Violations of one invariant that are shown; the others are only counted. */
const SHOWN_MAX = 3;

export interface ReportContext extends SimulationOverrides {
  readonly plant?: string | undefined;
}

export function report(result: SimulationResult, context: ReportContext = {}): string {
  const { options, logHash } = result;
  const lines = [`seed ${options.seed} breaks ${broken(result).join(", ")} (event log ${logHash})`];
  lines.push(...violationLines(result));
  lines.push(
    `  options: ${JSON.stringify(options)}`,
    `  repeat: ${repeatCommand(result, context)}`,
  );
  return lines.join("\n");
}

/** The violations of a run by invariant, the first few of each. */
export function violationLines(result: Pick<SimulationResult, "violations">): string[] {
  const lines: string[] = [];
  for (const invariant of broken(result)) {
    const ofIt = result.violations.filter((violation) => violation.invariant === invariant);
    for (const { message } of ofIt.slice(0, SHOWN_MAX)) lines.push(`  ${invariant}: ${message}`);
    if (ofIt.length > SHOWN_MAX) lines.push(`  ${invariant}: and ${ofIt.length - SHOWN_MAX} more`);
  }
  return lines;
}

/** The invariants that a run broke, each once. */
export function broken({ violations }: Pick<SimulationResult, "violations">): readonly string[] {
  return [...new Set(violations.map(({ invariant }) => invariant))];
}

function repeatCommand({ options }: SimulationResult, context: ReportContext): string {
  const flags = [`--seed ${options.seed}`];
  if (context.members !== undefined) flags.push(`--members ${context.members}`);
  if (context.operations !== undefined) flags.push(`--operations ${context.operations}`);
  if (context.plant !== undefined) flags.push(`--plant ${context.plant}`);
  return `npm run sim -- ${flags.join(" ")}`;
}
