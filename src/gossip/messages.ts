/**
 * The three messages of one gossip exchange, as plain data, and the check of what arrives.
 *
 *     A -- syn: what I know (digests) ----------------> B
 *     A <- ack: what you lack, and what I want of you - B
 *     A -- ack2: what you want ----------------------> B
 *
 * Each message names its sender, the cluster, and the version of the layout that the sender has.
 * Whoever sees that the other one has the losing layout puts its own into the next message; the
 * payload is opaque here. Lists of numbers and texts stand for digests and states, because there are
 * many of them in each message.
 */
import { LINEAGE, type LayoutVersion } from "../model/layout-version.ts";
import {
  UntrustedDataError,
  asBoolean,
  asInteger,
  asList,
  asMatch,
  asOneOf,
  asOptional,
  asRecord,
  asText,
} from "../util/untrusted.ts";

/** Rises when the messages change in a way that older members cannot read. */
export const GOSSIP_FORMAT = 1;

export interface GossipSender {
  readonly id: string;
  /** `host:port` at which the sender is reached. */
  readonly address: string;
  readonly generation: number;
}

/** What must be equal for two members to talk at all. */
export interface ClusterName {
  readonly name: string;
  readonly partitioner: string;
  /** The id of the cluster, which a member knows once it has a layout. */
  readonly id: string | undefined;
}

/** Member id, generation, greatest version known. */
export type Digest = readonly [id: string, generation: number, version: number];

/** Name, version, value of one application state. */
export type StateEntry = readonly [name: string, version: number, value: string];

/** What one member knows of another: all of it, or what is newer than some version. */
export interface EndpointSnapshot {
  readonly id: string;
  readonly address: string;
  /** Seconds since the Unix epoch when the member started, or more: rises with each start. */
  readonly generation: number;
  readonly heartbeat: number;
  readonly states: readonly StateEntry[];
}

/** A layout on its way. */
export interface LayoutOffer extends LayoutVersion {
  readonly payload: unknown;
}

/** What every message begins with. */
export interface MessageHead {
  readonly format: typeof GOSSIP_FORMAT;
  readonly from: GossipSender;
  readonly cluster: ClusterName;
  /** The layout that the sender has; undefined while it has none. */
  readonly layout: LayoutVersion | undefined;
}

export interface GossipSyn extends MessageHead {
  readonly kind: "syn";
  /** The address that the sender called, for it to recognise the answer, and itself. */
  readonly dialed: string;
  /** True while the sender only asks and does not take part yet. */
  readonly isShadow: boolean;
  readonly digests: readonly Digest[];
}

export interface GossipAck extends MessageHead {
  readonly kind: "ack";
  /** Copied from the syn. */
  readonly dialed: string;
  /** True if the sender is itself still asking around, so that its answer says little. */
  readonly isShadow: boolean;
  /** Of whom the sender wants everything newer than the version given. */
  readonly wanted: readonly Digest[];
  readonly states: readonly EndpointSnapshot[];
  readonly offer: LayoutOffer | undefined;
}

export interface GossipAck2 extends MessageHead {
  readonly kind: "ack2";
  readonly states: readonly EndpointSnapshot[];
  readonly offer: LayoutOffer | undefined;
}

export type GossipMessage = GossipSyn | GossipAck | GossipAck2;

/** What is particular to one message. */
export type MessageBody =
  | Omit<GossipSyn, keyof MessageHead>
  | Omit<GossipAck, keyof MessageHead>
  | Omit<GossipAck2, keyof MessageHead>;

/** Limits of what is accepted from the network. */
export const GOSSIP_LIMITS = {
  endpointsMax: 10_000,
  statesMax: 64,
  stateCharsMax: 65_536,
  nameCharsMax: 300,
} as const;

/** The text of a state's name. */
export const STATE_NAME: RegExp = /^[A-Z][A-Z0-9_]{0,63}$/;

