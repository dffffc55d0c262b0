/**
 * A layout as plain data, for files (JSON) and for gossip (MessagePack), and its hash.
 *
 * The hash is MurmurHash3 (128 bits) over one canonical text: JSON of nested lists in a fixed order,
 * without field names, so that neither the order of object keys nor an absent optional field can
 * make two encodings of one content. It finds accidents - damage, forks, two programs that disagree
 * - not attackers, against whom the links between members are secured.
 *
 * What comes from outside is taken apart field by field, checked against the rules of every layout,
 * and its hash is computed again: a layout that was damaged on the way is an error, never a ring.
 */
import { CONSISTENCY_LEVELS, DURABILITIES } from "../model/consistency.ts";
import { Murmur3, createHalvesMurmur3 } from "../ring/murmur3.ts";
import { LINEAGE, LINEAGE_STEP } from "../model/layout-version.ts";
import {
  type Untrusted,
  UntrustedDataError,
  asInteger,
  asList,
  asMatch,
  asOneOf,
  asOptional,
  asRecord,
  asText,
} from "../util/untrusted.ts";
import type { Layout, LayoutContent, LayoutKeyspace, LayoutMember } from "./layout.ts";
import { KEYSPACE_ID_MAX, type LayoutRules, TOKENS_PER_MEMBER_MAX, checkContent } from "./rules.ts";

const FORMAT = 1;
const MEMBERS_MAX = 10_000;
const REMOVED_MAX = 1_000_000;
const TEXT_MAX = 300;

/** Plain data: strings, numbers, lists and objects only. */
export type PlainLayout = Readonly<Record<string, unknown>>;

/** The 128-bit hash that names a layout, as 32 hex digits. */
export function layoutHash(content: LayoutContent, counter: number, parent: string): string {
  const bytes = new TextEncoder().encode(canonicalText(content, counter, parent));
  const murmur = new Murmur3(createHalvesMurmur3());
  murmur.hash(bytes, 0, bytes.length);
  return [murmur.h1Hi, murmur.h1Lo, murmur.h2Hi, murmur.h2Lo]
    .map((word) => (word >>> 0).toString(16).padStart(8, "0"))
    .join("");
}

export function encodeLayout(layout: Layout): PlainLayout {
  return {
    format: FORMAT,
    clusterId: layout.clusterId,
    clusterName: layout.clusterName,
    partitioner: layout.partitioner,
    counter: layout.version.counter,
    hash: layout.version.hash,
    lineage: layout.version.lineage,
    parent: layout.parent,
    base: layout.base,
    members: layout.members.map((member) => encodeMember(member)),
    keyspaces: layout.keyspaces.map((keyspace) => ({ ...keyspace })),
    leavingIds: layout.leavingIds,
    removedIds: layout.removedIds,
  };
}

/**
 * The layout in data from outside. Throws UntrustedDataError when the data has the wrong shape or
 * the wrong hash, LayoutError when it breaks a rule of layouts.
 */
