/** The reference pages that are made from tables of this layer. Tests hold the files equal. */
import type { Argument, Command } from "commander";
import { formatDurationMs, formatSizeBytes } from "../util/units.ts";
import { type OptionRow, optionRows } from "../node/options-table.ts";
import { flagName, variableName } from "./config.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { METRICS } from "./metrics.ts";

/** docs/reference/config.md */
export function configReference(): string {
  const intro = [
    "# Configuration of a member",
    "",
    "Made from the option table (`src/node/options-table.ts`); a test holds this page equal to it.",
    "",
    "`dynaring node --config node.yaml` reads these options from a YAML file, from environment",
    "variables and from flags; flags win over the environment, the environment over the file. The",
    "library takes the same options: `createNode({ internode: { port: 7401 } })`. An unknown key is an",
    "error, and all problems are reported at once. Durations and sizes may be written with a unit",
    '("500ms", "10s", "5m"; "64KiB", "16MiB"). Lists are separated by commas in flags and variables.',
    "",
    "A variable that starts with `DYNARING_` and names no option is reported in the log. Kubernetes",
    "makes such variables for a service called `dynaring` (`DYNARING_RESP_PORT` among them, if one is",
    "called `dynaring-resp`): give services other names, or set `enableServiceLinks: false`.",
    "",
    "A minimal file:",
    "",
    "```yaml",
    "dataDirectory: /var/lib/dynaring",
    'seeds: ["10.0.0.1:7400", "10.0.0.2:7400"]',
    "internode: { host: 10.0.0.1 }",
    "resp: { host: 127.0.0.1 }",
    "http: { host: 127.0.0.1 }",
    "```",
    "",
  ];
  return [...intro, ...optionRows().map(optionText)].join("\n");
}

function optionText(row: OptionRow): string {
  const { path, kind, expected, description } = row;
  const heading = [`## \`${path}\``, "", description, ""];
  if (kind === "section") return [...heading, ""].join("\n").trimEnd() + "\n";
  return [
    ...heading,
    `- Value: ${expected}`,
    `- Default: ${defaultText(row)}`,
    `- Flag: \`${flagName(path)}\``,
    `- Variable: \`${variableName(path)}\``,
    "",
  ].join("\n");
}

function defaultText({ kind, defaultValue, isInOptionalSection }: OptionRow): string {
  const suffix = isInOptionalSection ? ", once the section is there" : "";
  if (defaultValue === undefined) return "none";
  if (Array.isArray(defaultValue)) return "an empty list";
  if (kind === "duration") return `\`${formatDurationMs(Number(defaultValue))}\`${suffix}`;
  if (kind === "size") return `\`${formatSizeBytes(Number(defaultValue))}\`${suffix}`;
  return `\`${typeof defaultValue === "string" ? defaultValue : JSON.stringify(defaultValue)}\`${suffix}`;
}

/** docs/reference/cli.md */
export function cliReference(program: Command): string {
  const intro = [
    "# The command line",
    "",
    "Made from the command table (`src/cli/program.ts`); a test holds this page equal to it.",
    "",
    "Commands that ask a member talk HTTP to it and print nodetool's layouts, or JSON with `--json`.",
    "With `--json` errors are JSON too, on standard error. Commands that watch a change print a line of",
    "JSON for every event: `planned`, `committed`, `progress` again and again, `finished`.",
    "",
    "## Exit codes",
    "",
    ...Object.values(EXIT_CODES).map(({ code, meaning }) => `- \`${code}\`: ${meaning}`),
    "",
  ];
  return [...intro, ...program.commands.map(commandText)].join("\n");
}

function commandText(command: Command): string {
  const help = command.createHelp();
  // Options of a member are in config.md.
  const options = help
    .visibleOptions(command)
    .filter(
      ({ long }) => long !== "--help" && !(command.name() === "node" && isMemberOption(long)),
    );
  const args = help.visibleArguments(command);
  const usage = ["dynaring", command.name(), ...args.map((argument) => argumentText(argument))];
  return [
    `## \`${[...usage, ...(options.length > 0 ? ["[options]"] : [])].join(" ")}\``,
    "",
    `${command.description()}.`,
    "",
    ...args.map((argument) => `- \`${argument.name()}\`: ${argument.description}`),
    ...options.map((option) => `- \`${option.flags}\`: ${help.optionDescription(option)}`),
    ...(command.name() === "node" ? ["- every option of [config.md](config.md) as a flag"] : []),
    "",
  ].join("\n");
}

function isMemberOption(flag: string | undefined): boolean {
  return optionRows().some(({ path }) => flagName(path) === flag);
}

function argumentText(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? "..." : "");
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** docs/reference/metrics.md */
export function metricsReference(): string {
  const intro = [
    "# Metrics",
    "",
    "Made from the metrics table (`src/cli/metrics.ts`); a test holds this page equal to it.",
    "",
    "`GET /metrics` of a member sends these in the text format of Prometheus, and the metrics of the",
    "process that `prom-client` collects (`process_*`, `nodejs_*`).",
    "",
  ];
  const rows = METRICS.flatMap(({ name, kind, labels, help, meanings = {} }) => {
    const by =
      labels.length === 0 ? "" : `, by ${labels.map((label) => `\`${label}\``).join(", ")}`;
    const values = Object.entries(meanings).map(([value, text]) => `  - \`${value}\`: ${text}`);
    return [`- \`${name}\` (${kind}${by}): ${help}`, ...values];
  });
  return [...intro, ...rows, ""].join("\n");
}
