/**
 * What an operator should know before committing a plan: who is down and what that holds up, what
 * cannot be served on the way, and what the ring will be worse at afterwards. Everything here is
 * possible; what is not was refused when the changes were applied (see staging.ts).
 */
import type { PlanWarning } from "../model/topology-api.ts";
import { type RackViolation, rackViolationsOf } from "../placement/movement.ts";
import { ringPositionsOf } from "../placement/ring-positions.ts";
import { parseReplication } from "../placement/strategy.ts";
import { replicationFactors } from "./keyspace-table.ts";
import { type Layout, type LayoutKeyspace, datacentersOf } from "./layout.ts";
import type { PlanContext } from "./plan-context.ts";
import { sharesById } from "./plan-shares.ts";
import { asPercent } from "./plan-words.ts";
import { ascending } from "./staging-draft.ts";
import { type SyncDuty, covers } from "./transition.ts";

/** Largest load per weight, relative to the mean, that needs no warning. */
const UNEVEN_FROM = 1.25;
/** Less than this is no change of the balance. */
const UNEVEN_STEP = 0.001;

/** The warnings, the most general ones first. */
export function warningsOf(context: PlanContext): readonly PlanWarning[] {
  return [
    ...overtaking(context),
    ...guesses(context),
    ...membersDown(context),
    ...dataAtRisk(context),
    ...levelsUnserved(context),
    ...factorsUnmet(context),
    ...racksShared(context),
    ...uneven(context),
  ];
}

function overtaking({ head, base }: PlanContext): PlanWarning[] {
  if (head.version.hash === base.version.hash) return [];
  return [
    {
      code: "OVERTAKES",
      message:
        `the change to layout ${head.version.counter} is still under way, reads are served from ` +
        `layout ${base.version.counter}; this plan takes its place and fetches anew what is not ` +
        "there yet",
    },
  ];
}

/** Where tokens have no widths, sizes and shares are worth little. */
function guesses({ hasNoWidths, head }: PlanContext): PlanWarning[] {
  if (!hasNoWidths) return [];
  const message =
    `the ring of ${head.partitioner} has no widths: sizes, times and shares in this plan take it ` +
    "that every range holds as much as any other";
  return [{ code: "NO_WIDTHS", message }];
}

/** Who has to agree and is down, and who has to send and is down. */
function membersDown(context: PlanContext): PlanWarning[] {
  const { head, base, target } = context;
  const ids = [head, base, target].flatMap(({ members }) => members.map(({ id }) => id));
  // Layouts between the two are active too; who was only in one of those is leaving.
  const between = head.version.hash === base.version.hash ? [] : target.leavingIds;
  const down = ascending([...ids, ...between]).filter(
    (id) => !context.isRemoved(id) && !context.isAlive(id),
  );
  const awaited = awaitedSources(context);
  return down.flatMap((id) => {
    const name = `${context.name(id)} (${id})`;
    const agree: PlanWarning = {
      code: "MEMBER_DOWN",
      message:
        `${name} is down and has to agree: nobody reads from the new layout until it is back or ` +
        "has been removed (dynaring removenode)",
    };
    const count = awaited.get(id) ?? 0;
    if (count === 0) return [agree];
    const message =
      `${name} is down and has to send: ${count} ranges wait for it until it is back or has been ` +
      "removed (dynaring removenode)";
    return [agree, { code: "MEMBER_DOWN", message }];
  });
}

