/**
 * What holds in every layout, whoever made it: each change, and each layout that arrives from disk
 * or network, is checked against the same rules before anybody sees it.
 */
import { CONSISTENCY_LEVELS, DURABILITIES } from "../model/consistency.ts";
import type { KeyspaceDefinition, ReplicationOptions } from "../model/admin-api.ts";
import { type RingPositions, ringPositionsOf } from "../placement/ring-positions.ts";
import { PARTITIONER_NAMES } from "../ring/partitioners/by-name.ts";
import { TokenError } from "../ring/token.ts";
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
/** Lists of tokens are separated by commas. */
const TOKEN = /^[^\p{Cc},]{1,100}$/u;
/** Names become keys of objects, where one of them has a meaning of its own. */
const NAME = /^(?!__proto__$)[^\p{Cc}]{1,100}$/u;
const CLASS = /^[\w.]{1,100}$/;
const KEYSPACE_NAME = /^\w{1,48}$/;

/** Throws LayoutError unless the content keeps every rule, canonical order included. */
export function checkContent(content: LayoutContent, rules: LayoutRules): void {
  checkForm("clusterId", content.clusterId, UUID, "a UUID in lower case");
  checkForm("clusterName", content.clusterName, NAME, "1 to 100 printable characters");
  checkPartitioner(content.partitioner);
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

/**
 * The positions of the member's tokens, in the order given. Throws LayoutError unless each token is
 * one that the partitioner has and a member may own, in its canonical spelling.
 */
export function checkTokens(member: LayoutMember, positions: RingPositions): readonly bigint[] {
  const at = `members.${member.id}.tokens`;
  if (member.tokens.length === 0 || member.tokens.length > TOKENS_PER_MEMBER_MAX) {
    throw invalid(at, `${member.tokens.length} tokens`, `1 to ${TOKENS_PER_MEMBER_MAX} tokens`);
  }
  return member.tokens.map((token) => {
    checkForm(at, token, TOKEN, "1 to 100 printable characters without a comma");
    try {
      const position = positions.positionOf(token);
      const canonical = positions.canonical(token);
      if (canonical === token) return position;
      throw invalid(at, token, `the canonical spelling '${canonical}'`);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      throw invalid(at, token, error.expected);
    }
  });
}

/** Throws LayoutError unless this is the name of a partitioner. */
export function checkPartitioner(name: string): void {
  if (PARTITIONER_NAMES.includes(name)) return;
  throw invalid("partitioner", name, `one of ${PARTITIONER_NAMES.join(", ")}`);
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
  const owned = new Map<bigint, OwnedToken>();
  const positions = ringPositionsOf(content.partitioner);
  for (const member of content.members) {
    checkMemberForm(member);
    const own = checkTokens(member, positions);
    checkAscending(`members.${member.id}.tokens`, own, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
    if (removed.has(member.id)) {
      throw new LayoutError(
        "ID_REMOVED",
        `member ${member.id} has left this ring for good; start it with an empty data directory`,
        { id: member.id },
      );
    }
    claimAddress(idByAddress, member);
    for (const [index, position] of own.entries()) {
      claimToken(owned, position, { token: member.tokens[index] ?? "", id: member.id });
    }
  }
}

interface OwnedToken {
  readonly token: string;
  /** Of the member that owns it. */
  readonly id: string;
}

/** Notes that the member has its address, which nobody else may have. */
function claimAddress(owners: Map<string, string>, { id, address }: LayoutMember): void {
  const owner = owners.get(address);
  if (owner === undefined) {
    owners.set(address, id);
    return;
  }
  throw new LayoutError(
    "ADDRESS_TAKEN",
    `address ${address} of member ${id} belongs to member ${owner}`,
    { address, id, owner },
  );
}

/** Notes that the member owns what is at the position, which nobody else may own. */
function claimToken(owners: Map<bigint, OwnedToken>, position: bigint, claim: OwnedToken): void {
  const owned = owners.get(position);
  if (owned === undefined) {
    owners.set(position, claim);
    return;
  }
  const { token, id } = claim;
  const { token: other, id: owner } = owned;
  const belongs = `belongs to member ${owner}`;
  throw new LayoutError(
    "TOKEN_TAKEN",
    token === other
      ? `token ${token} of member ${id} ${belongs}`
      : `token ${token} of member ${id} is too close to ${other}, which ${belongs}`,
    { token, id, owner },
  );
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
