/** `info`: one member, as labels and values in nodetool's layout. */
import type { InfoJson } from "../../http/views.ts";
import { sizeText } from "../layout.ts";
import type { ClientCommand } from "./client-command.ts";

export const infoCommand: ClientCommand = {
  name: "info",
  description: "The member that is asked: load, uptime, memory, storage",
  options: [{ flags: "-T, --tokens", description: "show all tokens" }],
  run: async (client, input) => {
    const info = await client.info();
    return { json: info, text: infoText(info, input.options["tokens"] === true) };
  },
};

const LABEL_WIDTH = 23;
const MEBIBYTE = 1024 * 1024;

export function infoText(info: InfoJson, showsTokens: boolean): string {
  const { member, memory, storage } = info;
  const heap = `${mebibytes(memory.heapUsedBytes)} / ${mebibytes(memory.heapTotalBytes)}`;
  const rows: readonly (readonly [string, string])[] = [
    ["ID", member.id],
    ["Cluster", `${info.clusterName} (${info.clusterId})`],
    ["Gossip active", String(member.generation !== undefined)],
    ["RESP address", member.respAddress ?? "none"],
    ["HTTP address", member.httpAddress ?? "none"],
    ["Load", sizeText(member.loadBytes)],
    ["Keys", String(storage.keys)],
    ["Storage engine", storage.engine],
    ["Disk space", sizeText(storage.diskBytes)],
    ["Data directory", info.dataDirectory ?? "none, in memory"],
    ["Generation No", String(member.generation ?? "?")],
    ["Uptime (seconds)", String(Math.floor(info.uptimeSeconds))],
    ["Heap Memory (MB)", heap],
    ["Resident Memory (MB)", mebibytes(memory.rssBytes)],
    ["Data Center", member.dc],
    ["Rack", member.rack],
    ["Release", `${info.releaseVersion}, Node.js ${info.nodeVersion}`],
    ...tokenRows(member.tokens, showsTokens),
  ];
  return rows.map(([label, value]) => `${label.padEnd(LABEL_WIDTH)}: ${value}\n`).join("");
}

function tokenRows(
  tokens: readonly string[],
  showsTokens: boolean,
): readonly (readonly [string, string])[] {
  if (tokens.length === 0) return [["Token", "(not joined)"]];
  if (showsTokens || tokens.length === 1) return tokens.map((token) => ["Token", token] as const);
  return [["Token", `(${tokens.length} tokens, -T shows them)`]];
}

function mebibytes(sizeBytes: number): string {
  return (sizeBytes / MEBIBYTE).toFixed(2);
}
