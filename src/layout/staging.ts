/**
 * What staged changes make of a layout.
 *
 * Changes are applied in the order in which they were staged, each to what the ones before it left, so
 * that a later one may need an earlier one: join a member, then move it; leave a keyspace out of a
 * datacenter, then take its members out. What only has to hold in the end - every keyspace has members
 * in each datacenter that it names, the ring is not empty - is checked in the end.
 *
 * Everything that can never be had is refused here, with the reason, before anybody plans or commits it.
 * What is possible and unwise is left to the warnings of the plan (see plan-warnings.ts).
 */
import type { StagedChange } from "../model/topology-api.ts";
import { tokenCountForWeight } from "../ring/allocation/allocate.ts";
import { ReplicationError, expandReplication, parseReplication } from "../placement/strategy.ts";
import { unreachable } from "../util/assert.ts";
import type { Stepwise } from "../util/stepwise.ts";
import { keyspaceTable, replicationFactors } from "./keyspace-table.ts";
import {
  type Layout,
  type LayoutContent,
  LayoutError,
  type LayoutKeyspace,
  type LayoutMember,
  datacentersOf,
} from "./layout.ts";
import { checkContent } from "./rules.ts";
import { growthMembers } from "./staging-growth.ts";
import {
  type Draft,
  type Staging,
  type StagingFacts,
  ascending,
  changeInWords,
  memberNamed,
  nameOf,
  presentOrLeaving,
  refusal,
  waitingNamed,
  withMember,
  withRemoved,
  withoutMember,
} from "./staging-draft.ts";
import {
  explicitTokens,
  joiningTokens,
  placed,
  resizedTokens,
  tokensPerWeight,
} from "./staging-tokens.ts";
import { type DutyHolder, covers } from "./transition.ts";

export { type StagingFacts, type WaitingMember } from "./staging-draft.ts";

/** The content of the next layout but for its base, which is the committer's to say. */
export type StagedContent = Omit<LayoutContent, "base">;

/**
 * The layout that the changes make of `head`. Throws LayoutError: CHANGE_REFUSED, TOKEN_TAKEN,
 * ADDRESS_TAKEN, UNKNOWN_MEMBER, ID_REMOVED, UNKNOWN_KEYSPACE, INVALID_REPLICATION or INVALID.
 */
export function* applyStaged(
  head: Layout,
  staged: readonly StagedChange[],
  facts: StagingFacts,
): Stepwise<StagedContent> {
  const { clusterId, clusterName, partitioner, base } = head;
  let draft: Draft = head;
  for (const change of staged) draft = yield* applied(draft, { head, facts, change });
  const { members, keyspaces, leavingIds, removedIds } = draft;
  const rest = { members, keyspaces, leavingIds, removedIds };
  const content = { clusterId, clusterName, partitioner, ...rest };
  checkContent({ ...content, base }, {});
  checkServes(content, staged, facts);
  return content;
}

function* applied(draft: Draft, staging: Staging): Stepwise<Draft> {
  const { change } = staging;
  switch (change.kind) {
    case "join":
      return yield* joined(draft, change, staging);
    case "leave":
      return left(draft, change, staging);
    case "remove":
    case "assassinate":
      return removed(draft, change, staging);
    case "move":
      return changed(draft, change, staging, (member) => ({
        tokens: explicitTokens(draft, member, change.tokens, staging),
      }));
    case "replace":
      return replaced(draft, change, staging);
    case "weight":
      return yield* reweighed(draft, change, staging);
    case "place":
      return changed(draft, change, staging, ({ dc, rack }) => ({
        dc: change.dc ?? dc,
        rack: change.rack ?? rack,
      }));
    case "num-tokens":
      return yield* resized(draft, change, staging);
    case "double":
      return doubled(draft, change, staging);
    case "replication":
      return replicated(draft, change, staging);
    default:
      return unreachable(change);
  }
}

type Change<Kind extends StagedChange["kind"]> = Extract<StagedChange, { readonly kind: Kind }>;

function* joined(draft: Draft, change: Change<"join">, staging: Staging): Stepwise<Draft> {
  const waiting = waitingNamed(draft, change.member, staging);
  const tokens = yield* joiningTokens(draft, waiting, change.tokens, staging);
  return withMember(draft, placed(waiting, tokens));
}

