/**
 * Reads what `nodetool ring` and `nodetool describering` print (and ours, and ScyllaDB's) back into
 * members and ranges. Layouts of Cassandra 2.1 to 5.0.
 *
 * `ring` shows every token with its owner, datacenter and rack, but no replication. `describering` shows
 * the ranges of one keyspace with their replicas; the first replica is taken for the owner of the
 * token that ends the range. That is so wherever the owner's datacenter has replicas of the keyspace;
 * where it has none the token counts for the first replica, which places this keyspace the same.
 */
import { CliError } from "../exit-codes.ts";

/** A member with its tokens as text. */
export interface ListedMember {
  readonly address: string;
  readonly dc: string;
  readonly rack: string;
  readonly tokens: readonly string[];
}

/** A range and its replicas as the cluster itself places them. */
export interface ListedRange {
  readonly endToken: string;
  readonly endpoints: readonly string[];
}

export interface Listing {
  readonly members: readonly ListedMember[];
  /** Of describering only. */
  readonly ranges: readonly ListedRange[];
  /** What was left out, for the user. */
  readonly notes: readonly string[];
}

/** Tells the two outputs apart; throws CliError that names the line where something is wrong. */
export function parseNodetool(text: string, source: string): Listing {
  const lines = text.split(/\r?\n/);
  const listing = /TokenRange\(/.test(text) ? describeringOf(lines, source) : ringOf(lines, source);
  if (listing.members.length === 0) {
    const expected = "the output of 'nodetool ring' or 'nodetool describering <keyspace>'";
    throw new CliError("usage", `${source} holds no members, expected ${expected}`);
  }
  return listing;
}

/** Address, rack, status, state, load, owns, token; racks and loads may hold blanks. */
const RING_LINE =
  /^(\S+)\s+(\S.*?)\s+(?:Up|Down|\?)\s+(Normal|Joining|Leaving|Moving)\s+.*?(?:[\d.,]+%|\?)\s+(\S+)\s*$/;

function ringOf(lines: readonly string[], source: string): Listing {
  const members = new Map<
    string,
    { address: string; dc: string; rack: string; tokens: string[] }
  >();
  const joining = new Set<string>();
  let dc: string | undefined;
  for (const [index, line] of lines.entries()) {
    const heading = /^Datacenter:\s*(.+?)\s*$/.exec(line);
    if (heading !== null) dc = heading[1];
    // The rule, the column heads and the line with only the last token say nothing new.
    const isFrame = /^(?:=+|Address\s.*|\s+\S+)?\s*$/.test(line);
    if (line.trim() === "" && dc !== undefined && hasMembers(members, dc)) dc = undefined;
    if (heading !== null || isFrame || dc === undefined) continue;
    const [, address = "", rack = "", state, token = ""] = RING_LINE.exec(line) ?? [];
    if (state === undefined) {
      const expected = "Address Rack Status State Load Owns Token";
      throw new CliError(
        "usage",
        `${source}:${index + 1}: '${line}' is no line of a ring, expected ${expected}`,
      );
    }
    if (state === "Joining") {
      joining.add(address);
      continue;
    }
    const key = JSON.stringify([dc, address]);
    const member = members.get(key) ?? { address, dc, rack, tokens: [] };
    member.tokens.push(token);
    members.set(key, member);
  }
  const notes = [...joining].map((address) => `${address} is joining and was left out`);
  return { members: [...members.values()], ranges: [], notes };
}

function hasMembers(members: ReadonlyMap<string, { readonly dc: string }>, dc: string): boolean {
  return [...members.values()].some((member) => member.dc === dc);
}

const RANGE_LINE =
  /TokenRange\(start_token:(.*), end_token:(.*), endpoints:\[(.*?)\], rpc_endpoints:\[.*?\], endpoint_details:\[(.*)\]\)\s*$/;
const DETAILS = /EndpointDetails\(host:([^,]*), datacenter:(.*?), rack:(.*?)\)/g;

function describeringOf(lines: readonly string[], source: string): Listing {
  const places = new Map<string, { dc: string; rack: string }>();
  const tokens = new Map<string, string[]>();
  const ranges: ListedRange[] = [];
  for (const [index, line] of lines.entries()) {
    if (!line.includes("TokenRange(")) continue;
    const [, , endToken = "", list, details = ""] = RANGE_LINE.exec(line) ?? [];
    const endpoints = (list ?? "").split(", ").filter((address) => address !== "");
    const [owner] = endpoints;
    const hosts = [...details.matchAll(DETAILS)];
    if (owner === undefined || hosts.length !== endpoints.length) {
      const expected = "start_token, end_token, endpoints and as many endpoint_details";
      throw new CliError(
        "usage",
        `${source}:${index + 1}: no range with replicas, expected ${expected}`,
      );
    }
    for (const [at, [, , dc = "", rack = ""]] of hosts.entries()) {
      places.set(endpoints[at] ?? "", { dc, rack });
    }
    tokens.set(owner, [...(tokens.get(owner) ?? []), endToken]);
    ranges.push({ endToken, endpoints });
  }
  const members = [...places].map(([address, place]) => ({
    address,
    ...place,
    tokens: tokens.get(address) ?? [],
  }));
  return { members, ranges, notes: [] };
}
