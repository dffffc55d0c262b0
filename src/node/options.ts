/**
 * Checking what a member was told against the table in options-table.ts.
 *
 * Parsing reports every problem at once, each with the value found, where it came from and what
 * would be right. Nothing is adjusted silently, and an unknown key is an error: a misspelled option
 * that is ignored shows itself in production, one that is refused shows itself at once.
 */
import type { z } from "zod";
import { ringPositionsOf } from "../placement/ring-positions.ts";
import { TokenError } from "../ring/token.ts";
import { parseDurationMs, parseSizeBytes } from "../util/units.ts";
import {
  type NodeOptions,
  type OptionRow,
  nodeOptionsSchema,
  optionRows,
} from "./options-table.ts";

export type { NodeOptions, NodeOptionsInput } from "./options-table.ts";

/** One option that cannot be used. */
export interface ConfigProblem {
  /** Dotted path of the option, or of the section with an unknown key. */
  readonly path: string;
  /** What was found there, as JSON, cut when long; undefined when nothing was. */
  readonly value: string | undefined;
  /** What would be right. */
  readonly expected: string;
  /** Where it came from: a file, an environment variable, a flag. */
  readonly source: string;
}

/** Some options cannot be used. Holds all problems, not only the first. */
export class ConfigError extends Error {
  /** All of them, in the order of the options. */
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(["the configuration cannot be used:", ...problems.map(describe)].join("\n  "));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

function describe({ path, value, expected, source }: ConfigProblem): string {
  const where = path === "" ? "the configuration" : path;
  return `${where} is ${value ?? "missing"} (${source}), expected ${expected}`;
}

/**
 * Checks options and completes them with their defaults.
 *
 * @param source where they came from, for messages; a function if that differs from path to path.
 * @throws ConfigError with all problems.
 */
export function parseNodeOptions(
  input: unknown,
  source: string | ((path: string) => string) = "options",
): NodeOptions {
  const sourceOf = typeof source === "string" ? () => source : source;
  const result = nodeOptionsSchema.safeParse(withoutUnits(input));
  if (!result.success) {
    throw new ConfigError(
      result.error.issues.flatMap((issue) => problemsOf(issue, input, sourceOf)),
    );
  }
  const options: NodeOptions = result.data;
  const problems = conflicts(options, sourceOf);
  if (problems.length > 0) throw new ConfigError(problems);
  return options;
}

/** A copy in which durations and sizes with units have become numbers. */
function withoutUnits(input: unknown): unknown {
  let result = input;
  for (const { path, kind } of optionRows()) {
    if (kind !== "duration" && kind !== "size") continue;
    const value = valueAt(input, path);
    if (typeof value !== "string") continue;
    const parsed = kind === "duration" ? parseDurationMs(value) : parseSizeBytes(value);
    if (parsed !== undefined) result = withValueAt(result, path.split("."), parsed);
  }
  return result;
}

/** What stands at a dotted path of a nested value; undefined if nothing does. */
export function valueAt(input: unknown, path: string): unknown {
  let value = input;
  for (const name of path === "" ? [] : path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

/** A copy of a nested value with something else at a path; missing sections are made. */
export function withValueAt(input: unknown, path: readonly string[], value: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return value;
  const object = typeof input === "object" && input !== null ? input : {};
  const inner = (object as Readonly<Record<string, unknown>>)[name];
  return { ...object, [name]: withValueAt(inner, rest, value) };
}

function problemsOf(
  issue: z.core.$ZodIssue,
  input: unknown,
  sourceOf: (path: string) => string,
): readonly ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey([...path, key].join("."), input, sourceOf));
  }
  const row = rowFor(path.join("."));
  const at = row?.path ?? path.join(".");
  return [
    {
      path: at,
      value: shown(valueAt(input, at)),
      expected: row?.expected ?? "a section of options",
      source: sourceOf(at),
    },
  ];
}

