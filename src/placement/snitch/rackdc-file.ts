/**
 * `cassandra-rackdc.properties`: what a member says of itself, and gossips. The cloud snitches read
 * the suffix and the naming scheme from the same file.
 *
 * Source: Cassandra `locator/GossipingPropertyFileSnitch`, `locator/SnitchProperties`.
 */
import { type Location, SnitchError } from "./location.ts";
import { parseProperties } from "./properties.ts";

const FILE = "cassandra-rackdc.properties";

/** The file, read; what is not set is undefined or its default. */
export interface RackdcFile {
  readonly dc: string | undefined;
  readonly rack: string | undefined;
  /** Talk to members of the own datacenter on their internal addresses. */
  readonly preferLocal: boolean;
  /** Appended to the datacenter that a cloud snitch finds. */
  readonly dcSuffix: string;
  readonly ec2NamingScheme: "standard" | "legacy";
}

/** Reads the text of the file; throws SnitchError for an unknown naming scheme. */
export function parseRackdcFile(text: string): RackdcFile {
  const properties = parseProperties(text);
  const value = (key: string): string | undefined => properties.get(key)?.trim() || undefined;
  const scheme = value("ec2_naming_scheme") ?? "standard";
  if (scheme !== "standard" && scheme !== "legacy") {
    throw new SnitchError(`${FILE}, ec2_naming_scheme`, scheme, "standard or legacy");
  }
  return {
    dc: value("dc"),
    rack: value("rack"),
    preferLocal: value("prefer_local")?.toLowerCase() === "true",
    dcSuffix: value("dc_suffix") ?? "",
    ec2NamingScheme: scheme,
  };
}

/** Where GossipingPropertyFileSnitch says the member stands; throws SnitchError unless both are set. */
export function locationOfRackdcFile(file: RackdcFile): Location {
  const { dc, rack } = file;
  if (dc === undefined) throw new SnitchError(`${FILE}, dc`, "", "the name of a datacenter");
  if (rack === undefined) throw new SnitchError(`${FILE}, rack`, "", "the name of a rack");
  return { dc, rack };
}
