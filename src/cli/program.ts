/** The command line: every command in one table, and one way to end. */
import { Command, CommanderError } from "commander";
import { ConfigError } from "../node/options.ts";
import { MemberClient } from "./client.ts";
import {
  alterKeyspaceCommand,
  assassinateCommand,
  decommissionCommand,
  doubleCommand,
  joinCommand,
  moveCommand,
  numTokensCommand,
  placeCommand,
  removenodeCommand,
  replaceCommand,
  weightCommand,
} from "./commands/changes.ts";
import type { ClientCommand, CommandParameter, OptionValue } from "./commands/client-command.ts";
import { describeclusterCommand } from "./commands/describecluster.ts";
import { describeringCommand } from "./commands/describering.ts";
import { failuredetectorCommand } from "./commands/failuredetector.ts";
import { getendpointsCommand } from "./commands/getendpoints.ts";
import { gossipinfoCommand } from "./commands/gossipinfo.ts";
import { addImportCommand } from "./commands/import.ts";
import { infoCommand } from "./commands/info.ts";
import { createKeyspaceCommand, keyspacesCommand } from "./commands/keyspaces.ts";
import { addNodeCommand } from "./commands/node.ts";
import {
  commitCommand,
  planCommand,
  revertCommand,
  topologyCommand,
  unstageCommand,
  watchCommand,
} from "./commands/plan.ts";
import { ringCommand } from "./commands/ring.ts";
import { statusCommand } from "./commands/status.ts";
import { addReplicasCommand } from "./commands/replicas.ts";
import { addSimulateCommand } from "./commands/simulate.ts";
import {
  cleanupCommand,
  drainCommand,
  netstatsCommand,
  rebuildCommand,
  tasksCommand,
} from "./commands/tasks.ts";
import { addTokenCommand } from "./commands/token.ts";
import { addTokensCommand } from "./commands/tokens.ts";
import { addUpCommand } from "./commands/up.ts";
import { versionCommand } from "./commands/version.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT_CODES } from "./exit-codes.ts";
import { RELEASE_VERSION } from "../node/release.ts";
import { type Operation, type OperationCommand, show } from "./topology/operation.ts";

/** Commands that ask one member. */
export const CLIENT_COMMANDS: readonly ClientCommand[] = [
  statusCommand,
  ringCommand,
  describeringCommand,
  getendpointsCommand,
  infoCommand,
  gossipinfoCommand,
  failuredetectorCommand,
  describeclusterCommand,
  keyspacesCommand,
  createKeyspaceCommand,
  versionCommand,
];

/** Commands that change the ring or a member, and those that show how far that is. */
export const OPERATION_COMMANDS: readonly OperationCommand[] = [
  planCommand,
  unstageCommand,
  commitCommand,
  revertCommand,
  topologyCommand,
  watchCommand,
  joinCommand,
  decommissionCommand,
  removenodeCommand,
  assassinateCommand,
  moveCommand,
  replaceCommand,
  weightCommand,
  numTokensCommand,
  placeCommand,
  doubleCommand,
  alterKeyspaceCommand,
  rebuildCommand,
  cleanupCommand,
  drainCommand,
  netstatsCommand,
  tasksCommand,
];

const DEFAULT_URL = "http://127.0.0.1:8401";

/** Runs one command line (without the program's own name) and resolves to the exit code. */
export async function runCli(context: CliContext, args: readonly string[]): Promise<number> {
  const program = buildProgram(context);
  try {
    await program.parseAsync([...args], { from: "user" });
    return EXIT_CODES.ok.code;
  } catch (error) {
    return exitCodeOf(context, error, args.includes("--json"));
  }
}

export function buildProgram(context: CliContext): Command {
  const program = new Command("dynaring")
    .description("A Dynamo-style token ring: run it, look at it, operate it.")
    .version(RELEASE_VERSION, "-V, --version", "the version of this program")
    .helpOption("-h, --help", "help for a command")
    .showHelpAfterError("(--help shows what is possible)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.write(text),
      writeErr: (text) => context.writeError(text),
    });
  addUpCommand(program, context);
  addNodeCommand(program, context);
  addTokensCommand(program, context);
  addTokenCommand(program, context);
  addReplicasCommand(program, context);
  addSimulateCommand(program, context);
  addImportCommand(program, context);
  for (const command of CLIENT_COMMANDS) addMemberCommand(program, context, asOperation(command));
  for (const command of OPERATION_COMMANDS) addMemberCommand(program, context, command);
  return program;
}

function asOperation(command: ClientCommand): OperationCommand {
  return {
    ...command,
    run: async (operation) => {
      const { json, text } = await command.run(operation.client, operation.input);
      show(operation, json, text);
    },
  };
}

function addMemberCommand(program: Command, context: CliContext, command: OperationCommand): void {
  const added = program.command(command.name).description(command.description);
  for (const { flags, description } of command.arguments ?? []) added.argument(flags, description);
  for (const parameter of command.options ?? []) addOption(added, parameter);
  added
    .option("--url <url>", `HTTP address of a member (DYNARING_URL; default: ${DEFAULT_URL})`)
    .option("--json", command.printsEvents === true ? "print JSON lines" : "print JSON")
    .action(async () => {
      const options = added.opts<Record<string, OptionValue>>();
      const url = options["url"] ?? context.env["DYNARING_URL"] ?? DEFAULT_URL;
      const client = new MemberClient(context.fetch, String(url));
      const input = { arguments: added.args, options };
      const operation: Operation = { context, client, input, isJson: options["json"] === true };
      await command.run(operation);
    });
}

function addOption(command: Command, { flags, description, isRepeatable }: CommandParameter): void {
  if (isRepeatable !== true) {
    command.option(flags, description);
    return;
  }
  const collect = (value: string, previous?: readonly string[]): readonly string[] => [
    ...(previous ?? []),
    value,
  ];
  command.option(flags, description, collect);
}

/** Tells the user what went wrong. Bugs are thrown on. */
function exitCodeOf(context: CliContext, error: unknown, isJson: boolean): number {
  // commander has written its message already; asking for help is no error.
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? EXIT_CODES.ok.code : EXIT_CODES.usage.code;
  }
  const known =
    error instanceof ConfigError
      ? new CliError("usage", error.message, { problems: error.problems })
      : error;
  if (!(known instanceof CliError)) throw error;
  context.writeError(
    isJson
      ? `${JSON.stringify({ error: { ...known.detail, message: known.message } })}\n`
      : `dynaring: ${known.message}\n`,
  );
  return EXIT_CODES[known.exit].code;
}
