/**
 * One production member: the node and its front ends, from start to graceful stop.
 *
 * The front ends listen before the node joins, so that supervisors see /readyz say why it is not
 * ready yet, and so that their addresses are known when the member introduces itself. They also close
 * before it leaves: what clients have under way is answered while the node can still answer.
 */
import { HttpServer } from "../http/server.ts";
import type { Logger } from "../model/deps.ts";
import { type DynaringNode, createNode } from "../node/create-node.ts";
import type { ListenOptions, NodeOptions } from "../node/options-table.ts";
import { realClock } from "../node/real-clock.ts";
import { RELEASE_VERSION } from "../node/release.ts";
import { RespServer } from "../resp/resp-server.ts";
import { InvariantError, must } from "../util/assert.ts";
import { CliError } from "./exit-codes.ts";
import { createMetrics } from "./metrics.ts";

/** A value a little over the limit still gets the store's answer, with both sizes. */
const BULK_MARGIN_BYTES = 1024 * 1024;
const COMMAND_BYTES_MIN = 64 * 1024 * 1024;

export interface MemberServerDeps {
  readonly logger: Logger;
}

export class MemberServer {
  readonly #deps: MemberServerDeps;
  readonly #options: NodeOptions;
  readonly #node: DynaringNode;
  readonly #resp: RespServer | undefined;
  readonly #http: HttpServer | undefined;
  #isNodeStarted = false;

  constructor(deps: MemberServerDeps, options: NodeOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#node = makeNode(deps, options);
    this.#resp = options.resp && this.#makeResp(options.resp);
    this.#http = options.http && this.#makeHttp(options.http);
  }

  /** Resolves when the member serves; rejects with a CliError, stopped, when it cannot. */
  async start(): Promise<void> {
    try {
      const httpAddress = await this.#startHttp();
      const respAddress = await this.#startResp();
      this.#isNodeStarted = true;
      await this.#node.start({ httpAddress, respAddress }).catch((error: unknown) => {
        throw startError(error, "internode", this.#options.internode);
      });
    } catch (error) {
      await this.stop();
      throw error;
    }
    const { clusterName, dataDirectory } = this.#options;
    this.#deps.logger.info("member.serving", { clusterName, dataDirectory, ...this.addresses() });
  }

  /** Where it listens; only while it runs. */
  addresses(): { internode: string; resp: string | undefined; http: string | undefined } {
    return {
      internode: this.#node.address,
      resp: this.#resp && addressText(this.#resp.address()),
      http: this.#http && addressText(this.#httpAddress()),
    };
  }

  async stop(): Promise<void> {
    await this.#resp?.stop();
    await this.#http?.stop();
    if (this.#isNodeStarted) await this.#node.stop();
  }

  #makeResp({ host, port, maxConnections }: NonNullable<NodeOptions["resp"]>): RespServer {
    const { kv, admin } = this.#node;
    const { valueBytes } = this.#options.limits;
    const limits = {
      maxClients: maxConnections,
      maxBulkBytes: valueBytes + BULK_MARGIN_BYTES,
      maxCommandBytes: Math.max(2 * valueBytes, COMMAND_BYTES_MIN),
    };
    return new RespServer({ kv, admin, clock: realClock, ...this.#deps }, { host, port, limits });
  }

  #makeHttp({ host, port }: ListenOptions): HttpServer {
    const { kv, admin } = this.#node;
    const metrics = createMetrics({
      admin,
      counters: () => this.#node.counters,
      resp: () => this.#resp?.stats,
    });
    return new HttpServer(
      { kv, admin, metrics, ...this.#deps },
      {
        host,
        port,
        valueLimitBytes: this.#options.limits.valueBytes,
        durability: this.#options.durability,
        releaseVersion: RELEASE_VERSION,
      },
    );
  }

  async #startHttp(): Promise<string | undefined> {
    if (this.#http === undefined) return undefined;
    await this.#http.start().catch((error: unknown) => {
      throw startError(error, "http", this.#options.http);
    });
    return this.#advertised(this.#httpAddress());
  }

  async #startResp(): Promise<string | undefined> {
    if (this.#resp === undefined) return undefined;
    const address = await this.#resp.start().catch((error: unknown) => {
      throw startError(error, "resp", this.#options.resp);
    });
    return this.#advertised(address);
  }

  #httpAddress(): ListenOptions {
    const { host } = must(this.#options.http, "there is an HTTP front end");
    return { host, port: must(this.#http, "there is an HTTP front end").port };
  }

  /** What others are told: an address of this host where it listens on all of them. */
  #advertised({ host, port }: ListenOptions): string {
    const { advertise } = this.#options.internode;
    const isEverywhere = host === "0.0.0.0" || host === "::";
    const shown = isEverywhere ? advertise?.replace(/:\d+$/, "") : undefined;
    return shown === undefined ? addressText({ host, port }) : `${shown}:${port}`;
  }
}

/** Making a node creates its data directory, which may fail. */
function makeNode(deps: MemberServerDeps, options: NodeOptions): DynaringNode {
  try {
    return createNode(options, deps);
  } catch (error) {
    throw startError(error, "internode", options.internode);
  }
}

function addressText({ host, port }: ListenOptions): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What keeps a member from starting, as far as the user can do something about it. */
function startError(
  error: unknown,
  section: "internode" | "resp" | "http",
  listen: ListenOptions | undefined,
): CliError {
  if (error instanceof InvariantError) throw error;
  const { code, message } = error as Error & { readonly code?: string };
  const place = listen === undefined ? "" : addressText(listen);
  const hint = `set ${section}.host and ${section}.port, or --${section}-host and --${section}-port`;
  switch (code) {
    case "EADDRINUSE":
      return new CliError("failed", `${place} is taken by another program; ${hint}`, { place });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CliError("failed", `${place} cannot be used (${code}); ${hint}`, { place });
    default:
      return new CliError("failed", `the member cannot start: ${message}`);
  }
}
