/** `replicas`: who holds keys, tokens or all ranges of a ring that a file describes. */
import type { Command } from "commander";
import { must } from "../../util/assert.ts";
import { tokenHi, tokenLo } from "../../ring/token.ts";
import type { ReplicaSet } from "../../placement/replica-table.ts";
import type { CliContext } from "../context.ts";
import { CliError } from "../exit-codes.ts";
import {
  type InputLine,
  fromHex,
  inputLines,
  parsedToken,
  textOf,
  tokenOf,
} from "../tokens/keys.ts";
import { type PlacedRing, keyspaceNamed, placeRing } from "../tokens/placed-ring.ts";
import { type AnyToken, readRingFile } from "../tokens/ring-file.ts";

export function addReplicasCommand(program: Command, context: CliContext): void {
  const command = program
    .command("replicas")
    .description(
      "Who holds keys or tokens, in placement order, on the ring of a file; without --keys and " +
        "--tokens every range with its replicas. A transient replica is followed by (transient)",
    )
    .argument("<ring>", "ring file")
    .argument("[values...]", "keys or tokens; lines of standard input if none are given")
    .option("--keyspace <name>", "keyspace of the file (default: the only one)")
    .option("--keys", "the values are keys")
    .option("--tokens", "the values are tokens")
    .option("--hex", "keys are written in hex")
    .option("--json", "print JSON lines");
  command.action(() => runReplicas(context, command.args, command.opts()));
}

interface ReplicasFlags {
  readonly keyspace?: string;
  readonly keys?: boolean;
  readonly tokens?: boolean;
  readonly hex?: boolean;
  readonly json?: boolean;
}

async function runReplicas(
  context: CliContext,
  [file = "", ...values]: readonly string[],
  flags: ReplicasFlags,
): Promise<void> {
  if (flags.keys === true && flags.tokens === true) {
    throw new CliError("usage", "the values are either --keys or --tokens");
  }
  if (values.length > 0 && flags.keys !== true && flags.tokens !== true) {
    throw new CliError("usage", `say what '${values[0]}' is: --keys or --tokens`);
  }
  const ring = readRingFile(file);
  const placed = placeRing(ring, keyspaceNamed(ring, flags.keyspace).replication);
  if (flags.keys !== true && flags.tokens !== true) {
    context.write(rangesText(placed, flags.json === true));
    return;
  }
  for await (const batch of inputLines(context, values)) {
    context.write(batch.map((line) => answer(placed, line, flags)).join(""));
  }
}

function answer(placed: PlacedRing, line: InputLine, flags: ReplicasFlags): string {
  const { partitioner } = placed.ring;
  const isKey = flags.keys === true;
  const token = isKey
    ? tokenOf(partitioner, flags.hex === true ? fromHex(line) : line.bytes, line)
    : parsedToken(partitioner, line);
  const text = partitioner.format(token);
  const replicas = replicasOf(placed, token);
  if (flags.json === true) {
    const key = isKey ? { key: textOf(line) } : {};
    return `${JSON.stringify({ ...key, token: text, replicas: replicasJson(placed, replicas) })}\n`;
  }
  const key = isKey ? `${textOf(line)}\t` : "";
  return `${key}${text}\t${replicasText(placed, replicas)}\n`;
}

function replicasOf({ table, embedding, ring }: PlacedRing, token: AnyToken): ReplicaSet {
  const hasTokens = ring.members.some(({ tokens }) => tokens.length > 0);
  const position = hasTokens ? embedding.positionOfRange(token) : 0n;
  return table.lookup(tokenHi(position), tokenLo(position));
}

function rangesText(placed: PlacedRing, isJson: boolean): string {
  const { partitioner } = placed.ring;
  const lines = placed.ranges().map(({ start, end, replicas }) => {
    const [left, right] = [partitioner.format(start), partitioner.format(end)];
    return isJson
      ? JSON.stringify({ start: left, end: right, replicas: replicasJson(placed, replicas) })
      : `(${left}, ${right}]\t${replicasText(placed, replicas)}`;
  });
  return lines.map((line) => `${line}\n`).join("");
}

function replicasText({ ring }: PlacedRing, { members, transient }: ReplicaSet): string {
  return members
    .map((member, index) => {
      const { name } = must(ring.members[member], "a replica is a member");
      return transient?.[index] === true ? `${name}(transient)` : name;
    })
    .join(" ");
}

function replicasJson({ ring }: PlacedRing, { members, transient }: ReplicaSet): readonly object[] {
  return members.map((member, index) => {
    const { name, dc, rack, address } = must(ring.members[member], "a replica is a member");
    return { name, address, dc, rack, isTransient: transient?.[index] === true };
  });
}