function left(draft: Draft, change: Change<"leave">, staging: Staging): Draft {
  const member = memberNamed(draft, change.member, staging);
  if (!staging.facts.aliveIds.has(member.id)) {
    throw refusal(
      staging,
      `member ${nameOf(member)} is down and cannot hand over what it holds: use removenode`,
    );
  }
  const without = withoutMember(draft, member);
  if (without.members.length === 0) {
    throw refusal(staging, `member ${nameOf(member)} is the last one of the ring`);
  }
  // Whoever was to join by these very changes has nothing to hand over.
  if (!staging.head.members.some(({ id }) => id === member.id)) return without;
  return { ...without, leavingIds: ascending([...draft.leavingIds, member.id]) };
}

function removed(draft: Draft, change: Change<"remove" | "assassinate">, staging: Staging): Draft {
  const member = presentOrLeaving(draft, change.member, staging);
  const next = withRemoved(draft, member.id);
  if (change.kind === "assassinate") return next;
  if (staging.facts.aliveIds.has(member.id)) {
    const remedy = member.isLeaving
      ? "it is handing over what it holds and goes by itself"
      : "use decommission";
    throw refusal(staging, `member ${nameOf(member)} is alive: ${remedy}`);
  }
  checkCovered(next, member.id, staging);
  return next;
}

function replaced(draft: Draft, change: Change<"replace">, staging: Staging): Draft {
  const dead = memberNamed(draft, change.member, staging);
  if (staging.facts.aliveIds.has(dead.id)) {
    throw refusal(
      staging,
      `member ${nameOf(dead)} is alive: join the new member, then decommission the old one`,
    );
  }
  const next = withRemoved(draft, dead.id);
  checkCovered(next, dead.id, staging);
  const waiting = waitingNamed(next, change.by, staging);
  if (waiting.dc !== dead.dc || waiting.rack !== dead.rack) {
    throw refusal(
      staging,
      `member ${nameOf(waiting)} is in ${waiting.dc}/${waiting.rack} and the dead one in ` +
        `${dead.dc}/${dead.rack}: only a member of the same rack can take its tokens`,
    );
  }
  return withMember(next, { ...placed(waiting, dead.tokens), weight: dead.weight });
}

function changed(
  draft: Draft,
  { member: name }: { readonly member: string },
  staging: Staging,
  fieldsOf: (member: LayoutMember) => Partial<LayoutMember>,
): Draft {
  const member = memberNamed(draft, name, staging);
  return withMember(draft, { ...member, ...fieldsOf(member) });
}

function* reweighed(
  draft: Draft,
  { member: name, weight }: Change<"weight">,
  staging: Staging,
): Stepwise<Draft> {
  const member = memberNamed(draft, name, staging);
  if (!(weight > 0 && Number.isFinite(weight))) {
    throw refusal(staging, `a weight is a number above 0, not ${weight}`);
  }
  const tokenCount = tokenCountForWeight(tokensPerWeight(member, staging), weight);
  const next = { ...member, weight };
  return withMember(draft, {
    ...next,
    tokens: yield* resizedTokens(draft, next, tokenCount, staging),
  });
}

function* resized(
  draft: Draft,
  { member: name, numTokens }: Change<"num-tokens">,
  staging: Staging,
): Stepwise<Draft> {
  const member = memberNamed(draft, name, staging);
  const tokens = yield* resizedTokens(draft, member, numTokens, staging);
  return withMember(draft, { ...member, tokens });
}

function doubled(draft: Draft, change: Change<"double">, staging: Staging): Draft {
  const waiting = change.members.map((name) => waitingNamed(draft, name, staging));
  const [twice] = waiting.filter((one, index) => waiting.indexOf(one) !== index);
  if (twice !== undefined) throw refusal(staging, `member ${nameOf(twice)} is named twice`);
  if (waiting.length === 0) throw refusal(staging, "no waiting member is named");
  return growthMembers(draft, waiting, staging).reduce(withMember, draft);
}

