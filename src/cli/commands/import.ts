/** `import`: a ring file of a cluster that exists. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { must } from "../../util/assert.ts";
import { parseAddress } from "../../util/address.ts";
import type { CliContext } from "../context.ts";
import { CliError } from "../exit-codes.ts";
import { withCql } from "../tokens/cql-connection.ts";
import { type Imported, importedRing, ringOfListing } from "../tokens/imported-ring.ts";
import { partitionerNamed } from "../tokens/keys.ts";
import { type Query, readLiveCluster } from "../tokens/live-cluster.ts";
import { parseNodetool } from "../tokens/nodetool.ts";
import { ringFileText } from "../tokens/ring-text.ts";
import { replicationOf } from "./keyspaces.ts";

const CQL_PORT = 9042;
/** More than nodetool prints for a million tokens. */
const INPUT_BYTES_MAX = 1024 ** 3;

export function addImportCommand(program: Command, context: CliContext): void {
  const command = program
    .command("import")
    .description(
      "Write a ring file of a Cassandra, ScyllaDB or Dynaring cluster, from what 'nodetool ring' or " +
        "'nodetool describering' printed, or from a running node",
    )
    .argument("[file]", "output of nodetool (default: standard input)")
    .option("--cluster <host:port>", `ask this node over CQL instead (port: ${CQL_PORT})`)
    .option("--user <name>", "user for --cluster; the password is in CQL_PASSWORD")
    .option("--partitioner <name>", "of the nodetool output", "murmur3")
    .option("--keyspace <name>", "name of the keyspace in the file", "imported")
    .option(
      "--replication <options>",
      "of that keyspace: dc1:3,dc2:3, or one number for SimpleStrategy (describering: found by trying)",
    )
    .option("--json", "print JSON, which is a ring file too");
  command.action(() => runImport(context, command.args[0], command.opts()));
}

interface ImportFlags {
  readonly cluster?: string;
  readonly user?: string;
  readonly partitioner: string;
  readonly keyspace: string;
  readonly replication?: string;
  readonly json?: boolean;
}

async function runImport(
  context: CliContext,
  file: string | undefined,
  flags: ImportFlags,
): Promise<void> {
  if (file !== undefined && flags.cluster !== undefined) {
    throw new CliError("usage", "take the ring either from a file or from --cluster");
  }
  const { ring, notes } =
    flags.cluster === undefined
      ? await fromNodetool(context, file, flags)
      : await fromCluster(context, flags.cluster, flags);
  for (const note of notes) context.writeError(`note: ${note}\n`);
  context.write(flags.json === true ? ringJson(ring) : ringFileText(ring));
}

async function fromNodetool(
  context: CliContext,
  file: string | undefined,
  flags: ImportFlags,
): Promise<Imported> {
  const isInput = file === undefined || file === "-";
  const text = isInput ? await inputText(context) : fileText(file);
  const listing = parseNodetool(text, isInput ? "standard input" : file);
  const replication = flags.replication && replicationOf(flags.replication, undefined);
  const options = replication && { class: replication.class, ...replication.options };
  const keyspace = { name: flags.keyspace, options: options === "" ? undefined : options };
  return ringOfListing(partitionerNamed(flags.partitioner), listing, keyspace);
}

async function fromCluster(
  context: CliContext,
  contactPoint: string,
  { user }: ImportFlags,
): Promise<Imported> {
  const { host, port } = contactAddress(contactPoint);
  const password = context.env["CQL_PASSWORD"];
  return withCql({ host, port, user, password }, importLive);
}

/** The ring that a node describes in its tables. */
export async function importLive(query: Query): Promise<Imported> {
  const cluster = await readLiveCluster(query);
  const partitioner = partitionerNamed(cluster.partitioner);
  const ring = importedRing(partitioner, cluster.members, cluster.keyspaces);
  return { ring, notes: cluster.notes };
}

function contactAddress(text: string): { readonly host: string; readonly port: number } {
  try {
    return parseAddress(/:\d+$/.test(text) ? text : `${text}:${CQL_PORT}`);
  } catch (error) {
    throw new CliError("usage", `--cluster: ${error instanceof Error ? error.message : text}`);
  }
}

function fileText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("usage", `the file cannot be read: ${reason}`, { file });
  }
}

async function inputText(context: CliContext): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of must(context.input, "a process has a standard input")) {
    size += chunk.length;
    if (size > INPUT_BYTES_MAX)
      throw new CliError("usage", "standard input is too long for a ring");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function ringJson({ partitioner, members, keyspaces }: Imported["ring"]): string {
  const json = {
    partitioner: partitioner.name,
    members: members.map(({ tokens, ...member }) => ({
      ...member,
      tokens: tokens.map((token) => partitioner.format(token)),
    })),
    keyspaces: keyspaces.map(({ name, options }) => ({ name, replication: options })),
  };
  return `${JSON.stringify(json, undefined, 2)}\n`;
}
