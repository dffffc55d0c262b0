/**
 * Changes of the ring on the command line: the flags that ask for them, and how they are told.
 *
 * What belongs to a member is written `<member>=<value>`; an address may hold colons, but neither
 * it nor an id holds an equals sign.
 */
import type { StagedChangeJson } from "../../http/topology-views.ts";
import { unreachable } from "../../util/assert.ts";
import {
  type CommandInput,
  type CommandParameter,
  listOption,
  textOption,
} from "../commands/client-command.ts";
import { optionsText } from "../commands/describecluster.ts";
import { replicationOf } from "../commands/keyspaces.ts";
import { CliError } from "../exit-codes.ts";

type ReplicationJson = Extract<StagedChangeJson, { readonly kind: "replication" }>["replication"];

const REPEAT = "; may be repeated";

export const CHANGE_FLAGS: readonly CommandParameter[] = [
  repeatable("--join <member>", "take in a member that waits outside"),
  repeatable("--leave <member>", "a live member hands over what it has and goes"),
  repeatable("--remove <member>", "a dead member is given up"),
  repeatable("--replace <dead=new>", "a waiting member takes the tokens of a dead one"),
  repeatable("--move <member=tokens>", "other tokens for a member, as a=1,2,3"),
  repeatable("--weight <member=number>", "capacity of a member"),
  repeatable("--num-tokens <member=count>", "another number of tokens for a member"),
  repeatable("--dc <member=name>", "datacenter of a member"),
  repeatable("--rack <member=name>", "rack of a member"),
  {
    flags: "--double <members>",
    description: "each of these waiting members, as a,b, takes half of every range of one member",
  },
  repeatable(
    "--replication <keyspace=options>",
    "of a keyspace, as k=dc1:3,dc2:3, k=3 for SimpleStrategy, or k=<class>,dc1:3",
  ),
];

function repeatable(flags: string, description: string): CommandParameter {
  return { flags, description: description + REPEAT, isRepeatable: true };
}

/** The changes that the flags of CHANGE_FLAGS ask for. */
export function changesOfFlags(input: CommandInput): readonly StagedChangeJson[] {
  const pairs = (name: string): readonly (readonly [string, string])[] =>
    listOption(input, name).map((text) => pairOf(name, text));
  const members = (name: string): readonly string[] =>
    listOption(input, name).map((text) => memberOf(name, text));
  const double = textOption(input, "double");
  return [
    ...members("remove").map((member) => ({ kind: "remove", member }) as const),
    ...pairs("replace").map(([member, by]) => ({ kind: "replace", member, by }) as const),
    ...members("join").map((member) => ({ kind: "join", member }) as const),
    ...(double === undefined ? [] : [{ kind: "double", members: listOf(double) } as const]),
    ...members("leave").map((member) => ({ kind: "leave", member }) as const),
    ...pairs("move").map(
      ([member, tokens]) => ({ kind: "move", member, tokens: tokensOf(tokens) }) as const,
    ),
    ...pairs("weight").map(([member, text]) => weightChange(member, text)),
    ...pairs("numTokens").map(([member, text]) => numTokensChange(member, text)),
    ...placeChanges(pairs("dc"), pairs("rack")),
    ...pairs("replication").map(
      ([keyspace, text]) =>
        ({ kind: "replication", keyspace, replication: replicationOfFlag(text) }) as const,
    ),
  ];
}

export function weightChange(member: string, text: string): StagedChangeJson {
  const weight = Number(text);
  if (!/^\d+(?:\.\d+)?$/.test(text) || weight === 0) {
    throw new CliError("usage", `the weight is '${text}', expected a number above 0`);
  }
  return { kind: "weight", member, weight };
}

export function numTokensChange(member: string, text: string): StagedChangeJson {
  const numTokens = Number(text);
  if (!/^\d+$/.test(text) || numTokens === 0) {
    throw new CliError("usage", `the number of tokens is '${text}', expected 1 or more`);
  }
  return { kind: "num-tokens", member, numTokens };
}

/** Tokens as given: several arguments, or one list with commas. Their form is the partitioner's. */
export function tokensOf(...texts: readonly string[]): readonly string[] {
  const tokens = texts.flatMap(listOf);
  if (tokens.length === 0) throw new CliError("usage", "there is no token, expected e.g. -5,42");
  return tokens;
}

/** One line for people. */
export function changeText(change: StagedChangeJson): string {
  switch (change.kind) {
    case "join":
      return `join ${change.member}${change.tokens ? ` with tokens ${fewOf(change.tokens)}` : ""}`;
    case "leave":
    case "remove":
    case "assassinate":
      return `${change.kind} ${change.member}`;
    case "move":
      return `move ${change.member} to ${fewOf(change.tokens)}`;
    case "replace":
      return `replace ${change.member} by ${change.by}`;
    case "weight":
      return `weight ${change.weight} for ${change.member}`;
    case "place":
      return `place ${change.member} in ${placeText(change)}`;
    case "num-tokens":
      return `${change.numTokens} tokens for ${change.member}`;
    case "double":
      return `double the ring with ${change.members.join(", ")}`;
    case "replication":
      return (
        `replication of ${change.keyspace}: ${change.replication.class} ` +
        optionsText(change.replication.options)
      );
    default:
      return unreachable(change);
  }
}

const FEW = 4;

function fewOf(tokens: readonly string[]): string {
  const more = tokens.length > FEW ? ` and ${tokens.length - FEW} more` : "";
  return tokens.slice(0, FEW).join(", ") + more;
}

function placeText({ dc, rack }: Extract<StagedChangeJson, { readonly kind: "place" }>): string {
  const parts = [dc && `datacenter ${dc}`, rack && `rack ${rack}`];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** One change for each member, whichever of both flags names it. */
function placeChanges(
  dcs: readonly (readonly [string, string])[],
  racks: readonly (readonly [string, string])[],
): readonly StagedChangeJson[] {
  const [dcOf, rackOf] = [new Map(dcs), new Map(racks)];
  const members = new Set([...dcOf.keys(), ...rackOf.keys()]);
  return [...members].map((member) => {
    return { kind: "place", member, dc: dcOf.get(member), rack: rackOf.get(member) };
  });
}

/** "dc1:3,dc2:3", "3", or either after the name of a class and a comma. */
function replicationOfFlag(text: string): ReplicationJson {
  const [, strategy, rest] = /^([A-Za-z][\w.]*),(.+)$/.exec(text) ?? [];
  return rest === undefined ? replicationOf(text, undefined) : replicationOf(rest, strategy);
}

function pairOf(name: string, text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  const flag = `--${name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new CliError("usage", `${flag} is '${text}', expected two parts with = between them`);
}

function memberOf(name: string, text: string): string {
  if (text !== "") return text;
  throw new CliError("usage", `--${name} is empty, expected the id or the address of a member`);
}

/** "a, b" in parts. */
export function listOf(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
