/** A member seen over its HTTP interface, with every way to fail turned into a CliError. */
import type { z } from "zod";
import {
  type CreateKeyspaceJson,
  type EndpointsJson,
  type GossipJson,
  type InfoJson,
  type KeyspaceJson,
  type RangeJson,
  type RingJson,
  type StatusJson,
  endpointsSchema,
  errorSchema,
  gossipSchema,
  infoSchema,
  keyspaceSchema,
  keyspacesSchema,
  rangesSchema,
  ringSchema,
  statusSchema,
} from "../http/views.ts";
import {
  type CommitJson,
  type NetstatsJson,
  type PlanJson,
  type StagedChangeJson,
  type TaskJson,
  type TopologyJson,
  cleanupSchema,
  commitSchema,
  netstatsSchema,
  planSchema,
  stagedSchema,
  taskSchema,
  tasksSchema,
  topologySchema,
} from "../http/topology-views.ts";
import { CliError } from "./exit-codes.ts";

const REPLY_TIMEOUT_MS = 10_000;
/** For what takes its time; fetch itself gives up after five minutes. */
const LONG_REPLY_TIMEOUT_MS = 290_000;

export class MemberClient {
  readonly url: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #replyTimeoutMs: number;

  /** @param url of the member's HTTP front end, e.g. http://127.0.0.1:8401 */
  constructor(
    fetch: typeof globalThis.fetch,
    url: string,
    replyTimeoutMs: number = REPLY_TIMEOUT_MS,
  ) {
    if (!URL.canParse(url) || !/^https?:/.test(url)) {
      throw new CliError("usage", `'${url}' is no URL, expected e.g. http://127.0.0.1:8401`);
    }
    this.#fetch = fetch;
    this.#replyTimeoutMs = replyTimeoutMs;
    this.url = url.replace(/\/+$/, "");
  }

  status(keyspace?: string): Promise<StatusJson> {
    return this.#get(`/v1/status${keyspaceQuery(keyspace)}`, statusSchema);
  }

  ring(keyspace?: string): Promise<RingJson> {
    return this.#get(`/v1/ring${keyspaceQuery(keyspace)}`, ringSchema);
  }

  ranges(keyspace: string): Promise<readonly RangeJson[]> {
    return this.#get(`/v1/keyspaces/${encodeURIComponent(keyspace)}/ranges`, rangesSchema);
  }

  endpoints(keyspace: string, key: Uint8Array): Promise<EndpointsJson> {
    const hex = Buffer.from(key).toString("hex");
    const path = `/v1/endpoints/${encodeURIComponent(keyspace)}/${hex}?keyEncoding=hex`;
    return this.#get(path, endpointsSchema);
  }

  gossip(): Promise<readonly GossipJson[]> {
    return this.#get("/v1/gossip", gossipSchema);
  }

  info(): Promise<InfoJson> {
    return this.#get("/v1/info", infoSchema);
  }

  keyspaces(): Promise<readonly KeyspaceJson[]> {
    return this.#get("/v1/keyspaces", keyspacesSchema);
  }

  createKeyspace(definition: CreateKeyspaceJson): Promise<KeyspaceJson> {
    return this.#request("/v1/keyspaces", keyspaceSchema, posted(definition));
  }

  topology(): Promise<TopologyJson> {
    return this.#get("/v1/topology", topologySchema);
  }

  /** Everything that is staged then. */
  stage(change: StagedChangeJson): Promise<readonly StagedChangeJson[]> {
    return this.#request("/v1/topology/staged", stagedSchema, posted(change));
  }

  async unstage(): Promise<void> {
    await this.#send("/v1/topology/staged", { method: "DELETE" });
  }

  plan(): Promise<PlanJson> {
    return this.#request("/v1/topology/plan", planSchema, {}, LONG_REPLY_TIMEOUT_MS);
  }

  /** @param hash of the plan, or its first digits */
  commit(hash: string): Promise<CommitJson> {
    const init = posted({ hash });
    return this.#request("/v1/topology/commit", commitSchema, init, LONG_REPLY_TIMEOUT_MS);
  }

