/** The HELP subcommand that every container has. */
import type { CommandSpec } from "./spec.ts";

/** The subcommands with `container|help` added, which lists them. */
export function withHelp(
  container: string,
  subcommands: readonly CommandSpec[],
): readonly CommandSpec[] {
  const help: CommandSpec = {
    name: `${container}|help`,
    arity: 2,
    group: subcommands[0]?.group ?? "server",
    flags: ["loading", "stale"],
    access: "none",
    since: "5.0.0",
    syntax: "",
    summary: "Lists the subcommands.",
    handler: (call) => {
      const lines = [
        `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
        ...[...subcommands, help].flatMap(({ name, syntax, summary }) => [
          `${subcommandName(name).toUpperCase()} ${syntax}`.trimEnd(),
          `    ${summary}`,
        ]),
      ];
      const writer = call.open();
      writer.array(lines.length);
      for (const line of lines) writer.simple(line);
      call.close();
    },
  };
  return [...subcommands, help];
}

function subcommandName(name: string): string {
  return name.slice(name.indexOf("|") + 1);
}
