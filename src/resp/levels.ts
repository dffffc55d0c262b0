/** Consistency levels as clients write them: Cassandra's names, Dynomite's, or a number. */
import {
  CONSISTENCY_LEVELS,
  type Consistency,
  type ConsistencyLevel,
  parseConsistencyLevel,
} from "../model/consistency.ts";

/**
 * Dynomite's names (`dyn_core.h`, consistency_t) for levels of ours. Its DC_SAFE_QUORUM differs from
 * DC_QUORUM in what a read does when replicas disagree; here every quorum read reconciles.
 */
export const DYNOMITE_LEVELS: Readonly<Record<string, ConsistencyLevel>> = {
  DC_ONE: "LOCAL_ONE",
  DC_QUORUM: "LOCAL_QUORUM",
  DC_SAFE_QUORUM: "LOCAL_QUORUM",
  DC_EACH_SAFE_QUORUM: "EACH_QUORUM",
};

export const LEVEL_NAMES: readonly string[] = [
  ...CONSISTENCY_LEVELS,
  ...Object.keys(DYNOMITE_LEVELS),
];

/** More replicas than this no request can ask for. */
const MAX_REPLICAS = 255;

/** The level with that name in any case, or a number from 1 on; undefined for anything else. */
export function parseLevel(text: string): Consistency | undefined {
  if (/^[1-9]\d{0,2}$/.test(text)) {
    const replicas = Number(text);
    return replicas <= MAX_REPLICAS ? replicas : undefined;
  }
  return parseConsistencyLevel(text) ?? DYNOMITE_LEVELS[text.toUpperCase()];
}
