/**
 * A member inside this program: the real clock, chance, disk and sockets around `Member`.
 *
 *     const node = createNode({ dataDirectory: "./data" });
 *     await node.start();
 *     await node.createKeyspace({ name: "shop", replicationFactor: 1 });
 *     await node.keyspace("shop").put("cart:42", "...");
 */
import { join } from "node:path";
import type { AdminApi, KeyspaceDefinition, KeyspaceView } from "../model/admin-api.ts";
import { type Logger, silentLogger } from "../model/deps.ts";
import type { KvApi } from "../model/kv-api.ts";
import type { Disk } from "../storage/disk.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { LmdbEngine } from "../storage/lmdb/lmdb-engine.ts";
import { LogEngine } from "../storage/log/log-engine.ts";
import { MemoryDisk } from "../storage/memory-disk.ts";
import { RealDisk } from "../storage/real-disk.ts";
import { TcpTransport } from "../transport/tcp/tcp-transport.ts";
import { parseAddress } from "../util/address.ts";
import type { Location } from "../placement/snitch/location.ts";
import { KeyspaceClient } from "./keyspace-client.ts";
import { Member } from "./member.ts";
import type { FrontEndAddresses } from "./membership.ts";
import { type NodeOptions, type NodeOptionsInput, parseNodeOptions } from "./options.ts";
import { realClock } from "./real-clock.ts";
import { RealRng } from "./real-rng.ts";
import { RELEASE_VERSION } from "./release.ts";
import { SNITCH_NAMES, Snitch } from "./snitch/snitch.ts";

/** Frames carry one key and one value, and a little around them. */
const FRAME_OVERHEAD_BYTES = 1024;
/** Scan pages travel in one frame; see coordinator/local-scan.ts. */
const FRAME_BYTES_MIN = 256 * 1024 * 1024;

/** What a member takes from the program around it. */
export interface NodeDeps {
  /** Default: no logs. */
  readonly logger?: Logger | undefined;
}

/** What a new keyspace needs; the rest has defaults. */
export interface KeyspaceInput extends Partial<Omit<KeyspaceDefinition, "name">> {
  /** 1 to 48 letters, digits and underscores. */
  readonly name: string;
  /** Replicas, with SimpleStrategy; default 3. Not together with `replication`. */
  readonly replicationFactor?: number | undefined;
}

/** One member of a ring, embedded in this program. */
export class DynaringNode {
  /** Complete, with defaults. */
  readonly options: NodeOptions;
  readonly #member: Member;
  readonly #snitch: Snitch;
  /** Where the member stands; what the snitch says, once it is started. */
  #location: Location;
  #isStopped = false;

  /** @internal Use `createNode`. */
  constructor(options: NodeOptions, deps: NodeDeps) {
    const logger = deps.logger ?? silentLogger;
    const shared = { clock: realClock, rng: new RealRng(), logger };
    const disk = makeDisk(options);
    this.options = options;
    this.#location = { dc: options.dc, rack: options.rack };
    this.#snitch = new Snitch({ ...shared, liveHosts: () => this.#liveHosts() }, options);
    this.#member = new Member(
      {
        ...shared,
        disk,
        makeEngine: () => makeEngine(options, disk, logger),
        makeTransport: (self) =>
          new TcpTransport(shared, {
            ...self,
            ...options.internode,
            limits: {
              frameBytesMax: Math.max(
                options.limits.keyBytes + options.limits.valueBytes + FRAME_OVERHEAD_BYTES,
                FRAME_BYTES_MIN,
              ),
              queueBytesMax: options.limits.peerQueueBytes,
            },
          }),
      },
      memberOptions(options, () => this.#location),
    );
  }

  /** The data plane that front ends stand on. */
  get kv(): KvApi {
    return this.#member.kv;
  }

  /** The control plane. */
  get admin(): AdminApi {
    return this.#member.admin;
  }

