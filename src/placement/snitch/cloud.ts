/**
 * Datacenter and rack from the names that cloud providers give their regions and zones.
 *
 * Source: Cassandra `locator/Ec2Snitch`, `locator/GoogleCloudSnitch`, `locator/AzureSnitch`.
 */
import { type Location, SnitchError } from "./location.ts";
import type { RackdcFile } from "./rackdc-file.ts";

const UNKNOWN_DC = "UNKNOWN-DC";
const UNKNOWN_RACK = "UNKNOWN-RACK";

/**
 * Amazon: the zone `us-east-1a` is rack `us-east-1a` in `us-east-1`; by the legacy names, older than
 * Cassandra 4.0, rack `1a` in `us-east`.
 */
export function ec2Location(
  zone: string,
  options: Pick<RackdcFile, "dcSuffix" | "ec2NamingScheme">,
): Location {
  if (!/^[a-z\d-]*\d[a-z]+$/.test(zone)) {
    throw new SnitchError("EC2 availability zone", zone, "a zone such as us-east-1a");
  }
  const { dcSuffix } = options;
  switch (options.ec2NamingScheme) {
    case "standard":
      return { dc: zone.replace(/[a-z]+$/, "") + dcSuffix, rack: zone };
    case "legacy": {
      const region = zone.slice(0, -1);
      // Only the first region of a place loses its number, as it was when there was no second.
      const dc = region.endsWith("1") ? region.slice(0, -2) : region;
      return { dc: dc + dcSuffix, rack: zone.slice(zone.lastIndexOf("-") + 1) };
    }
  }
}

/** Google: the zone `us-central1-a`, or its path, is rack `a` in `us-central1`. */
export function googleLocation(zonePath: string, dcSuffix: string): Location {
  const zone = zonePath.slice(zonePath.lastIndexOf("/") + 1).trim();
  const dash = zone.lastIndexOf("-");
  if (dash <= 0 || dash === zone.length - 1) {
    throw new SnitchError("Google zone", zonePath, "a zone such as us-central1-a");
  }
  return { dc: zone.slice(0, dash) + dcSuffix, rack: zone.slice(dash + 1) };
}

/** What Azure's metadata service says; absent and empty fields are the same. */
export interface AzureMetadata {
  readonly location?: string | undefined;
  readonly zone?: string | undefined;
  readonly platformFaultDomain?: string | undefined;
}

/** Azure: the location is the datacenter; the zone, or else the fault domain, is the rack. */
export function azureLocation(metadata: AzureMetadata, dcSuffix: string): Location {
  const { location, zone, platformFaultDomain } = metadata;
  return {
    dc: (location || UNKNOWN_DC) + dcSuffix,
    rack: `rack-${zone || platformFaultDomain || UNKNOWN_RACK}`,
  };
}
