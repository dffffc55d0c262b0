/** `plan`, `unstage`, `commit`, `revert`, `topology`, `watch`: a change of the ring, step by step. */
import { CliError } from "../exit-codes.ts";
import { NO_WAIT, commitAndWatch, watchChange } from "../topology/apply.ts";
import { CHANGE_FLAGS, changesOfFlags } from "../topology/change-texts.ts";
import { type Operation, type OperationCommand, again, show } from "../topology/operation.ts";
import { planText, shortHash, topologyText } from "../topology/plan-text.ts";
import { withStaged } from "../topology/staged-elsewhere.ts";
import { requiredArgument } from "./client-command.ts";

export const planCommand: OperationCommand = {
  name: "plan",
  description:
    "Stage the given changes of the ring beside what is staged already, and show what committing " +
    "them would do. Members are named by id, a unique beginning of it, or internode address",
  options: CHANGE_FLAGS,
  run: async (operation) => {
    const { client, input } = operation;
    const changes = changesOfFlags(input);
    try {
      for (const change of changes) await client.stage(change);
      const plan = await withStaged(operation, () => client.plan());
      const next = again(operation, `commit ${shortHash(plan.hash)}`);
      show(operation, plan, `${planText(plan)}Commit it with:\n${next}\n`);
    } catch (error) {
      throw changes.length > 0 ? await withHint(operation, error) : error;
    }
  },
};

/** Changes that were refused later are staged still: they may make sense with others. */
async function withHint(operation: Operation, error: unknown): Promise<unknown> {
  if (!(error instanceof CliError) || error.exit !== "refused") return error;
  const topology = await operation.client.topology().catch(() => undefined);
  if (topology?.staged.length === 0) return error;
  const hint = `'${again(operation, "unstage")}' forgets what is staged`;
  return new CliError(error.exit, `${error.message}; ${hint}`, error.detail);
}

export const unstageCommand: OperationCommand = {
  name: "unstage",
  description: "Forget the changes that are staged",
  run: async (operation) => {
    await operation.client.unstage();
    show(operation, { staged: [] }, "nothing is staged any more\n");
  },
};

export const commitCommand: OperationCommand = {
  name: "commit",
  description: "Apply exactly the plan with this hash, and watch until it is done",
  arguments: [{ flags: "<hash>", description: "of the plan: 6 or more of its first digits" }],
  options: [NO_WAIT],
  printsEvents: true,
  run: (operation) => {
    const hash = requiredArgument(operation.input, 0);
    return commitAndWatch(operation, () =>
      withStaged(operation, () => operation.client.commit(hash)),
    );
  },
};

export const revertCommand: OperationCommand = {
  name: "revert",
  description: "Undo the change that is under way, and watch until the ring is as before",
  options: [NO_WAIT],
  printsEvents: true,
  run: (operation) => commitAndWatch(operation, () => operation.client.revert()),
};

export const topologyCommand: OperationCommand = {
  name: "topology",
  description:
    "Where the ring stands: active versions of the layout and who holds them up, what is staged, " +
    "which members wait outside",
  run: showTopology,
};

export async function showTopology(operation: Operation): Promise<void> {
  const topology = await operation.client.topology();
  show(operation, topology, topologyText(topology));
}

export const watchCommand: OperationCommand = {
  name: "watch",
  description: "Watch the change that is under way until it is done; Ctrl-C only ends the watching",
  printsEvents: true,
  run: (operation) =>
    watchChange(operation, {
      leaving: [],
      counter: async () => {
        const { versions } = await operation.client.topology();
        return versions.at(-1)?.counter ?? 0;
      },
    }),
};
