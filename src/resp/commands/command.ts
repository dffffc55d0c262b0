/** COMMAND: the command table, told to clients. */
import type { RespWriter } from "../../codec/resp-writer.ts";
import type { Call } from "../call.ts";
import { SYNTAX_ERROR } from "../errors.ts";
import { matchesGlob } from "../glob.ts";
import { keyCount } from "../key-order.ts";
import { hasArity, type CommandTable } from "./command-table.ts";
import { withHelp } from "./help.ts";
import type { CommandSpec } from "./spec.ts";

type Handler = (call: Call) => void;

/** COMMAND over the table that `table` returns, which holds COMMAND itself. */
export function commandCommands(table: () => CommandTable): readonly CommandSpec[] {
  const common = { group: "server", flags: ["loading", "stale"], access: "none" } as const;
  const listAll: Handler = (call) => replyInfo(call, table().specs);
  return [
    {
      ...common,
      name: "command",
      arity: -1,
      since: "2.8.13",
      syntax: "[subcommand [argument ...]]",
      summary: "Describes all commands.",
      notes: "Key specifications and argument descriptions are left out.",
      handler: listAll,
      subcommands: withHelp("command", [
        {
          ...common,
          name: "command|count",
          arity: 2,
          since: "2.8.13",
          syntax: "",
          summary: "Counts the commands.",
          handler: (call) => call.integer(table().specs.length),
        },
        {
          ...common,
          name: "command|docs",
          arity: -2,
          since: "7.0.0",
          syntax: "[command ...]",
          summary: "Documents commands.",
          handler: (call) => replyDocs(call, namedOrAll(call, table())),
        },
        {
          ...common,
          name: "command|getkeys",
          arity: -3,
          since: "2.8.13",
          syntax: "command [argument ...]",
          summary: "Returns the keys of a command.",
          handler: (call) => replyKeys(call, table()),
        },
        {
          ...common,
          name: "command|info",
          arity: -2,
          since: "2.8.13",
          syntax: "[command ...]",
          summary: "Describes commands.",
          handler: (call) => replyInfo(call, namedOrAll(call, table())),
        },
        {
          ...common,
          name: "command|list",
          arity: -2,
          since: "7.0.0",
          syntax: "[FILTERBY PATTERN pattern]",
          summary: "Lists the names of commands.",
          handler: (call) => replyList(call, table()),
        },
      ]),
    },
  ];
}

/** The commands that the arguments name (undefined for those that are not there), or all. */
function namedOrAll(call: Call, table: CommandTable): readonly (CommandSpec | undefined)[] {
  if (call.count === 2) return table.specs;
  const specs: (CommandSpec | undefined)[] = [];
  for (let index = 2; index < call.count; index++) {
    specs.push(table.named(call.command.text(index)));
  }
  return specs;
}

function replyInfo(call: Call, specs: readonly (CommandSpec | undefined)[]): void {
  const writer = call.open();
  writer.array(specs.length);
  for (const spec of specs) {
    if (spec === undefined) writer.nil();
    else writeInfo(writer, spec);
  }
  call.close();
}

function writeInfo(writer: RespWriter, spec: CommandSpec): void {
  const { keys, flags, subcommands = [] } = spec;
  const categories = aclCategories(spec);
  writer.array(10);
  writer.text(spec.name);
  writer.integer(spec.arity);
  writer.set(flags.length);
  for (const flag of flags) writer.simple(flag);
  writer.integer(keys?.first ?? 0);
  writer.integer(keys?.last ?? 0);
  writer.integer(keys?.step ?? 0);
  writer.set(categories.length);
  for (const category of categories) writer.simple(category);
  writer.set(0);
  writer.set(0);
  writer.array(subcommands.length);
  for (const subcommand of subcommands) writeInfo(writer, subcommand);
}

function aclCategories({ flags, group }: CommandSpec): readonly string[] {
  return [
    ...(flags.includes("readonly") ? ["@read"] : []),
    ...(flags.includes("write") ? ["@write"] : []),
    ...(flags.includes("admin") ? ["@admin", "@dangerous"] : []),
    ...(group === "string" ? ["@string"] : []),
    ...(group === "generic" ? ["@keyspace"] : []),
    ...(group === "connection" ? ["@connection"] : []),
    flags.includes("fast") ? "@fast" : "@slow",
  ];
}

function replyDocs(call: Call, specs: readonly (CommandSpec | undefined)[]): void {
  const known = specs.filter((spec) => spec !== undefined);
  const writer = call.open();
  writeDocs(writer, known);
  call.close();
}

function writeDocs(writer: RespWriter, specs: readonly CommandSpec[]): void {
  writer.map(specs.length);
  for (const { name, summary, since, group, subcommands } of specs) {
    writer.text(name);
    writer.map(subcommands === undefined ? 3 : 4);
    writer.text("summary");
    writer.text(summary);
    writer.text("since");
    writer.text(since);
    writer.text("group");
    writer.text(group);
    if (subcommands === undefined) continue;
    writer.text("subcommands");
    writeDocs(writer, subcommands);
  }
}

function replyKeys(call: Call, table: CommandTable): void {
  const { command } = call;
  const spec = table.named(command.text(2));
  const count = command.count - 2;
  if (spec === undefined) call.error("ERR Invalid command specified");
  else if (!hasArity(spec, count))
    call.error("ERR Invalid number of arguments specified for command");
  else if (spec.keys === undefined) call.error("ERR The command has no key arguments");
  else {
    const { first, step } = spec.keys;
    const keys = keyCount(spec.keys, count);
    const writer = call.open();
    writer.array(keys);
    for (let index = 0; index < keys; index++) writer.bulk(command.view(2 + first + index * step));
    call.close();
  }
}

function replyList(call: Call, table: CommandTable): void {
  const { command } = call;
  const isFiltered = command.count === 5 && command.is(2, "filterby") && command.is(3, "pattern");
  if (command.count !== 2 && !isFiltered) {
    call.error(SYNTAX_ERROR);
    return;
  }
  const names = table.specs
    .map(({ name }) => name)
    .filter((name) => !isFiltered || matchesGlob(command.view(4), Buffer.from(name)));
  const writer = call.open();
  writer.array(names.length);
  for (const name of names) writer.text(name);
  call.close();
}
