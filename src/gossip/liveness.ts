/**
 * Who is up and who is down.
 *
 * A member becomes up when its heartbeat has moved and it has answered us itself: one alone may be
 * hearsay, or a link that works one way. It becomes down when everybody's news of it has stopped for
 * too long, when its address refuses connections, when it said that it stops, or when a new process
 * took its place (which is up again as soon as it answers).
 *
 * Somebody who is not in the layout and stays silent is forgotten: it never joined. What others
 * still tell about it is ignored for a while, for it not to come back through those that forget
 * later; a new start of it is welcome at any time.
 */
import { LINEAGE, type LayoutVersion, compareLayoutVersions } from "../model/layout-version.ts";
import type { Endpoint, EndpointTable, Merged } from "./endpoint-table.ts";
import type { FailureDetector } from "./failure-detector.ts";
import type { DownReason } from "./gossip-io.ts";
import type { GossipSender } from "./messages.ts";
import type { Outbox } from "./outbox.ts";

export interface LivenessDeps {
  readonly table: EndpointTable;
  readonly detector: FailureDetector;
  readonly outbox: Pick<Outbox, "emit">;
}

export interface LivenessOptions {
  readonly strangerTimeoutMs: number;
}

/** Members that were forgotten, up to which generation, and until when. */
interface Quarantine {
  readonly generation: number;
  readonly untilMs: number;
}

export class Liveness {
  readonly #deps: LivenessDeps;
  readonly #options: LivenessOptions;
  readonly #quarantine = new Map<string, Quarantine>();
  #removedIds: ReadonlySet<string> = new Set();

  constructor(deps: LivenessDeps, options: LivenessOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  alive(): Endpoint[] {
    return this.#deps.table.others().filter(({ isAlive }) => isAlive);
  }

  down(): Endpoint[] {
    return this.#deps.table.others().filter(({ isAlive }) => !isAlive);
  }

  /** True if news of this start of this member is not wanted. */
  ignores(id: string, generation: number, nowMs: number): boolean {
    if (this.#removedIds.has(id)) return true;
    const quarantine = this.#quarantine.get(id);
    return (
      quarantine !== undefined && quarantine.untilMs > nowMs && quarantine.generation >= generation
    );
  }

  /** Takes note of news that was merged into the table. */
  merged({ endpoint, isNew, hasProgressed, names }: Merged, nowMs: number): void {
    if (isNew && endpoint.isAlive) this.#fall(endpoint, "restarted");
    if (hasProgressed) {
      endpoint.hasProgressed = true;
      this.#deps.detector.report(endpoint.id, nowMs);
    }
    if (names.includes("LAYOUT")) this.#noteLayoutText(endpoint);
    if (names.length > 0) this.#deps.outbox.emit({ kind: "changed", memberId: endpoint.id, names });
    if (hasStopped(endpoint)) {
      this.#deps.detector.convict(endpoint.id, nowMs);
      if (endpoint.isAlive) this.#fall(endpoint, "shutdown");
    }
  }

  /** The member itself has just answered us. */
  proven({ id, generation }: GossipSender): void {
    const endpoint = this.#deps.table.get(id);
    if (endpoint === undefined || endpoint === this.#deps.table.self) return;
    if (endpoint.isAlive || endpoint.generation !== generation) return;
    if (!endpoint.hasProgressed || hasStopped(endpoint)) return;
    endpoint.isAlive = true;
    this.#deps.outbox.emit({ kind: "up", memberId: id });
  }

  /** Takes note of the layout that a member says it has; an older one is late news. */
  noteLayout(id: string, layout: LayoutVersion | undefined): void {
    const endpoint = this.#deps.table.get(id);
    if (endpoint === undefined || endpoint === this.#deps.table.self) return;
    if (layout === undefined) return;
    if (this.#advanceLayout(endpoint, layout)) {
      this.#deps.outbox.emit({ kind: "changed", memberId: id, names: ["LAYOUT"] });
    }
  }

  /** Nobody listens at the address. */
  refused(address: string, nowMs: number): void {
    for (const endpoint of this.alive()) {
      if (endpoint.address !== address) continue;
      this.#deps.detector.convict(endpoint.id, nowMs);
      this.#fall(endpoint, "refused");
    }
  }

  /** One round of judgement over all members that are up. */
  judge(nowMs: number): void {
    this.#deps.detector.beginRound(nowMs);
    for (const endpoint of this.alive()) {
      if (this.#deps.detector.interpret(endpoint.id, nowMs)) this.#fall(endpoint, "silent");
    }
  }

  /** Identities that have left the ring for good are not heard any more. */
  remove(ids: readonly string[]): void {
    this.#removedIds = new Set(ids);
    for (const endpoint of this.#deps.table.others()) {
      if (this.#removedIds.has(endpoint.id)) this.#forget(endpoint);
    }
  }

  /** Forgets who is down, not in the layout, and silent for long. */
  forgetStrangers(isInLayout: (id: string) => boolean, nowMs: number): void {
    const timeoutMs = this.#options.strangerTimeoutMs;
    for (const [id, { untilMs }] of this.#quarantine) {
      if (untilMs <= nowMs) this.#quarantine.delete(id);
    }
    for (const endpoint of this.down()) {
      if (isInLayout(endpoint.id) || nowMs - endpoint.lastProgressMs <= timeoutMs) continue;
      const { id, generation } = endpoint;
      this.#quarantine.set(id, { generation, untilMs: nowMs + 2 * timeoutMs });
      this.#forget(endpoint);
    }
  }

  #forget(endpoint: Endpoint): void {
    if (endpoint.isAlive) this.#fall(endpoint, "removed");
    this.#deps.detector.forget(endpoint.id);
    this.#deps.table.forget(endpoint.id);
  }

  #fall(endpoint: Endpoint, reason: DownReason): void {
    endpoint.isAlive = false;
    endpoint.hasProgressed = false;
    this.#deps.outbox.emit({ kind: "down", memberId: endpoint.id, reason });
  }

  #noteLayoutText(endpoint: Endpoint): void {
    const layout = parseLayoutState(endpoint.states.get("LAYOUT")?.value ?? "");
    if (layout !== undefined) this.#advanceLayout(endpoint, layout);
  }

  #advanceLayout(endpoint: Endpoint, { counter, hash, lineage }: LayoutVersion): boolean {
    const offered = { counter, hash, lineage };
    const known = endpoint.layout;
    if (known !== undefined && compareLayoutVersions(offered, known) <= 0) return false;
    endpoint.layout = offered;
    return true;
  }
}

/** The text of the application state LAYOUT. */
export function formatLayoutState({ counter, hash, lineage }: LayoutVersion): string {
  return `${counter}:${hash}:${lineage}`;
}

function parseLayoutState(text: string): LayoutVersion | undefined {
  const [counter = "", hash = "", lineage = ""] = text.split(":");
  const isWhole =
    /^\d{1,15}$/.test(counter) && /^[0-9a-f]{32}$/.test(hash) && LINEAGE.pattern.test(lineage);
  return isWhole ? { counter: Number(counter), hash, lineage } : undefined;
}

function hasStopped(endpoint: Endpoint): boolean {
  return endpoint.states.get("STATUS")?.value.startsWith("shutdown") ?? false;
}
