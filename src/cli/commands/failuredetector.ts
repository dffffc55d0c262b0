/** `failuredetector`: the suspicion against every other member, in nodetool's layout. */
import type { StatusJson } from "../../http/views.ts";
import type { ClientCommand } from "./client-command.ts";

export const failuredetectorCommand: ClientCommand = {
  name: "failuredetector",
  description: "Phi of the failure detector for every other member",
  run: async (client) => {
    const status = await client.status();
    const json = status.members
      .filter((member) => !member.isSelf)
      .map(({ id, address, isUp, phi }) => ({ id, address, isUp, phi }));
    return { json, text: failuredetectorText(status) };
  },
};

const ADDRESS_WIDTH = 10;
const PHI_WIDTH = 16;

export function failuredetectorText({ members }: StatusJson): string {
  const line = (address: string, phi: string): string =>
    `${address.padStart(ADDRESS_WIDTH)},${phi.padStart(PHI_WIDTH)}\n`;
  const lines = members
    .filter((member) => !member.isSelf)
    .map(({ address, phi }) => line(address, phi === undefined ? "?" : String(phi)));
  return line("Endpoint", "Phi") + lines.join("");
}
