/**
 * A whole ring inside one program, for tests: real members on loopback sockets, data in memory.
 *
 *     const cluster = await createTestCluster(3);
 *     await cluster.keyspace.put("k", "v");
 *     await cluster.stop();
 */
import { must } from "../util/assert.ts";
import { type DynaringNode, type KeyspaceInput, type NodeDeps, createNode } from "./create-node.ts";
import type { KeyspaceClient } from "./keyspace-client.ts";
import type { NodeOptionsInput } from "./options.ts";

const LOOPBACK = "127.0.0.1";

/** How a ring for tests differs from the default one. */
export interface TestClusterOptions extends NodeDeps {
  /** The keyspace `default` that is created; default: RF 3, or one replica per member if fewer. */
  readonly keyspace?: Partial<KeyspaceInput> | undefined;
  /** Options of each member, on top of those that make it a member of this ring. */
  readonly node?: ((index: number) => NodeOptionsInput) | undefined;
}

/** A ring inside this program. Stop it when the test is over. */
export class TestCluster {
  /** Its members, in the order in which they joined. */
  readonly nodes: readonly DynaringNode[];

  /** @internal Use `createTestCluster`. */
  constructor(nodes: readonly DynaringNode[]) {
    this.nodes = nodes;
  }

  /** The first member. */
  get node(): DynaringNode {
    return must(this.nodes[0], "a cluster has a member");
  }

  /** The keyspace `default`, through the first member. */
  get keyspace(): KeyspaceClient {
    return this.node.keyspace("default");
  }

  /** Stops all members; resolves when no socket or timer is left. */
  async stop(): Promise<void> {
    for (const stopped of this.nodes.map((node) => node.stop())) await stopped;
  }
}

/** Starts `count` members and creates the keyspace `default`. */
export async function createTestCluster(
  count = 3,
  options: TestClusterOptions = {},
): Promise<TestCluster> {
  const nodes: DynaringNode[] = [];
  const cluster = new TestCluster(nodes);
  try {
    for (let index = 0; index < count; index++) {
      const seeds = nodes.slice(0, 1).map(({ address }) => address);
      const node = createNode(
        {
          clusterName: "test",
          seeds,
          durability: "memory",
          gossipIntervalMs: 200,
          internode: { host: LOOPBACK, port: 0 },
          ...options.node?.(index),
        },
        options,
      );
      nodes.push(node);
      await node.start();
    }
    const replicationFactor = Math.min(3, count);
    await cluster.node.createKeyspace({ name: "default", replicationFactor, ...options.keyspace });
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}
