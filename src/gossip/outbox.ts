/**
 * Collects the effects of one step, and writes what is common to them: the head of each message, and
 * complaints that are not repeated with every message that gives cause for them.
 */
import type { EndpointTable } from "./endpoint-table.ts";
import type { GossipEffect, GossipInstant } from "./gossip-io.ts";
import { type ClusterName, GOSSIP_FORMAT, type MessageBody, type MessageHead } from "./messages.ts";

/** The same complaint about the same member is logged once in this time. */
const COMPLAINT_INTERVAL_MS = 60_000;
const COMPLAINTS_MAX = 1000;

export interface OutboxDeps {
  readonly table: EndpointTable;
}

export class Outbox {
  /** What this member belongs to, as its messages say. */
  cluster: ClusterName;
  readonly #table: EndpointTable;
  readonly #complaints = new Map<string, number>();
  #effects: GossipEffect[] = [];

  constructor(deps: OutboxDeps, cluster: ClusterName) {
    this.#table = deps.table;
    this.cluster = cluster;
  }

  emit(effect: GossipEffect): void {
    this.#effects.push(effect);
  }

  /** What was collected since the last call. */
  takeAll(): readonly GossipEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  send(address: string, body: MessageBody): void {
    this.#effects.push({ kind: "send", address, message: { ...this.#head(), ...body } });
  }

  /** Begins an exchange; a shadow one only asks. */
  call(address: string, isShadow: boolean): void {
    const digests = isShadow ? [] : this.#table.digests();
    this.send(address, { kind: "syn", dialed: address, isShadow, digests });
  }

  #head(): MessageHead {
    const { id, address, generation, layout } = this.#table.self;
    const from = { id, address, generation };
    return { format: GOSSIP_FORMAT, from, cluster: this.cluster, layout };
  }

  /** Warns, unless it has just warned of the same. */
  complain(
    event: string,
    about: string,
    details: { readonly fields: Readonly<Record<string, unknown>>; readonly now: GossipInstant },
  ): void {
    const nowMs = details.now.monotonicMs;
    const key = `${event} ${about}`;
    const lastMs = this.#complaints.get(key) ?? Number.NEGATIVE_INFINITY;
    if (nowMs - lastMs < COMPLAINT_INTERVAL_MS) return;
    if (this.#complaints.size >= COMPLAINTS_MAX) this.#complaints.clear();
    this.#complaints.set(key, nowMs);
    this.emit({ kind: "log", level: "warn", event, fields: { about, ...details.fields } });
  }
}
