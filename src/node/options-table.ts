/**
 * What a member can be told: one table with the name, type, default, unit, limits and meaning of
 * every option. The embedded library (`createNode`), the configuration file, environment variables,
 * flags, `--help` and docs/reference/config.md are all made from it.
 */
import { z } from "zod";
import { DURABILITIES, type Durability } from "../model/consistency.ts";
import { PARTITIONER_NAMES, partitionerNameOf } from "../ring/partitioners/by-name.ts";
import { must } from "../util/assert.ts";

export const ALLOCATORS = ["balanced", "cassandra", "random"] as const;
export const ENGINES = ["log", "lmdb"] as const;
export const SNITCHES = [
  "configured",
  "simple",
  "rackinferring",
  "propertyfile",
  "gossipingpropertyfile",
  "ec2",
  "gce",
  "azure",
] as const;
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** How a new member chooses its tokens. */
export type Allocator = (typeof ALLOCATORS)[number];
export type EngineName = (typeof ENGINES)[number];
/** How a member finds out where it stands. */
export type SnitchKind = (typeof SNITCHES)[number];
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A place to listen. Port 0 lets the system choose one. */
export interface ListenOptions {
  /** Host name or IP address to bind to. */
  readonly host: string;
  /** 0 lets the system choose one. */
  readonly port: number;
}

export interface InternodeOptions extends ListenOptions {
  /** `host:port` by which other members reach this one; default: where it listens. */
  readonly advertise?: string | undefined;
}

export interface RespOptions extends ListenOptions {
  /** Clients at once; more are refused. */
  readonly maxConnections: number;
}

/** Every option of a member, complete and checked. The table below says what each one means. */
export interface NodeOptions {
  /** Members of another name are refused; it cannot be changed once there is data. */
  readonly clusterName: string;
  /** In full, e.g. `Murmur3Partitioner`. */
  readonly partitioner: string;
  /** Absent: everything is kept in memory and lost with the process. */
  readonly dataDirectory?: string | undefined;
  /** Datacenter, as replication settings name it; used with snitch `configured`. */
  readonly dc: string;
  /** Rack or zone: replicas are spread over racks; used with snitch `configured`. */
  readonly rack: string;
  /** How the member learns where it stands. */
  readonly snitch: {
    /** Who knows: the configuration, its address, a file, the cloud. */
    readonly kind: SnitchKind;
    /** The properties file of Cassandra that the snitch reads. */
    readonly file?: string | undefined;
    /** Where the cloud's metadata service answers, if not at its usual place. */
    readonly metadataUrl?: string | undefined;
  };
  /** Capacity relative to the other members; 1 is usual. */
  readonly weight: number;
  /** `host:port` of members to ask first; the first of them founds the ring. */
  readonly seeds: readonly string[];
  /** Where other members reach this one. */
  readonly internode: InternodeOptions;
  /** Absent: no Redis front end. */
  readonly resp?: RespOptions | undefined;
  /** Absent: no HTTP front end. */
  readonly http?: ListenOptions | undefined;
  /** Tokens of a new member at weight 1. */
  readonly numTokens: number;
  /** Tokens as text of the partitioner; empty: the allocator chooses. */
  readonly initialToken: readonly string[];
  /** How tokens are chosen that are not given. */
  readonly allocator: Allocator;
  /** False: a new member waits outside until an operator plans it in. */
  readonly autoBootstrap: boolean;
  /** Bytes per second that are fetched at most when the ring changes. */
  readonly streamThroughputBytes: number;
  /** Where cells are stored; it cannot be changed once there is data. */
  readonly engine: EngineName;
  /** Of keyspaces created without one. */
  readonly durability: Durability;
  /** Until a request fails with TIMEOUT. */
  readonly requestTimeoutMs: {
    /** Milliseconds for reads. */
    readonly read: number;
    /** Milliseconds for writes. */
    readonly write: number;
  };
  /** A read that waits longer asks one more replica. */
  readonly speculativeRetryMs: number;
  /** Between two rounds of gossip. */
  readonly gossipIntervalMs: number;
  /** Suspicion at which a member counts as down, 5 to 16. */
  readonly phiConvictThreshold: number;
  /** How often what was written at durability `interval` is synced. */
  readonly syncIntervalMs: number;
  /** What one request, and all requests at once, may take. */
  readonly limits: {
    /** Of one key. */
    readonly keyBytes: number;
    /** Of one value. */
    readonly valueBytes: number;
    /** Keys and values that may wait for replicas at one time; then requests get BUSY. */
    readonly inFlightBytes: number;
    /** Bytes that may wait for one peer. */
    readonly peerQueueBytes: number;
  };
  /** Events below it are not logged. */
  readonly logLevel: LogLevel;
}

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined }
    : T;