/** How many ranges cannot be fetched without each of those who are down. */
function awaitedSources(context: PlanContext): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const duty of context.duties) {
    for (const id of sourcesNeeded(duty, context)) {
      if (!context.isAlive(id)) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return counts;
}

function sourcesNeeded(duty: SyncDuty, context: PlanContext): readonly string[] {
  if (duty.source !== undefined) return [duty.source];
  const isReached = (id: string): boolean => !context.isRemoved(id) && context.isAlive(id);
  return covers(duty.replicas, isReached) ? [] : duty.holders;
}

/** Ranges of which too few replicas are left, whoever comes back. */
function dataAtRisk(context: PlanContext): PlanWarning[] {
  const shares = new Map<number, number>();
  const seen = new Set<string>();
  for (const { keyspaceId, start, end, replicas, source } of context.duties) {
    if (source !== undefined || covers(replicas, (id) => !context.isRemoved(id))) continue;
    const key = `${keyspaceId} ${start} ${end}`;
    if (seen.has(key)) continue;
    seen.add(key);
    shares.set(keyspaceId, (shares.get(keyspaceId) ?? 0) + context.shareBetween(start, end));
  }
  return [...shares].map(([keyspaceId, share]) => {
    const keyspace = context.target.keyspaces.find(({ id }) => id === keyspaceId);
    const message =
      `too few replicas are left of ${asPercent(share)} of keyspace '${keyspace?.name ?? ""}' to ` +
      "be sure that every acknowledged write is among them; if the removed members can come back, " +
      "bring them back first";
    return { code: "DATA_AT_RISK", message };
  });
}

/** Replicas whose majority is what a quorum level needs. */
interface Electorate {
  readonly level: string;
  readonly quorum: number;
  readonly isIn: (dc: string) => boolean;
}

/** Quorums that cannot be had with the members that are alive now. */
function levelsUnserved(context: PlanContext): PlanWarning[] {
  const { head, base, target } = context;
  return target.keyspaces.flatMap((keyspace) => {
    const before = head === base ? [base] : [base, head];
    const during = worstShares(context, before, keyspace);
    const after = worstShares(context, [target], keyspace);
    return [...new Set([...during.keys(), ...after.keys()])].map((level) => {
      const shares = [during.get(level) ?? 0, after.get(level) ?? 0] as const;
      const message =
        `with the members that are alive now, ${level} of keyspace '${keyspace.name}' cannot be ` +
        `served for ${asPercent(Math.max(...shares))} of the ring until the change is done, and ` +
        `for ${asPercent(shares[1])} of it afterwards`;
      return { code: "LEVEL_UNSERVED" as const, message };
    });
  });
}

/** By level the largest share of the ring that one of the layouts cannot serve; none that is 0. */
function worstShares(
  context: PlanContext,
  layouts: readonly Layout[],
  { id }: LayoutKeyspace,
): ReadonlyMap<string, number> {
  const worst = new Map<string, number>();
  for (const layout of layouts) {
    const keyspace = layout.keyspaces.find((one) => one.id === id);
    if (keyspace === undefined) continue;
    for (const electorate of electoratesOf(layout, keyspace)) {
      const share = unservedShare(context, { layout, keyspace, electorate });
      const { level } = electorate;
      if (share > 0) worst.set(level, Math.max(share, worst.get(level) ?? 0));
    }
  }
  return worst;
}

function electoratesOf(layout: Layout, keyspace: LayoutKeyspace): readonly Electorate[] {
  const { total, perDatacenter } = replicationFactors(layout, keyspace);
  const majority = (factor: number): number => Math.floor(factor / 2) + 1;
  if (perDatacenter === undefined) {
    return [{ level: "QUORUM", quorum: majority(total), isIn: () => true }];
  }
  return [...perDatacenter].map(([dc, factor]) => ({
    level: `LOCAL_QUORUM in ${dc}`,
    quorum: majority(factor),
    isIn: (other) => other === dc,
  }));
}

function unservedShare(
  context: PlanContext,
  of: {
    readonly layout: Layout;
    readonly keyspace: LayoutKeyspace;
    readonly electorate: Electorate;
  },
): number {
  const { layout, keyspace, electorate } = of;
  const votes = layout.members.map(({ id, dc }) => electorate.isIn(dc) && context.isAlive(id));
  let share = 0;
  for (const range of context.table(layout, keyspace).ranges()) {
    const alive = range.replicas.members.filter((index) => votes[index]).length;
    if (alive < electorate.quorum) share += context.shareOfRange(range);
  }
  return share;
}

/** Keyspaces that want more replicas than there are members, unless they did before. */
function factorsUnmet({ head, target }: PlanContext): PlanWarning[] {
  const known = new Set(unmetFactors(head));
  return unmetFactors(target)
    .filter((message) => !known.has(message))
    .map((message) => ({ code: "LEVEL_UNSERVED", message }));
}

function unmetFactors(layout: Layout): readonly string[] {
  return layout.keyspaces.flatMap((keyspace) => {
    const { total, perDatacenter } = replicationFactors(layout, keyspace);
    const wanted: readonly (readonly [string, number])[] = perDatacenter
      ? [...perDatacenter]
      : [["the ring", total]];
    return wanted.flatMap(([where, factor]) => {
      const inside = layout.members.filter(
        ({ dc }) => perDatacenter === undefined || dc === where,
      ).length;
      if (inside >= factor) return [];
      return [
        `keyspace '${keyspace.name}' wants ${factor} replicas and ${where} has ${inside} ` +
          `${inside === 1 ? "member" : "members"}: there are fewer replicas until more join, and ALL cannot be served`,
      ];
    });
  });
}

function racksShared(context: PlanContext): PlanWarning[] {
  const { head, target } = context;
  return target.keyspaces.flatMap((keyspace) => {
    const before = head.keyspaces.find(({ id }) => id === keyspace.id);
    const violations = violationsOf(context, target, keyspace);
    if (violations.length === 0) return [];
    const known = new Set(
      before === undefined ? [] : violationsOf(context, head, before).map(keyOf),
    );
    const added = violations.filter((violation) => !known.has(keyOf(violation)));
    const share = context.hasNoWidths
      ? added.reduce((sum, { rangeCount }) => sum + rangeCount, 0) /
        context.table(target, keyspace).ranges().length
      : added.reduce((sum, violation) => sum + violation.share, 0);
    const [worst] = added;
    if (worst === undefined) return [];
    const example = worst.members.map((id) => context.name(id)).join(", ");
    const message =
      `replicas of ${asPercent(share)} of keyspace '${keyspace.name}' share a rack although ` +
      `${worst.dc} has enough racks, e.g. those at ${example}`;
    return [{ code: "RACK_SHARED" as const, message }];
  });
}

function violationsOf(
  context: PlanContext,
  layout: Layout,
  keyspace: LayoutKeyspace,
): readonly RackViolation[] {
  const positions = ringPositionsOf(layout.partitioner);
  const members = layout.members.map((member) => ({
    ...member,
    tokens: member.tokens.map((token) => positions.positionOf(token)),
  }));
  const replication = parseReplication(keyspace.replication, datacentersOf(layout));
  return rackViolationsOf({ members, replication }, context.table(layout, keyspace));
}

function keyOf({ dc, members }: RackViolation): string {
  return JSON.stringify([dc, members.toSorted()]);
}

function uneven(context: PlanContext): PlanWarning[] {
  const before = unevennessByDatacenter(context, context.head);
  const after = unevennessByDatacenter(context, context.target);
  return [...after].flatMap(([dc, { max, id }]) => {
    const was = before.get(dc)?.max ?? 0;
    if (max <= UNEVEN_FROM || max <= was + UNEVEN_STEP) return [];
    const message =
      `${context.name(id)} will hold ${max.toFixed(2)} times its fair share of ${dc}, the largest ` +
      `of it (${was === 0 ? "nobody held anything" : `${was.toFixed(2)} times`} before)`;
    return [{ code: "UNEVEN" as const, message }];
  });
}

/** Who has most in each datacenter, relative to its weight and the mean there. */
function unevennessByDatacenter(
  context: PlanContext,
  layout: Layout,
): ReadonlyMap<string, { readonly max: number; readonly id: string }> {
  const shares = sharesById(context, layout);
  const worst = new Map<string, { max: number; id: string }>();
  if (shares === undefined) return worst;
  for (const dc of datacentersOf(layout)) {
    const members = layout.members.filter((member) => member.dc === dc);
    const sum = members.reduce((total, { id }) => total + (shares.get(id) ?? 0), 0);
    const mean = sum / members.reduce((total, { weight }) => total + weight, 0);
    if (mean === 0) continue;
    for (const { id, weight } of members) {
      const max = (shares.get(id) ?? 0) / weight / mean;
      if (max > (worst.get(dc)?.max ?? 0)) worst.set(dc, { max, id });
    }
  }
  return worst;
}
