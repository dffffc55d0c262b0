/**
 * What a member knows about all members, itself included, and how two such tables are brought to
 * agree.
 *
 * Each endpoint has a generation, which rises with each start of its process, and within it versions:
 * one counter per process, shared by its heartbeat and all its application states, so that "all I
 * know of you up to version 17" says everything. Only the owner of an entry ever changes it; the
 * others hand it on. Merging takes what is newer and nothing else, so that messages may be lost,
 * repeated and reordered.
 *
 * One thing is done more eagerly than in Cassandra: whoever gets a syn also sends the endpoints that
 * the syn does not mention, instead of waiting until its own syn makes the other one ask.
 *
 * Source: Cassandra `gms/Gossiper`, `gms/EndpointState`; van Renesse et al., "Efficient
 * Reconciliation and Flow Control for Anti-Entropy Protocols" (2008).
 */
import type { LayoutVersion } from "../model/layout-version.ts";
import { type Digest, type EndpointSnapshot, GOSSIP_LIMITS, type StateEntry } from "./messages.ts";

/** The heartbeat of a member that has stopped on purpose: nothing of that generation follows. */
export const SHUTDOWN_HEARTBEAT = 0x7fff_ffff;

export interface StateValue {
  readonly version: number;
  readonly value: string;
}

export interface Endpoint {
  readonly id: string;
  address: string;
  generation: number;
  heartbeat: number;
  readonly states: Map<string, StateValue>;
  /** Heard from, not too long ago, and proven to hear us. */
  isAlive: boolean;
  /** Its heartbeat has moved since it was last considered down (or first heard of). */
  hasProgressed: boolean;
  /** Monotonic. When its heartbeat last moved. */
  lastProgressMs: number;
  /** Monotonic. When it was last called only to see whether it answers. */
  lastProbeMs: number;
  /** The newest layout that it is known to have. */
  layout: LayoutVersion | undefined;
}

/** What a snapshot changed. */
export interface Merged {
  readonly endpoint: Endpoint;
  /** It was unknown, or a process with a new generation took its place. */
  readonly isNew: boolean;
  readonly hasProgressed: boolean;
  /** Names of the states that changed. */
  readonly names: readonly string[];
}

export class EndpointTable {
  readonly self: Endpoint;
  readonly #others = new Map<string, Endpoint>();
  /** The version counter of this process. */
  #version = 0;

  constructor(self: Pick<Endpoint, "id" | "address" | "generation">) {
    this.self = newEndpoint(self, 0);
  }

  get(id: string): Endpoint | undefined {
    return id === this.self.id ? this.self : this.#others.get(id);
  }

