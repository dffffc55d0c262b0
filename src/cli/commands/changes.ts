/** Shorthands in nodetool's words: each stages one change, shows the plan, asks, commits, watches. */
import type { StagedChangeJson } from "../../http/topology-views.ts";
import { CliError } from "../exit-codes.ts";
import { APPLY_OPTIONS, applyChanges } from "../topology/apply.ts";
import { listOf, numTokensChange, tokensOf, weightChange } from "../topology/change-texts.ts";
import type { Operation, OperationCommand } from "../topology/operation.ts";
import {
  type CommandInput,
  type CommandParameter,
  requiredArgument,
  textOption,
} from "./client-command.ts";
import { replicationOf } from "./keyspaces.ts";
import { showTopology } from "./plan.ts";

const MEMBER: CommandParameter = {
  flags: "<member>",
  description: "id, a unique beginning of it, or internode address",
};
const MEMBER_OR_ASKED: CommandParameter = {
  flags: "[member]",
  description: "id, a unique beginning of it, or internode address (default: the member asked)",
};

const DANGER =
  "DANGER: the member is taken out of the ring although the replicas that are left cannot be known\n" +
  "to hold everything that it had. Writes that only it has are lost. It is refused for ever, even if\n" +
  "it comes back. Use it only where 'dynaring removenode' cannot go on.\n\n";

/** A shorthand for one change. */
function shorthand(
  form: Omit<OperationCommand, "run">,
  changeOf: (
    input: CommandInput,
    operation: Operation,
  ) => Promise<StagedChangeJson> | StagedChangeJson,
): OperationCommand {
  return {
    ...form,
    options: [...(form.options ?? []), ...APPLY_OPTIONS],
    printsEvents: true,
    run: async (operation) => {
      await applyChanges(operation, [await changeOf(operation.input, operation)]);
    },
  };
}

export const joinCommand: OperationCommand = shorthand(
  {
    name: "join",
    description: "Take in a member that waits outside",
    arguments: [MEMBER_OR_ASKED],
    options: [{ flags: "--tokens <tokens>", description: "as 1,2,3 (default: chosen for it)" }],
  },
  async (input, operation) => {
    const tokens = textOption(input, "tokens");
    return {
      kind: "join",
      member: await memberOrAsked(operation),
      ...(tokens !== undefined && { tokens: tokensOf(tokens) }),
    };
  },
);

export const decommissionCommand: OperationCommand = shorthand(
  {
    name: "decommission",
    description: "A live member hands over what it has and leaves the ring for good",
    arguments: [MEMBER_OR_ASKED],
  },
  async (_input, operation) => ({ kind: "leave", member: await memberOrAsked(operation) }),
);

const removeShorthand: OperationCommand = shorthand(
  {
    name: "removenode",
    description: "Give up a dead member: the others rebuild what it had",
    arguments: [
      { flags: "<member>", description: "id or internode address; 'status' shows where it stands" },
    ],
  },
  (input) => ({ kind: "remove", member: requiredArgument(input, 0) }),
);

export const removenodeCommand: OperationCommand = {
  ...removeShorthand,
  run: (operation) => {
    const word = requiredArgument(operation.input, 0);
    if (word === "status") return showTopology(operation);
    if (word !== "force") return removeShorthand.run(operation);
    throw new CliError("usage", "there is no 'force': see 'dynaring assassinate --help'");
  },
};

export const assassinateCommand: OperationCommand = {
  name: "assassinate",
  description:
    "Take a dead member out of the ring even if that may lose data; the last resort after removenode",
  arguments: [MEMBER],
  options: APPLY_OPTIONS,
  printsEvents: true,
  run: async (operation) => {
    const member = requiredArgument(operation.input, 0);
    await mustNotLive(operation, member);
    if (!operation.isJson) operation.context.writeError(DANGER);
    await applyChanges(operation, [{ kind: "assassinate", member }], {
      text: "Type 'yes' to commit this plan:",
      consents: ["yes"],
    });
  },
};

