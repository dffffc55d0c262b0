/** `tokens`: tokens for the members of a new ring. */
import { randomInt } from "node:crypto";
import { type Command, Option } from "commander";
import { SeededRng } from "../../util/random.ts";
import { movementBetween } from "../../placement/movement.ts";
import { TOKENS_PER_MEMBER_MAX } from "../../ring/allocation/allocation.ts";
import type { CliContext } from "../context.ts";
import { CliError } from "../exit-codes.ts";
import { ALLOCATORS, type AllocatorName, isDynomite } from "../tokens/allocators.ts";
import { partitionerNamed } from "../tokens/keys.ts";
import { FORMATS, type Format, memberTexts } from "../tokens/member-texts.ts";
import { makeRing } from "../tokens/new-ring.ts";
import { placeRing } from "../tokens/placed-ring.ts";
import type { RingFile } from "../tokens/ring-file.ts";
import { wholeNumber } from "./up.ts";

const NODES_MAX = 5000;
const SEED_MAX = 2 ** 32 - 1;
const DEFAULT_TOKENS = 16;

export function addTokensCommand(program: Command, context: CliContext): void {
  const command = program
    .command("tokens")
    .description("Tokens for the members of a new ring, ready for their configuration files")
    .requiredOption("--nodes <count>", "members of each datacenter", wholeNumber(1, NODES_MAX))
    .option(
      "--num-tokens <count>",
      `tokens of each member (default: ${DEFAULT_TOKENS}, on Dynomite's ring 1)`,
      wholeNumber(1, TOKENS_PER_MEMBER_MAX),
    )
    .option("--rf <count>", "replicas in each datacenter", wholeNumber(1, 100), 3)
    .option("--racks <count>", "racks of each datacenter, or members of each: 2,2,1", "1")
    .option("--dcs <count>", "datacenters", wholeNumber(1, 100), 1)
    .addOption(
      new Option("--allocator <name>", "how tokens are chosen")
        .choices([...ALLOCATORS, "even"])
        .default("balanced"),
    )
    .option("--partitioner <name>", "whose ring", "murmur3")
    .addOption(
      new Option(
        "--format <name>",
        "file that the tokens are for; ring: a ring file (default: by partitioner)",
      ).choices(FORMATS),
    )
    .option("--seed <number>", "makes chance repeatable", wholeNumber(0, SEED_MAX))
    .option("--json", "print JSON");
  command.action(() => runTokens(context, command.opts()));
}

interface TokensFlags {
  readonly nodes: number;
  readonly numTokens?: number;
  readonly rf: number;
  readonly racks: string;
  readonly dcs: number;
  readonly allocator: AllocatorName | "even";
  readonly partitioner: string;
  readonly format?: Format;
  readonly seed?: number;
  readonly json?: boolean;
}

function runTokens(context: CliContext, flags: TokensFlags): void {
  const partitioner = partitionerNamed(flags.partitioner);
  const seed = flags.seed ?? randomInt(SEED_MAX);
  const ring = makeRing({
    partitioner,
    allocator: flags.allocator,
    datacenters: flags.dcs,
    membersPerRack: membersPerRack(flags.racks, flags.nodes),
    tokenCount: flags.numTokens ?? (isDynomite(partitioner) ? 1 : DEFAULT_TOKENS),
    rf: flags.rf,
    rng: new SeededRng(seed),
  });
  const format = flags.format ?? (isDynomite(partitioner) ? "dynomite" : "cassandra");
  const text = memberTexts(ring, format, [summary(ring, flags, seed), ...balanceLines(ring)]);
  context.write(flags.json === true ? `${jsonText(ring, flags, seed)}\n` : text);
}

/** "3" racks share the members evenly; "2,2,1" says it. */
function membersPerRack(text: string, nodes: number): readonly number[] {
  const counts = text.split(",").map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : 0));
  const [racks = 0] = counts;
  if (counts.includes(0)) {
    throw new CliError(
      "usage",
      `--racks ${text}: expected a number from 1, or several as in 2,2,1`,
    );
  }
  if (counts.length > 1) {
    const sum = counts.reduce((total, count) => total + count, 0);
    if (sum === nodes) return counts;
    throw new CliError("usage", `--racks ${text}: ${sum} members in racks, --nodes says ${nodes}`);
  }
  if (racks > nodes) {
    throw new CliError("usage", `--racks ${racks}: expected no more racks than members (${nodes})`);
  }
  return Array.from(
    { length: racks },
    (_, rack) => Math.floor(nodes / racks) + (rack < nodes % racks ? 1 : 0),
  );
}

function summary(ring: RingFile, flags: TokensFlags, seed: number): string {
  const count = ring.members[0]?.tokens.length ?? 0;
  const replication = Object.values(ring.keyspaces[0]?.options ?? {}).join(" ");
  return (
    `${ring.members.length} members, ${count} ${count === 1 ? "token" : "tokens"} each, racks ${flags.racks}, ` +
    `${replication}, ${ring.partitioner.name}, ${flags.allocator}, seed ${seed}`
  );
}

/** How even it is; nothing where shares have no meaning. */
function balanceLines(ring: RingFile): readonly string[] {
  return balanceOf(ring).map(
    ({ dc, min, max }) =>
      `${dc}: members hold ${min.toFixed(3)} to ${max.toFixed(3)} of a fair share`,
  );
}

function balanceOf(ring: RingFile) {
  const [keyspace] = ring.keyspaces;
  if (keyspace === undefined) return [];
  const placed = placeRing(ring, keyspace.replication);
  return placed.embedding.hasShares ? movementBetween(placed, placed).balanceAfter : [];
}

function jsonText(ring: RingFile, flags: TokensFlags, seed: number): string {
  const { partitioner, members, keyspaces } = ring;
  const json = {
    partitioner: partitioner.name,
    allocator: flags.allocator,
    seed,
    members: members.map(({ tokens, ...member }) => ({
      ...member,
      tokens: tokens.map((token) => partitioner.format(token)),
    })),
    keyspaces: keyspaces.map(({ name, options }) => ({ name, replication: options })),
    balance: balanceOf(ring),
  };
  return JSON.stringify(json, undefined, 2);
}
