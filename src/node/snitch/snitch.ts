/**
 * Where this member stands, found out when it starts. The rules are in `placement/snitch`; here is the
 * contact with files and metadata services.
 */
import type { Clock, Logger } from "../../model/deps.ts";
import { type Location, SIMPLE_LOCATION, inferLocation } from "../../placement/snitch/location.ts";
import { locationOfRackdcFile, parseRackdcFile } from "../../placement/snitch/rackdc-file.ts";
import { parseAddress } from "../../util/address.ts";
import { must, unreachable } from "../../util/assert.ts";
import type { NodeOptions, SnitchKind } from "../options-table.ts";
import { cloudLocation } from "./metadata.ts";
import { TopologyWatcher, snitchFileText } from "./topology-watcher.ts";

/** As Cassandra calls them; `describecluster` shows it. */
export const SNITCH_NAMES: Readonly<Record<SnitchKind, string>> = {
  configured: "ConfiguredSnitch",
  simple: "SimpleSnitch",
  rackinferring: "RackInferringSnitch",
  propertyfile: "PropertyFileSnitch",
  gossipingpropertyfile: "GossipingPropertyFileSnitch",
  ec2: "Ec2Snitch",
  gce: "GoogleCloudSnitch",
  azure: "AzureSnitch",
};

export interface SnitchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hosts of the members that are alive, this one included. */
  readonly liveHosts: () => readonly string[];
}

export class Snitch {
  readonly #deps: SnitchDeps;
  readonly #options: NodeOptions;
  #watcher: TopologyWatcher | undefined;

  constructor(deps: SnitchDeps, options: NodeOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Finds this member's place; rejects with SnitchError. */
  async locate(): Promise<Location> {
    const { kind, file, metadataUrl } = this.#options.snitch;
    switch (kind) {
      case "configured":
        return { dc: this.#options.dc, rack: this.#options.rack };
      case "simple":
        return SIMPLE_LOCATION;
      case "rackinferring":
        return inferLocation(this.#host);
      case "propertyfile":
        this.#watcher = new TopologyWatcher(this.#deps, {
          file: must(file, "the options hold the file"),
        });
        return this.#watcher.locate(this.#host);
      case "gossipingpropertyfile":
        return locationOfRackdcFile(
          parseRackdcFile(await snitchFileText(must(file, "the options hold the file"))),
        );
      case "ec2":
      case "gce":
      case "azure": {
        const rackdc = parseRackdcFile(file === undefined ? "" : await snitchFileText(file));
        return cloudLocation({ kind, url: metadataUrl, rackdc });
      }
      default:
        return unreachable(kind);
    }
  }

  /** Watches the file that it found the place in, if there is one, until it is stopped. */
  watch(): void {
    this.#watcher?.start();
  }

  async stop(): Promise<void> {
    await this.#watcher?.stop();
  }

  /** The host by which the other members know this one. */
  get #host(): string {
    const { advertise, host } = this.#options.internode;
    return advertise === undefined ? host : parseAddress(advertise).host;
  }
}
