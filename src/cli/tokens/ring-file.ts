/**
 * The ring file: a cluster's members, tokens and keyspaces as YAML (or JSON, which is YAML), for the
 * tools that work offline.
 *
 *     partitioner: Murmur3Partitioner
 *     members:
 *       - { name: a, dc: dc1, rack: r1, tokens: [-9223372036854775808, 0] }
 *       - { name: b, dc: dc1, rack: r2, weight: 2, tokens: [4611686018427387904] }
 *     keyspaces:
 *       - { name: shop, replication: { class: NetworkTopologyStrategy, dc1: 2 } }
 *
 * Every scalar is read as text, because a token has more digits than a number can hold, and 0010 is
 * a token of the byte-ordered ring and not the number ten. Unknown keys are errors; all problems
 * are reported at once, each with its line.
 */
import { readFileSync } from "node:fs";
import { type Document, LineCounter, isNode, parseDocument } from "yaml";
import { z } from "zod";
import { must } from "../../util/assert.ts";
import type { Partitioner } from "../../ring/partitioner.ts";
import { createPartitioner } from "../../ring/partitioners/by-name.ts";
import { type Replication, parseReplication } from "../../placement/strategy.ts";
import { CliError } from "../exit-codes.ts";

/** Tokens of any partitioner; only the partitioner knows what they are. */
export type AnyToken = unknown;

export interface RingFileMember {
  readonly name: string;
  readonly address?: string | undefined;
  readonly dc: string;
  readonly rack: string;
  readonly weight: number;
  readonly tokens: readonly AnyToken[];
}

export interface RingFileKeyspace {
  readonly name: string;
  /** As in CQL: `class` and its options. */
  readonly options: Readonly<Record<string, string>>;
  readonly replication: Replication;
}

export interface RingFile {
  readonly partitioner: Partitioner<AnyToken>;
  readonly members: readonly RingFileMember[];
  readonly keyspaces: readonly RingFileKeyspace[];
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly value: unknown;
  readonly expected: string;
}

const NAME_EXPECTED = "1 to 128 characters without blanks, commas and parentheses";
const NAME = z.string(NAME_EXPECTED).regex(/^[^\s,()]{1,128}$/, NAME_EXPECTED);
const WORD_EXPECTED = "the name of a datacenter or rack, up to 128 characters";
const WORD = z.string(WORD_EXPECTED).regex(/^[^\r\n]{1,128}$/, WORD_EXPECTED);
const WEIGHT_EXPECTED = "a number above 0, up to 1000000";

const memberSchema = z.strictObject({
  name: NAME,
  address: z.string("an address").optional(),
  dc: WORD,
  rack: WORD,
  weight: z
    .string(WEIGHT_EXPECTED)
    .refine((text) => /^\d{1,7}(?:\.\d{1,9})?$/.test(text), WEIGHT_EXPECTED)
    .transform(Number)
    .refine((weight) => weight > 0 && weight <= 1_000_000, WEIGHT_EXPECTED)
    .optional(),
  tokens: z.array(z.string("a token"), "a list of tokens"),
});

const ringSchema = z.strictObject({
  partitioner: z.string("the name of a partitioner").default("Murmur3Partitioner"),
  members: z.array(memberSchema, "a list of members").min(1, "at least one member"),
  keyspaces: z
    .array(
      z.strictObject({
        name: NAME,
        replication: z.record(z.string(), z.string("text or a number"), "class and its options"),
      }),
      "a list of keyspaces",
    )
    .default([]),
});

type RawRing = z.infer<typeof ringSchema>;

/** Reads a ring file; throws CliError "usage" with every problem. */
export function readRingFile(file: string): RingFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("usage", `the ring file cannot be read: ${reason}`, { file });
  }
  return parseRingFile(text, file);
}

/** @param file - for messages. */
export function parseRingFile(text: string, file: string): RingFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, schema: "failsafe" });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => `\n  ${error.message.split("\n")[0]}`);
    throw new CliError("usage", `${file} is no valid YAML:${problems.join("")}`, { file });
  }
  const fail = (problems: readonly Problem[]): never => {
    throw problemsError(file, problems, (path) => lineOf(document, lineCounter, path));
  };
  const parsed = ringSchema.safeParse(plainValue(document, file));
  if (!parsed.success)
    return fail(parsed.error.issues.flatMap((issue) => fromIssue(document, issue)));
  const problems: Problem[] = [];
  const ring = checkedRing(parsed.data, problems);
  return ring === undefined || problems.length > 0 ? fail(problems) : ring;
}

/** The file as plain values. Aliases are refused: a few of them can stand for gigabytes. */
function plainValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch {
    throw new CliError("usage", `${file} has aliases (*name); write out what they stand for`);
  }
}

function fromIssue(document: Document, issue: z.core.$ZodIssue): readonly Problem[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: [...path, key],
      value: valueAt(document, [...path, key]),
      expected: `no such key; known here: ${knownKeys(path).join(", ")}`,
    }));
  }
  const expected = path.length === 0 ? "partitioner, members, keyspaces" : issue.message;
  return [{ path, value: valueAt(document, path), expected }];
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return Object.keys(ringSchema.shape);
  return path[0] === "members" ? Object.keys(memberSchema.shape) : ["name", "replication"];
}

