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
  | { readonly kind: "keyspace"; readonly definition: KeyspaceDefinition };

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
): AppliedIntents {
  const impossible: { intent: LayoutIntent; error: LayoutError }[] = [];
  let next = layout;
  for (const intent of intents) {
    if (isSatisfied(next, intent)) continue;
    try {
      next = commit(next, changeFor(next, intent), rules);
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
    default:
      return unreachable(intent);
  }
}

function changeFor(layout: Layout, intent: LayoutIntent): LayoutChange {
  switch (intent.kind) {
    case "join":
      return { kind: "add-member", member: intent.member };
    case "addresses": {
      const { dc, rack, weight } = existing(layout, intent.id);
      return {
        kind: "update-member",
        member: { id: intent.id, dc, rack, weight, ...intent.addresses },
      };
    }
    case "keyspace":
      return { kind: "create-keyspace", definition: intent.definition };
    default:
      return unreachable(intent);
  }
}

function existing(layout: Layout, id: string): LayoutMember {
  const member = memberOf(layout, id);
  if (member !== undefined) return member;
  throw new LayoutError("UNKNOWN_MEMBER", `there is no member ${id} in the ring`, { id });
}

function memberOf(layout: Layout, id: string): LayoutMember | undefined {
  return layout.members.find((member) => member.id === id);
}
