/**
 * What `dynaring up` starts: members, their ports and their files. Member i listens on base port + i
 * for Redis, + 1000 for other members, + 2000 for HTTP: 6401, 7401, 8401 and so on.
 */
import { join } from "node:path";
import { hasNoWidths } from "../../layout/ring-measure.ts";

export const DEFAULT_BASE_PORT = 6400;
export const NODES_MAX = 32;
const HOST = "127.0.0.1";
const INTERNODE_OFFSET = 1000;
const HTTP_OFFSET = 2000;
export const BASE_PORT_MIN = 1024;
export const BASE_PORT_MAX: number = 65_535 - HTTP_OFFSET - NODES_MAX;

export interface RingOptions {
  readonly nodes: number;
  /** A rack per member, instead of one for all. */
  readonly hasRacks: boolean;
  /** In full. */
  readonly partitioner: string;
  readonly basePort: number;
  /** Where configuration, logs and, unless in memory, data are. */
  readonly directory: string;
  readonly isInMemory: boolean;
}

export interface MemberPlan {
  readonly number: number;
  readonly internodePort: number;
  readonly respPort: number;
  readonly httpPort: number;
  readonly httpUrl: string;
  readonly configFile: string;
  readonly logFile: string;
  /** What its configuration file says. */
  readonly config: Readonly<Record<string, unknown>>;
}

export function planRing(options: RingOptions): readonly MemberPlan[] {
  return Array.from({ length: options.nodes }, (_, index) => planMember(options, index + 1));
}

function planMember(options: RingOptions, number: number): MemberPlan {
  const { basePort, directory, hasRacks, isInMemory, partitioner } = options;
  const respPort = basePort + number;
  const internodePort = respPort + INTERNODE_OFFSET;
  const httpPort = respPort + HTTP_OFFSET;
  const name = `member${number}`;
  const config = {
    ...(!isInMemory && { dataDirectory: join(directory, name) }),
    partitioner,
    // Rings of ordered partitioners have no widths to balance.
    ...(hasNoWidths(partitioner) && { allocator: "random" }),
    rack: hasRacks ? `rack${number}` : "rack1",
    seeds: [`${HOST}:${basePort + INTERNODE_OFFSET + 1}`],
    internode: { host: HOST, port: internodePort },
    resp: { host: HOST, port: respPort },
    http: { host: HOST, port: httpPort },
  };
  return {
    number,
    internodePort,
    respPort,
    httpPort,
    httpUrl: `http://${HOST}:${httpPort}`,
    configFile: join(directory, `${name}.yaml`),
    logFile: join(directory, `${name}.log`),
    config,
  };
}