  /** Everybody but this member. */
  others(): Endpoint[] {
    return [...this.#others.values()];
  }

  forget(id: string): void {
    this.#others.delete(id);
  }

  beat(): void {
    this.self.heartbeat = ++this.#version;
  }

  /** Announces that nothing of this generation follows. */
  beatLast(): void {
    this.self.heartbeat = SHUTDOWN_HEARTBEAT;
  }

  /** Sets an own state. False if it has that value already. */
  set(name: string, value: string): boolean {
    if (this.self.states.get(name)?.value === value) return false;
    this.self.states.set(name, { version: ++this.#version, value });
    return true;
  }

  digests(): Digest[] {
    return [this.self, ...this.#others.values()].map((endpoint) => [
      endpoint.id,
      endpoint.generation,
      versionOf(endpoint),
    ]);
  }

  /** What this member wants of the sender of the digests, and what the sender lacks. */
  compare(
    digests: readonly Digest[],
    ignores: (id: string, generation: number) => boolean,
  ): { wanted: Digest[]; states: EndpointSnapshot[] } {
    const wanted: Digest[] = [];
    const states: EndpointSnapshot[] = [];
    const mentioned = new Set<string>();
    for (const [id, generation, version] of digests) {
      mentioned.add(id);
      const local = this.get(id);
      if (local === undefined || generation > local.generation) {
        if (!ignores(id, generation)) wanted.push([id, generation, 0]);
      } else if (generation < local.generation) {
        states.push(snapshotOf(local, 0));
      } else if (version > versionOf(local)) {
        wanted.push([id, generation, versionOf(local)]);
      } else if (version < versionOf(local)) {
        states.push(snapshotOf(local, version));
      }
    }
    for (const endpoint of [this.self, ...this.#others.values()]) {
      if (!mentioned.has(endpoint.id)) states.push(snapshotOf(endpoint, 0));
    }
    return { wanted, states };
  }

  /** The states that somebody wants, as far as they are here. */
  answer(wanted: readonly Digest[]): EndpointSnapshot[] {
    return wanted.flatMap(([id, generation, version]) => {
      const local = this.get(id);
      if (local === undefined || local.generation < generation) return [];
      return [snapshotOf(local, local.generation === generation ? version : 0)];
    });
  }

  /** Takes over what is newer. Undefined if nothing is, or if there are too many endpoints. */
  merge(snapshot: EndpointSnapshot, nowMs: number): Merged | undefined {
    const known = this.#others.get(snapshot.id);
    if (known === undefined) {
      if (this.#others.size >= GOSSIP_LIMITS.endpointsMax) return undefined;
      const endpoint = newEndpoint(snapshot, nowMs);
      this.#others.set(snapshot.id, endpoint);
      return replaced(endpoint, snapshot, nowMs);
    }
    if (snapshot.generation > known.generation) return replaced(known, snapshot, nowMs);
    return snapshot.generation === known.generation ? advanced(known, snapshot, nowMs) : undefined;
  }
}

/** The greatest version of an endpoint's heartbeat and states. */
export function versionOf(endpoint: Pick<Endpoint, "heartbeat" | "states">): number {
  let version = endpoint.heartbeat;
  for (const state of endpoint.states.values()) version = Math.max(version, state.version);
  return version;
}

/** Of an endpoint what is newer than `version`, and the heartbeat in any case. */
export function snapshotOf(endpoint: Endpoint, version: number): EndpointSnapshot {
  const states: StateEntry[] = [];
  for (const [name, state] of endpoint.states) {
    if (state.version > version) states.push([name, state.version, state.value]);
  }
  const { id, address, generation, heartbeat } = endpoint;
  return { id, address, generation, heartbeat, states };
}

function newEndpoint(
  { id, address, generation }: Pick<Endpoint, "id" | "address" | "generation">,
  nowMs: number,
): Endpoint {
  return {
    id,
    address,
    generation,
    heartbeat: 0,
    states: new Map(),
    isAlive: false,
    hasProgressed: false,
    lastProgressMs: nowMs,
    lastProbeMs: Number.NEGATIVE_INFINITY,
    layout: undefined,
  };
}

function replaced(endpoint: Endpoint, snapshot: EndpointSnapshot, nowMs: number): Merged {
  endpoint.generation = snapshot.generation;
  endpoint.address = snapshot.address;
  endpoint.heartbeat = -1;
  endpoint.states.clear();
  endpoint.layout = undefined;
  const { names } = advanced(endpoint, snapshot, nowMs);
  return { endpoint, isNew: true, hasProgressed: true, names };
}

function advanced(endpoint: Endpoint, snapshot: EndpointSnapshot, nowMs: number): Merged {
  const hasProgressed = snapshot.heartbeat > endpoint.heartbeat;
  if (hasProgressed) {
    endpoint.heartbeat = snapshot.heartbeat;
    endpoint.lastProgressMs = nowMs;
  }
  const names: string[] = [];
  for (const [name, version, value] of snapshot.states) {
    const local = endpoint.states.get(name);
    if (local !== undefined && local.version >= version) continue;
    if (local === undefined && endpoint.states.size >= GOSSIP_LIMITS.statesMax) continue;
    endpoint.states.set(name, { version, value });
    names.push(name);
  }
  return { endpoint, isNew: false, hasProgressed, names };
}
