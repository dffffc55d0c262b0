/** The reference page of the commands, made from the command table. */
import { KV_ERROR_PREFIXES } from "../errors.ts";
import { DYNOMITE_LEVELS } from "../levels.ts";
import type { CommandGroup, CommandSpec } from "./spec.ts";
import type { CommandTable } from "./command-table.ts";

const GROUPS: Readonly<Record<CommandGroup, string>> = {
  string: "Strings",
  generic: "Keys",
  dynaring: "Consistency",
  connection: "Connection",
  server: "Server",
};

const INTRODUCTION = `# Commands of the Redis protocol

Made from the command table in \`src/resp/commands\`; a test holds this page equal to it.

Any client of Redis may talk to any member. RESP2 and RESP3 (\`HELLO 3\`), pipelining and inline
commands are understood. No command is ever answered with \`MOVED\` or \`CROSSSLOT\`: the keys of one
command may live anywhere on the ring.

- **Keyspaces**: a connection starts in the keyspace \`default\`; \`SELECT\` takes another by index or name.
- **Consistency**: each keyspace has its levels; \`CONSISTENCY\` changes them for a connection, \`WITH\`
  for one command. Besides Cassandra's names and plain numbers of replicas there are Dynomite's:
  ${Object.entries(DYNOMITE_LEVELS)
    .map(([alias, level]) => `\`${alias}\` = \`${level}\``)
    .join(", ")}.
- **Order**: commands of one connection that touch the same key take effect in the order in which they
  were sent, also when they are pipelined. Commands on different keys run at the same time.
- **Atomicity**: a single write is atomic. Commands that read and then write, and commands on several
  keys, are not; each says so below.`;

/** The page as Markdown. */
export function commandReference(table: CommandTable): string {
  const sections = Object.entries(GROUPS).map(([group, title]) => {
    const specs = table.specs
      .flatMap((spec) => spec.subcommands ?? [spec])
      .filter((spec) => spec.group === group && !spec.name.endsWith("|help"));
    return [`## ${title}`, ...specs.map(describe)].join("\n\n");
  });
  return `${[INTRODUCTION, ...sections, errorTable()].join("\n\n")}\n`;
}

function describe({ name, syntax, summary, notes, since, group }: CommandSpec): string {
  const words = `${name.replace("|", " ").toUpperCase()} ${syntax}`.trimEnd();
  const origin = group === "dynaring" ? "Dynaring" : "Redis";
  return [
    `### ${name.replace("|", " ").toUpperCase()}`,
    `\`${words}\``,
    `${summary} (${origin} ${since})`,
    ...(notes === undefined ? [] : [notes]),
  ].join("\n\n");
}

function errorTable(): string {
  const rows: readonly (readonly [string, string])[] = Object.entries(KV_ERROR_PREFIXES).map(
    ([code, prefix]) => [`\`${code}\``, `\`${prefix}\``],
  );
  const header = ["Code", "Reply starts with"] as const;
  const widths = [0, 1].map((column) =>
    Math.max(...[header, ...rows].map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [
    "## Errors",
    "",
    "Errors of the protocol and of arguments have Redis's texts. Errors of the store start with a word",
    "that does not change; a failed write says whether it may still become visible.",
    "",
    line(header),
    line(widths.map((width) => "-".repeat(width))),
    ...rows.map(line),
  ].join("\n");
}
