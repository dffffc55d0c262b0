/** `up`: a whole local ring of separate processes, until Ctrl-C. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import {
  PARTITIONER_NAMES,
  partitionerNameOf,
  shortPartitionerName,
} from "../../ring/partitioners/by-name.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT_CODES } from "../exit-codes.ts";
import { StopSignals } from "../stop-signals.ts";
import { LocalRing } from "../up/local-ring.ts";
import {
  JsonReporter,
  PlainReporter,
  type Reporter,
  type RingFacts,
  TerminalReporter,
  isUp,
} from "../up/reporters.ts";
import { shapeOf, writeRingFiles } from "../up/ring-directory.ts";
import {
  BASE_PORT_MAX,
  BASE_PORT_MIN,
  DEFAULT_BASE_PORT,
  NODES_MAX,
  planRing,
} from "../up/ring-plan.ts";

const REFRESH_INTERVAL_MS = 1000;

export function addUpCommand(program: Command, context: CliContext): void {
  const command = program
    .command("up")
    .description("Start a whole ring on this machine and watch it; Ctrl-C stops it")
    .option(
      "--nodes <count>",
      `members, 1 to ${NODES_MAX} (default: 3, or as the data directory)`,
      wholeNumber(1, NODES_MAX),
    )
    .option("--racks", "give every member a rack of its own")
    .option(
      "--partitioner <name>",
      "how keys become tokens (default: murmur3, or as the data directory); with ordered ones " +
        "members draw their tokens at random",
      partitionerName,
    )
    .option("--data-dir <directory>", "where data, configuration and logs live", ".dynaring")
    .option("--memory", "keep nothing on disk")
    .option(
      "--base-port <port>",
      "member i listens on this + i (RESP), + 1000 (internode), + 2000 (HTTP)",
      wholeNumber(BASE_PORT_MIN, BASE_PORT_MAX),
      DEFAULT_BASE_PORT,
    )
    .option("--json", "print JSON lines");
  command.action(() => runUp(context, command.opts()));
}

interface UpFlags {
  readonly nodes?: number;
  readonly racks?: boolean;
  readonly partitioner?: string;
  readonly dataDir: string;
  readonly memory?: boolean;
  readonly basePort: number;
  readonly json?: boolean;
}

/** Reads the value of a flag; for commander. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

/** As wholeNumber. */
function partitionerName(text: string): string {
  const name = partitionerNameOf(text);
  if (name !== undefined) return name;
  const known = PARTITIONER_NAMES.map(shortPartitionerName).join(", ");
  throw new InvalidArgumentError(`Expected one of ${known}.`);
}

async function runUp(context: CliContext, flags: UpFlags): Promise<void> {
  const isInMemory = flags.memory === true;
  const directory = isInMemory ? mkdtempSync(join(tmpdir(), "dynaring-")) : resolve(flags.dataDir);
  const signals = new StopSignals();
  signals.listen();
  try {
    const shape = shapeOf(directory, {
      nodes: flags.nodes,
      hasRacks: flags.racks,
      partitioner: flags.partitioner,
    });
    const { basePort } = flags;
    const members = planRing({ ...shape, basePort, directory, isInMemory });
    writeRingFiles(directory, shape, members);
    const facts = { members, dataDirectory: isInMemory ? undefined : directory };
    const ring = new LocalRing(context.fetch, members);
    await watch({ ring, signals, reporter: reporterFor(context, flags.json === true) }, facts);
  } finally {
    signals.release();
    if (isInMemory) rmSync(directory, { recursive: true, force: true });
  }
}

interface Watched {
  readonly ring: LocalRing;
  readonly signals: StopSignals;
  readonly reporter: Reporter;
}

/** Shows the ring until somebody wants it to stop, then stops it; also when it could not start. */
async function watch({ ring, signals, reporter }: Watched, facts: RingFacts): Promise<void> {
  const stopWished = signals.first.then(() => "stop" as const);
  try {
    reporter.starting(facts);
    const started = ring.start().then(() => "started" as const);
    if ((await Promise.race([started, stopWished])) === "started") {
      reporter.ready(facts);
      await showUntil(stopWished, ring, reporter);
    } else {
      started.catch(() => {});
    }
    reporter.stopping();
  } finally {
    signals.onSecond(() => {
      ring.kill();
      process.exit(EXIT_CODES.forced.code);
    });
    await ring.stop();
  }
  reporter.stopped(facts);
}

async function showUntil(
  stopWished: Promise<"stop">,
  ring: LocalRing,
  reporter: Reporter,
): Promise<void> {
  let isStopping = false;
  while (!isStopping) {
    const rows = await ring.rows();
    reporter.rows(rows);
    if (rows.every(({ state, ending }) => ending !== undefined && !isUp(state))) {
      throw new CliError("failed", "every member has stopped");
    }
    let timer: NodeJS.Timeout | undefined;
    const tick = new Promise<"tick">((done) => {
      timer = setTimeout(() => done("tick"), REFRESH_INTERVAL_MS);
    });
    isStopping = (await Promise.race([stopWished, tick])) === "stop";
    clearTimeout(timer);
  }
}

function reporterFor(context: CliContext, isJson: boolean): Reporter {
  const write = (text: string): void => context.write(text);
  if (isJson) return new JsonReporter(write);
  return context.isTerminal
    ? new TerminalReporter({ stream: process.stdout, nowMs: () => performance.now() })
    : new PlainReporter(write);
}
