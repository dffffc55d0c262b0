/** `gossipinfo`: the gossip state of every endpoint, in nodetool's layout. */
import type { GossipJson } from "../../http/views.ts";
import type { ClientCommand } from "./client-command.ts";

export const gossipinfoCommand: ClientCommand = {
  name: "gossipinfo",
  description: "What the member knows of the others by gossip",
  run: async (client) => {
    const endpoints = await client.gossip();
    return { json: endpoints, text: endpoints.map(endpointText).join("") };
  },
};

export function endpointText({ address, generation, heartbeat, states }: GossipJson): string {
  // Hundreds of tokens would bury the rest.
  const { TOKENS: tokens, ...others } = states;
  const lines = [
    `/${address}`,
    `  generation:${generation}`,
    `  heartbeat:${heartbeat}`,
    ...Object.entries(others).map(([name, { version, value }]) => `  ${name}:${version}:${value}`),
    tokens === undefined ? "  TOKENS: not present" : `  TOKENS:${tokens.version}:<hidden>`,
  ];
  return `${lines.join("\n")}\n`;
}
