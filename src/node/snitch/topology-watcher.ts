/**
 * `cassandra-topology.properties` while the member runs: read again every five seconds, as Cassandra
 * does. A file that would move a live member to another datacenter or rack is refused as a
 * whole, because its data are where the old place put them; what is in force stays in force.
 */
import { readFile } from "node:fs/promises";
import type { Clock, Logger, Timer } from "../../model/deps.ts";
import {
  type TopologyFile,
  locate,
  movedMembers,
  parseTopologyFile,
} from "../../placement/snitch/property-file.ts";
import { type Location, SnitchError } from "../../placement/snitch/location.ts";

const CHECK_INTERVAL_MS = 5000;

export interface TopologyWatcherDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hosts of the members that are alive, this one included. */
  readonly liveHosts: () => readonly string[];
}

export interface TopologyWatcherOptions {
  readonly file: string;
  readonly checkIntervalMs?: number | undefined;
}

export class TopologyWatcher {
  readonly #deps: TopologyWatcherDeps;
  readonly #options: TopologyWatcherOptions;
  #text: string | undefined;
  #topology: TopologyFile | undefined;
  #timer: Timer | undefined;
  #check: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(deps: TopologyWatcherDeps, options: TopologyWatcherOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Reads the file for the first time; throws SnitchError if it has no word on this host. */
  async locate(host: string): Promise<Location> {
    const text = await snitchFileText(this.#options.file);
    this.#topology = parseTopologyFile(text);
    this.#text = text;
    return locate(this.#topology, host);
  }

  start(): void {
    this.#isStopped = false;
    this.#schedule();
  }

  /** Resolves when no check is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#check;
  }

  #schedule(): void {
    const intervalMs = this.#options.checkIntervalMs ?? CHECK_INTERVAL_MS;
    this.#timer = this.#deps.clock.setTimer(intervalMs, () => {
      this.#check = this.#reload().finally(() => {
        if (!this.#isStopped) this.#schedule();
      });
    });
  }

  async #reload(): Promise<void> {
    const { file } = this.#options;
    const { logger } = this.#deps;
    try {
      const text = await snitchFileText(file);
      if (text === this.#text || this.#topology === undefined) return;
      this.#text = text;
      const next = parseTopologyFile(text);
      const before = this.#topology;
      const known = this.#deps.liveHosts().filter((host) => isKnown(before, host));
      const moved = movedMembers(before, next, known);
      if (moved.length > 0) {
        logger.error("snitch.change-refused", { file, members: moved });
        return;
      }
      this.#topology = next;
      logger.info("snitch.file-reloaded", { file });
    } catch (error) {
      if (!(error instanceof SnitchError)) throw error;
      logger.error("snitch.file-unusable", { file, reason: error.message });
    }
  }
}

/** A file of a snitch; throws SnitchError if it cannot be read. */
export async function snitchFileText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SnitchError(file, reason, "a file that can be read");
  }
}

function isKnown({ locations, fallback }: TopologyFile, host: string): boolean {
  try {
    locate({ locations, fallback }, host);
    return true;
  } catch {
    return false;
  }
}
