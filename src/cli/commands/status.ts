/** `status`: members per datacenter with state, load and ownership, in nodetool's layout. */
import type { MemberJson, StatusJson } from "../../http/views.ts";
import { alignedRows, groupedBy, percentText, sizeText } from "../layout.ts";
import { type ClientCommand, KEYSPACE_FOR_OWNERSHIP } from "./client-command.ts";

export const statusCommand: ClientCommand = {
  name: "status",
  description: "Members with state, load and ownership",
  arguments: [KEYSPACE_FOR_OWNERSHIP],
  run: async (client, input) => {
    const status = await client.status(input.arguments[0]);
    return { json: status, text: statusText(status) };
  },
};

const OWNERSHIP_NOTE = "Note: effective ownership depends on the keyspace; name one to see it\n";

/** Why a table shows no effective ownership; empty if it does. */
export function ownershipNote(status: StatusJson): string {
  if (status.effectiveOwnership !== undefined) return "";
  const hasWidths = status.members.some(({ ownership }) => ownership !== undefined);
  return hasWidths
    ? OWNERSHIP_NOTE
    : `Note: nobody's share is known, because the ring of ${status.partitioner} has no widths\n`;
}

/** U, D and N, L, J, M, D: both letters of a member's state. */
export function stateLetters({ isUp, state }: Pick<MemberJson, "isUp" | "state">): string {
  return `${isUp ? "U" : "D"}${state.charAt(0)}`;
}

export function statusText(status: StatusJson): string {
  const { members, effectiveOwnership } = status;
  const datacenters = groupedBy(members, (member) => member.dc);
  const tokenCount = members.reduce((sum, member) => sum + member.tokens.length, 0);
  // nodetool compares datacenters with tokens; the aim is "one token each".
  const hasOneTokenEach = datacenters.length >= tokenCount;
  const head = heading(hasOneTokenEach, effectiveOwnership !== undefined);
  const ordered = datacenters.flatMap(([, inside]) => byAddress(inside));
  const [headLine = "", ...lines] = alignedRows([
    head,
    ...ordered.map((member) => row(member, effectiveOwnership?.[member.id], hasOneTokenEach)),
  ]);
  // nodetool knows no such letter, so its legend is left alone where it does not occur.
  const isAnyDrained = members.some(({ state }) => state === "DRAINED");
  let next = 0;
  const sections = datacenters.map(([name, inside]) => {
    const title = `Datacenter: ${name}`;
    const own = lines.slice(next, (next += inside.length));
    const states = `Normal/Leaving/Joining/Moving${isAnyDrained ? "/Drained" : ""}`;
    const legend = ["Status=Up/Down", `|/ State=${states}`];
    return [title, "=".repeat(title.length), ...legend, headLine, ...own, ""].join("\n");
  });
  return `${sections.join("\n")}\n${ownershipNote(status)}`;
}

function heading(hasOneTokenEach: boolean, hasEffective: boolean): readonly string[] {
  const owns = hasEffective ? "Owns (effective)" : "Owns";
  return hasOneTokenEach
    ? ["--", "Address", "Load", owns, "Host ID", "Token", "Rack"]
    : ["--", "Address", "Load", "Tokens", owns, "Host ID", "Rack"];
}

function row(
  member: MemberJson,
  effective: number | undefined,
  hasOneTokenEach: boolean,
): readonly string[] {
  const { address, loadBytes, tokens, id, rack } = member;
  const start = [stateLetters(member), address, sizeText(loadBytes)];
  const owns = percentText(effective, 1);
  return hasOneTokenEach
    ? [...start, owns, id, tokens[0] ?? "?", rack]
    : [...start, String(tokens.length), owns, id, rack];
}

function byAddress(members: readonly MemberJson[]): readonly MemberJson[] {
  return members.toSorted((left, right) => (left.address < right.address ? -1 : 1));
}
