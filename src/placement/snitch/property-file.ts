/**
 * `cassandra-topology.properties`: lines `address=DC:RACK` and `default=DC:RACK`. The same file on
 * every member; it may be changed while they run, but a member that is alive cannot move.
 *
 * Source: Cassandra `locator/PropertyFileSnitch`.
 */
import { canonicalAddress } from "./address.ts";
import { type Location, SnitchError } from "./location.ts";
import { parseProperties } from "./properties.ts";

/** The file, read. */
export interface TopologyFile {
  /** By canonical address. */
  readonly locations: ReadonlyMap<string, Location>;
  readonly fallback: Location | undefined;
}

const FALLBACK_KEY = "default";

/** Reads the text of the file. An entry without both parts stands for `default:default`. */
export function parseTopologyFile(text: string): TopologyFile {
  const locations = new Map<string, Location>();
  let fallback: Location | undefined;
  for (const [key, value] of parseProperties(text)) {
    const [dc, rack] = value.split(":").map((part) => part.trim());
    const location =
      dc === undefined || rack === undefined ? { dc: "default", rack: "default" } : { dc, rack };
    if (key === FALLBACK_KEY) fallback = location;
    else locations.set(canonicalAddress(key.replaceAll("/", "")), location);
  }
  return { locations, fallback };
}

/** Where the member at this address stands; throws SnitchError if the file has no word on it. */
export function locate(file: TopologyFile, address: string): Location {
  const location = file.locations.get(canonicalAddress(address)) ?? file.fallback;
  if (location === undefined) {
    const expected = `a line for it, or one for ${FALLBACK_KEY}`;
    throw new SnitchError("cassandra-topology.properties", address, expected);
  }
  return location;
}

/** The live addresses that the new file would move; such a file is refused as a whole. */
export function movedMembers(
  before: TopologyFile,
  after: TopologyFile,
  liveAddresses: readonly string[],
): readonly string[] {
  return liveAddresses.filter((address) => {
    const old = locate(before, address);
    const now = after.locations.get(canonicalAddress(address)) ?? after.fallback;
    return now?.dc !== old.dc || now.rack !== old.rack;
  });
}
