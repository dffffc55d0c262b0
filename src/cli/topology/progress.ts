/** What a change of the ring shows while it is watched: bars on a terminal, lines, or JSON lines. */
import { createLogUpdate } from "log-update";
import colors from "picocolors";
import type { ActiveVersionJson } from "../../http/topology-views.ts";
import type { CliContext } from "../context.ts";
import { sizeText, spanText } from "../layout.ts";
import { isUnfinished, progressText, titleText } from "./task-text.ts";
import type { ChangeProgress, MemberTask } from "./watch.ts";

export interface ProgressReporter {
  show(progress: ChangeProgress): void;
  /** Leaves what is shown as it is; other text may follow. */
  end(): void;
}

type Write = (text: string) => void;

export function progressReporter(context: CliContext, isJson: boolean): ProgressReporter {
  const write = (text: string): void => context.write(text);
  if (isJson) return new JsonProgress(write);
  return context.isTerminal ? new TerminalProgress(process.stdout) : new PlainProgress(write);
}

/** A line for every change of a phase and for every tenth of a task. */
export class PlainProgress implements ProgressReporter {
  readonly #write: Write;
  readonly #seen = new Set<string>();

  constructor(write: Write) {
    this.#write = write;
  }

  show({ versions, tasks }: ChangeProgress): void {
    for (const version of underWay(versions)) {
      const text = versionText(version);
      this.#once(text, text);
    }
    for (const entry of tasks) {
      const { member, task } = entry;
      const tenth = Math.floor(10 * task.share);
      this.#once(`${member}/${task.id}/${task.state}/${tenth}`, plainTaskText(entry));
    }
  }

  end(): void {}

  #once(key: string, text: string): void {
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#write(`${text}\n`);
  }
}

export class JsonProgress implements ProgressReporter {
  readonly #write: Write;
  #last = "";

  constructor(write: Write) {
    this.#write = write;
  }

  show({ versions, tasks }: ChangeProgress): void {
    const text = JSON.stringify({ event: "progress", versions, tasks });
    if (text !== this.#last) this.#write(`${text}\n`);
    this.#last = text;
  }

  end(): void {}
}

export class TerminalProgress implements ProgressReporter {
  readonly #update: ReturnType<typeof createLogUpdate>;

  constructor(stream: NodeJS.WriteStream) {
    this.#update = createLogUpdate(stream);
  }

  show(progress: ChangeProgress): void {
    this.#update(barLines(progress).join("\n"));
  }

  end(): void {
    this.#update.done();
  }
}

const BAR_CELLS = 24;

/** The phases, and a bar for every task. */
export function barLines({ versions, tasks }: ChangeProgress): readonly string[] {
  const width = Math.max(0, ...tasks.map(({ member }) => member.length));
  return [
    ...underWay(versions).map(versionText),
    ...tasks.map((entry) => `${entry.member.padEnd(width)}  ${barText(entry)}`),
  ];
}

function barText({ task }: MemberTask): string {
  const full = Math.floor(BAR_CELLS * task.share);
  const bar = colors.green("█".repeat(full)) + "░".repeat(BAR_CELLS - full);
  const left = task.state === "running" ? `, ${spanText(task.etaSeconds)} left` : "";
  const state = task.state === "running" || task.state === "done" ? "" : `, ${stateText(task)}`;
  return `${bar}  ${progressText(task)}, ${sizeText(task.bytes)}${left}${state}`;
}

function stateText({ state, reason }: MemberTask["task"]): string {
  const text = reason === undefined ? state : `${state}: ${reason}`;
  return state === "failed" ? colors.red(text) : colors.yellow(text);
}

/** What the change leads to; what it has overtaken holds nothing up. A single one is at rest. */
function underWay(versions: readonly ActiveVersionJson[]): readonly ActiveVersionJson[] {
  return versions.slice(1).slice(-1);
}

function versionText({ counter, phase, waitingFor }: ActiveVersionJson): string {
  const waits = waitingFor.length === 0 ? "" : `, waits for ${waitingFor.join(", ")}`;
  return `layout version ${counter} is ${phase}${waits}`;
}

function plainTaskText({ member, task }: MemberTask): string {
  const state = isUnfinished(task) && task.state === "running" ? "" : ` ${task.state},`;
  return `${member}: ${task.id}${state} ${progressText(task)}, ${titleText(task)}`;
}
