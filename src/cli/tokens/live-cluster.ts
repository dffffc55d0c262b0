/**
 * The ring of a running Cassandra or ScyllaDB, from the tables in which every node describes it:
 * `system.local` (itself), `system.peers` (the others) and `system_schema.keyspaces`.
 *
 * All three must be asked of one node, because each has its own view; a peer without tokens, place or
 * host id is a ghost that the cluster has forgotten half-way, and is left out.
 */
import type { ListedMember } from "./nodetool.ts";
import { CliError } from "../exit-codes.ts";

export type Row = Readonly<Record<string, unknown>>;
/** Runs a statement on one and always the same node. */
export type Query = (cql: string) => Promise<readonly Row[]>;

export interface LiveCluster {
  readonly partitioner: string;
  readonly members: readonly ListedMember[];
  /** Replication as in CQL: `class` and its options. Without those of the system itself. */
  readonly keyspaces: readonly {
    readonly name: string;
    readonly options: Readonly<Record<string, string>>;
  }[];
  readonly notes: readonly string[];
}

const SYSTEM_KEYSPACE = /^system(?:_.+)?$|^dse_|^OpsCenter$/;

/** Throws CliError if the tables do not hold what they should. */
export async function readLiveCluster(query: Query): Promise<LiveCluster> {
  const [local] = await query("SELECT * FROM system.local");
  if (local === undefined) throw new CliError("refused", "system.local is empty");
  const peers = await query("SELECT * FROM system.peers");
  const ghosts = peers.filter((row) => !isMember(row));
  const members = [
    memberOf(local, ["broadcast_address", "rpc_address", "listen_address"]),
    ...peers.filter(isMember).map((row) => memberOf(row, ["peer"])),
  ];
  const keyspaces = (await keyspaceRows(query)).filter(
    ({ name, options }) =>
      !SYSTEM_KEYSPACE.test(name) && !(options["class"] ?? "").endsWith("LocalStrategy"),
  );
  return {
    partitioner: textOf(local, "partitioner"),
    members: members.toSorted((a, b) => (a.address < b.address ? -1 : 1)),
    keyspaces: keyspaces.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    notes: ghosts.map(
      (row) => `${String(row["peer"])} has no tokens, place or host id and was left out`,
    ),
  };
}

function isMember(row: Row): boolean {
  return (
    ["data_center", "rack", "host_id"].every((name) => hasValue(row, name)) &&
    tokensOf(row).length > 0
  );
}

function hasValue(row: Row, column: string): boolean {
  return row[column] !== undefined && row[column] !== null;
}

function memberOf(row: Row, addressColumns: readonly string[]): ListedMember {
  const column = addressColumns.find((name) => hasValue(row, name)) ?? addressColumns[0] ?? "";
  return {
    address: textOf(row, column),
    dc: textOf(row, "data_center"),
    rack: textOf(row, "rack"),
    tokens: tokensOf(row),
  };
}

/** A set of text: a list or a Set, as the driver is configured. */
function tokensOf(row: Row): readonly string[] {
  const tokens = row["tokens"];
  if (!Array.isArray(tokens) && !(tokens instanceof Set)) return [];
  return [...(tokens as Iterable<unknown>)].map(String);
}

async function keyspaceRows(query: Query): Promise<LiveCluster["keyspaces"]> {
  const rows = await query("SELECT keyspace_name, replication FROM system_schema.keyspaces");
  return rows.map((row) => {
    const replication = row["replication"];
    const entries: Iterable<[string, unknown]> =
      replication instanceof Map
        ? (replication as ReadonlyMap<string, unknown>)
        : Object.entries(replication ?? {});
    const options = Object.fromEntries([...entries].map(([name, value]) => [name, String(value)]));
    return { name: textOf(row, "keyspace_name"), options };
  });
}

/** A column as text; addresses and ids are objects that know theirs. */
function textOf(row: Row, column: string): string {
  const value = row[column];
  if (value === undefined || value === null) {
    throw new CliError("refused", `column ${column} is missing in the cluster's answer`);
  }
  return String(value as string | { toString(): string });
}
