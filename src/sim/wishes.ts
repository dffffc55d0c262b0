/** What clients want done, drawn from the options of a run. */
import {
  CONSISTENCY_LEVELS,
  type Consistency,
  DURABILITIES,
  type Durability,
} from "../model/consistency.ts";
import { must } from "../util/assert.ts";
import { type Uint32Source, randomBelow, randomChoice, randomFraction } from "../util/random.ts";
import type { KeyspacePlan, SimulationOptions } from "./swarm.ts";

export interface Wish {
  readonly kind: "put" | "delete" | "get";
  /** `keyspace/key`. */
  readonly key: string;
  readonly level: Consistency;
  readonly durability: Durability;
  /** 0: for ever. */
  readonly ttlMs: number;
  readonly valueBytes: number;
}

const TTL_MAX_MS = 3000;

/** Every key that clients may use, as `keyspace/key`. */
export function allKeys({ keyspaces, workload }: SimulationOptions): readonly string[] {
  const keys = (kind: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${kind}-${index}`);
  const names = [...keys("hot", workload.hotKeys), ...keys("cold", workload.coldKeys)];
  return keyspaces.flatMap(({ name }) => names.map((key) => `${name}/${key}`));
}

export function drawWish(rng: Uint32Source, options: SimulationOptions): Wish {
  const { workload, keyspaces } = options;
  const isTrue = (probability: number): boolean => randomFraction(rng) < probability;
  const keyspace = must(randomChoice(rng, keyspaces), "there is a keyspace");
  const isHot = isTrue(workload.hotShare);
  const index = randomBelow(rng, isHot ? workload.hotKeys : workload.coldKeys);
  const isWrite = isTrue(workload.writeShare);
  const isPut = isWrite && !isTrue(workload.deleteShare);
  const isExpiring = isPut && isTrue(workload.expiringShare);
  const isSpecial = isTrue(workload.oddDurabilityShare ?? 0.125);
  return {
    kind: isPut ? "put" : isWrite ? "delete" : "get",
    key: `${keyspace.name}/${isHot ? "hot" : "cold"}-${index}`,
    level: isTrue(workload.quorumShare)
      ? (workload.quorum ?? "QUORUM")
      : drawLevel(rng, keyspace, isWrite),
    durability: (isSpecial ? randomChoice(rng, DURABILITIES) : undefined) ?? keyspace.durability,
    ttlMs: isExpiring ? 1 + randomBelow(rng, TTL_MAX_MS) : 0,
    valueBytes: randomBelow(rng, workload.valueBytesMax + 1),
  };
}

/** A read of every replica. */
export function wholeRead(key: string): Wish {
  return { kind: "get", key, level: "ALL", durability: "fsync", ttlMs: 0, valueBytes: 0 };
}

function drawLevel(
  rng: Uint32Source,
  { replication }: KeyspacePlan,
  isWrite: boolean,
): Consistency {
  const replicas =
    typeof replication === "number"
      ? replication
      : Object.values(replication).reduce((sum, count) => sum + count, 0);
  if (randomBelow(rng, 3) === 0) return 1 + randomBelow(rng, replicas);
  const counts: Partial<Record<Consistency, number>> = { TWO: 2, THREE: 3 };
  const usable = CONSISTENCY_LEVELS.filter(
    (level) => level !== "ANY" && (counts[level] ?? 1) <= replicas,
  );
  // A read at one replica promises little; half of the reads are of a kind that is worth checking.
  const strong = usable.filter((level) => !isWrite && level !== "ONE" && level !== "LOCAL_ONE");
  const pool = strong.length > 0 && randomBelow(rng, 2) === 0 ? strong : usable;
  return must(randomChoice(rng, pool), "a level");
}

export function splitKey(key: string): [keyspace: string, key: string] {
  const at = key.indexOf("/");
  return [key.slice(0, at), key.slice(at + 1)];
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