/** What a caller writes: anything left out takes its default. */
export type NodeOptionsInput = DeepPartial<NodeOptions>;

export type OptionKind =
  | "text"
  | "integer"
  | "number"
  | "duration"
  | "size"
  | "choice"
  | "boolean"
  | "list"
  | "section";

interface OptionMeta {
  readonly kind: OptionKind;
  /** What would be right, as the end of "expected ...". */
  readonly expected: string;
  readonly description: string;
}

/** One row of the table. */
export interface OptionRow extends OptionMeta {
  /** Dotted path, e.g. `internode.port`. */
  readonly path: string;
  /** Undefined: the option is absent unless set. */
  readonly defaultValue: unknown;
  /** The section that it belongs to is absent unless something in it is set. */
  readonly isInOptionalSection: boolean;
}

const registry = z.registry<OptionMeta>();

function whole(range: { min: number; max: number }, kind: OptionKind, unit: string) {
  return (defaultValue: number, description: string): z.ZodDefault<z.ZodNumber> =>
    z
      .int()
      .min(range.min)
      .max(range.max)
      .default(defaultValue)
      .register(registry, {
        kind,
        expected: `a whole number${unit} from ${range.min} to ${range.max}`,
        description,
      });
}

const count = (min: number, max: number) => whole({ min, max }, "integer", "");

const duration = (min: number, max: number) =>
  whole({ min, max }, "duration", ' of milliseconds, or text like "500ms" or "10s",');

const size = (min: number, max: number) =>
  whole({ min, max }, "size", ' of bytes, or text like "64KiB",');

const port = count(0, 65_535);

function text(expected: string, pattern: RegExp) {
  const schema = z.string().regex(pattern);
  return {
    withDefault: (defaultValue: string, description: string): z.ZodDefault<z.ZodString> =>
      schema.default(defaultValue).register(registry, { kind: "text", expected, description }),
    optional: (description: string): z.ZodOptional<z.ZodString> =>
      schema.optional().register(registry, { kind: "text", expected, description }),
  };
}

function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return (defaultValue: T[number], description: string): z.ZodType<T[number]> => {
    const schema = z.literal<T>(values).default(defaultValue as z.util.NoUndefined<T[number]>);
    const expected = `one of ${values.join(", ")}`;
    registry.add(schema, { kind: "choice", expected, description });
    return schema;
  };
}

function flag(defaultValue: boolean, description: string): z.ZodDefault<z.ZodBoolean> {
  const meta: OptionMeta = { kind: "boolean", expected: "true or false", description };
  return z.boolean().default(defaultValue).register(registry, meta);
}

function list(item: z.ZodString, expected: string, description: string) {
  return z
    .array(item)
    .readonly()
    .default([])
    .register(registry, { kind: "list", expected, description });
}

/** A section that is there whether or not anything in it is set. */
function section<T extends z.ZodRawShape>(shape: T) {
  return z
    .prefault(z.strictObject(shape), {} as z.input<z.ZodObject<T>>)
    .register(registry, { kind: "section", expected: "a section of options", description: "" });
}

/** A section whose absence switches something off. */
function optionalSection<T extends z.ZodRawShape>(shape: T, description: string) {
  return z
    .strictObject(shape)
    .optional()
    .register(registry, { kind: "section", expected: "a section of options", description });
}

const HOST = text("a host name or an IP address", /^[^\s/]+$/);
const ADDRESS_PATTERN = /^(?:\[[0-9a-fA-F:.%]+\]|[^\s:/[\]]+):\d{1,5}$/;
const ADDRESS = text("host:port, with an IPv6 host in brackets", ADDRESS_PATTERN);
const NAME = text(
  "1 to 64 letters, digits, blanks, '-', '_' or '.'",
  /^[A-Za-z0-9_.-][A-Za-z0-9_. -]{0,63}$/,
);
const PATH = text("a path", /^.+$/s);

/** The names of people become the full one. */
const PARTITIONER = z
  .string()
  .transform((input, context): string => {
    const name = partitionerNameOf(input);
    if (name !== undefined) return name;
    context.addIssue({ code: "custom", input });
    return z.NEVER;
  })
  .default("Murmur3Partitioner")
  .register(registry, {
    kind: "text",
    expected: `one of ${PARTITIONER_NAMES.join(", ")}`,
    description:
      "How keys become tokens: with Cassandra's names or short ones (murmur3, random, byteordered, " +
      "redis, dynomite:murmur ...). ByteOrdered, OrderPreserving and CollatingOrderPreserving keep " +
      "keys in order, so that ranges of them can be read, and leave it to people to spread the data: " +
      "they need initialToken, or the allocator random. All members need the same; it cannot be " +
      "changed once there is a ring.",
  });

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;