const KINDS = ["syn", "ack", "ack2"] as const;
const ID = {
  pattern: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  expected: "a UUID in lower case",
};
const NAME = { pattern: STATE_NAME, expected: "the name of an application state" };
const HASH = { pattern: /^[0-9a-f]{32}$/, expected: "32 hex digits" };
const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** The message in decoded bytes from the network. Throws UntrustedDataError. */
export function parseGossipMessage(data: unknown): GossipMessage {
  const record = asRecord(data, "gossip");
  if (record["format"] !== GOSSIP_FORMAT) {
    throw new UntrustedDataError("gossip.format", `${GOSSIP_FORMAT}`, record["format"]);
  }
  const kind = asOneOf(record["kind"], "gossip.kind", KINDS);
  const head = {
    format: GOSSIP_FORMAT,
    from: parseSender(record["from"], "gossip.from"),
    cluster: parseCluster(record["cluster"], "gossip.cluster"),
    layout: asOptional(record["layout"], "gossip.layout", parseVersion),
  } as const;
  if (kind === "syn") return { kind, ...head, ...dialogue(record), digests: digestsIn(record) };
  const states = asList(record["states"], "gossip.states", GOSSIP_LIMITS.endpointsMax).map(
    (one, index) => parseSnapshot(one, `gossip.states[${index}]`),
  );
  const offer = asOptional(record["offer"], "gossip.offer", parseOffer);
  if (kind === "ack2") return { kind, ...head, states, offer };
  return { kind, ...head, ...dialogue(record), wanted: wantedIn(record), states, offer };
}

type Fields = Readonly<Record<string, unknown>>;

function dialogue(record: Fields): Pick<GossipSyn, "dialed" | "isShadow"> {
  return {
    dialed: asText(record["dialed"], "gossip.dialed", GOSSIP_LIMITS.nameCharsMax),
    isShadow: asBoolean(record["isShadow"], "gossip.isShadow"),
  };
}

function digestsIn(record: Fields): readonly Digest[] {
  return parseDigests(record["digests"], "gossip.digests");
}

function wantedIn(record: Fields): readonly Digest[] {
  return parseDigests(record["wanted"], "gossip.wanted");
}

function parseSender(data: unknown, path: string): GossipSender {
  const record = asRecord(data, path);
  return {
    id: asMatch(record["id"], `${path}.id`, ID),
    address: asText(record["address"], `${path}.address`, GOSSIP_LIMITS.nameCharsMax),
    generation: asInteger(record["generation"], `${path}.generation`, COUNT),
  };
}

function parseCluster(data: unknown, path: string): ClusterName {
  const record = asRecord(data, path);
  return {
    name: asText(record["name"], `${path}.name`, GOSSIP_LIMITS.nameCharsMax),
    partitioner: asText(record["partitioner"], `${path}.partitioner`, GOSSIP_LIMITS.nameCharsMax),
    id: asOptional(record["id"], `${path}.id`, (value, at) => asMatch(value, at, ID)),
  };
}

function parseVersion(data: unknown, path: string): LayoutVersion {
  const record = asRecord(data, path);
  return {
    counter: asInteger(record["counter"], `${path}.counter`, COUNT),
    hash: asMatch(record["hash"], `${path}.hash`, HASH),
    lineage: asMatch(record["lineage"], `${path}.lineage`, LINEAGE),
  };
}

function parseOffer(data: unknown, path: string): LayoutOffer {
  return { ...parseVersion(data, path), payload: asRecord(data, path)["payload"] };
}

function parseDigests(data: unknown, path: string): readonly Digest[] {
  return asList(data, path, GOSSIP_LIMITS.endpointsMax).map((one, index) => {
    const [id, generation, version] = asList(one, `${path}[${index}]`, 3);
    return [
      asMatch(id, `${path}[${index}].id`, ID),
      asInteger(generation, `${path}[${index}].generation`, COUNT),
      asInteger(version, `${path}[${index}].version`, COUNT),
    ];
  });
}

function parseSnapshot(data: unknown, path: string): EndpointSnapshot {
  const record = asRecord(data, path);
  return {
    ...parseSender(data, path),
    heartbeat: asInteger(record["heartbeat"], `${path}.heartbeat`, COUNT),
    states: asList(record["states"], `${path}.states`, GOSSIP_LIMITS.statesMax).map((one, index) =>
      parseState(one, `${path}.states[${index}]`),
    ),
  };
}

function parseState(data: unknown, path: string): StateEntry {
  const [name, version, value] = asList(data, path, 3);
  return [
    asMatch(name, `${path}.name`, NAME),
    asInteger(version, `${path}.version`, COUNT),
    asText(value, `${path}.value`, GOSSIP_LIMITS.stateCharsMax),
  ];
}
