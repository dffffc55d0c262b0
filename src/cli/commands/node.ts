/** `node`: one production member in this process, until it is told to stop. */
import type { Command } from "commander";
import { flagName, loadConfig, settableRows, variableName } from "../config.ts";
import type { CliContext } from "../context.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { createLogger } from "../logger.ts";
import type { MemberServer as Server } from "../server.ts";
import { StopSignals } from "../stop-signals.ts";

export function addNodeCommand(program: Command, context: CliContext): void {
  const command = program
    .command("node")
    .description("Run one member of a ring until SIGTERM or SIGINT")
    .option("--config <file>", "YAML file with the options of docs/reference/config.md")
    .option("--json", "log JSON lines even on a terminal");
  for (const { path, kind, expected } of settableRows()) {
    const value = kind === "list" ? "<a,b>" : `<${kind}>`;
    command.option(`${flagName(path)} ${value}`, `${expected} (${variableName(path)})`);
  }
  command.action(() => runNode(context, command.opts()));
}

async function runNode(
  context: CliContext,
  { config: file, json, ...flags }: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { options, unknownVariables } = loadConfig({
    file: typeof file === "string" ? file : undefined,
    env: context.env,
    flags,
  });
  const isPlain = context.isTerminal && json !== true;
  const logger = createLogger(context, { level: options.logLevel, isPlain });
  if (unknownVariables.length > 0) {
    logger.warn("config.unknown-variables", { names: unknownVariables });
  }
  if (options.resp === undefined && options.http === undefined) {
    logger.warn("config.no-front-end", { hint: "add a section resp or http for clients" });
  }
  const signals = new StopSignals();
  signals.listen();
  try {
    // Loaded only here: the commands that ask a member start several times faster without it.
    const { MemberServer } = await import("../server.ts");
    const server = new MemberServer({ logger }, options);
    const onStop = (reason: string): void => logger.info("member.stopping", { reason });
    const stopped = await runUntilStopped(server, signals, onStop);
    logger.info("member.stopped");
    // A start that was interrupted goes on in the background, and there is nothing left to lose.
    if (stopped === "while-starting") process.exit(EXIT_CODES.ok.code);
  } finally {
    signals.release();
  }
}

async function runUntilStopped(
  server: Server,
  signals: StopSignals,
  onStop: (reason: string) => void,
): Promise<"after-start" | "while-starting"> {
  const started = server.start();
  // A stop that comes while the member still joins must not wait for the ring.
  const early = await Promise.race([started.then(() => undefined), signals.first]);
  onStop(early ?? (await signals.first));
  signals.onSecond(() => process.exit(EXIT_CODES.forced.code));
  started.catch(() => {});
  await server.stop();
  return early === undefined ? "after-start" : "while-starting";
}