const LISTEN_HOST =
  "Where to listen. The default is reachable from this machine only; an address of the network " +
  "opens the port to everybody there, and there is no password yet.";

/** The table itself: checks a whole configuration and fills in the defaults. */
export const nodeOptionsSchema: z.ZodObject & z.ZodType<NodeOptions> = z.strictObject({
  clusterName: NAME.withDefault(
    "dynaring",
    "Members of another cluster name are refused. It cannot be changed once there is data.",
  ),
  partitioner: PARTITIONER,
  dataDirectory: PATH.optional(
    "Where the data lives. Without it everything is kept in memory and lost with the process.",
  ),
  dc: NAME.withDefault(
    "dc1",
    "The datacenter of this member, as replication settings name it. Used with snitch.kind configured.",
  ),
  rack: NAME.withDefault(
    "rack1",
    "The rack (or zone) of this member: replicas are spread over racks. A rack with fewer members " +
      "than the others gives each of them more data. Used with snitch.kind configured.",
  ),
  snitch: section({
    kind: choice(SNITCHES)(
      "configured",
      "How the member learns its datacenter and rack when it starts: configured takes dc and rack; simple says " +
        "datacenter1 and rack1; rackinferring takes the second and third number of its IPv4 address; propertyfile and " +
        "gossipingpropertyfile read Cassandra's files; ec2, gce and azure ask the cloud. A member " +
        "that is in the ring cannot move: a start with another place is refused.",
    ),
    file: PATH.optional(
      "cassandra-topology.properties for propertyfile (read again when it changes), " +
        "cassandra-rackdc.properties for gossipingpropertyfile and, for dc_suffix and ec2_naming_scheme, for the clouds.",
    ),
    metadataUrl: text("an http or https URL", /^https?:\/\/[^\s/]+\/?$/).optional(
      "Where the cloud's metadata service answers, if not where the cloud has it.",
    ),
  }),
  weight: z.number().min(0.01).max(100).default(1).register(registry, {
    kind: "number",
    expected: "a number from 0.01 to 100",
    description:
      "The capacity of this member compared with the others. Raised: it takes more data and requests.",
  }),
  seeds: list(
    z.string().regex(ADDRESS_PATTERN),
    "a list of host:port",
    "Internode addresses of members to ask first. The member that the first of them names founds " +
      "the ring if there is none; with no seeds the member founds a ring of its own. Give all " +
      "members the same list.",
  ),
  internode: section({
    host: HOST.withDefault("127.0.0.1", `For other members. ${LISTEN_HOST}`),
    port: port(7400, "For other members. 0 takes any free port."),
    advertise: ADDRESS.optional(
      "The address under which other members reach this one, where it differs from host and port " +
        "(containers, address translation, listening on 0.0.0.0).",
    ),
  }),
  resp: optionalSection(
    {
      host: HOST.withDefault("127.0.0.1", `For Redis clients. ${LISTEN_HOST}`),
      port: port(6400, "For Redis clients. 0 takes any free port."),
      maxConnections: count(1, 1_000_000)(
        10_000,
        "Redis clients at once; more are refused. Raised: more memory for buffers. Lowered: " +
          "large client pools are turned away.",
      ),
    },
    "The Redis front end. Without this section there is none.",
  ),
  http: optionalSection(
    {
      host: HOST.withDefault("127.0.0.1", `For HTTP clients and the CLI. ${LISTEN_HOST}`),
      port: port(8400, "For HTTP clients and the CLI. 0 takes any free port."),
    },
    "The HTTP front end: values, admin calls, health, metrics. Without this section there is none.",
  ),
  numTokens: count(1, 1024)(
    16,
    "Positions of this member on the ring. Raised: data spreads more evenly, and the loss of a few " +
      "members touches more ranges. Lowered: ownership is less even. Used when the member joins.",
  ),
  initialToken: list(
    z.string().regex(/^[^\p{Cc},]{1,100}$/u),
    "a list of tokens of the partitioner",
    "The exact tokens to take when joining, instead of the allocator's choice, as the partitioner " +
      "writes them: decimal numbers, hex digits with ByteOrdered, text with the other ordered ones.",
  ),
  allocator: choice(ALLOCATORS)(
    "balanced",
    "How the positions are chosen when joining: balanced evens out the load over members, racks and " +
      "weights, cassandra is bit for bit Cassandra's allocator (and refuses 2 racks at 3 replicas), " +
      "random draws them uniformly. The first two assume 3 replicas per datacenter, and need a " +
      "partitioner that hashes.",
  ),
  autoBootstrap: flag(
    true,
    "Whether a new member asks the ring to take it in. With false it waits outside until an operator " +
      "takes it in with a plan, alone or many at once: dynaring plan --join. Either way it serves " +
      "only when it has fetched what it shall hold; Cassandra's false, which joins without data, " +
      "does not exist.",
  ),
  streamThroughputBytes: size(64 * KIB, 64 * GIB)(
    16 * MIB,
    "Bytes per second that this member fetches at most when the ring changes. Raised: changes are over " +
      "sooner. Lowered: less is taken from the operations of clients.",
  ),
  engine: choice(ENGINES)(
    "log",
    "Where cells are stored: log (append-only segments, index in memory) or lmdb (for data whose " +
      "index is larger than memory). It cannot be changed once there is data.",
  ),
  durability: choice(DURABILITIES)(
    "fsync",
    "When a write counts as stored, for keyspaces created without saying so: fsync survives power " +
      "loss of all members at once, interval the death of the process, memory neither. Weaker is " +
      "faster.",
  ),
  requestTimeoutMs: section({
    read: duration(1, HOUR_MS)(
      5000,
      "How long a read waits for replicas. Raised: clients wait longer on a sick member. Lowered: " +
        "slow answers count as failures.",
    ),
    write: duration(1, HOUR_MS)(
      2000,
      "How long a write waits for replicas. Raised: clients wait longer on a sick member. Lowered: " +
        "more writes end with an unknown outcome.",
    ),
  }),
  speculativeRetryMs: duration(1, HOUR_MS)(
    50,
    "How long a read waits before it asks one more replica. Raised: one slow replica shows in the " +
      "latency. Lowered: more reads are done twice.",
  ),
  gossipIntervalMs: duration(10, 60_000)(
    1000,
    "Between two rounds of gossip. Raised: changes and failures are noticed later. Lowered: more " +
      "background traffic.",
  ),
  phiConvictThreshold: z
    .number()
    .min(5)
    .max(16)
    .default(8)
    .register(registry, {
      kind: "number",
      expected: "a number from 5 to 16",
      description:
        "The suspicion at which a silent member counts as down. Raised: failures are noticed later. " +
        "Lowered: pauses of a healthy member look like failures.",
    }),
  syncIntervalMs: duration(1, HOUR_MS)(
    1000,
    "Between two syncs to disk of data written with durability interval. Raised: more is lost with " +
      "the power. Lowered: more disk work.",
  ),
  limits: section({
    keyBytes: size(1, MIB)(
      64 * KIB,
      "The longest key. Raised: the index needs more memory. Give all members the same value.",
    ),
    valueBytes: size(1, GIB)(
      16 * MIB,
      "The longest value. Raised: one request can hold up others for longer. Give all members the " +
        "same value.",
    ),
    inFlightBytes: size(64 * KIB, 64 * GIB)(
      256 * MIB,
      "Keys and values of requests under way in this member; beyond it the answer is BUSY. Raised: " +
        "more memory under load. Lowered: BUSY comes earlier.",
    ),
    peerQueueBytes: size(64 * KIB, 16 * GIB)(
      64 * MIB,
      "Bytes waiting for one other member; beyond it that member counts as not answering. Raised: " +
        "more memory while a member is slow. Lowered: short pauses fail requests.",
    ),
  }),
  logLevel: choice(LOG_LEVELS)(
    "info",
    "The least important events that are logged. debug may show keys.",
  ),
});

/** The whole table, in the order in which it is documented. */
export function optionRows(): readonly OptionRow[] {
  return rowsOf(nodeOptionsSchema, "", false);
}

function rowsOf(object: z.ZodObject, prefix: string, isOptional: boolean): readonly OptionRow[] {
  return Object.entries(object.shape).flatMap(([name, field]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    const meta = must(registry.get(field as z.ZodType), `option ${path} is described`);
    const row: OptionRow = {
      ...meta,
      path,
      defaultValue: meta.kind === "section" ? undefined : defaultOf(field),
      isInOptionalSection: isOptional,
    };
    const inner = sectionOf(field);
    if (inner === undefined) return [row];
    const isInnerOptional = field instanceof z.ZodOptional;
    const rows = rowsOf(inner, path, isInnerOptional);
    return isInnerOptional ? [row, ...rows] : rows;
  });
}

function defaultOf(field: unknown): unknown {
  return field instanceof z.ZodDefault ? field.def.defaultValue : undefined;
}

function sectionOf(field: unknown): z.ZodObject | undefined {
  if (!(field instanceof z.ZodOptional) && !(field instanceof z.ZodPrefault)) return undefined;
  const inner = field.unwrap();
  return inner instanceof z.ZodObject ? inner : undefined;
}