function replicated(draft: Draft, change: Change<"replication">, staging: Staging): Draft {
  const { keyspace: name, replication } = change;
  const present = draft.keyspaces.find((keyspace) => keyspace.name === name);
  if (present === undefined) {
    const names = draft.keyspaces.map((keyspace) => keyspace.name).join(", ") || "there are none";
    throw refusal(staging, `there is no keyspace '${name}'; keyspaces: ${names}`, {
      code: "UNKNOWN_KEYSPACE",
      fields: { keyspace: name },
    });
  }
  const next = { ...present, replication: expanded(draft, present, { replication, staging }) };
  const keyspaces = draft.keyspaces.map((keyspace) => (keyspace === present ? next : keyspace));
  return { ...draft, keyspaces };
}

/** As ALTER KEYSPACE: what was said of datacenters that are still there stays unless said again. */
function expanded(
  draft: Draft,
  present: LayoutKeyspace,
  { replication, staging }: { replication: LayoutKeyspace["replication"]; staging: Staging },
): LayoutKeyspace["replication"] {
  const datacenters = datacentersOf(draft);
  const { class: previousClass, options } = present.replication;
  const kept = Object.entries(options).filter(
    ([name]) => name === "replication_factor" || datacenters.includes(name),
  );
  try {
    return expandReplication(replication, datacenters, {
      class: previousClass,
      options: Object.fromEntries(kept),
    });
  } catch (error) {
    if (!(error instanceof ReplicationError)) throw error;
    const { field, value, expected } = error;
    throw refusal(staging, `${field} is '${value}', expected ${expected}`, {
      code: "INVALID_REPLICATION",
      fields: { keyspace: present.name, class: replication.class },
    });
  }
}

/**
 * Refuses to give up a member if, for some range that it holds, so few of the others are left that a
 * write may have been acknowledged which none of them has.
 */
function checkCovered(draft: Draft, removedId: string, staging: Staging): void {
  const base = staging.facts.base ?? staging.head;
  const isLeft = (id: string): boolean => !draft.removedIds.includes(id);
  for (const keyspace of base.keyspaces) {
    const isGrouped = replicationFactors(base, keyspace).perDatacenter !== undefined;
    const holders = base.members.map(({ id, dc }) => ({ id, dc: isGrouped ? dc : "" }));
    for (const { members } of keyspaceTable(base, keyspace).sets) {
      const replicas: DutyHolder[] = members.flatMap((index) => holders[index] ?? []);
      if (!replicas.some(({ id }) => id === removedId) || covers(replicas, isLeft)) continue;
      const gone = replicas.filter(({ id }) => !isLeft(id)).map(({ id }) => id);
      throw refusal(
        staging,
        `some of keyspace '${keyspace.name}' has ${replicas.length} replicas, ` +
          `${replicas.map(({ id }) => id).join(", ")}, and without ${gone.join(", ")} too few are ` +
          "left to be sure that no acknowledged write is lost; bring a member back, or accept the " +
          "loss with assassinate",
        { fields: { keyspace: keyspace.name, id: removedId } },
      );
    }
  }
}

/**
 * Throws LayoutError if nobody is left who could change the ring again, or a keyspace has no members
 * in a datacenter that it names.
 */
function checkServes(
  content: StagedContent,
  staged: readonly StagedChange[],
  { aliveIds }: StagingFacts,
): void {
  const words = staged.map(changeInWords).join(", ");
  const { members } = content;
  if (members.length === 0) {
    const remedy = "let another member join first, or take back with 'revert' what is under way";
    throw refusalOfAll(words, `nobody would be left in the ring; ${remedy}`);
  }
  if (!members.some(({ id }) => aliveIds.has(id))) {
    const names = members.map(({ address }) => address).join(", ");
    throw refusalOfAll(words, `only members that are down would be left in the ring: ${names}`);
  }
  const datacenters = datacentersOf(content);
  for (const { name, replication } of content.keyspaces) {
    try {
      parseReplication(replication, datacenters);
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      throw refusalOfAll(
        words,
        `keyspace '${name}' keeps replicas in '${error.field}', where no member would be left; ` +
          "change its replication first",
        { keyspace: name, dc: error.field },
      );
    }
  }
}

function refusalOfAll(
  change: string,
  reason: string,
  fields: Readonly<Record<string, string>> = {},
): LayoutError {
  return new LayoutError("CHANGE_REFUSED", `${change} is not possible: ${reason}`, {
    change,
    reason,
    ...fields,
  });
}
