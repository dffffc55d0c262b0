/**
 * A member's options from three places: the configuration file, environment variables, flags. The
 * later wins. All names come from the option table: `internode.port` is DYNARING_INTERNODE_PORT and
 * `--internode-port`.
 */
import { readFileSync } from "node:fs";
import { LineCounter, parseDocument } from "yaml";
import { type OptionRow, optionRows } from "../node/options-table.ts";
import { type NodeOptions, parseNodeOptions, withValueAt } from "../node/options.ts";
import { CliError } from "./exit-codes.ts";

export interface ConfigSources {
  /** Path of a YAML file. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By the name that commander gives them: `internodePort`. */
  readonly flags: Readonly<Record<string, unknown>>;
}

export interface LoadedConfig {
  readonly options: NodeOptions;
  /** Environment variables that look like ours and name no option. */
  readonly unknownVariables: readonly string[];
}

const VARIABLE_PREFIX = "DYNARING_";
/** Variables that are no option of a member. */
const OTHER_VARIABLES = new Set(["DYNARING_URL"]);

/** Throws ConfigError with every problem, or CliError if the file cannot be read. */
export function loadConfig({ file, env, flags }: ConfigSources): LoadedConfig {
  const sources = new Map<string, string>();
  let input: unknown = file === undefined ? {} : readConfigFile(file);
  for (const row of settableRows()) {
    const variable = variableName(row.path);
    const flag = flagName(row.path);
    for (const [text, source] of [
      [env[variable], `environment variable ${variable}`],
      [flags[flagKey(row.path)], `flag ${flag}`],
    ] as const) {
      if (typeof text !== "string") continue;
      input = withValueAt(input, row.path.split("."), fromText(row, text));
      sources.set(row.path, source);
    }
  }
  const fallback = file ?? "command line";
  const options = parseNodeOptions(input, (path) => sources.get(path) ?? fallback);
  return { options, unknownVariables: unknownVariables(env) };
}

/** Rows that hold a value of their own. */
export function settableRows(): readonly OptionRow[] {
  return optionRows().filter(({ kind }) => kind !== "section");
}

/** `requestTimeoutMs.read` is DYNARING_REQUEST_TIMEOUT_MS_READ. */
export function variableName(path: string): string {
  return VARIABLE_PREFIX + words(path).join("_").toUpperCase();
}

/** `requestTimeoutMs.read` is --request-timeout-ms-read. */
export function flagName(path: string): string {
  return `--${words(path).join("-")}`;
}

/** How commander names the flag of a path. */
function flagKey(path: string): string {
  const [first = "", ...rest] = words(path);
  return first + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function words(path: string): readonly string[] {
  return path.replaceAll(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).split(".");
}

/** What a text from outside YAML stands for. What it cannot stand for stays text, and is refused. */
function fromText({ kind }: OptionRow, text: string): unknown {
  switch (kind) {
    case "integer":
    case "number":
    case "duration":
    case "size":
      return /^-?\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : text;
    case "boolean":
      return /^(?:true|false)$/.test(text.trim()) ? text.trim() === "true" : text;
    case "list":
      return text.trim() === "" ? [] : text.split(",").map((item) => item.trim());
    case "text":
    case "choice":
    case "section":
      return text;
  }
}

function readConfigFile(file: string): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(textOf(file), { lineCounter, intAsBigInt: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => `\n  ${error.message.split("\n")[0]}`);
    throw new CliError("usage", `${file} is no valid YAML:${problems.join("")}`);
  }
  return withPlainNumbers(document.toJS() ?? {});
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("usage", `the configuration file cannot be read: ${reason}`, { file });
  }
}

/**
 * Tokens have more digits than a number can hold and may be written without quotes, so integers are
 * read as BigInt: those that fit become numbers, in lists (of tokens) all become text.
 */
function withPlainNumbers(value: unknown, isInList = false): unknown {
  if (typeof value === "bigint") {
    return isInList || !Number.isSafeInteger(Number(value)) ? String(value) : Number(value);
  }
  if (Array.isArray(value)) return value.map((item) => withPlainNumbers(item, true));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, withPlainNumbers(inner)]),
  );
}

function unknownVariables(env: ConfigSources["env"]): readonly string[] {
  const known = new Set(settableRows().map(({ path }) => variableName(path)));
  return Object.keys(env).filter(
    (name) => name.startsWith(VARIABLE_PREFIX) && !known.has(name) && !OTHER_VARIABLES.has(name),
  );
}
