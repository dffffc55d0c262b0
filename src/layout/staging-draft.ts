/**
 * The layout in the making while staged changes are applied one after the other, and how members are
 * named in it: by id, by a beginning of the id that only one has, or by address.
 */
import type { StagedChange } from "../model/topology-api.ts";
import type { Rng } from "../model/deps.ts";
import { unreachable } from "../util/assert.ts";
import {
  type Layout,
  LayoutError,
  type LayoutErrorFields,
  type LayoutKeyspace,
  type LayoutMember,
} from "./layout.ts";
import { compareText } from "./rules.ts";

/** A member that was started with `autoBootstrap: false` and waits outside. */
export interface WaitingMember extends Omit<LayoutMember, "tokens"> {
  /** Tokens wanted at weight 1. */
  readonly numTokens: number;
  /** How its tokens are chosen if it was not told any. */
  readonly allocator: "balanced" | "cassandra" | "random";
  /** Explicit tokens as decimal text; empty: the allocator chooses. */
  readonly initialToken: readonly string[];
}

/** What the staging member knows besides the layout. */
export interface StagingFacts {
  readonly waiting: readonly WaitingMember[];
  readonly aliveIds: ReadonlySet<string>;
  /**
   * For allocators. The same seed for the same layout and changes, or the plan changes each time that
   * it is looked at.
   */
  readonly rng: Rng;
  /** The layout that changes are made from, which holds the data; by default the present one. */
  readonly base?: Layout | undefined;
}

/** What staged changes change. Lists are in canonical order. */
export interface Draft {
  readonly members: readonly LayoutMember[];
  readonly keyspaces: readonly LayoutKeyspace[];
  readonly leavingIds: readonly string[];
  readonly removedIds: readonly string[];
}

/** One staged change on its way into a draft. */
export interface Staging {
  readonly head: Layout;
  readonly facts: StagingFacts;
  readonly change: StagedChange;
}

interface Named {
  readonly id: string;
  readonly address: string;
}

const NAMES_SHOWN_MAX = 10;

/** What the operator asked for, as the beginning of "... is not possible". */
export function changeInWords(change: StagedChange): string {
  switch (change.kind) {
    case "join":
      return `the join of ${change.member}`;
    case "leave":
      return `the decommission of ${change.member}`;
    case "remove":
      return `removenode of ${change.member}`;
    case "assassinate":
      return `assassinate of ${change.member}`;
    case "move":
      return `the move of ${change.member}`;
    case "replace":
      return `the replacement of ${change.member} by ${change.by}`;
    case "weight":
      return `weight ${change.weight} of ${change.member}`;
    case "place":
      return `the new place of ${change.member}`;
    case "num-tokens":
      return `num_tokens ${change.numTokens} of ${change.member}`;
    case "double":
      return `doubling the ring with ${change.members.join(", ")}`;
    case "replication":
      return `the new replication of keyspace '${change.keyspace}'`;
    default:
      return unreachable(change);
  }
}

/** A change that cannot be made, for this reason. */
export function refusal(
  { change }: Pick<Staging, "change">,
  reason: string,
  options: { code?: LayoutError["code"]; fields?: LayoutErrorFields } = {},
): LayoutError {
  const words = changeInWords(change);
  return new LayoutError(options.code ?? "CHANGE_REFUSED", `${words} is not possible: ${reason}`, {
    change: words,
    reason,
    ...options.fields,
  });
}

/** The member of the ring with this name. Throws LayoutError. */
export function memberNamed(draft: Draft, name: string, staging: Staging): LayoutMember {
  const found = onlyNamed(draft.members, name, staging);
  if (found !== undefined) return found;
  refuseDeparted(draft, name, staging);
  const waiting = onlyNamed(staging.facts.waiting, name, staging);
  if (waiting !== undefined) {
    throw refusal(staging, `member ${nameOf(waiting)} waits outside the ring; join it first`);
  }
  throw unknown(draft.members, name, staging, "in the ring");
}

/** The member outside the ring with this name. Throws LayoutError. */
export function waitingNamed(draft: Draft, name: string, staging: Staging): WaitingMember {
  const isOutside = ({ id }: Named): boolean => !draft.members.some((member) => member.id === id);
  const outside = staging.facts.waiting.filter(isOutside);
  const found = onlyNamed(outside, name, staging);
  if (found === undefined) {
    const member = onlyNamed(draft.members, name, staging);
    if (member !== undefined) {
      throw refusal(staging, `member ${nameOf(member)} is in the ring already`);
    }
    refuseDeparted(draft, name, staging);
    throw unknown(outside, name, staging, "waiting to join");
  }
  refuseDeparted(draft, found.id, staging);
  const owner = draft.members.find(({ address }) => address === found.address);
  if (owner === undefined) return found;
  throw refusal(
    staging,
    `address ${found.address} belongs to member ${owner.id}, which is in the ring; if it is dead, ` +
      "replace it or remove it first",
    { code: "ADDRESS_TAKEN", fields: { address: found.address, id: found.id, owner: owner.id } },
  );
}

