/** The steps of a plan in words, in the order in which they happen. */
import type { StagedChange } from "../model/topology-api.ts";
import { unreachable } from "../util/assert.ts";
import type { Layout, LayoutMember } from "./layout.ts";
import type { PlanContext } from "./plan-context.ts";
import type { PlanFlow } from "./plan-flow.ts";

const SIZE_UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** One line per staged change, then what members do about them. */
export function stepsOf(context: PlanContext, flow: PlanFlow): readonly string[] {
  const { target, head } = context;
  const counter = target.version.counter;
  const isMoving = context.duties.length > 0;
  const leaving = target.leavingIds.filter((id) => !head.leavingIds.includes(id));
  return [
    ...context.changes.map((change) => changeStep(change, context)),
    `every member takes over layout ${counter}: from then on a write has to reach its level among ` +
      "the old replicas and among the new ones",
    ...movingSteps(flow),
    `when every member has confirmed that, reads go over to layout ${counter}`,
    ...(isMoving ? ["members drop the data that they do not own any more"] : []),
    ...leaving.map((id) => `${context.name(id)} is removed for good; its process can be ended`),
  ];
}

/** "33.3 %". What is there at all is not shown as nothing. */
export function asPercent(share: number): string {
  if (share > 0 && share < 0.0005) return "less than 0.1 %";
  return `${(share * 100).toFixed(1)} %`;
}

function movingSteps({
  transfers,
  movedBytes,
  movedKeys,
  receiverCount,
  comparedCount,
}: PlanFlow): string[] {
  const ranges = transfers.reduce((sum, { rangeCount }) => sum + rangeCount, 0);
  const steps: string[] = [];
  if (ranges > 0) {
    steps.push(
      `${counted(receiverCount, "member")} ${receiverCount === 1 ? "fetches" : "fetch"} ` +
        `${counted(ranges, "range")}, about ` +
        `${asSize(movedBytes)} in ${counted(movedKeys, "key")}, while reads stay where they are`,
    );
  }
  if (comparedCount > 0) {
    steps.push(
      `members compare ${counted(comparedCount, "range")} that they hold with the other replicas ` +
        "and fetch what they lack",
    );
  }
  return steps.length > 0 ? steps : ["no data have to move"];
}

function changeStep(change: StagedChange, context: PlanContext): string {
  if (change.kind === "double") return doubleStep(change.members, context);
  if (change.kind === "replication") return replicationStep(change.keyspace, context);
  const before = named(context.head, change.member);
  const after = named(context.target, change.member);
  const name = (after ?? before)?.address ?? change.member;
  const tokens = counted(after?.tokens.length ?? 0, "token");
  switch (change.kind) {
    case "join":
      return `${name} joins ${placeOf(after)} with ${tokens}`;
    case "leave":
      return `${name} hands over what it holds and leaves for good`;
    case "remove":
      return `${name} is given up for good; others make again what it held`;
    case "assassinate":
      return `${name} is given up for good, even if writes that only it has are lost`;
    case "move":
      return `${name} moves to ${tokens}: ${shortened(after?.tokens ?? [])}`;
    case "replace":
      return replaceStep(change, context);
    case "weight":
      return `${name} gets weight ${change.weight} and ${tokens} (${before?.tokens.length ?? 0} before)`;
    case "place":
      return `${name} is in ${placeOf(after)} (${placeOf(before)} before)`;
    case "num-tokens":
      return `${name} gets ${tokens} (${before?.tokens.length ?? 0} before)`;
    default:
      return unreachable(change);
  }
}

function replaceStep(
  { member, by }: Extract<StagedChange, { readonly kind: "replace" }>,
  { head, target }: PlanContext,
): string {
  const dead = named(head, member);
  const next = named(target, by);
  return (
    `${next?.address ?? by} takes the ${counted(next?.tokens.length ?? 0, "token")} of ` +
    `${dead?.address ?? member}, which is given up for good`
  );
}

function doubleStep(names: readonly string[], { target }: PlanContext): string {
  const members = names.map((name) => named(target, name)?.address ?? name);
  return `${members.join(", ")} join, each with a part of every range of one present member`;
}

function replicationStep(name: string, { target }: PlanContext): string {
  const replication = target.keyspaces.find((keyspace) => keyspace.name === name)?.replication;
  const options = Object.entries(replication?.options ?? {}).map(
    ([key, value]) => `${key}=${value}`,
  );
  const words = [replication?.class ?? "", ...options].join(" ");
  return `keyspace '${name}' is replicated by ${words}`;
}

/** The member that a change named so; changes that were applied are not ambiguous. */
function named({ members }: Layout, name: string): LayoutMember | undefined {
  return (
    members.find(({ id, address }) => id === name || address === name) ??
    members.find(({ id }) => id.startsWith(name.toLowerCase()))
  );
}

function placeOf(member: LayoutMember | undefined): string {
  return member === undefined ? "the ring" : `${member.dc}/${member.rack}`;
}

function shortened(tokens: readonly string[]): string {
  const shown = tokens.slice(0, 4).join(", ");
  return tokens.length > 4 ? `${shown}, ...` : shown;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** To three digits: it is an estimate. */
function asSize(bytes: number): string {
  const power = Math.min(SIZE_UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  const digits = power === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${SIZE_UNITS[power] ?? "bytes"}`;
}
