/** `ring`: one line per token, in nodetool's layout. */
import type { MemberJson, RingJson } from "../../http/views.ts";
import { groupedBy, percentText, sizeText } from "../layout.ts";
import { type ClientCommand, KEYSPACE_FOR_OWNERSHIP } from "./client-command.ts";
import { ownershipNote } from "./status.ts";

export const ringCommand: ClientCommand = {
  name: "ring",
  description: "Every token with its owner, in ring order",
  arguments: [KEYSPACE_FOR_OWNERSHIP],
  run: async (client, input) => {
    const ring = await client.ring(input.arguments[0]);
    return { json: ring, text: ringText(ring) };
  },
};

const HEADING = ["Address", "Rack", "Status", "State", "Load", "Owns", "Token"] as const;
/** Widths of the columns after the address. */
const WIDTHS = [12, 7, 8, 16, 20, 44] as const;

const MANY_TOKENS_WARNING =
  "  Warning: members have several tokens each, so every member has several lines here.\n" +
  "  'dynaring status' shows one line per member.\n";

interface Entry {
  readonly token: string;
  readonly member: MemberJson;
}

export function ringText({ status, tokens }: RingJson): string {
  const members = new Map(status.members.map((member) => [member.id, member]));
  const entries = tokens.flatMap(({ token, memberId }) => {
    const member = members.get(memberId);
    return member === undefined ? [] : [{ token, member }];
  });
  const addressWidth = Math.max(0, ...status.members.map(({ address }) => address.length)) + 2;
  const datacenters = groupedBy(entries, ({ member }) => member.dc).map(([dc, inside]) =>
    datacenterText(dc, inside, addressWidth, status.effectiveOwnership),
  );
  const hasManyTokens = status.members.some((member) => member.tokens.length > 1);
  const warning = hasManyTokens ? MANY_TOKENS_WARNING : "";
  const note = ownershipNote(status);
  return `\n${datacenters.join("\n")}\n${warning}\n  ${note}`;
}

function datacenterText(
  dc: string,
  entries: readonly Entry[],
  addressWidth: number,
  ownership: RingJson["status"]["effectiveOwnership"],
): string {
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(column === 0 ? addressWidth : (WIDTHS[column - 1] ?? 0)))
      .join("");
  const lastToken = entries.length > 1 ? (entries.at(-1)?.token ?? "") : "";
  const lines = entries.map(({ token, member }) =>
    line([
      member.address,
      member.rack,
      member.isUp ? "Up" : "Down",
      stateName(member.state),
      sizeText(member.loadBytes),
      percentText(ownership?.[member.id], 2),
      token,
    ]),
  );
  const last = lastToken === "" ? "" : line(["", "", "", "", "", "", lastToken]);
  return [`Datacenter: ${dc}`, "==========", line(HEADING), last, ...lines, ""].join("\n");
}

function stateName(state: MemberJson["state"]): string {
  return state.charAt(0) + state.slice(1).toLowerCase();
}
