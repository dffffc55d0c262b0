/** What commands see of the server that runs them. */
import { DEFAULT_RESP_LIMITS, type RespLimits } from "../codec/resp-parser.ts";
import type { AdminApi } from "../model/admin-api.ts";
import type { Clock, Logger } from "../model/deps.ts";
import type { KvApi } from "../model/kv-api.ts";
import type { ClientState } from "./client-state.ts";

/** Everything about clients that has a limit. */
export interface RespServerLimits extends RespLimits {
  /** Most connections at a time. */
  readonly maxClients: number;
  /** Most commands that one connection has started and not had answered. */
  readonly maxInFlight: number;
  /** Largest reply of a command on many keys. */
  readonly maxReplyBytes: number;
  /** No new command of a connection starts while this much of its output waits or is expected. */
  readonly softOutputBytes: number;
  /** A connection whose output waits to this amount is closed. */
  readonly hardOutputBytes: number;
}

export const DEFAULT_RESP_SERVER_LIMITS: RespServerLimits = {
  ...DEFAULT_RESP_LIMITS,
  maxClients: 10_000,
  maxInFlight: 1024,
  maxReplyBytes: 64 * 1024 * 1024,
  softOutputBytes: 4 * 1024 * 1024,
  hardOutputBytes: 128 * 1024 * 1024,
};

/** Counters since the start of the server. Whoever holds them may read, only sessions write. */
export interface RespStats {
  connectionsAccepted: number;
  connectionsRejected: number;
  clientsKilled: number;
  commandsProcessed: number;
  errorReplies: number;
  protocolErrors: number;
  /** Keys that GET-like commands found, and did not find. */
  keyspaceHits: number;
  keyspaceMisses: number;
  inputBytes: number;
  outputBytes: number;
}

export function createRespStats(): RespStats {
  return {
    connectionsAccepted: 0,
    connectionsRejected: 0,
    clientsKilled: 0,
    commandsProcessed: 0,
    errorReplies: 0,
    protocolErrors: 0,
    keyspaceHits: 0,
    keyspaceMisses: 0,
    inputBytes: 0,
    outputBytes: 0,
  };
}

/** Another connection, as CLIENT LIST and CLIENT KILL see it. */
export interface Client {
  readonly state: ClientState;
  readonly inFlight: number;
  readonly pendingBytes: number;
  readonly outputBytes: number;
  /** Closes it at once. */
  kill(reason: string): void;
}

export interface ServerContext {
  readonly kv: KvApi;
  readonly admin: AdminApi;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: RespStats;
  readonly limits: RespServerLimits;
  /** `host` and `port` that clients connect to. */
  address(): { readonly host: string; readonly port: number };
  clients(): Iterable<Client>;
}