/** What the schema cannot see: names and tokens that repeat, tokens and strategies that do not parse. */
function checkedRing(raw: RawRing, problems: Problem[]): RingFile | undefined {
  const partitioner = attempt(() => createPartitioner(raw.partitioner), {
    path: ["partitioner"],
    value: raw.partitioner,
    problems,
  });
  if (partitioner === undefined) return undefined;
  const keyspaces = checkedKeyspaces(raw, problems);
  const members = raw.members.map((member, index) => ({
    ...member,
    weight: member.weight ?? 1,
    tokens: member.tokens.flatMap((value, at) => {
      const path = ["members", index, "tokens", at];
      const token = attempt(() => ({ value: partitioner.parse(value) }), { path, value, problems });
      return token === undefined ? [] : [token.value];
    }),
  }));
  const ring: RingFile = { partitioner, members, keyspaces };
  if (problems.length === 0) checkRepeats(ring, raw, problems);
  return ring;
}

function checkedKeyspaces(raw: RawRing, problems: Problem[]): readonly RingFileKeyspace[] {
  const datacenters = [...new Set(raw.members.map(({ dc }) => dc))];
  return raw.keyspaces.flatMap(({ name, replication: all }, index) => {
    const { class: strategy = "", ...options } = all;
    const path = ["keyspaces", index, "replication"];
    const replication = attempt(() => parseReplication({ class: strategy, options }, datacenters), {
      path,
      value: all,
      problems,
    });
    return replication === undefined ? [] : [{ name, options: all, replication }];
  });
}

/** Where Dynomite's racks hold a ring each, tokens repeat from rack to rack; never in one rack. */
function checkRepeats(ring: RingFile, raw: RawRing, problems: Problem[]): void {
  repeated(
    raw.members.map(({ name }, index) => ({ key: name, path: ["members", index, "name"] })),
    "a name that no other member has",
    problems,
  );
  repeated(
    raw.keyspaces.map(({ name }, index) => ({ key: name, path: ["keyspaces", index, "name"] })),
    "a name that no other keyspace has",
    problems,
  );
  const isByRack = isRackScoped(ring);
  const tokens = ring.members.flatMap(({ dc, rack, tokens: owned }, index) =>
    owned.map((token, at) => {
      const text = ring.partitioner.format(token);
      const path = ["members", index, "tokens", at];
      return { key: isByRack ? JSON.stringify([dc, rack, text]) : text, path, value: text };
    }),
  );
  const scope = isByRack ? "in its rack" : "in the ring";
  repeated(tokens, `a token that nobody else owns ${scope}`, problems);
}

/** True where every rack holds the whole ring, as in Dynomite. */
export function isRackScoped({
  partitioner,
  keyspaces,
}: Pick<RingFile, "partitioner" | "keyspaces">): boolean {
  const kinds = new Set(keyspaces.map(({ replication }) => replication.kind));
  if (kinds.size === 0) return partitioner.name.startsWith("DynomitePartitioner");
  return kinds.size === 1 && kinds.has("rack-per-replica");
}

function repeated(
  items: readonly {
    readonly key: string;
    readonly path: Problem["path"];
    readonly value?: string;
  }[],
  expected: string,
  problems: Problem[],
): void {
  const seen = new Map<string, Problem["path"]>();
  for (const { key, path, value } of items) {
    const first = seen.get(key);
    if (first === undefined) seen.set(key, path);
    else problems.push({ path, value: value ?? key, expected: `${expected} (${pathText(first)})` });
  }
}

/** Runs a parser whose errors say what they expected; notes the problem if it throws one. */
function attempt<R>(
  parse: () => R,
  at: { readonly path: Problem["path"]; readonly value: unknown; readonly problems: Problem[] },
): R | undefined {
  try {
    return parse();
  } catch (error) {
    const { expected, field, value } = error as {
      readonly expected?: unknown;
      readonly field?: unknown;
      readonly value?: unknown;
    };
    if (typeof expected !== "string") throw error;
    const isField = typeof field === "string";
    const path = isField && field !== "options" ? [...at.path, field] : at.path;
    at.problems.push({ path, value: isField ? value : at.value, expected });
    return undefined;
  }
}

const PROBLEMS_SHOWN_MAX = 20;

function problemsError(
  file: string,
  problems: readonly Problem[],
  lineAt: (path: Problem["path"]) => number | undefined,
): CliError {
  const shown = problems.map(({ path, value, expected }) => ({
    path: pathText(path),
    line: lineAt(path),
    value: valueText(value),
    expected,
  }));
  const lines = shown.slice(0, PROBLEMS_SHOWN_MAX).map(({ path, line, value, expected }) => {
    const place = line === undefined ? file : `${file}:${line}`;
    return `\n  ${place}: ${path} is ${value}, expected ${expected}`;
  });
  const rest = shown.length - lines.length;
  const more = rest > 0 ? `\n  and ${rest} more` : "";
  const message = `the ring file cannot be used:${lines.join("")}${more}`;
  return new CliError("usage", message, { file, problems: shown });
}

/** `members[2].tokens[0]`. */
function pathText(path: Problem["path"]): string {
  const text = path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("");
  return text === "" ? "the file" : text.replace(/^\./, "");
}

function valueText(value: unknown): string {
  if (value === undefined || value === "") return value === "" ? "empty" : "missing";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

function valueAt(document: Document, path: Problem["path"]): unknown {
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  return isNode(node) ? node.toJS(document) : (node ?? undefined);
}

/** The line of what stands at the path, or of the nearest thing around it. */
function lineOf(
  document: Document,
  lineCounter: LineCounter,
  path: Problem["path"],
): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lineCounter.linePos(must(node.range[0], "a start")).line;
  }
  return undefined;
}
