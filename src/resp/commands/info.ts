/** INFO: this member in Redis's sections, and the ring in one of our own. */
import type { InfoView, StatusView } from "../../model/admin-api.ts";
import type { Call } from "../call.ts";
import type { ServerContext } from "../context.ts";
import type { CommandSpec } from "./spec.ts";

/**
 * The version of Redis that clients are told, because some choose their commands by it. The command
 * table, not this, says what there is.
 */
export const COMPATIBLE_REDIS_VERSION = "7.4.0";

type Lines = Readonly<Record<string, string | number>>;

/** What the sections are made of, read once per INFO. */
interface Sources {
  readonly server: ServerContext;
  readonly info: InfoView;
  readonly status: StatusView;
  readonly clientCount: number;
}

const SECTIONS: Readonly<Record<string, (sources: Sources) => Lines>> = {
  server: serverLines,
  clients: ({ server, clientCount }) => ({
    connected_clients: clientCount,
    maxclients: server.limits.maxClients,
    blocked_clients: 0,
  }),
  memory: ({ info }) => ({
    used_memory: info.memory.heapUsedBytes,
    used_memory_human: megabytes(info.memory.heapUsedBytes),
    used_memory_rss: info.memory.rssBytes,
    used_memory_rss_human: megabytes(info.memory.rssBytes),
    maxmemory: 0,
    maxmemory_policy: "noeviction",
  }),
  persistence: () => ({ loading: 0, async_loading: 0 }),
  stats: statsLines,
  replication: () => ({ role: "master", connected_slaves: 0 }),
  cluster: () => ({ cluster_enabled: 0 }),
  dynaring: dynaringLines,
};

export const INFO_COMMANDS: readonly CommandSpec[] = [
  {
    name: "info",
    arity: -1,
    group: "server",
    flags: ["loading", "stale"],
    access: "none",
    since: "1.0.0",
    syntax: "[section ...]",
    summary: "Describes this member and the ring.",
    notes: `Sections: ${Object.keys(SECTIONS).join(", ")}. redis_version is the version of Redis whose clients are served; dynaring_version is the version of the program. There is no keyspace section: DBSIZE counts.`,
    handler: info,
  },
];

function info(call: Call): void {
  const { server } = call;
  const sources: Sources = {
    server,
    info: server.admin.info(),
    status: server.admin.status(),
    clientCount: [...server.clients()].length,
  };
  const texts = requestedSections(call).map((name) => {
    const lines = Object.entries(SECTIONS[name]?.(sources) ?? {});
    const title = `# ${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    return [title, ...lines.map(([field, value]) => `${field}:${value}`), ""].join("\r\n");
  });
  call.verbatim(texts.join("\r\n"));
}

function requestedSections(call: Call): readonly string[] {
  const all = Object.keys(SECTIONS);
  if (call.count === 1) return all;
  const wanted = new Set<string>();
  for (let index = 1; index < call.count; index++) {
    wanted.add(call.command.text(index).toLowerCase());
  }
  if (["all", "default", "everything"].some((name) => wanted.has(name))) return all;
  return all.filter((name) => wanted.has(name));
}

function serverLines({ server, info: view }: Sources): Lines {
  return {
    redis_version: COMPATIBLE_REDIS_VERSION,
    redis_mode: "standalone",
    dynaring_version: view.releaseVersion,
    node_version: view.nodeVersion,
    run_id: view.member.id.replaceAll("-", ""),
    tcp_port: server.address().port,
    server_time_usec: server.clock.wallMs() * 1000,
    uptime_in_seconds: Math.floor(view.uptimeSeconds),
    uptime_in_days: Math.floor(view.uptimeSeconds / 86_400),
  };
}

function statsLines({ server: { stats } }: Sources): Lines {
  return {
    total_connections_received: stats.connectionsAccepted,
    rejected_connections: stats.connectionsRejected,
    total_commands_processed: stats.commandsProcessed,
    total_error_replies: stats.errorReplies,
    total_net_input_bytes: stats.inputBytes,
    total_net_output_bytes: stats.outputBytes,
    keyspace_hits: stats.keyspaceHits,
    keyspace_misses: stats.keyspaceMisses,
    protocol_errors: stats.protocolErrors,
    clients_killed: stats.clientsKilled,
  };
}

function dynaringLines({ server, info: view, status }: Sources): Lines {
  const { members } = status;
  const up = members.filter(({ isUp }) => isUp).length;
  const keyspaces = server.admin.keyspaces().map(({ index, name }) => [`keyspace${index}`, name]);
  return {
    cluster_name: status.clusterName,
    partitioner: status.partitioner,
    layout_version: status.layout.counter,
    layout_hash: status.layout.hash,
    members: members.length,
    members_up: up,
    members_down: members.length - up,
    member_id: view.member.id,
    member_address: view.member.address,
    dc: view.member.dc,
    rack: view.member.rack,
    state: view.member.state,
    ready: server.admin.readiness().isReady ? 1 : 0,
    engine: view.storage.engine,
    local_keys: view.storage.keys,
    local_live_bytes: view.storage.liveBytes,
    local_disk_bytes: view.storage.diskBytes,
    ...Object.fromEntries(keyspaces),
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(2)}M`;
}
