/**
 * What holds in every layout, whoever made it: each change, and each layout that arrives from disk
 * or network, is checked against the same rules before anybody sees it.
 */
import { CONSISTENCY_LEVELS, DURABILITIES } from "../model/consistency.ts";
import type { KeyspaceDefinition, ReplicationOptions } from "../model/admin-api.ts";
import { MAX_TOKEN, MIN_TOKEN } from "../ring/token.ts";
import { parseAddress } from "../util/address.ts";
import {
  type LayoutContent,
  LayoutError,
  type LayoutKeyspace,
  type LayoutMember,
} from "./layout.ts";

export interface LayoutRules {
  /**
   * Throws an Error that says what is wrong with a keyspace's replication. By default only its form
   * is checked.
   */
  readonly checkReplication?: ((replication: ReplicationOptions) => void) | undefined;
}

export const KEYSPACE_ID_MAX = 65_535;
export const TOKENS_PER_MEMBER_MAX = 4096;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Canonical decimal text: one token has one spelling. 39 digits hold 127 bits. */
const TOKEN = /^(?:0|-?[1-9]\d{0,38})$/;
/** Names become keys of objects, where one of them has a meaning of its own. */
const NAME = /^(?!__proto__$)[^\p{Cc}]{1,100}$/u;
const CLASS = /^[\w.]{1,100}$/;
const KEYSPACE_NAME = /^\w{1,48}$/;

/** Throws LayoutError unless the content keeps every rule, canonical order included. */
export function checkContent(content: LayoutContent, rules: LayoutRules): void {
  checkForm("clusterId", content.clusterId, UUID, "a UUID in lower case");
  checkForm("clusterName", content.clusterName, NAME, "1 to 100 printable characters");
  checkForm("partitioner", content.partitioner, CLASS, "the name of a partitioner");
  for (const field of ["leavingIds", "removedIds"] as const) {
    for (const id of content[field]) checkForm(field, id, UUID, "a UUID in lower case");
    checkAscending(field, content[field], compareText);
  }
  checkCounter("base", content.base);
  checkMembers(content);
  checkKeyspaces(content.keyspaces, rules);
}

