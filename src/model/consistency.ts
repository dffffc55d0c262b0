/**
 * Consistency levels and durability: what a caller asks of one request.
 *
 * Names and meanings are Cassandra's (reference: ConsistencyLevel.java); `r` and `w` as plain numbers
 * are Dynamo's (paper section 4.5).
 */

export const CONSISTENCY_LEVELS = [
  "ANY",
  "ONE",
  "TWO",
  "THREE",
  "QUORUM",
  "ALL",
  "LOCAL_ONE",
  "LOCAL_QUORUM",
  "EACH_QUORUM",
] as const;

export type ConsistencyLevel = (typeof CONSISTENCY_LEVELS)[number];

/** A named level, or the number of replicas that must answer (Dynamo's R and W). */
export type Consistency = ConsistencyLevel | number;

/** The level with that name in any case, or undefined. */
export function parseConsistencyLevel(text: string): ConsistencyLevel | undefined {
  const upper = text.toUpperCase();
  return CONSISTENCY_LEVELS.find((level) => level === upper);
}

/**
 * When a replica may acknowledge a write.
 *
 * - `fsync`: it is on stable storage; survives power loss of all members at once.
 * - `interval`: it was handed to the operating system; survives the death of the process, and power
 *   loss after the next periodic sync.
 * - `memory`: it is in memory; written soon after.
 */
export const DURABILITIES = ["fsync", "interval", "memory"] as const;

export type Durability = (typeof DURABILITIES)[number];

export function parseDurability(text: string): Durability | undefined {
  const lower = text.toLowerCase();
  return DURABILITIES.find((durability) => durability === lower);
}