export function decodeLayout(data: unknown, rules: LayoutRules = {}): Layout {
  const record = asRecord(data, "layout");
  if (record["format"] !== FORMAT) {
    throw new UntrustedDataError("layout.format", `${FORMAT}`, record["format"]);
  }
  const content: LayoutContent = {
    clusterId: asText(record["clusterId"], "layout.clusterId", TEXT_MAX),
    clusterName: asText(record["clusterName"], "layout.clusterName", TEXT_MAX),
    partitioner: asText(record["partitioner"], "layout.partitioner", TEXT_MAX),
    members: asList(record["members"], "layout.members", MEMBERS_MAX).map(decodeMember),
    keyspaces: asList(record["keyspaces"], "layout.keyspaces", KEYSPACE_ID_MAX).map(decodeKeyspace),
    leavingIds: texts(record["leavingIds"], "layout.leavingIds", MEMBERS_MAX),
    removedIds: texts(record["removedIds"], "layout.removedIds", REMOVED_MAX),
    base: asInteger(record["base"], "layout.base", { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
  checkContent(content, rules);
  const counter = asInteger(record["counter"], "layout.counter", {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  });
  const parent = asText(record["parent"], "layout.parent", TEXT_MAX);
  const hash = layoutHash(content, counter, parent);
  if (record["hash"] !== hash) {
    throw new UntrustedDataError("layout.hash", `${hash}, the hash of its content`, record["hash"]);
  }
  const lineage = asMatch(record["lineage"], "layout.lineage", LINEAGE);
  if (!lineage.endsWith(hash.slice(0, LINEAGE_STEP))) {
    throw new UntrustedDataError("layout.lineage", "hashes that end with its own", lineage);
  }
  return { ...content, version: { counter, hash, lineage }, parent };
}

function canonicalText(content: LayoutContent, counter: number, parent: string): string {
  return JSON.stringify([
    FORMAT,
    counter,
    parent,
    content.base,
    content.clusterId,
    content.clusterName,
    content.partitioner,
    content.members.map((member) => [
      member.id,
      member.address,
      member.respAddress ?? null,
      member.httpAddress ?? null,
      member.dc,
      member.rack,
      member.weight,
      member.tokens,
    ]),
    content.keyspaces.map((keyspace) => [
      keyspace.id,
      keyspace.index,
      ...canonicalDefinition(keyspace),
    ]),
    content.leavingIds,
    content.removedIds,
  ]);
}

/** The parts of a keyspace's definition in a fixed order: equal definitions give equal lists. */
export function canonicalDefinition(keyspace: Omit<LayoutKeyspace, "id" | "index">): unknown[] {
  const options = Object.entries(keyspace.replication.options);
  return [
    keyspace.name,
    keyspace.replication.class,
    options.toSorted(([a], [b]) => (a < b ? -1 : 1)),
    keyspace.readConsistency,
    keyspace.writeConsistency,
    keyspace.durability,
  ];
}

function encodeMember(member: LayoutMember): Untrusted {
  const { respAddress, httpAddress, ...rest } = member;
  return {
    ...rest,
    ...(respAddress !== undefined && { respAddress }),
    ...(httpAddress !== undefined && { httpAddress }),
  };
}

function decodeMember(data: unknown, index: number): LayoutMember {
  const path = `layout.members[${index}]`;
  const record = asRecord(data, path);
  const tokens = texts(record["tokens"], `${path}.tokens`, TOKENS_PER_MEMBER_MAX);
  return { ...decodePlace(record, path), tokens };
}

/** A member but for its tokens, in data from outside. Throws UntrustedDataError. */
export function decodePlace(
  record: Readonly<Record<string, unknown>>,
  path: string,
): Omit<LayoutMember, "tokens"> {
  const text = (field: string): string => asText(record[field], `${path}.${field}`, TEXT_MAX);
  const optional = (field: string): string | undefined =>
    asOptional(record[field], `${path}.${field}`, (value, at) => asText(value, at, TEXT_MAX));
  return {
    id: text("id"),
    address: text("address"),
    respAddress: optional("respAddress"),
    httpAddress: optional("httpAddress"),
    dc: text("dc"),
    rack: text("rack"),
    weight: decodeWeight(record["weight"], `${path}.weight`),
  };
}

function decodeWeight(value: unknown, path: string): number {
  if (typeof value !== "number") throw new UntrustedDataError(path, "a positive number", value);
  return value;
}

function decodeKeyspace(data: unknown, index: number): LayoutKeyspace {
  const path = `layout.keyspaces[${index}]`;
  const record = asRecord(data, path);
  const number = (field: string): number =>
    asInteger(record[field], `${path}.${field}`, { min: 0, max: KEYSPACE_ID_MAX });
  return {
    id: number("id"),
    index: number("index"),
    name: asText(record["name"], `${path}.name`, TEXT_MAX),
    replication: decodeReplication(record["replication"], `${path}.replication`),
    readConsistency: asOneOf(
      record["readConsistency"],
      `${path}.readConsistency`,
      CONSISTENCY_LEVELS,
    ),
    writeConsistency: asOneOf(
      record["writeConsistency"],
      `${path}.writeConsistency`,
      CONSISTENCY_LEVELS,
    ),
    durability: asOneOf(record["durability"], `${path}.durability`, DURABILITIES),
  };
}

function decodeReplication(data: unknown, path: string): LayoutKeyspace["replication"] {
  const record = asRecord(data, path);
  const options = Object.entries(asRecord(record["options"], `${path}.options`)).map(
    ([name, value]) => [name, asText(value, `${path}.options.${name}`, TEXT_MAX)] as const,
  );
  return {
    class: asText(record["class"], `${path}.class`, TEXT_MAX),
    options: Object.fromEntries(options),
  };
}

function texts(value: unknown, path: string, lengthMax: number): readonly string[] {
  return asList(value, path, lengthMax).map((one, index) =>
    asText(one, `${path}[${index}]`, TEXT_MAX),
  );
}
