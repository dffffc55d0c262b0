/** `describering`: the ranges of a keyspace with their replicas, in nodetool's layout. */
import { must } from "../../util/assert.ts";
import type { MemberJson, RangeJson, StatusJson } from "../../http/views.ts";
import { type ClientCommand, KEYSPACE, requiredArgument } from "./client-command.ts";

export const describeringCommand: ClientCommand = {
  name: "describering",
  description: "The token ranges of a keyspace with their replicas",
  arguments: [KEYSPACE],
  run: async (client, input) => {
    const keyspace = requiredArgument(input, 0);
    const [status, ranges] = await Promise.all([client.status(), client.ranges(keyspace)]);
    const json = { keyspace, layout: status.layout, members: status.members, ranges };
    return { json, text: describeringText(status, ranges) };
  },
};

export function describeringText(status: StatusJson, ranges: readonly RangeJson[]): string {
  const members = new Map(status.members.map((member) => [member.id, member]));
  const lines = ranges.map((range) => `\t${rangeText(range, members)}`);
  return [`Schema Version:${status.layout.hash}`, "TokenRange: ", ...lines, ""].join("\n");
}

function rangeText(range: RangeJson, members: ReadonlyMap<string, MemberJson>): string {
  // Both answers come from one member, but a replica may join between them.
  const replicas = range.replicas.flatMap((id) => members.get(id) ?? []);
  const endpoints = replicas.map(({ address }) => address).join(", ");
  const clients = replicas.map(({ respAddress }) => respAddress ?? "?").join(", ");
  const details = replicas
    .map(
      ({ address, dc, rack }) =>
        `EndpointDetails(host:${hostOf(address)}, datacenter:${dc}, rack:${rack})`,
    )
    .join(", ");
  return (
    `TokenRange(start_token:${range.startToken}, end_token:${range.endToken}, ` +
    `endpoints:[${endpoints}], rpc_endpoints:[${clients}], endpoint_details:[${details}])`
  );
}

function hostOf(address: string): string {
  return must(address.split(/:\d+$/)[0], "splitting gives one part at least");
}
