/** How a keyspace places its replicas, in the words of Cassandra's CREATE KEYSPACE. */
export interface ReplicationOptions {
  /** E.g. SimpleStrategy, NetworkTopologyStrategy. */
  readonly class: string;
  /** `replication_factor` and/or datacenter names, to "3" or "3/1". */
  readonly options: Readonly<Record<string, string>>;
}
