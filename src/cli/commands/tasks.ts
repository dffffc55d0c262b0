/** `tasks`, `netstats`, `cleanup`, `rebuild`, `drain`: what one member does in the background. */
import type { TaskJson } from "../../http/topology-views.ts";
import { CliError } from "../exit-codes.ts";
import { sizeText } from "../layout.ts";
import { NO_WAIT } from "../topology/apply.ts";
import {
  type Operation,
  type OperationCommand,
  again,
  pauseOf,
  show,
  tell,
} from "../topology/operation.ts";
import {
  isUnfinished,
  netstatsText,
  taskText,
  tasksText,
  titleText,
} from "../topology/task-text.ts";
import { progressReporter } from "../topology/progress.ts";
import { StopSignals } from "../stop-signals.ts";
import { requiredArgument } from "./client-command.ts";

const ACTIONS = ["list", "show", "pause", "resume", "cancel"] as const;
type Action = (typeof ACTIONS)[number];

export const tasksCommand: OperationCommand = {
  name: "tasks",
  description:
    "Tasks of the member that is asked: list them, look at one, pause, resume, cancel it",
  arguments: [
    { flags: "[action]", description: `${ACTIONS.join(", ")} (default: list)` },
    { flags: "[id]", description: "of a task; for every action but list" },
  ],
  run: async (operation) => {
    const { client, input } = operation;
    const action = actionOf(input.arguments[0] ?? "list");
    if (action === "list") {
      const tasks = await client.tasks();
      show(operation, tasks, tasksText(tasks));
      return;
    }
    const id = requiredArgument(input, 1);
    if (id === "") throw new CliError("usage", `'tasks ${action}' needs the id of a task`);
    const task =
      action === "show" ? await taskOf(operation, id) : await client.controlTask(id, action);
    show(operation, task, taskText(task));
  },
};

function actionOf(text: string): Action {
  const action = ACTIONS.find((known) => known === text);
  if (action !== undefined) return action;
  throw new CliError("usage", `there is no action '${text}', expected ${ACTIONS.join(", ")}`);
}

async function taskOf({ client }: Operation, id: string): Promise<TaskJson> {
  const task = (await client.tasks()).find((known) => known.id === id);
  if (task !== undefined) return task;
  throw new CliError("refused", `there is no task '${id}'`, { code: "UNKNOWN_TASK", id });
}

export const netstatsCommand: OperationCommand = {
  name: "netstats",
  description: "Mode, streams and open tasks of the member that is asked",
  run: async (operation) => {
    const netstats = await operation.client.netstats();
    show(operation, netstats, netstatsText(netstats));
  },
};

export const cleanupCommand: OperationCommand = {
  name: "cleanup",
  description: "Drop what the member that is asked does not own any more",
  run: async (operation) => {
    const dropped = await operation.client.cleanup();
    const text = `dropped ${dropped.cells} cells, ${sizeText(dropped.bytes)}\n`;
    show(operation, dropped, text);
  },
};

export const drainCommand: OperationCommand = {
  name: "drain",
  description:
    "The member that is asked stops to serve clients and syncs what was begun; then end its process",
  run: async (operation) => {
    await operation.client.drain();
    show(operation, { mode: "DRAINED" }, "drained: its process may be ended\n");
  },
};

export const rebuildCommand: OperationCommand = {
  name: "rebuild",
  description: "The member that is asked fetches what it owns from the replicas of a datacenter",
  arguments: [{ flags: "[source-dc]", description: "datacenter (default: any)" }],
  options: [{ ...NO_WAIT, description: "return at once; 'dynaring tasks' shows how far it is" }],
  printsEvents: true,
  run: async (operation) => {
    const { client, input } = operation;
    const task = await client.rebuild(input.arguments[0]);
    const end = input.options["wait"] === false ? task : await watchTask(operation, task);
    tell(operation, { event: isUnfinished(end) ? "begun" : "finished", task: end }, taskText(end));
    if (end.state !== "failed" && end.state !== "cancelled") return;
    throw new CliError("failed", `${end.id} ${end.state}: ${titleText(end)}`, { task: end });
  },
};

const LOOK_INTERVAL_MS = 500;

/** Resolves with the task when it is over. */
async function watchTask(operation: Operation, begun: TaskJson): Promise<TaskJson> {
  const reporter = progressReporter(operation.context, operation.isJson);
  const signals = new StopSignals();
  let isStopped = false;
  const stopped = signals.first.then(() => (isStopped = true));
  signals.listen();
  try {
    let task = begun;
    while (isUnfinished(task)) {
      reporter.show({ versions: [], tasks: [{ member: operation.client.url, task }] });
      await Promise.race([pauseOf(operation)(LOOK_INTERVAL_MS), stopped]);
      if (isStopped) throw stoppedError(operation, task.id);
      task = await taskOf(operation, task.id);
    }
    return task;
  } finally {
    reporter.end();
    signals.release();
  }
}

function stoppedError(operation: Operation, id: string): CliError {
  const look = again(operation, `tasks show ${id}`);
  return new CliError("forced", `not watching any more; the task goes on: '${look}' shows it`);
}
