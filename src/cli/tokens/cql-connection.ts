/** Asks one node of a Cassandra or ScyllaDB cluster, through the driver, if it is installed. */
import { lookup } from "node:dns/promises";
import type cassandra from "cassandra-driver";
import { must } from "../../util/assert.ts";
import { formatAddress } from "../../util/address.ts";
import { CliError } from "../exit-codes.ts";
import type { Query } from "./live-cluster.ts";

export interface CqlOptions {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** Connects, lets `use` ask, and disconnects. Throws CliError. */
export async function withCql<T>(
  options: CqlOptions,
  use: (query: Query) => Promise<T>,
): Promise<T> {
  const driver = await loadDriver();
  const { user, password, port } = options;
  // The driver knows nodes by their IP addresses.
  const address = formatAddress({ host: await ipOf(options.host), port });
  const { loadBalancing } = driver.policies;
  const client = new driver.Client({
    contactPoints: [address],
    // Only the node that was named: its tables are its own view.
    policies: {
      loadBalancing: new loadBalancing.AllowListPolicy(new loadBalancing.RoundRobinPolicy(), [
        address,
      ]),
    },
    socketOptions: { connectTimeout: CONNECT_TIMEOUT_MS },
    pooling: { warmup: false },
    ...(user !== undefined && { credentials: { username: user, password: password ?? "" } }),
  });
  try {
    await connect(client, address);
    const node = client.hosts.get(address) ?? client.hosts.values()[0];
    const host = must(node, "a connected client has a host");
    return await use(async (cql) => {
      try {
        return (await client.execute(cql, [], { host, prepare: false })).rows;
      } catch (error) {
        throw new CliError("refused", `${address} refuses '${cql}': ${messageOf(error)}`);
      }
    });
  } finally {
    await client.shutdown();
  }
}

async function connect(client: cassandra.Client, address: string): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    const { innerErrors } = error as { readonly innerErrors?: Readonly<Record<string, unknown>> };
    const inner = Object.values(innerErrors ?? {})[0];
    const reason = messageOf(inner ?? error);
    if (/authentication|credentials|unauthorized/i.test(reason)) {
      const hint = "--user names the user, CQL_PASSWORD holds the password";
      throw new CliError("refused", `${address} refuses the connection: ${reason} (${hint})`);
    }
    throw new CliError("unreachable", `no Cassandra or ScyllaDB answers at ${address}: ${reason}`);
  }
}

async function ipOf(name: string): Promise<string> {
  try {
    return (await lookup(name)).address;
  } catch (error) {
    throw new CliError("unreachable", `the name ${name} cannot be resolved: ${messageOf(error)}`);
  }
}

async function loadDriver(): Promise<typeof cassandra> {
  try {
    const { default: driver } = await import("cassandra-driver");
    return driver;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    const hint = "install it beside dynaring: npm install cassandra-driver";
    throw new CliError("usage", `asking a cluster needs the package cassandra-driver; ${hint}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