/** The row of a path, or of the list that the path points into. */
function rowFor(path: string): OptionRow | undefined {
  return optionRows().find(
    (row) => path === row.path || (path.startsWith(`${row.path}.`) && row.kind === "list"),
  );
}

function unknownKey(
  path: string,
  input: unknown,
  sourceOf: (path: string) => string,
): ConfigProblem {
  const parent = path.slice(0, path.lastIndexOf(".") + 1);
  const known = optionRows()
    .map((row) => row.path)
    .filter((other) => other.startsWith(parent))
    .map((other) => other.slice(parent.length).split(".")[0]);
  return {
    path,
    value: shown(valueAt(input, path)),
    expected: `no such option; known here: ${[...new Set(known)].join(", ")}`,
    source: sourceOf(path),
  };
}

function shown(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const json = JSON.stringify(value) ?? typeof value;
  return json.length <= 100 ? json : `${json.slice(0, 97)}...`;
}

/** The rules between options, each with its reason. */
function conflicts(
  options: NodeOptions,
  sourceOf: (path: string) => string,
): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const refuse = (path: string, expected: string): void => {
    problems.push({ path, value: shown(valueAt(options, path)), expected, source: sourceOf(path) });
  };
  const { initialToken, numTokens, limits, resp, http, internode, snitch } = options;
  if (initialToken.length > 0 && initialToken.length !== numTokens) {
    refuse("initialToken", `${numTokens} tokens, as numTokens says`);
  }
  if (new Set(initialToken).size !== initialToken.length) {
    refuse("initialToken", "no token twice");
  }
  problems.push(...tokenProblems(options, sourceOf));
  if (options.engine === "lmdb" && options.dataDirectory === undefined) {
    refuse("engine", "log when there is no dataDirectory: lmdb cannot run in memory");
  }
  const readsFile = ["propertyfile", "gossipingpropertyfile"].includes(snitch.kind);
  const asksCloud = ["ec2", "gce", "azure"].includes(snitch.kind);
  if (readsFile && snitch.file === undefined) {
    refuse("snitch.file", `the file that the snitch ${snitch.kind} reads`);
  }
  if (!readsFile && !asksCloud && snitch.file !== undefined) {
    refuse("snitch.file", `no file with the snitch ${snitch.kind}`);
  }
  if (!asksCloud && snitch.metadataUrl !== undefined) {
    refuse("snitch.metadataUrl", `no URL with the snitch ${snitch.kind}`);
  }
  // Otherwise the largest allowed value could never be written.
  const largest = limits.keyBytes + limits.valueBytes;
  for (const path of ["inFlightBytes", "peerQueueBytes"] as const) {
    if (limits[path] < largest) {
      refuse(`limits.${path}`, `at least limits.keyBytes + limits.valueBytes = ${largest}`);
    }
  }
  const taken = new Map([[internode.port, "internode.port"]]);
  for (const [path, listen] of [
    ["resp.port", resp],
    ["http.port", http],
  ] as const) {
    if (listen === undefined || listen.port === 0) continue;
    const other = taken.get(listen.port);
    if (other !== undefined) refuse(path, `another port than ${other}`);
    taken.set(listen.port, path);
  }
  return problems;
}

/** What the partitioner says of the tokens that were named, or of those that were not. */
function tokenProblems(
  { partitioner, initialToken, allocator }: NodeOptions,
  sourceOf: (path: string) => string,
): readonly ConfigProblem[] {
  const positions = ringPositionsOf(partitioner);
  const isOrdered = positions.compareKeys !== undefined;
  if (isOrdered && initialToken.length === 0 && allocator !== "random") {
    const expected = `random, or an initialToken: ${partitioner} has no widths to balance`;
    const source = sourceOf("allocator");
    return [{ path: "allocator", value: shown(allocator), expected, source }];
  }
  try {
    positions.positionsOf([initialToken]);
    return [];
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const { value, expected } = error;
    const source = sourceOf("initialToken");
    return [{ path: "initialToken", value: shown(value), expected, source }];
  }
}