/** Order of UUIDs in a layout. Not by locale: all members must agree. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Numeric order of two tokens in canonical text. */
export function compareTokens(a: string, b: string): number {
  const difference = BigInt(a) - BigInt(b);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

/** Throws LayoutError unless each token is canonical decimal text within the ring. */
export function checkTokens(member: LayoutMember, partitioner: string): void {
  if (member.tokens.length === 0 || member.tokens.length > TOKENS_PER_MEMBER_MAX) {
    throw invalid(
      `members.${member.id}.tokens`,
      `${member.tokens.length} tokens`,
      `1 to ${TOKENS_PER_MEMBER_MAX} tokens`,
    );
  }
  for (const token of member.tokens) {
    checkForm(`members.${member.id}.tokens`, token, TOKEN, "decimal text without leading zeros");
    if (!partitioner.endsWith("Murmur3Partitioner")) continue;
    const value = BigInt(token);
    if (value < MIN_TOKEN || value > MAX_TOKEN) {
      throw invalid(`members.${member.id}.tokens`, token, `${MIN_TOKEN} to ${MAX_TOKEN}`);
    }
  }
}

export function checkKeyspaceForm(definition: KeyspaceDefinition, rules: LayoutRules): void {
  checkForm("keyspace name", definition.name, KEYSPACE_NAME, "1 to 48 of A-Z, a-z, 0-9 and _");
  const at = `keyspaces.${definition.name}`;
  checkWord(`${at}.readConsistency`, definition.readConsistency, CONSISTENCY_LEVELS);
  checkWord(`${at}.writeConsistency`, definition.writeConsistency, CONSISTENCY_LEVELS);
  checkWord(`${at}.durability`, definition.durability, DURABILITIES);
  const { class: className, options } = definition.replication;
  checkForm(`${at}.replication.class`, className, CLASS, "the name of a replication strategy");
  for (const [name, value] of Object.entries(options)) {
    checkForm(`${at}.replication`, name, NAME, "1 to 100 printable characters");
    checkForm(`${at}.replication.${name}`, value, NAME, "1 to 100 printable characters");
  }
  checkReplication(definition, rules);
}

function checkReplication({ name, replication }: KeyspaceDefinition, rules: LayoutRules): void {
  try {
    rules.checkReplication?.(replication);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LayoutError(
      "INVALID_REPLICATION",
      `the replication of keyspace '${name}' cannot be used: ${reason}`,
      { keyspace: name, class: replication.class, reason },
    );
  }
}

function checkMembers(content: LayoutContent): void {
  checkAscending("members", content.members, (a, b) => compareText(a.id, b.id));
  const removed = new Set([...content.removedIds, ...content.leavingIds]);
  const idByAddress = new Map<string, string>();
  const idByToken = new Map<string, string>();
  for (const member of content.members) {
    checkMemberForm(member);
    checkTokens(member, content.partitioner);
    if (removed.has(member.id)) {
      throw new LayoutError(
        "ID_REMOVED",
        `member ${member.id} has left this ring for good; start it with an empty data directory`,
        { id: member.id },
      );
    }
    claim(idByAddress, member.address, member, "ADDRESS_TAKEN");
    for (const token of member.tokens) claim(idByToken, token, member, "TOKEN_TAKEN");
  }
}

/** Notes that `member` owns `what`, which nobody else may own. */
function claim(
  owners: Map<string, string>,
  what: string,
  member: LayoutMember,
  code: "ADDRESS_TAKEN" | "TOKEN_TAKEN",
): void {
  const owner = owners.get(what);
  if (owner === undefined) {
    owners.set(what, member.id);
    return;
  }
  const noun = code === "TOKEN_TAKEN" ? "token" : "address";
  throw new LayoutError(code, `${noun} ${what} of member ${member.id} belongs to member ${owner}`, {
    [noun]: what,
    id: member.id,
    owner,
  });
}

function checkMemberForm(member: LayoutMember): void {
  checkForm("members.id", member.id, UUID, "a UUID in lower case");
  const at = `members.${member.id}`;
  checkForm(`${at}.dc`, member.dc, NAME, "1 to 100 printable characters");
  checkForm(`${at}.rack`, member.rack, NAME, "1 to 100 printable characters");
  checkAddress(`${at}.address`, member.address);
  if (member.respAddress !== undefined) checkAddress(`${at}.respAddress`, member.respAddress);
  if (member.httpAddress !== undefined) checkAddress(`${at}.httpAddress`, member.httpAddress);
  if (!(member.weight > 0 && Number.isFinite(member.weight))) {
    throw invalid(`${at}.weight`, String(member.weight), "a positive number");
  }
  checkAscending(`${at}.tokens`, member.tokens, compareTokensLoosely);
}

/** As compareTokens, for text that may still turn out to be malformed. */
function compareTokensLoosely(a: string, b: string): number {
  return TOKEN.test(a) && TOKEN.test(b) ? compareTokens(a, b) : -1;
}

function checkKeyspaces(keyspaces: readonly LayoutKeyspace[], rules: LayoutRules): void {
  checkAscending("keyspaces", keyspaces, (a, b) => a.id - b.id);
  const names = new Set(keyspaces.map(({ name }) => name));
  const indexes = new Set(keyspaces.map(({ index }) => index));
  if (names.size !== keyspaces.length || indexes.size !== keyspaces.length) {
    throw invalid("keyspaces", "a name or index twice", "each name and each index once");
  }
  for (const keyspace of keyspaces) {
    checkKeyspaceForm(keyspace, rules);
    const at = `keyspaces.${keyspace.name}`;
    checkWhole(`${at}.id`, keyspace.id, 1);
    checkWhole(`${at}.index`, keyspace.index, 0);
  }
}

function checkWhole(field: string, value: number, min: number): void {
  if (!Number.isInteger(value) || value < min || value > KEYSPACE_ID_MAX) {
    throw invalid(field, String(value), `a whole number from ${min} to ${KEYSPACE_ID_MAX}`);
  }
}

function checkCounter(field: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw invalid(field, String(value), "a counter of a layout, or 0");
}

function checkAddress(field: string, address: string): void {
  try {
    parseAddress(address);
  } catch {
    throw invalid(field, address, "host:port");
  }
}

function checkAscending<T>(
  field: string,
  items: readonly T[],
  compare: (a: T, b: T) => number,
): void {
  for (let index = 1; index < items.length; index++) {
    if (compare(items[index - 1] as T, items[index] as T) >= 0) {
      throw invalid(field, `out of order at ${index}`, "strictly ascending order");
    }
  }
}

function checkWord(field: string, value: string, words: readonly string[]): void {
  if (!words.includes(value)) throw invalid(field, value, `one of ${words.join(", ")}`);
}

function checkForm(field: string, value: string, pattern: RegExp, expected: string): void {
  if (!pattern.test(value)) throw invalid(field, value, expected);
}

function invalid(field: string, value: string, expected: string): LayoutError {
  return new LayoutError("INVALID", `${field} is '${value}', expected ${expected}`, {
    field,
    value,
    expected,
  });
}
