/**
 * Where a member stands, as a snitch finds out: from its address, from a file, or from a name that
 * a cloud gives it. Everything here is pure; reading files and asking metadata services is done by
 * whoever has the I/O.
 */

/** A datacenter and a rack in it. */
export interface Location {
  readonly dc: string;
  readonly rack: string;
}

/** Text from which no location can be read. */
export class SnitchError extends Error {
  /** The file, address or metadata field it came from. */
  readonly source: string;
  readonly value: string;
  readonly expected: string;

  constructor(source: string, value: string, expected: string) {
    super(`${source}: ${JSON.stringify(value)} is wrong, expected ${expected}`);
    this.name = "SnitchError";
    this.source = source;
    this.value = value;
    this.expected = expected;
  }
}

/** What SimpleSnitch says of every member. Source: Cassandra `locator/SimpleSnitch`. */
export const SIMPLE_LOCATION: Location = { dc: "datacenter1", rack: "rack1" };

/**
 * The second octet of an IPv4 address is the datacenter, the third the rack. Throws SnitchError for
 * anything else.
 *
 * Source: Cassandra `locator/RackInferringSnitch`.
 */
export function inferLocation(address: string): Location {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1).map(Number);
  const [, dc, rack] = octets ?? [];
  if (dc === undefined || rack === undefined || octets?.some((octet) => octet > 255)) {
    throw new SnitchError("address", address, "an IPv4 address such as 10.20.114.15");
  }
  return { dc: String(dc), rack: String(rack) };
}
