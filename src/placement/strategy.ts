/**
 * Replication as a keyspace declares it, parsed: which strategy, how many replicas, where.
 *
 * The text is Cassandra's: a class name, short or with its package, and options. A replication
 * factor is `N` or `N/T`: N replicas of which T are transient, T below N. NetworkTopologyStrategy
 * takes datacenter names, and `replication_factor` for every known datacenter not named; "0"
 * leaves a datacenter out; a datacenter nobody knows is refused, because a misspelt name would
 * silently keep no replicas.
 *
 * Source: Cassandra `locator/AbstractReplicationStrategy`, `locator/ReplicationFactor`,
 * `locator/NetworkTopologyStrategy.prepareOptions`.
 */
import type { ReplicationOptions } from "../model/admin-api.ts";

export interface ReplicationFactor {
  /** All replicas, transient ones included: what a quorum is computed from. */
  readonly total: number;
  /** How many of them keep only what is not yet repaired to the others. */
  readonly transient: number;
}

export interface SimpleReplication {
  readonly kind: "simple";
  readonly factor: ReplicationFactor;
}

export interface NetworkTopologyReplication {
  readonly kind: "network-topology";
  /** By datacenter; each at least 1. */
  readonly factors: ReadonlyMap<string, ReplicationFactor>;
  /** `older` is the order up to Cassandra 3.1, which drivers still compute; the sets are equal. */
  readonly order: "current" | "older";
}

export type Replication = SimpleReplication | NetworkTopologyReplication;

/** Replication options that cannot be used. */
export class ReplicationError extends Error {
  /** `class`, or the name of the option. */
  readonly field: string;
  readonly value: string;
  readonly expected: string;

  constructor(field: string, value: string, expected: string) {
    super(`invalid replication: ${field} is ${JSON.stringify(value)}, expected ${expected}`);
    this.name = "ReplicationError";
    this.field = field;
    this.value = value;
    this.expected = expected;
  }
}

const FACTOR_OPTION = "replication_factor";
const CLASS_PACKAGE = "org.apache.cassandra.locator.";
const STRATEGY_NAMES = ["SimpleStrategy", "NetworkTopologyStrategy"];

/** Throws ReplicationError. `datacenters` are the names that the options may use. */
export function parseReplication(
  options: ReplicationOptions,
  datacenters: readonly string[],
): Replication {
  const name = options.class.startsWith(CLASS_PACKAGE)
    ? options.class.slice(CLASS_PACKAGE.length)
    : options.class;
  switch (name) {
    case "SimpleStrategy":
      return { kind: "simple", factor: parseOnlyFactor(options.options) };
    case "NetworkTopologyStrategy":
      return parseNetworkTopology(options.options, datacenters);
    default:
      throw new ReplicationError("class", options.class, `one of ${STRATEGY_NAMES.join(", ")}`);
  }
}

/** The replicas of a datacenter, or of all; for strategies blind to datacenters always of all. */
export function replicationFactor(replication: Replication, dc?: string): number {
  switch (replication.kind) {
    case "simple":
      return replication.factor.total;
    case "network-topology": {
      if (dc !== undefined) return replication.factors.get(dc)?.total ?? 0;
      return Array.from(replication.factors.values()).reduce((sum, { total }) => sum + total, 0);
    }
  }
}

/** True if replicas are counted by datacenter, so that LOCAL_ and EACH_ levels have a meaning. */
export function isDatacenterAware(replication: Replication): boolean {
  return replication.kind === "network-topology";
}

function parseOnlyFactor(options: ReplicationOptions["options"]): ReplicationFactor {
  for (const [option, value] of Object.entries(options)) {
    if (option !== FACTOR_OPTION) {
      throw new ReplicationError(option, value, `no option but ${FACTOR_OPTION}`);
    }
  }
  const text = options[FACTOR_OPTION];
  if (text === undefined) throw new ReplicationError(FACTOR_OPTION, "", "a number such as 3");
  const factor = parseFactor(FACTOR_OPTION, text);
  if (factor.total === 0) throw new ReplicationError(FACTOR_OPTION, text, "at least 1");
  return factor;
}

function parseNetworkTopology(
  options: ReplicationOptions["options"],
  datacenters: readonly string[],
): NetworkTopologyReplication {
  const named = new Map<string, ReplicationFactor>();
  for (const [option, value] of Object.entries(options)) {
    if (option !== FACTOR_OPTION && !datacenters.includes(option)) {
      const known = datacenters.join(", ") || "none is known";
      throw new ReplicationError(option, value, `a known datacenter (${known})`);
    }
    named.set(option, parseFactor(option, value));
  }
  // No options at all is Cassandra's default_keyspace_rf: one replica in each datacenter.
  const everywhere =
    named.get(FACTOR_OPTION) ?? (named.size === 0 ? { total: 1, transient: 0 } : undefined);
  const factors = new Map<string, ReplicationFactor>();
  for (const dc of datacenters) {
    const factor = named.get(dc) ?? everywhere;
    if (factor !== undefined && factor.total > 0) factors.set(dc, factor);
  }
  if (factors.size === 0) {
    const given = JSON.stringify(options);
    throw new ReplicationError("options", given, "a replica in at least one known datacenter");
  }
  return { kind: "network-topology", factors, order: "current" };
}

function parseFactor(field: string, text: string): ReplicationFactor {
  const match = /^(\d{1,5})(?:\/(\d{1,5}))?$/.exec(text.trim());
  if (match === null) {
    throw new ReplicationError(field, text, 'a number such as "3", or "3/1" with transient ones');
  }
  const total = Number(match[1]);
  const transient = Number(match[2] ?? 0);
  if (transient > 0 && transient >= total) {
    throw new ReplicationError(field, text, "fewer transient replicas than replicas");
  }
  return { total, transient };
}
