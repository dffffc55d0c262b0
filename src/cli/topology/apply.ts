/**
 * From staged changes to a ring that has changed: plan, question, commit, watch.
 *
 * A shorthand (`decommission`, `move`, ...) stages its changes alone, so that its consent covers
 * nothing that somebody else has staged, and takes them back unless it has committed them.
 */
import type { CommitJson, PlanJson, StagedChangeJson } from "../../http/topology-views.ts";
import type { CommandParameter } from "../commands/client-command.ts";
import { CliError, EXIT_CODES } from "../exit-codes.ts";
import { StopSignals } from "../stop-signals.ts";
import { changeText } from "./change-texts.ts";
import { type Operation, again, pauseOf, tell } from "./operation.ts";
import { planText, shortHash } from "./plan-text.ts";
import { progressReporter } from "./progress.ts";
import { type Question, isConsented, mustBeAbleToAsk } from "./question.ts";
import { titleText } from "./task-text.ts";
import { ChangeWatcher, type MemberTask } from "./watch.ts";

export const NO_WAIT: CommandParameter = {
  flags: "--no-wait",
  description: "return after the commit, while data are still on their way",
};

/** Options of every shorthand. */
export const APPLY_OPTIONS: readonly CommandParameter[] = [
  { flags: "-y, --yes", description: "commit the plan without asking" },
  NO_WAIT,
];

const COMMIT_QUESTION: Question = { text: "Commit this plan? [y/N]", consents: ["y", "yes"] };

/** Stages the changes, shows the plan, asks, commits, and watches until the ring is at rest. */
export async function applyChanges(
  operation: Operation,
  changes: readonly StagedChangeJson[],
  question: Question = COMMIT_QUESTION,
): Promise<void> {
  const { client } = operation;
  mustBeAbleToAsk(operation);
  await mustHaveNothingStaged(operation);
  const plan = await plannedAlone(operation, changes);
  tell(operation, { event: "planned", plan }, `${planText(plan)}`);
  if (!(await isConsented(operation, question))) {
    await client.unstage();
    throw new CliError("declined", "nothing was changed");
  }
  await commitAndWatch(operation, () => client.commit(plan.hash), leavers(plan));
}

async function mustHaveNothingStaged(operation: Operation): Promise<void> {
  const { staged } = await operation.client.topology();
  if (staged.length === 0) return;
  throw new CliError(
    "refused",
    `something is staged already (${staged.map(changeText).join("; ")}): look at it with ` +
      `'${again(operation, "plan")}', forget it with '${again(operation, "unstage")}'`,
    { staged },
  );
}

async function plannedAlone(
  { client }: Operation,
  changes: readonly StagedChangeJson[],
): Promise<PlanJson> {
  try {
    for (const change of changes) await client.stage(change);
    return await client.plan();
  } catch (error) {
    // The reason is what counts; a member that is gone keeps what is staged.
    await client.unstage().catch(() => {});
    throw error;
  }
}

/** Addresses of the members that the plan sends away. */
function leavers({ members }: PlanJson): readonly string[] {
  return members.filter(({ tokensAfter }) => tokensAfter === 0).map(({ address }) => address);
}

/**
 * Commits (or reverts) and, unless --no-wait was given, watches.
 *
 * @param leaving addresses of members that go, and may soon not answer any more
 */
export async function commitAndWatch(
  operation: Operation,
  commit: () => Promise<CommitJson>,
  leaving: readonly string[] = [],
): Promise<void> {
  if (operation.input.options["wait"] === false) {
    announce(operation, await commit());
    return;
  }
  await watchChange(operation, {
    leaving,
    counter: async () => {
      const view = await commit();
      announce(operation, view);
      return view.version.counter;
    },
  });
}

function announce(operation: Operation, { version, waitingFor }: CommitJson): void {
  const down = waitingFor.length === 0 ? "" : `; down, and not told yet: ${waitingFor.join(", ")}`;
  const text = `committed layout version ${version.counter}, ${shortHash(version.hash)}${down}\n`;
  tell(operation, { event: "committed", version, waitingFor }, text);
}

/** Watches what is under way; says how it ended. */
export async function watchChange(
  operation: Operation,
  begun: {
    readonly leaving: readonly string[];
    /** Begins it and says which version it leads to. */
    readonly counter: () => Promise<number>;
  },
): Promise<void> {
  const reporter = progressReporter(operation.context, operation.isJson);
  const signals = new StopSignals();
  const watcher = new ChangeWatcher(
    {
      fetch: operation.context.fetch,
      pause: pauseOf(operation),
      stopWished: signals.first,
      show: (progress) => reporter.show(progress),
    },
    operation.client.url,
  );
  await watcher.begin();
  const counter = await begun.counter();
  signals.onSecond(() => process.exit(EXIT_CODES.forced.code));
  signals.listen();
  try {
    const end = await watcher.watch(counter, begun.leaving);
    reporter.end();
    if (end.kind === "stopped") throw stoppedError(operation);
    if (end.kind === "stuck") throw stuckError(operation, end.tasks);
    const text = `done: everybody reads from layout version ${end.counter}\n`;
    tell(operation, { event: "finished", counter: end.counter }, text);
  } finally {
    signals.release();
  }
}

function stoppedError(operation: Operation): CliError {
  return new CliError(
    "forced",
    `not watching any more; the change goes on. Watch it again with '${again(operation, "watch")}', ` +
      `undo it with '${again(operation, "revert")}'`,
  );
}

function stuckError(operation: Operation, tasks: readonly MemberTask[]): CliError {
  const reasons = tasks.map(
    ({ member, task }) => `${task.id} of ${member} ${task.state} (${titleText(task)})`,
  );
  return new CliError(
    "failed",
    `the change is stuck: ${reasons.join("; ")}. The layout before it still serves, and ` +
      `'${again(operation, "revert")}' goes back to it`,
    { tasks },
  );
}
