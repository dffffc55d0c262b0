/**
 * Replication as a keyspace declares it, parsed: which strategy, how many replicas, where.
 *
 * The text is Cassandra's: a class name, short or with its package, and options. A replication
 * factor is `N` or `N/T`: N replicas of which T are transient, T below N. NetworkTopologyStrategy
 * takes datacenter names, and `replication_factor` for every known datacenter not named; "0"
 * leaves a datacenter out; a datacenter nobody knows is refused, because a misspelt name would
 * silently keep no replicas. `replica_order` says whether the replicas of a token are listed as since
 * Cassandra 3.2 or as before (see `network-topology.ts`); Cassandra has no such option, so a
 * datacenter cannot have that name.
 *
 * LocalStrategy is known and refused: with it every member keeps its own and nobody else can tell
 * where a key is. Cassandra has it for its system tables and refuses it for keyspaces of users too.
 *
 * Source: Cassandra `locator/AbstractReplicationStrategy`, `locator/ReplicationFactor`,
 * `locator/NetworkTopologyStrategy.prepareOptions`.
 */
import type { ReplicationOptions } from "../model/admin-api.ts";
import { assert } from "../util/assert.ts";

/** How many replicas. Source: Cassandra `locator/ReplicationFactor`. */
export interface ReplicationFactor {
  /** All replicas, transient ones included: what a quorum is computed from. */
  readonly total: number;
  /** How many of them keep only what is not yet repaired to the others. */
  readonly transient: number;
}

/** The next members of the ring, wherever they are. Source: Cassandra `locator/SimpleStrategy`. */
export interface SimpleReplication {
  readonly kind: "simple";
  readonly factor: ReplicationFactor;
}

/** So many replicas per datacenter, spread over racks. Source: `locator/NetworkTopologyStrategy`. */
export interface NetworkTopologyReplication {
  readonly kind: "network-topology";
  /** By datacenter; each at least 1. */
  readonly factors: ReadonlyMap<string, ReplicationFactor>;
  /**
   * `older` is the order up to Cassandra 3.1, which drivers still compute, option `replica_order`
   * "pre-3.2". The sets are equal, and so is the first member.
   */
  readonly order: "current" | "older";
}

/** Up to Cassandra 3.x "RackAwareStrategy": blind to names, one replica in another datacenter. */
export interface OldNetworkTopologyReplication {
  readonly kind: "old-network-topology";
  readonly factor: ReplicationFactor;
}

/** Every member holds everything (ScyllaDB, DataStax Enterprise). */
export interface EverywhereReplication {
  readonly kind: "everywhere";
}

/** Every member holds its own data only: for what must not leave it. Not for keyspaces of users. */
export interface LocalReplication {
  readonly kind: "local";
}

/** Dynomite: every rack holds the whole range, one replica in each. Tokens may repeat in racks. */
export interface RackPerReplicaReplication {
  readonly kind: "rack-per-replica";
}

/** How a keyspace places its replicas, parsed. */
export type Replication =
  | SimpleReplication
  | NetworkTopologyReplication
  | OldNetworkTopologyReplication
  | EverywhereReplication
  | LocalReplication
  | RackPerReplicaReplication;

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
const ORDER_OPTION = "replica_order";
const OLDER_ORDER = "pre-3.2";
const CLASS_PACKAGE = "org.apache.cassandra.locator.";
const STRATEGY_NAMES = [
  "SimpleStrategy",
  "NetworkTopologyStrategy",
  "OldNetworkTopologyStrategy",
  "EverywhereStrategy",
  "RackPerReplica",
];

const WHY_NOT_LOCAL =
  `one of ${STRATEGY_NAMES.join(", ")}: with LocalStrategy a key would stay on whichever member was ` +
  "asked, and no other could find it; for a single copy take a replication factor of 1";

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
    case "OldNetworkTopologyStrategy":
    case "RackAwareStrategy":
      return { kind: "old-network-topology", factor: parseFullFactor(options.options) };
    case "EverywhereStrategy":
      refuseOptions(options.options, []);
      return { kind: "everywhere" };
    case "RackPerReplica":
      refuseOptions(options.options, []);
      return { kind: "rack-per-replica" };
    case "LocalStrategy":
      throw new ReplicationError("class", options.class, WHY_NOT_LOCAL);
    default:
      throw new ReplicationError("class", options.class, `one of ${STRATEGY_NAMES.join(", ")}`);
  }
}

/**
 * The options as a keyspace should keep them: `replication_factor` written out for the datacenters
 * known now, so that one added later holds nothing until somebody says so, and datacenters given
 * "0" left out. On ALTER, `previous` are the options until now: what they say of a datacenter, and of
 * the order, stays unless it is named again. Throws ReplicationError as parseReplication does.
 *
 * Source: Cassandra `locator/NetworkTopologyStrategy.prepareOptions`.
 */
