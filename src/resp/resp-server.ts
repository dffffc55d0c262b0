/**
 * The RESP front end of one member: any Redis client may talk to any member.
 *
 * It stands on KvApi and AdminApi alone and has no data of its own. Stopping is graceful: nothing new
 * is accepted, commands that run are answered, then connections close; what has not ended after
 * `stopTimeoutMs` is cut off.
 *
 * A member that cannot serve closes connections, because clients know what to do then: try again, or
 * try another member. An error to each of their commands would reach the application. So new clients
 * of a member that does not serve yet are sent away, and all of one that serves no more: it was
 * drained, or has left the ring.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { AdminApi } from "../model/admin-api.ts";
import type { Clock, Logger, Timer } from "../model/deps.ts";
import type { KvApi } from "../model/kv-api.ts";
import { assert } from "../util/assert.ts";
import type { CommandTable } from "./commands/command-table.ts";
import { createCommandTable } from "./commands/table.ts";
import {
  type Client,
  createRespStats,
  DEFAULT_RESP_SERVER_LIMITS,
  type RespServerLimits,
  type RespStats,
  type ServerContext,
} from "./context.ts";
import { SocketConnection } from "./socket-connection.ts";
import { TurnEnd } from "./turn-end.ts";

export interface RespServerDeps {
  readonly kv: KvApi;
  readonly admin: AdminApi;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RespServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly limits?: Partial<RespServerLimits> | undefined;
  /** How long `stop` waits for running commands and unsent replies. Default: 5000. */
  readonly stopTimeoutMs?: number | undefined;
  /** Size of the read buffer that connections share; 0 has Node.js allocate one per read. */
  readonly readBufferBytes?: number | undefined;
}

export interface RespServerAddress {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_STOP_TIMEOUT_MS = 5000;
const DEFAULT_READ_BUFFER_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 300_000;
const TOO_MANY_CLIENTS = "-ERR max number of clients reached\r\n";

export class RespServer implements ServerContext {
  readonly kv: KvApi;
  readonly admin: AdminApi;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: RespServerLimits;
  readonly stats: RespStats = createRespStats();
  readonly #options: RespServerOptions;
  readonly #table: CommandTable = createCommandTable();
  readonly #turnEnd: TurnEnd;
  readonly #readBuffer: Uint8Array | undefined;
  readonly #connections = new Set<SocketConnection>();
  #server: Server | undefined = undefined;
  #address: RespServerAddress;
  #nextClientId = 1;
  /** Called when the last connection closes while the server stops. */
  #onEmpty: (() => void) | undefined = undefined;
  /** Cuts off those whose connections do not end. */
  #drainTimer: Timer | undefined = undefined;

  constructor(deps: RespServerDeps, options: RespServerOptions) {
    this.kv = deps.kv;
    this.admin = deps.admin;
    this.clock = deps.clock;
    this.logger = deps.logger;
    this.limits = { ...DEFAULT_RESP_SERVER_LIMITS, ...options.limits };
    this.#options = options;
    this.#address = { host: options.host, port: options.port };
    this.#turnEnd = new TurnEnd({ clock: deps.clock });
    const sizeBytes = options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES;
    this.#readBuffer = sizeBytes > 0 ? new Uint8Array(sizeBytes) : undefined;
  }

  /** Listens. Fails as `net.Server.listen` fails, e.g. with EADDRINUSE. */
  async start(): Promise<RespServerAddress> {
    assert(this.#server === undefined, "a RESP server starts once");
    const server = createServer(
      {
        pauseOnConnect: true,
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      },
      (socket) => this.#accept(socket),
    );
    this.#server = server;
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    server.on("error", (error) => this.logger.error("resp.listener-failed", { error }));
    this.admin.onRefusing((reason) => this.#sendAway(reason));
    const bound = server.address();
    assert(typeof bound === "object" && bound !== null, "a TCP server has an address");
    this.#address = { host, port: bound.port };
    this.logger.info("resp.listening", { host, port: bound.port });
    return this.#address;
  }

  /** Resolves when the port is free and every connection is closed. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined || !server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    this.#drainTimer?.cancel();
    this.#drain("the server stops");
    if (this.#connections.size === 0) this.#onEmpty?.();
    await empty;
    await closed;
    this.#drainTimer?.cancel();
    this.logger.info("resp.stopped", { port: this.#address.port });
  }

  /** Where clients connect to; the port is known once the server has started. */
  address(): RespServerAddress {
    return this.#address;
  }

  *clients(): Iterable<Client> {
    for (const { session } of this.#connections) yield session;
  }

  /** Why a new client is sent away, if it is. */
  #refusal(): string | undefined {
    if (this.#connections.size >= this.limits.maxClients) return TOO_MANY_CLIENTS;
    const { isReady, reason } = this.admin.readiness();
    return isReady ? undefined : `-NOTREADY this member cannot serve: ${reason}\r\n`;
  }

  #accept(socket: Socket): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.stats.connectionsRejected++;
      socket.on("error", () => {});
      socket.end(refusal, () => socket.destroy());
      return;
    }
    this.stats.connectionsAccepted++;
    const connection = new SocketConnection(
      {
        server: this,
        table: this.#table,
        turnEnd: this.#turnEnd,
        readBuffer: this.#readBuffer,
        onClosed: (closed) => this.#forget(closed),
      },
      socket,
      this.#nextClientId++,
    );
    this.#connections.add(connection);
  }

  /** The member serves no more, and goes on as a replica perhaps. */
  #sendAway(reason: string): void {
    if (this.#connections.size === 0 || this.#onEmpty !== undefined) return;
    this.logger.info("resp.clients-sent-away", { clients: this.#connections.size, reason });
    this.#drainTimer?.cancel();
    this.#drain(`the member does not serve: ${reason}`);
  }

  /** Ends every connection: what runs is answered, what does not end in time is cut off. */
  #drain(reason: string): void {
    const timeoutMs = this.#options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;
    this.#drainTimer = this.clock.setTimer(timeoutMs, () => {
      for (const { session } of this.#connections) session.kill(reason);
    });
    for (const { session } of this.#connections) session.drain();
  }

  #forget(connection: SocketConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }
}
