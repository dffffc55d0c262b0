/** The ring of a file with one keyspace placed on it. */
import { tokenFromHalves } from "../../ring/token.ts";
import type { TokenRange } from "../../ring/range.ts";
import type { MovementMember } from "../../placement/movement.ts";
import {
  type ReplicaSet,
  type ReplicaTable,
  buildReplicaTable,
} from "../../placement/replica-table.ts";
import { RingEmbedding } from "../../placement/ring-embedding.ts";
import type { Replication } from "../../placement/strategy.ts";
import { CliError } from "../exit-codes.ts";
import type { AnyToken, RingFile, RingFileKeyspace } from "./ring-file.ts";

/** A range of the ring in tokens of its partitioner. */
export interface PlacedRange extends TokenRange<AnyToken> {
  readonly replicas: ReplicaSet;
}

export interface PlacedRing {
  readonly ring: Pick<RingFile, "partitioner" | "members">;
  readonly replication: Replication;
  readonly embedding: RingEmbedding<AnyToken>;
  /** The members in the order of the file, on the 64-bit ring. */
  readonly members: readonly MovementMember[];
  readonly table: ReplicaTable;
  ranges(): readonly PlacedRange[];
}

/**
 * @param embedding - of a ring that has these tokens too, where two rings are compared.
 */
export function placeRing(
  ring: Pick<RingFile, "partitioner" | "members">,
  replication: Replication,
  embedding: RingEmbedding<AnyToken> = embeddingOf(ring),
): PlacedRing {
  const members = ring.members.map(({ name, dc, rack, weight, tokens }) => ({
    id: name,
    dc,
    rack,
    weight,
    tokens: tokens.map((token) => embedding.positionOf(token)),
  }));
  const table = buildReplicaTable({ members, replication });
  const ranges = (): readonly PlacedRange[] =>
    table.ranges().map(({ startHi, startLo, endHi, endLo, replicas }) => ({
      start: embedding.tokenAt(tokenFromHalves(startHi, startLo)),
      end: embedding.tokenAt(tokenFromHalves(endHi, endLo)),
      replicas,
    }));
  return { ring, replication, embedding, members, table, ranges };
}

/** One embedding for all tokens of some rings of one partitioner. */
export function embeddingOf(
  ring: Pick<RingFile, "partitioner" | "members">,
  ...others: readonly Pick<RingFile, "members">[]
): RingEmbedding<AnyToken> {
  const members = [ring, ...others].flatMap((one) => one.members);
  return new RingEmbedding(
    ring.partitioner,
    members.flatMap(({ tokens }) => tokens),
  );
}

/** The keyspace of this name, or the only one; throws CliError that lists what there is. */
export function keyspaceNamed({ keyspaces }: RingFile, name: string | undefined): RingFileKeyspace {
  const [first, second] = keyspaces;
  const names = keyspaces.map((keyspace) => keyspace.name).join(", ");
  if (name !== undefined) {
    const found = keyspaces.find((keyspace) => keyspace.name === name);
    if (found !== undefined) return found;
    const known = names === "" ? "it has none" : `it has ${names}`;
    throw new CliError("usage", `the ring file has no keyspace '${name}'; ${known}`);
  }
  if (first !== undefined && second === undefined) return first;
  const reason =
    first === undefined ? "the ring file has no keyspaces" : `choose one with --keyspace: ${names}`;
  throw new CliError("usage", reason);
}
