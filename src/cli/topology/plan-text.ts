/** A plan, and where the ring stands, for people. */
import type { PlanJson, TopologyJson } from "../../http/topology-views.ts";
import { percentText, sizeText, spanText } from "../layout.ts";
import { tableText } from "../table.ts";
import { changeText } from "./change-texts.ts";

/** As many digits as a person compares; a commit takes 6 or more. */
const SHOWN_HASH_DIGITS = 12;

const MEMBER_COLUMNS = [
  { title: "Member" },
  { title: "State" },
  { title: "Datacenter" },
  { title: "Rack" },
  { title: "Tokens", isNumber: true },
  { title: "after", isNumber: true },
  { title: "Owns", isNumber: true },
  { title: "after", isNumber: true },
] as const;

const TRANSFER_COLUMNS = [
  { title: "From" },
  { title: "To" },
  { title: "Ranges", isNumber: true },
  { title: "Keys", isNumber: true },
  { title: "Size", isNumber: true },
] as const;

export function shortHash(hash: string): string {
  return hash.slice(0, SHOWN_HASH_DIGITS);
}

/** Everything but the line that says how to commit it. */
export function planText(plan: PlanJson): string {
  const moves =
    plan.transfers.length === 0
      ? ["No data move.", ""]
      : [`Data that move: ${movedText(plan)}`, transferTable(plan), ""];
  return [
    `Plan ${shortHash(plan.hash)}, on layout version ${plan.base.counter}`,
    "",
    ...section(
      "Changes",
      plan.changes.map((change) => withAddresses(changeText(change), plan)),
    ),
    memberTable(plan),
    "",
    ...moves,
    ...section(
      "Steps",
      plan.steps.map((step, index) => `${index + 1}. ${step}`),
    ),
    ...section(
      "Warnings",
      plan.warnings.map(({ code, message }) => `${code}: ${message}`),
    ),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

/** Members that were named by id are easier to recognize so; the tables name them so, too. */
function withAddresses(text: string, { members }: PlanJson): string {
  return members.reduce((known, { id, address }) => known.replaceAll(id, address), text);
}

function movedText({ movedKeys, movedBytes, etaSeconds }: PlanJson): string {
  return `about ${Math.round(movedKeys)} keys, ${sizeText(movedBytes)}, ${spanText(etaSeconds)}`;
}

function memberTable({ members }: PlanJson): string {
  return tableText(
    MEMBER_COLUMNS,
    byAddress(members).map((member) => [
      member.address,
      member.isUp ? "Up" : "Down",
      member.dc,
      member.rack,
      String(member.tokensBefore),
      String(member.tokensAfter),
      percentText(member.ownershipBefore, 1),
      percentText(member.ownershipAfter, 1),
    ]),
  );
}

function byAddress<Member extends { readonly address: string }>(
  members: readonly Member[],
): readonly Member[] {
  return members.toSorted((left, right) => (left.address < right.address ? -1 : 1));
}

function transferTable({ transfers, members }: PlanJson): string {
  const addresses = new Map(members.map(({ id, address }) => [id, address]));
  const name = (member: string): string => addresses.get(member) ?? member;
  return tableText(
    TRANSFER_COLUMNS,
    transfers.map(({ from, to, rangeCount, keys, bytes }) => [
      name(from),
      name(to),
      String(rangeCount),
      String(Math.round(keys)),
      sizeText(bytes),
    ]),
  );
}

export function topologyText(topology: TopologyJson): string {
  const { versions, readsFrom, staged, waiting } = topology;
  const isChanging = versions.length > 1;
  const table = tableText(
    [
      { title: "Layout", isNumber: true },
      { title: "Hash" },
      { title: "Phase" },
      { title: "Waits for" },
    ],
    versions.map(({ counter, hash, phase, waitingFor }) => [
      String(counter),
      shortHash(hash),
      phase,
      waitingFor.join(", "),
    ]),
  );
  return [
    isChanging ? "A change is under way." : "No change is under way.",
    `This member reads from layout version ${readsFrom}.`,
    table,
    "",
    ...section("Staged", staged.map(changeText)),
    ...section(
      "Waiting outside",
      byAddress(waiting).map(({ id, address, dc, rack }) => `${address}  ${dc}  ${rack}  ${id}`),
    ),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`), ""];
}
