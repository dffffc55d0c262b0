/** The HTTP front end of a member on its socket. Routes are in kv-routes.ts and admin-routes.ts. */
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { assert, must } from "../util/assert.ts";
import { type AppDeps, type AppOptions, buildApp } from "./app.ts";

export interface HttpServerOptions extends AppOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export class HttpServer {
  readonly #deps: AppDeps;
  readonly #options: HttpServerOptions;
  #app: FastifyInstance | undefined;

  constructor(deps: AppDeps, options: HttpServerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Listens. Rejects with the system's error, e.g. EADDRINUSE, when it cannot. */
  async start(): Promise<void> {
    assert(this.#app === undefined, "an HTTP server is started once");
    this.#app = await buildApp(this.#deps, this.#options);
    const { host, port } = this.#options;
    await this.#app.listen({ host, port });
    this.#deps.logger.info("http.listening", { host, port: this.port });
  }

  /** The port that it listens on; only after start. */
  get port(): number {
    const app = must(this.#app, "the HTTP server is started");
    return (app.server.address() as AddressInfo).port;
  }

  /** Takes no more requests and waits until those under way are answered. */
  async stop(): Promise<void> {
    await this.#app?.close();
  }
}