export function expandReplication(
  options: ReplicationOptions,
  datacenters: readonly string[],
  previous?: ReplicationOptions,
): ReplicationOptions {
  const replication = parseReplication(options, datacenters);
  if (replication.kind !== "network-topology") return options;
  const { [FACTOR_OPTION]: factor, [ORDER_OPTION]: order, ...named } = options.options;
  const { [FACTOR_OPTION]: oldFactor, [ORDER_OPTION]: oldOrder, ...kept } = previous?.options ?? {};
  const isBare = factor === undefined && Object.keys(named).length === 0;
  const everywhere = isBare ? (oldFactor ?? "1") : factor;
  const merged = new Map(everywhere === undefined ? [] : Object.entries(kept));
  for (const [dc, text] of Object.entries(named)) merged.set(dc, text);
  if (everywhere !== undefined) {
    for (const dc of datacenters) if (!merged.has(dc)) merged.set(dc, everywhere);
  }
  const written = Array.from(merged).filter(([, text]) => Number(text) !== 0);
  const isOlder = parseOrder(order ?? oldOrder) === "older";
  if (isOlder) written.push([ORDER_OPTION, OLDER_ORDER]);
  const expanded = { class: options.class, options: Object.fromEntries(written) };
  parseReplication(expanded, datacenters);
  return expanded;
}

/** Of a member, what decides how many replicas the strategies without a number keep. */
export interface CountedMember {
  readonly dc: string;
  readonly rack: string;
  readonly tokens: { readonly length: number };
}

/**
 * The replicas of a datacenter, or of all; for strategies blind to datacenters always of all.
 *
 * `members` are needed where their number, or that of their racks, is the factor (everywhere,
 * rack-per-replica).
 */
export function replicationFactor(
  replication: Replication,
  dc?: string,
  members?: readonly CountedMember[],
): number {
  switch (replication.kind) {
    case "simple":
    case "old-network-topology":
      return replication.factor.total;
    case "network-topology":
      return networkTopologyFactor(replication, dc);
    case "local":
      return 1;
    case "everywhere":
      return inRing(replication.kind, members).length;
    case "rack-per-replica": {
      const counted = inRing(replication.kind, members);
      const chosen = dc === undefined ? counted : counted.filter((member) => member.dc === dc);
      return new Set(chosen.map((member) => JSON.stringify([member.dc, member.rack]))).size;
    }
  }
}

/** True if replicas are counted by datacenter, so that LOCAL_ and EACH_ levels have a meaning. */
export function isDatacenterAware(replication: Replication): boolean {
  return replication.kind === "network-topology" || replication.kind === "rack-per-replica";
}

function networkTopologyFactor(replication: NetworkTopologyReplication, dc?: string): number {
  if (dc !== undefined) return replication.factors.get(dc)?.total ?? 0;
  return Array.from(replication.factors.values()).reduce((sum, { total }) => sum + total, 0);
}

function inRing(
  kind: Replication["kind"],
  members: readonly CountedMember[] | undefined,
): readonly CountedMember[] {
  assert(members !== undefined, () => `the factor of ${kind} depends on the members`);
  return members.filter((member) => member.tokens.length > 0);
}

function refuseOptions(options: ReplicationOptions["options"], allowed: readonly string[]): void {
  for (const [option, value] of Object.entries(options)) {
    if (allowed.includes(option)) continue;
    const expected = allowed.length === 0 ? "no options" : `no option but ${allowed.join(", ")}`;
    throw new ReplicationError(option, value, expected);
  }
}

/** A factor of a strategy that predates transient replicas. */
function parseFullFactor(options: ReplicationOptions["options"]): ReplicationFactor {
  const factor = parseOnlyFactor(options);
  if (factor.transient > 0) {
    throw new ReplicationError(
      FACTOR_OPTION,
      options[FACTOR_OPTION] ?? "",
      "no transient replicas",
    );
  }
  return factor;
}

function parseOnlyFactor(options: ReplicationOptions["options"]): ReplicationFactor {
  refuseOptions(options, [FACTOR_OPTION]);
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
  const { [ORDER_OPTION]: order, ...counts } = options;
  for (const [option, value] of Object.entries(counts)) {
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
  return { kind: "network-topology", factors, order: parseOrder(order) };
}

function parseOrder(text: string | undefined): NetworkTopologyReplication["order"] {
  if (text === undefined || text === "current") return "current";
  if (text === OLDER_ORDER) return "older";
  throw new ReplicationError(
    ORDER_OPTION,
    text,
    `"current" or "${OLDER_ORDER}", the order of Cassandra up to 3.1`,
  );
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
