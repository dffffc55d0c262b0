/**
 * What makes forks harmless: a member remembers what it wants of the layout, not what it committed.
 *
 * When two layouts were committed on top of the same one, one of them loses, with everything that
 * was new in it. So each member keeps its intents - let me in, these are my addresses, this keyspace
 * was created through me - for as long as it lives, and whenever it takes over a layout it looks
 * which of them are missing and commits those again on top. An intent that is in the layout costs
 * nothing, so there is no moment at which one must be forgotten.
 *
 * Every fork keeps at least the winner's change, so n members that commit at once are done after at
 * most n forks; there is no agreement to wait for and no leader to elect.
 *
 * An intent that has become impossible (somebody else took the token, the ring got a keyspace before
 * this member was in) is reported with its error. It is judged again on the next layout, and never
 * in between.
 */
import type { KeyspaceDefinition } from "../model/admin-api.ts";
import { unreachable } from "../util/assert.ts";
import {
  type CommitGround,
  type LayoutChange,
  type MemberAddresses,
  commit,
  hasAddresses,
  hasKeyspace,
} from "./commit.ts";
import { type Layout, LayoutError, type LayoutMember } from "./layout.ts";
import type { LayoutRules } from "./rules.ts";

export type LayoutIntent =
  /** This member is in the ring, under its id. */
  | { readonly kind: "join"; readonly member: LayoutMember }
  /** The member with this id is reached at these addresses. */
  | { readonly kind: "addresses"; readonly id: string; readonly addresses: MemberAddresses }
  /** The keyspace exists with this definition. */
  | { readonly kind: "keyspace"; readonly definition: KeyspaceDefinition }
  /** These members, which were leaving, are gone for good. */
  | { readonly kind: "retired"; readonly ids: readonly string[] };

export interface AppliedIntents {
  /** The next layout, or undefined if there was nothing to commit. */
  readonly layout: Layout | undefined;
  /** Intents that cannot be had in this layout, with the reason. */
  readonly impossible: readonly { readonly intent: LayoutIntent; readonly error: LayoutError }[];
}

/** The intents that the layout does not hold. */
export function unsatisfied(
  layout: Layout,
  intents: readonly LayoutIntent[],
): readonly LayoutIntent[] {
  return intents.filter((intent) => !isSatisfied(layout, intent));
}

/** Commits what is missing, in the order given. Each change counts as one commit. */
export function applyIntents(
  layout: Layout,
  intents: readonly LayoutIntent[],
  rules: LayoutRules = {},
  ground?: CommitGround,
): AppliedIntents {
  const impossible: { intent: LayoutIntent; error: LayoutError }[] = [];
  let next = layout;
  for (const intent of intents) {
    if (isSatisfied(next, intent)) continue;
    try {
      next = commit(next, changeFor(intent), rules, ground);
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      impossible.push({ intent, error });
    }
  }
  return { layout: next === layout ? undefined : next, impossible };
}

function isSatisfied(layout: Layout, intent: LayoutIntent): boolean {
  switch (intent.kind) {
    case "join":
      return memberOf(layout, intent.member.id) !== undefined;
    case "addresses": {
      const member = memberOf(layout, intent.id);
      return member !== undefined && hasAddresses(member, intent.addresses);
    }
    case "keyspace":
      return hasKeyspace(layout, intent.definition);
    case "retired":
      return !layout.leavingIds.some((id) => intent.ids.includes(id));
    default:
      return unreachable(intent);
  }
}

function changeFor(intent: LayoutIntent): LayoutChange {
  switch (intent.kind) {
    case "join":
      return { kind: "add-member", member: intent.member };
    case "addresses":
      return intent;
    case "keyspace":
      return { kind: "create-keyspace", definition: intent.definition };
    case "retired":
      return { kind: "retire", ids: intent.ids };
    default:
      return unreachable(intent);
  }
}

function memberOf(layout: Layout, id: string): LayoutMember | undefined {
  return layout.members.find((member) => member.id === id);
}