/** The member with this name that is in the ring or leaving it. Throws LayoutError. */
export function presentOrLeaving(
  draft: Draft,
  name: string,
  staging: Staging,
): { readonly id: string; readonly address: string; readonly isLeaving: boolean } {
  const members = draft.members.map(({ id, address }) => ({ id, address, isLeaving: false }));
  const leaving = leavingMembers(draft, staging).map((one) => ({ ...one, isLeaving: true }));
  const found = onlyNamed([...members, ...leaving], name, staging);
  // Whoever is not found among both is not found among the members either, and that tells why.
  return found ?? { ...memberNamed(draft, name, staging), isLeaving: false };
}

/** A member as messages name it. */
export function nameOf({ id, address }: Named): string {
  return `${address} (${id})`;
}

/** The draft with this member added, or in place of the one with its id. */
export function withMember(draft: Draft, member: LayoutMember): Draft {
  const others = draft.members.filter(({ id }) => id !== member.id);
  return {
    ...draft,
    members: [...others, member].toSorted((a, b) => compareText(a.id, b.id)),
  };
}

/** The draft without this member. */
export function withoutMember(draft: Draft, { id }: Pick<LayoutMember, "id">): Draft {
  return { ...draft, members: draft.members.filter((member) => member.id !== id) };
}

/** The draft in which this identity is gone for good. */
export function withRemoved(draft: Draft, id: string): Draft {
  return {
    ...withoutMember(draft, { id }),
    leavingIds: draft.leavingIds.filter((leaving) => leaving !== id),
    removedIds: ascending([...draft.removedIds, id]),
  };
}

/** Each id once, in the order of a layout. */
export function ascending(ids: readonly string[]): string[] {
  return [...new Set(ids)].toSorted(compareText);
}

function refuseDeparted(draft: Draft, name: string, staging: Staging): void {
  const removed = draft.removedIds.find((id) => id === name);
  if (removed !== undefined) {
    throw refusal(
      staging,
      `member ${removed} has left this ring for good; start it with an empty data directory`,
      { code: "ID_REMOVED", fields: { id: removed } },
    );
  }
  const leaving = onlyNamed(leavingMembers(draft, staging), name, staging);
  if (leaving === undefined) return;
  const reason = `member ${nameOf(leaving)} is leaving already, and owns nothing any more`;
  throw refusal(staging, reason);
}

/** Those who leave, with the address that a layout still knows. */
function leavingMembers({ leavingIds }: Draft, { head, facts }: Staging): Named[] {
  const entries = [...head.members, ...(facts.base ?? head).members];
  return leavingIds.map((id) => {
    const entry = entries.find((member) => member.id === id);
    return { id, address: entry?.address ?? "address unknown" };
  });
}

/** The only one with this name, or undefined. Throws LayoutError if there are several. */
function onlyNamed<T extends Named>(
  pool: readonly T[],
  name: string,
  staging: Staging,
): T | undefined {
  const wanted = name.toLowerCase();
  const exact = pool.filter(({ id, address }) => id === wanted || address === name);
  const beginning = pool.filter(({ id }) => wanted !== "" && id.startsWith(wanted));
  const [first, ...others] = exact.length > 0 ? exact : beginning;
  if (others.length === 0) return first;
  const candidates = listed([first, ...others].flatMap((one) => one ?? []));
  throw refusal(staging, `'${name}' may be any of ${candidates}; give more of the id`);
}

function unknown(
  pool: readonly Named[],
  name: string,
  staging: Staging,
  where: string,
): LayoutError {
  const known = pool.length === 0 ? "nobody is" : `there are ${listed(pool)}`;
  return refusal(staging, `no member ${where} has the id or address '${name}'; ${known}`, {
    code: "UNKNOWN_MEMBER",
    fields: { id: name },
  });
}

function listed(members: readonly Named[]): string {
  const shown = members.slice(0, NAMES_SHOWN_MAX).map(nameOf).join(", ");
  const more = members.length - NAMES_SHOWN_MAX;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
