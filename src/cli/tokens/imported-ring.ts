/**
 * A ring file made of what a cluster says of itself.
 *
 * `describering` shows replicas but not the replication that made them. It is found by trying: a
 * NetworkTopologyStrategy with as many replicas in each datacenter as the ranges have, then a
 * SimpleStrategy; the first that places every range as the cluster does is taken.
 */
import { TokenError } from "../../ring/token.ts";
import type { Partitioner } from "../../ring/partitioner.ts";
import { ReplicationError, parseReplication } from "../../placement/strategy.ts";
import { CliError } from "../exit-codes.ts";
import type { ListedMember, Listing } from "./nodetool.ts";
import { placeRing } from "./placed-ring.ts";
import type { AnyToken, RingFile } from "./ring-file.ts";

type Options = Readonly<Record<string, string>>;

export interface Imported {
  readonly ring: RingFile;
  /** What the user should know. */
  readonly notes: readonly string[];
}

export interface KeyspaceOptions {
  readonly name: string;
  readonly options: Options;
}

/** Throws CliError if a token or a keyspace's replication cannot be read. */
export function importedRing(
  partitioner: Partitioner<AnyToken>,
  listed: readonly ListedMember[],
  keyspaces: readonly KeyspaceOptions[],
): RingFile {
  const members = listed.map(({ address, dc, rack, tokens }) => ({
    name: address,
    dc,
    rack,
    weight: 1,
    tokens: parsedTokens(partitioner, address, tokens),
  }));
  const datacenters = [...new Set(members.map(({ dc }) => dc))];
  return {
    partitioner,
    members,
    keyspaces: keyspaces.map(({ name, options }) => {
      const { class: strategy = "", ...factors } = options;
      try {
        const replication = parseReplication({ class: strategy, options: factors }, datacenters);
        return { name, options: shortened(options), replication };
      } catch (error) {
        if (!(error instanceof ReplicationError)) throw error;
        throw new CliError("usage", `keyspace ${name}: ${error.message}`);
      }
    }),
  };
}

/** The ring of nodetool's output, with the keyspace that explains the ranges it shows. */
export function ringOfListing(
  partitioner: Partitioner<AnyToken>,
  listing: Listing,
  keyspace: { readonly name: string; readonly options: Options | undefined },
): Imported {
  const { members, ranges, notes } = listing;
  const { name, options } = keyspace;
  if (options !== undefined || ranges.length === 0) {
    const keyspaces = options === undefined ? [] : [{ name, options }];
    const ring = importedRing(partitioner, members, keyspaces);
    return { ring, notes: [...notes, ...differenceNotes(ring, listing)] };
  }
  const candidates = guesses(listing).map((guess) =>
    importedRing(partitioner, members, [{ name, options: guess }]),
  );
  const best = candidates.toSorted((a, b) => differences(a, listing) - differences(b, listing))[0];
  const ring = best ?? importedRing(partitioner, members, []);
  return { ring, notes: [...notes, ...differenceNotes(ring, listing)] };
}

/** Replications that may have made the ranges, the likelier first. */
function guesses({ members, ranges }: Listing): readonly Options[] {
  const dcOf = new Map(members.map(({ address, dc }) => [address, dc]));
  const counts: Record<string, number> = {};
  for (const { endpoints } of ranges) {
    for (const dc of new Set(dcOf.values())) {
      const count = endpoints.filter((address) => dcOf.get(address) === dc).length;
      counts[dc] = Math.max(counts[dc] ?? 0, count);
    }
  }
  const factors = Object.entries(counts).filter(([, count]) => count > 0);
  const total = Math.max(0, ...ranges.map(({ endpoints }) => endpoints.length));
  return [
    {
      class: "NetworkTopologyStrategy",
      ...Object.fromEntries(factors.map(([dc, count]) => [dc, String(count)])),
    },
    { class: "SimpleStrategy", replication_factor: String(total) },
  ];
}

/** How many ranges the cluster places on other members. Their order is no difference. */
function differences(ring: RingFile, { ranges }: Listing): number {
  const [keyspace] = ring.keyspaces;
  if (keyspace === undefined) return 0;
  const { partitioner } = ring;
  const placed = placeRing(ring, keyspace.replication);
  const replicas = new Map(
    placed
      .ranges()
      .map(({ end, replicas: set }) => [
        partitioner.format(end),
        setText(set.members.map((member) => ring.members[member]?.name ?? "")),
      ]),
  );
  return ranges.filter(({ endToken, endpoints }) => {
    const end = partitioner.format(partitioner.parse(endToken));
    return replicas.get(end) !== setText(endpoints);
  }).length;
}

function differenceNotes(ring: RingFile, listing: Listing): readonly string[] {
  const count = differences(ring, listing);
  const [keyspace] = ring.keyspaces;
  if (count === 0 || keyspace === undefined) return [];
  const hint = "name the replication with --replication, and check the partitioner";
  return [
    `the cluster places ${count} of ${listing.ranges.length} ranges otherwise than ` +
      `${JSON.stringify(keyspace.options)} would; ${hint}`,
  ];
}

function setText(names: readonly string[]): string {
  return names.toSorted().join(" ");
}

/** Class names without Cassandra's package. */
function shortened(options: Options): Options {
  const strategy = (options["class"] ?? "").replace(/^org\.apache\.cassandra\.locator\./, "");
  return { ...options, class: strategy };
}

function parsedTokens(
  partitioner: Partitioner<AnyToken>,
  address: string,
  texts: readonly string[],
): readonly AnyToken[] {
  try {
    return texts
      .map((text) => partitioner.parse(text))
      .toSorted((a, b) => partitioner.compare(a, b));
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const hint = `is it a ring of the ${partitioner.name}? (--partitioner)`;
    throw new CliError("usage", `${address}: ${error.message}; ${hint}`);
  }
}
