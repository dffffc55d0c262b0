import { DYNOMITE_HASHES } from "../dynomite-hashes.ts";
import { type Partitioner, PartitionerError } from "../partitioner.ts";
import { ByteOrderedPartitioner } from "./byte-ordered.ts";
import { CollatingOrderPreservingPartitioner } from "./collating.ts";
import { DynomitePartitioner } from "./dynomite.ts";
import { Murmur3Partitioner } from "./murmur3.ts";
import { OrderPreservingPartitioner } from "./order-preserving.ts";
import { RandomPartitioner } from "./random.ts";
import { RedisSlotPartitioner } from "./redis.ts";

/** A partitioner of any token type. */
export type AnyPartitioner = Partitioner<bigint> | Partitioner<Uint8Array> | Partitioner<string>;

const CLASS_PACKAGE = "org.apache.cassandra.dht.";
const MAKERS: Readonly<Record<string, () => AnyPartitioner>> = {
  Murmur3Partitioner: () => new Murmur3Partitioner(),
  RandomPartitioner: () => new RandomPartitioner(),
  ByteOrderedPartitioner: () => new ByteOrderedPartitioner(),
  OrderPreservingPartitioner: () => new OrderPreservingPartitioner(),
  CollatingOrderPreservingPartitioner: () => new CollatingOrderPreservingPartitioner(),
  RedisSlotPartitioner: () => new RedisSlotPartitioner(),
  DynomitePartitioner: () => new DynomitePartitioner(),
  ...Object.fromEntries(
    DYNOMITE_HASHES.map((hash) => [
      `DynomitePartitioner(${hash})`,
      () => new DynomitePartitioner({ hash }),
    ]),
  ),
};

/** All names that `createPartitioner` knows. */
export const PARTITIONER_NAMES: readonly string[] = Object.keys(MAKERS);

/**
 * The name that is meant: in full, with Cassandra's package, or short in any case, e.g. `murmur3`,
 * `byteordered`, `dynomite:fnv1a_64`. Undefined if it is none.
 */
export function partitionerNameOf(text: string): string | undefined {
  const wanted = shortPartitionerName(text);
  return PARTITIONER_NAMES.find((known) => shortPartitionerName(known) === wanted);
}

/** The short form of a name, as `partitionerNameOf` takes it. */
export function shortPartitionerName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^org\.apache\.cassandra\.dht\./, "")
    .replace(/(?:slot)?partitioner/, "")
    .replace(/\((.+)\)$/, ":$1");
}

/** A partitioner by its name, with or without Cassandra's package; throws PartitionerError. */
export function createPartitioner(name: string): AnyPartitioner {
  const short = name.startsWith(CLASS_PACKAGE) ? name.slice(CLASS_PACKAGE.length) : name;
  const make = Object.hasOwn(MAKERS, short) ? MAKERS[short] : undefined;
  if (make === undefined)
    throw new PartitionerError(name, `one of ${PARTITIONER_NAMES.join(", ")}`);
  return make();
}
