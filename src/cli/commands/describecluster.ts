/** `describecluster`: name, layout, counts and keyspaces, in nodetool's layout. */
import type { KeyspaceJson, MemberJson, StatusJson } from "../../http/views.ts";
import { groupedBy } from "../layout.ts";
import type { ClientCommand } from "./client-command.ts";

export const describeclusterCommand: ClientCommand = {
  name: "describecluster",
  description: "Name, partitioner, layout, counts, versions and keyspaces of the cluster",
  run: async (client) => {
    const [status, keyspaces] = await Promise.all([client.status(), client.keyspaces()]);
    return { json: { ...status, keyspaces }, text: describeclusterText(status, keyspaces) };
  },
};

export function describeclusterText(
  status: StatusJson,
  keyspaces: readonly KeyspaceJson[],
): string {
  const { members, layout } = status;
  const live = members.filter(({ isUp }) => isUp);
  const count = (state: MemberJson["state"]): number =>
    members.filter((member) => member.state === state).length;
  const lines = [
    "Cluster Information:",
    `\tName: ${status.clusterName}`,
    `\tSnitch: ${status.snitch}`,
    `\tPartitioner: ${status.partitioner}`,
    `\tLayout: version ${layout.counter}, ${layout.hash}`,
    "",
    "Stats for all nodes:",
    `\tLive: ${live.length}`,
    `\tJoining: ${count("JOINING")}`,
    `\tMoving: ${count("MOVING")}`,
    `\tLeaving: ${count("LEAVING")}`,
    `\tUnreachable: ${members.length - live.length}`,
    "",
    "Data Centers: ",
    ...groupedBy(members, ({ dc }) => dc).map(([dc, inside]) => {
      const down = inside.filter(({ isUp }) => !isUp).length;
      return `\t${dc} #Nodes: ${inside.length} #Down: ${down}`;
    }),
    "",
    "Database versions:",
    ...groupedBy(members, ({ releaseVersion }) => releaseVersion ?? "?").flatMap(
      ([version, inside]) => [`\t${version}: [${addresses(inside)}]`, ""],
    ),
    "Keyspaces:",
    ...keyspaces.map(
      ({ name, replication }) =>
        `\t${name} -> Replication class: ${replication.class} ${optionsText(replication.options)}`,
    ),
    "",
  ];
  return lines.join("\n");
}

function addresses(members: readonly MemberJson[]): string {
  return members.map(({ address }) => address).join(", ");
}

/** `{dc1=3, dc2=3}`, as Java writes a map. */
export function optionsText(options: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  return `{${pairs.join(", ")}}`;
}
