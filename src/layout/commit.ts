/**
 * Making layouts: the first one, and the next one.
 *
 * A commit needs nobody's consent. It takes the layout that this member knows and makes the next
 * version of it; if somebody else does the same elsewhere, the two have equal counters and different
 * hashes, the same one wins everywhere (`compareLayoutVersions`), and whoever lost a change commits it
 * again on top of the winner (see intents.ts).
 *
 * What moves data is never dangerous by itself: a new layout only says where data shall be. Nobody
 * reads from it before they are there (history.ts).
 */
import type { KeyspaceDefinition } from "../model/admin-api.ts";
import { LINEAGE, firstVersion, nextVersion } from "../model/layout-version.ts";
import { Murmur3, createHalvesMurmur3 } from "../ring/murmur3.ts";
import { type RingPositions, ringPositionsOf } from "../placement/ring-positions.ts";
import { must, unreachable } from "../util/assert.ts";
import { canonicalDefinition, layoutHash } from "./encoding.ts";
import {
  type Layout,
  type LayoutContent,
  LayoutError,
  type LayoutKeyspace,
  type LayoutMember,
} from "./layout.ts";
import {
  KEYSPACE_ID_MAX,
  type LayoutRules,
  checkContent,
  checkKeyspaceForm,
  checkPartitioner,
  checkTokens,
  compareText,
} from "./rules.ts";

/** The addresses of a member, which it may change at any time. */
export interface MemberAddresses {
  readonly address: string;
  readonly respAddress?: string | undefined;
  readonly httpAddress?: string | undefined;
}

/** Everything of a layout that a plan decides. */
export type PlannedContent = Pick<
  LayoutContent,
  "members" | "keyspaces" | "leavingIds" | "removedIds"
>;

export type LayoutChange =
  | { readonly kind: "add-member"; readonly member: LayoutMember }
  | { readonly kind: "addresses"; readonly id: string; readonly addresses: MemberAddresses }
  | { readonly kind: "create-keyspace"; readonly definition: KeyspaceDefinition }
  /** Members that were leaving have left: they never come back. */
  | { readonly kind: "retire"; readonly ids: readonly string[] }
  | { readonly kind: "plan"; readonly content: PlannedContent };

/** What the author of a commit knows of the others. */
export interface CommitGround {
  /** Counter of the layout that it reads from. */
  readonly base: number;
  /** Counter of the newest layout that everybody is known to live in. */
  readonly root: number;
}

export interface Genesis {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly partitioner: string;
  readonly members: readonly LayoutMember[];
}

/** The first layout of a ring. Throws LayoutError. */
export function genesis(start: Genesis, rules: LayoutRules = {}): Layout {
  checkPartitioner(start.partitioner);
  const positions = ringPositionsOf(start.partitioner);
  const content: LayoutContent = {
    clusterId: start.clusterId,
    clusterName: start.clusterName,
    partitioner: start.partitioner,
    members: start.members
      .map((member) => canonicalMember(member, positions))
      .toSorted((a, b) => compareText(a.id, b.id)),
    keyspaces: [],
    leavingIds: [],
    removedIds: [],
    base: 0,
  };
  checkContent(content, rules);
  const hash = layoutHash(content, 1, "");
  return { ...content, version: firstVersion(hash), parent: "" };
}

/**
 * The next layout, with one change made; the same layout if it holds the change already. Throws
 * LayoutError if the change cannot be made. By default everybody lives in the layout given.
 */
export function commit(
  layout: Layout,
  change: LayoutChange,
  rules: LayoutRules = {},
  ground: CommitGround = { base: layout.version.counter, root: layout.version.counter },
): Layout {
  const content = changed(layout, change, rules);
  if (content === layout) return layout;
  const next: LayoutContent = { ...contentOf(content), base: ground.base };
  checkContent(next, rules);
  const { hash: parent, counter } = layout.version;
  const version = nextVersion(layout.version, layoutHash(next, counter + 1, parent), ground.root);
  if (LINEAGE.pattern.test(version.lineage)) return { ...next, version, parent };
  throw new LayoutError(
    "CHANGE_REFUSED",
    `there were ${counter - ground.root} changes since layout ${ground.root}, which is the last one that ` +
      "every member has confirmed; bring back the member that is down, or remove it",
    { root: ground.root, counter },
  );
}

/** True if the layout has this keyspace with exactly this definition. */
export function hasKeyspace(layout: LayoutContent, definition: KeyspaceDefinition): boolean {
  const present = layout.keyspaces.find(({ name }) => name === definition.name);
  return present !== undefined && isSame(canonicalDefinition, present, definition);
}

/** True if the member is there with these addresses. */
export function hasAddresses(member: MemberAddresses, wanted: MemberAddresses): boolean {
  return (
    member.address === wanted.address &&
    member.respAddress === wanted.respAddress &&
    member.httpAddress === wanted.httpAddress
  );
}

