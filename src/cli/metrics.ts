/**
 * Metrics of a member for Prometheus: those of the process, and a table of our own that is read when
 * somebody asks, so that counting costs nothing beyond the counters that the member keeps anyway.
 */
import { Counter, Gauge, Registry, collectDefaultMetrics } from "prom-client";
import type { AdminApi } from "../model/admin-api.ts";
import type { RespStats } from "../resp/context.ts";

export interface MetricsSources {
  readonly admin: AdminApi;
  /** Requests by name, as the node counts them. */
  readonly counters: () => Readonly<Record<string, number>>;
  /** Counters of the RESP front end, if there is one. */
  readonly resp: () => Readonly<RespStats> | undefined;
}

/** A value and the texts of its labels. */
type Sample = readonly [number, ...string[]];

interface MetricRow {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** What the values of the first label mean, where they do not say it themselves. */
  readonly meanings?: Readonly<Record<string, string>> | undefined;
  readonly kind: "gauge" | "counter";
  /** Values with their labels, in the order of `labels`. */
  readonly read: (sources: MetricsSources) => readonly Sample[];
}

/** Among the counters of the node, those that also fall. */
const LEVELS: ReadonlySet<string> = new Set(["pending", "inFlightBytes"]);

/** The counters of the node; a test holds these to be all of them. */
const OPERATIONS: Readonly<Record<string, string>> = {
  reads: "Reads of clients that this member coordinated.",
  writes: "Writes of clients that this member coordinated.",
  readFailures: "Reads among them that failed.",
  writeFailures: "Writes among them that failed, or whose outcome is unknown.",
  speculativeReads: "Reads for which one more replica was asked, because one was slow.",
  readRepairs: "Reads that found replicas different, and made them equal.",
  replicaReads: "Reads that this member answered as a replica to another one.",
  replicaWrites: "Writes that this member took as a replica from another one.",
  layoutMismatches:
    "Requests that this member refused as a replica, because their coordinator lives in another layout.",
  layoutRetries: "Requests that this member made again, because a replica lives in another layout.",
};

export const METRICS: readonly MetricRow[] = [
  {
    name: "dynaring_ready",
    help: "1 when this member can serve.",
    labels: [],
    kind: "gauge",
    read: ({ admin }) => [[admin.readiness().isReady ? 1 : 0]],
  },
  {
    name: "dynaring_members",
    help: "Members of the ring, as this one sees them.",
    labels: ["state"],
    kind: "gauge",
    read: ({ admin }) => {
      const members = whenReady(admin, () => admin.status().members) ?? [];
      const up = members.filter(({ isUp }) => isUp).length;
      return [
        [up, "up"],
        [members.length - up, "down"],
      ];
    },
  },
  {
    name: "dynaring_storage_keys",
    help: "Live keys stored by this member.",
    labels: [],
    kind: "gauge",
    read: ({ admin }) => storage(admin, "keys"),
  },
  {
    name: "dynaring_storage_live_bytes",
    help: "Bytes of live data stored by this member.",
    labels: [],
    kind: "gauge",
    read: ({ admin }) => storage(admin, "liveBytes"),
  },
  {
    name: "dynaring_storage_disk_bytes",
    help: "Bytes that this member occupies on disk.",
    labels: [],
    kind: "gauge",
    read: ({ admin }) => storage(admin, "diskBytes"),
  },
  {
    name: "dynaring_pending_requests",
    help: "Requests that wait for replicas.",
    labels: [],
    kind: "gauge",
    read: ({ counters }) => [[counters()["pending"] ?? 0]],
  },
  {
    name: "dynaring_in_flight_bytes",
    help: "Keys and values of requests under way.",
    labels: [],
    kind: "gauge",
    read: ({ counters }) => [[counters()["inFlightBytes"] ?? 0]],
  },
  {
    name: "dynaring_operations_total",
    help: "What this member did as coordinator and as replica.",
    labels: ["operation"],
    meanings: OPERATIONS,
    kind: "counter",
    read: ({ counters }) =>
      Object.entries(counters())
        .filter(([name]) => !LEVELS.has(name))
        .map(([name, value]) => [value, name]),
  },
  {
    name: "dynaring_resp_commands_total",
    help: "Commands of Redis clients.",
    labels: [],
    kind: "counter",
    read: ({ resp }) => respRows(resp, (stats) => [[stats.commandsProcessed]]),
  },
  {
    name: "dynaring_resp_error_replies_total",
    help: "Error replies to Redis clients.",
    labels: [],
    kind: "counter",
    read: ({ resp }) => respRows(resp, (stats) => [[stats.errorReplies]]),
  },
  {
    name: "dynaring_resp_connections_total",
    help: "Connections of Redis clients.",
    labels: ["result"],
    kind: "counter",
    read: ({ resp }) =>
      respRows(resp, (stats) => [
        [stats.connectionsAccepted, "accepted"],
        [stats.connectionsRejected, "rejected"],
      ]),
  },
  {
    name: "dynaring_resp_bytes_total",
    help: "Bytes from and to Redis clients.",
    labels: ["direction"],
    kind: "counter",
    read: ({ resp }) =>
      respRows(resp, (stats) => [
        [stats.inputBytes, "in"],
        [stats.outputBytes, "out"],
      ]),
  },
];

/** The text of GET /metrics, made from its own registry: two members may share a process. */
export function createMetrics(sources: MetricsSources): () => Promise<string> {
  const register = new Registry();
  collectDefaultMetrics({ register });
  for (const row of METRICS) addMetric(register, row, sources);
  return () => register.metrics();
}

function addMetric(register: Registry, row: MetricRow, sources: MetricsSources): void {
  const { name, help, labels, read } = row;
  const settings = { name, help, labelNames: [...labels], registers: [register] };
  const labelled = (texts: readonly string[]): Record<string, string> =>
    Object.fromEntries(labels.map((label, index) => [label, texts[index] ?? ""]));
  if (row.kind === "gauge") {
    new Gauge({
      ...settings,
      collect() {
        const samples = read(sources);
        // Without labels it would show 0 where nothing is known.
        if (samples.length === 0 && labels.length === 0) this.remove();
        for (const [value, ...texts] of samples) this.set(labelled(texts), value);
      },
    });
    return;
  }
  new Counter({
    ...settings,
    collect() {
      // The member counts; this only shows its sums.
      const samples = read(sources);
      this.reset();
      if (samples.length === 0 && labels.length === 0) this.remove();
      for (const [value, ...texts] of samples) this.inc(labelled(texts), value);
    },
  });
}

function respRows(
  resp: MetricsSources["resp"],
  read: (stats: Readonly<RespStats>) => readonly Sample[],
): readonly Sample[] {
  const stats = resp();
  return stats === undefined ? [] : read(stats);
}

function storage(admin: AdminApi, name: "keys" | "liveBytes" | "diskBytes"): readonly Sample[] {
  const info = whenReady(admin, () => admin.info());
  return info === undefined ? [] : [[info.storage[name]]];
}

/** A member that is not in a ring yet has no views to show. */
function whenReady<T>(admin: AdminApi, read: () => T): T | undefined {
  return admin.readiness().isReady ? read() : undefined;
}