  /** Requests so far, for metrics. */
  get counters(): Readonly<Record<string, number>> {
    const { counters, pendingCount, inFlightBytes } = this.#member.coordinator;
    return { ...counters, pending: pendingCount, inFlightBytes };
  }

  /** `host:port` at which the other members reach this one. Only while it runs. */
  get address(): string {
    return this.#member.address;
  }

  /** Joins the ring, or founds it; resolves when this member serves. Rejects with the reason. */
  async start(frontEnds: FrontEndAddresses = {}): Promise<void> {
    this.#location = await this.#snitch.locate();
    // A stop may have come while the snitch was waiting for an answer.
    if (this.#isStopped) throw new Error("the member was stopped while it started");
    await this.#member.start(frontEnds);
    if (!this.#isStopped) this.#snitch.watch();
  }

  /** Stops gracefully; resolves when nothing is left. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#snitch.stop();
    await this.#member.stop();
  }

  #liveHosts(): readonly string[] {
    const alive = this.admin.status().members.filter(({ isUp }) => isUp);
    return alive.map(({ address }) => parseAddress(address).host);
  }

  /** A keyspace to put to and get from. It need not exist yet. */
  keyspace(name: string): KeyspaceClient {
    return new KeyspaceClient(this.kv, name);
  }

  /** Creates a keyspace; resolves when every live member knows it. Rejects with KvError. */
  createKeyspace(input: KeyspaceInput): Promise<KeyspaceView> {
    return this.admin.createKeyspace({
      name: input.name,
      replication: input.replication ?? {
        class: "SimpleStrategy",
        options: { replication_factor: String(input.replicationFactor ?? 3) },
      },
      readConsistency: input.readConsistency ?? "LOCAL_QUORUM",
      writeConsistency: input.writeConsistency ?? "LOCAL_QUORUM",
      durability: input.durability ?? this.options.durability,
    });
  }
}

/** A member of a ring. Throws ConfigError with every problem of the options at once. */
export function createNode(options: NodeOptionsInput = {}, deps: NodeDeps = {}): DynaringNode {
  return new DynaringNode(parseNodeOptions(options), deps);
}

function makeDisk({ dataDirectory }: NodeOptions): Disk {
  return dataDirectory === undefined
    ? new MemoryDisk({ clock: realClock })
    : new RealDisk(dataDirectory);
}

function makeEngine(options: NodeOptions, disk: Disk, logger: Logger): StorageEngine {
  const { engine, dataDirectory, syncIntervalMs } = options;
  const deps = { clock: realClock, logger };
  if (engine === "lmdb" && dataDirectory !== undefined) {
    const { keyBytes: keyBytesMax, valueBytes: valueBytesMax } = options.limits;
    const directory = join(dataDirectory, "lmdb");
    return new LmdbEngine(deps, { directory, syncIntervalMs, keyBytesMax, valueBytesMax });
  }
  return new LogEngine({ ...deps, disk }, { syncIntervalMs });
}

function memberOptions(
  options: NodeOptions,
  location: () => Location,
): ConstructorParameters<typeof Member>[1] {
  return {
    ...options,
    // Read when the member starts; the snitch knows them by then.
    get dc() {
      return location().dc;
    },
    get rack() {
      return location().rack;
    },
    readTimeoutMs: options.requestTimeoutMs.read,
    writeTimeoutMs: options.requestTimeoutMs.write,
    keyBytesMax: options.limits.keyBytes,
    valueBytesMax: options.limits.valueBytes,
    inFlightBytesMax: options.limits.inFlightBytes,
    streamBytesPerSecond: options.streamThroughputBytes,
    snitch: SNITCH_NAMES[options.snitch.kind],
    releaseVersion: RELEASE_VERSION,
    host: {
      nodeVersion: process.versions.node,
      dataDirectory: options.dataDirectory,
      memory: () => {
        const { heapUsed, heapTotal, rss } = process.memoryUsage();
        return { heapUsedBytes: heapUsed, heapTotalBytes: heapTotal, rssBytes: rss };
      },
    },
  };
}