function contentOf(content: LayoutContent): LayoutContent {
  const { clusterId, clusterName, partitioner, members, keyspaces } = content;
  const { leavingIds, removedIds, base } = content;
  return { clusterId, clusterName, partitioner, members, keyspaces, leavingIds, removedIds, base };
}

function changed(layout: Layout, change: LayoutChange, rules: LayoutRules): LayoutContent {
  switch (change.kind) {
    case "add-member":
      return withMember(
        layout,
        canonicalMember(change.member, ringPositionsOf(layout.partitioner)),
      );
    case "addresses":
      return withAddresses(layout, change.id, change.addresses);
    case "create-keyspace":
      return withKeyspace(layout, change.definition, rules);
    case "retire":
      return withRetired(layout, change.ids);
    case "plan":
      return { ...layout, ...change.content };
    default:
      return unreachable(change);
  }
}

function withMember(layout: Layout, member: LayoutMember): LayoutContent {
  const present = layout.members.find(({ id }) => id === member.id);
  if (present !== undefined) {
    if (isSame(entryOf, present, member)) return layout;
    throw new LayoutError(
      "ID_TAKEN",
      `member ${member.id} is in the ring already, at ${present.address} and with other settings`,
      { id: member.id, address: present.address },
    );
  }
  const members = [...layout.members, member].toSorted((a, b) => compareText(a.id, b.id));
  return { ...layout, members };
}

function withAddresses(layout: Layout, id: string, addresses: MemberAddresses): LayoutContent {
  const present = layout.members.find((member) => member.id === id);
  if (present === undefined) {
    throw new LayoutError("UNKNOWN_MEMBER", `there is no member ${id} in the ring`, { id });
  }
  if (hasAddresses(present, addresses)) return layout;
  const { address, respAddress, httpAddress } = addresses;
  const moved = { ...present, address, respAddress, httpAddress };
  return { ...layout, members: layout.members.map((one) => (one === present ? moved : one)) };
}

function withRetired(layout: Layout, ids: readonly string[]): LayoutContent {
  const gone = layout.leavingIds.filter((id) => ids.includes(id));
  if (gone.length === 0) return layout;
  return {
    ...layout,
    leavingIds: layout.leavingIds.filter((id) => !gone.includes(id)),
    removedIds: [...layout.removedIds, ...gone].toSorted(compareText),
  };
}

function withKeyspace(
  layout: Layout,
  definition: KeyspaceDefinition,
  rules: LayoutRules,
): LayoutContent {
  checkKeyspaceForm(definition, rules);
  if (hasKeyspace(layout, definition)) return layout;
  if (layout.keyspaces.some(({ name }) => name === definition.name)) {
    throw new LayoutError(
      "KEYSPACE_EXISTS",
      `keyspace '${definition.name}' exists already with other settings`,
      { keyspace: definition.name },
    );
  }
  const keyspace: LayoutKeyspace = {
    ...definition,
    id: freeKeyspaceId(layout.keyspaces, definition.name),
    index: 1 + layout.keyspaces.reduce((max, { index }) => Math.max(max, index), -1),
  };
  const keyspaces = [...layout.keyspaces, keyspace].toSorted((a, b) => a.id - b.id);
  return { ...layout, keyspaces };
}

/** The number made from the name, or the next one that nobody has. */
function freeKeyspaceId(keyspaces: readonly LayoutKeyspace[], name: string): number {
  if (keyspaces.length >= KEYSPACE_ID_MAX) {
    throw new LayoutError("KEYSPACES_FULL", `there are ${KEYSPACE_ID_MAX} keyspaces already`, {
      max: KEYSPACE_ID_MAX,
    });
  }
  const taken = new Set(keyspaces.map(({ id }) => id));
  const bytes = new TextEncoder().encode(name);
  const murmur = new Murmur3(createHalvesMurmur3());
  murmur.hash(bytes, 0, bytes.length);
  let id = 1 + (murmur.h1Lo % KEYSPACE_ID_MAX);
  while (taken.has(id)) id = 1 + (id % KEYSPACE_ID_MAX);
  return id;
}

/** Tokens in ring order, whatever order they were given in. */
function canonicalMember(member: LayoutMember, positions: RingPositions): LayoutMember {
  const own = checkTokens(member, positions);
  const sorted = member.tokens
    .map((token, index) => ({ token, position: must(own[index], "a position of each token") }))
    .toSorted((a, b) => (a.position < b.position ? -1 : 1));
  return { ...member, tokens: sorted.map(({ token }) => token) };
}

function entryOf(member: LayoutMember): unknown[] {
  const { id, address, respAddress = null, httpAddress = null, dc, rack, weight, tokens } = member;
  return [id, address, respAddress, httpAddress, dc, rack, weight, tokens];
}

function isSame<T>(partsOf: (value: T) => unknown[], a: T, b: T): boolean {
  return JSON.stringify(partsOf(a)) === JSON.stringify(partsOf(b));
}
