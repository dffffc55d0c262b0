/**
 * Dynaring: a Dynamo-style token ring. `createNode` makes a member of a ring inside this program,
 * `createTestCluster` a whole ring for tests.
 *
 * @module
 */
export { DynaringNode, createNode, type KeyspaceInput, type NodeDeps } from "./node/create-node.ts";
export {
  KeyspaceClient,
  type Bytes,
  type DeleteOptions,
  type GetOptions,
  type GetResult,
  type PutOptions,
  type RangeOptions,
  type RangeResult,
  type ScanOptions,
  type WriteResult,
} from "./node/keyspace-client.ts";
export { TestCluster, createTestCluster, type TestClusterOptions } from "./node/test-cluster.ts";
export { ConfigError, type ConfigProblem, type NodeOptionsInput } from "./node/options.ts";