/** The ring could do it, but it is hardly ever what is wanted, and cannot be undone. */
async function mustNotLive({ client }: Operation, name: string): Promise<void> {
  const { members } = await client.status();
  const alive = members.find(
    ({ id, address, isUp }) => isUp && (address === name || id.startsWith(name.toLowerCase())),
  );
  if (alive === undefined) return;
  throw new CliError(
    "refused",
    `assassinate of ${name} is not possible: member ${alive.id} at ${alive.address} is alive: use ` +
      "decommission, or end its process first",
  );
}

export const moveCommand: OperationCommand = shorthand(
  {
    name: "move",
    description: "Give a member other tokens",
    arguments: [{ flags: "<tokens...>", description: "all of its new tokens" }],
    options: [{ flags: "--member <member>", description: "whose (default: the member asked)" }],
  },
  async (input, operation) => ({
    kind: "move",
    member: textOption(input, "member") ?? (await askedMember(operation)),
    tokens: tokensOf(...input.arguments),
  }),
);

export const replaceCommand: OperationCommand = shorthand(
  {
    name: "replace",
    description: "A member that waits outside takes the tokens of a dead one, which is given up",
    arguments: [
      { flags: "<dead>", description: "id or internode address of the dead member" },
      { flags: "<new>", description: "id or internode address of the waiting member" },
    ],
  },
  (input) => ({
    kind: "replace",
    member: requiredArgument(input, 0),
    by: requiredArgument(input, 1),
  }),
);

export const weightCommand: OperationCommand = shorthand(
  {
    name: "weight",
    description: "Change the capacity of a member beside the others'",
    arguments: [MEMBER, { flags: "<number>", description: "above 0; 1 is usual" }],
  },
  (input) => weightChange(requiredArgument(input, 0), requiredArgument(input, 1)),
);

export const numTokensCommand: OperationCommand = shorthand(
  {
    name: "num-tokens",
    description: "Change the number of tokens of a member in place",
    arguments: [MEMBER, { flags: "<count>", description: "1 or more" }],
  },
  (input) => numTokensChange(requiredArgument(input, 0), requiredArgument(input, 1)),
);

export const placeCommand: OperationCommand = shorthand(
  {
    name: "place",
    description: "Change the datacenter or the rack of a member",
    arguments: [MEMBER],
    options: [
      { flags: "--dc <name>", description: "its datacenter" },
      { flags: "--rack <name>", description: "its rack" },
    ],
  },
  (input) => {
    const [dc, rack] = [textOption(input, "dc"), textOption(input, "rack")];
    if (dc === undefined && rack === undefined) {
      throw new CliError("usage", "say where it is: --dc, --rack, or both");
    }
    if (dc === "" || rack === "") {
      throw new CliError("usage", `the name of a ${dc === "" ? "datacenter" : "rack"} is empty`);
    }
    return { kind: "place", member: requiredArgument(input, 0), dc, rack };
  },
);

export const doubleCommand: OperationCommand = shorthand(
  {
    name: "double",
    description: "Each of these waiting members takes half of every range of one present member",
    arguments: [{ flags: "<members...>", description: "as many as the ring has; also as a,b,c" }],
  },
  (input) => ({ kind: "double", members: input.arguments.flatMap(listOf) }),
);

export const alterKeyspaceCommand: OperationCommand = shorthand(
  {
    name: "alter-keyspace",
    description: "Change the replication of a keyspace; data are copied before it counts",
    arguments: [{ flags: "<name>", description: "name of the keyspace" }],
    options: [
      {
        flags: "--replication <options>",
        description:
          "dc1:3,dc2:3 for NetworkTopologyStrategy, or a single number for SimpleStrategy",
      },
      { flags: "--class <name>", description: "another replication strategy" },
    ],
  },
  (input) => {
    const options = textOption(input, "replication");
    if (options === undefined) {
      throw new CliError("usage", "--replication is missing, expected e.g. dc1:3,dc2:3");
    }
    const replication = replicationOf(options, textOption(input, "class"));
    return { kind: "replication", keyspace: requiredArgument(input, 0), replication };
  },
);

async function memberOrAsked(operation: Operation): Promise<string> {
  return operation.input.arguments[0] ?? (await askedMember(operation));
}

async function askedMember({ client }: Operation): Promise<string> {
  return (await client.info()).member.id;
}