  revert(): Promise<CommitJson> {
    return this.#request("/v1/topology/revert", commitSchema, POST, LONG_REPLY_TIMEOUT_MS);
  }

  tasks(): Promise<readonly TaskJson[]> {
    return this.#get("/v1/tasks", tasksSchema);
  }

  controlTask(id: string, action: "pause" | "resume" | "cancel"): Promise<TaskJson> {
    return this.#request(`/v1/tasks/${encodeURIComponent(id)}/${action}`, taskSchema, POST);
  }

  netstats(): Promise<NetstatsJson> {
    return this.#get("/v1/netstats", netstatsSchema);
  }

  cleanup(): Promise<{ readonly cells: number; readonly bytes: number }> {
    return this.#request("/v1/cleanup", cleanupSchema, POST, LONG_REPLY_TIMEOUT_MS);
  }

  rebuild(sourceDc: string | undefined): Promise<TaskJson> {
    return this.#request("/v1/rebuild", taskSchema, posted({ sourceDc }));
  }

  async drain(): Promise<void> {
    await this.#send("/v1/drain", POST, LONG_REPLY_TIMEOUT_MS);
  }

  /** The text of GET /metrics. */
  async metrics(): Promise<string> {
    const { text } = await this.#send("/metrics");
    return text;
  }

  /** Whether it can serve, and why not. Never throws for one that does not answer. */
  async readiness(): Promise<{ readonly isReady: boolean; readonly reason: string }> {
    try {
      await this.#send("/readyz");
      return { isReady: true, reason: "" };
    } catch (error) {
      return { isReady: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  #get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.#request(path, schema);
  }

  async #request<T>(
    path: string,
    schema: z.ZodType<T>,
    init?: RequestInit,
    timeoutMs?: number,
  ): Promise<T> {
    const { text } = await this.#send(path, init, timeoutMs);
    const result = schema.safeParse(parsedJson(text));
    if (result.success) return result.data;
    throw new CliError("refused", `${this.url} does not answer like a Dynaring member`, {
      url: this.url + path,
    });
  }

  async #send(
    path: string,
    init: RequestInit = {},
    timeoutMs: number = this.#replyTimeoutMs,
  ): Promise<{ readonly text: string }> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const response = await this.#fetch(this.url + path, { ...init, signal });
      const text = await response.text();
      if (response.ok) return { text };
      throw refusal(this.url, response.status, text);
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw unreachable(this.url, error, timeoutMs);
    }
  }
}

const POST: RequestInit = { method: "POST" };

function posted(body: unknown): RequestInit {
  const headers = { "content-type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify(body) };
}

function keyspaceQuery(keyspace: string | undefined): string {
  return keyspace === undefined ? "" : `?keyspace=${encodeURIComponent(keyspace)}`;
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(url: string, status: number, text: string): CliError {
  const result = errorSchema.safeParse(parsedJson(text));
  if (!result.success) {
    return new CliError("refused", `${url} answered with status ${status}`, { url, status });
  }
  const { error } = result.data;
  return new CliError("refused", error.message, { ...error });
}

function unreachable(url: string, error: unknown, timeoutMs: number): CliError {
  const { name, cause, message } = error as Error;
  const code = (cause as { readonly code?: string } | undefined)?.code;
  const reason =
    name === "TimeoutError" ? `no answer within ${timeoutMs / 1000} s` : (code ?? message);
  if (name === "TimeoutError" && timeoutMs === LONG_REPLY_TIMEOUT_MS) {
    return new CliError(
      "unreachable",
      `${url} has given ${reason} and may still be at it; see 'dynaring netstats' and 'dynaring topology'`,
      { url, reason },
    );
  }
  return new CliError(
    "unreachable",
    `no member answers at ${url} (${reason}); start a local ring with 'dynaring up', or name a ` +
      "member with --url or DYNARING_URL",
    { url, reason },
  );
}
