/** `keyspaces` and `create-keyspace`. */
import { CONSISTENCY_LEVELS, DURABILITIES } from "../../model/consistency.ts";
import { parseConsistencyLevel, parseDurability } from "../../model/consistency.ts";
import type { KeyspaceJson } from "../../http/views.ts";
import { CliError } from "../exit-codes.ts";
import { alignedRows } from "../layout.ts";
import {
  type ClientCommand,
  type CommandInput,
  requiredArgument,
  textOption,
} from "./client-command.ts";
import { optionsText } from "./describecluster.ts";

/** A count of replicas, or in which order they are listed, which the member checks. */
const REPLICATION_PAIR = /^([^:]+):(\d+(?:\/\d+)?|(?<=replica_order:).+)$/;

export const keyspacesCommand: ClientCommand = {
  name: "keyspaces",
  description: "Keyspaces with their replication, levels and durability",
  run: async (client) => {
    const keyspaces = await client.keyspaces();
    return { json: keyspaces, text: keyspacesText(keyspaces) };
  },
};

export const createKeyspaceCommand: ClientCommand = {
  name: "create-keyspace",
  description: "Create a keyspace and wait until every live member knows it",
  arguments: [{ flags: "<name>", description: "name of the new keyspace" }],
  options: [
    {
      flags: "--replication <options>",
      description:
        "dc1:3,dc2:3 for NetworkTopologyStrategy, or a single number for SimpleStrategy (default: 3)",
    },
    { flags: "--class <name>", description: "another replication strategy" },
    { flags: "--read <level>", description: "default read level (default: LOCAL_QUORUM)" },
    { flags: "--write <level>", description: "default write level (default: LOCAL_QUORUM)" },
    {
      flags: "--durability <durability>",
      description: `${DURABILITIES.join(", ")} (default: as the member is configured)`,
    },
  ],
  run: async (client, input) => {
    const keyspace = await client.createKeyspace({
      name: requiredArgument(input, 0),
      replication: replicationOf(
        textOption(input, "replication") ?? "3",
        textOption(input, "class"),
      ),
      readConsistency: levelOption(input, "read"),
      writeConsistency: levelOption(input, "write"),
      durability: checked(input, "durability", parseDurability, DURABILITIES),
    });
    return { json: keyspace, text: keyspacesText([keyspace]) };
  },
};

export function keyspacesText(keyspaces: readonly KeyspaceJson[]): string {
  const rows = keyspaces.map((keyspace) => [
    String(keyspace.index),
    keyspace.name,
    keyspace.replication.class,
    optionsText(keyspace.replication.options),
    keyspace.readConsistency,
    keyspace.writeConsistency,
    keyspace.durability,
  ]);
  const heading = ["Index", "Keyspace", "Replication", "Options", "Read", "Write", "Durability"];
  return `${alignedRows([heading, ...rows]).join("\n")}\n`;
}

/** "3" or "dc1:3,dc2:3/1", which may end in ",replica_order:pre-3.2", with an optional strategy. */
export function replicationOf(
  text: string,
  strategy: string | undefined,
): KeyspaceJson["replication"] {
  if (/^\d+(?:\/\d+)?$/.test(text)) {
    return { class: strategy ?? "SimpleStrategy", options: { replication_factor: text } };
  }
  const pairs = text.split(",").map((pair) => REPLICATION_PAIR.exec(pair.trim()));
  const options: Record<string, string> = {};
  for (const pair of pairs) {
    if (pair === null) {
      throw new CliError("usage", `--replication is '${text}', expected 3 or dc1:3,dc2:3`);
    }
    options[pair[1] ?? ""] = pair[2] ?? "";
  }
  return { class: strategy ?? "NetworkTopologyStrategy", options };
}

function levelOption(
  input: CommandInput,
  name: string,
): KeyspaceJson["readConsistency"] | undefined {
  return checked(input, name, parseConsistencyLevel, CONSISTENCY_LEVELS);
}

function checked<T>(
  input: CommandInput,
  name: string,
  parse: (text: string) => T | undefined,
  known: readonly string[],
): T | undefined {
  const text = textOption(input, name);
  if (text === undefined) return undefined;
  const value = parse(text);
  if (value !== undefined) return value;
  throw new CliError("usage", `--${name} is '${text}', expected one of ${known.join(", ")}`);
}
