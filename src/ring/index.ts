/**
 * `dynaring/ring`: tokens, partitioners, ranges and token allocation as a library.
 *
 * Nothing here does I/O, knows the time or draws chance by itself, and nothing needs Node.js: it
 * runs in a browser as well.
 *
 * @example
 * ```ts
 * import { Murmur3Partitioner, rangesOf } from "dynaring/ring";
 *
 * const partitioner = new Murmur3Partitioner();
 * const token = partitioner.hash(new TextEncoder().encode("user:42"));
 * const ranges = rangesOf(partitioner.even(3));
 * ```
 *
 * @packageDocumentation
 */
export { Murmur3, type Murmur3Engine, createHalvesMurmur3 } from "./murmur3.ts";
export { createWasmMurmur3 } from "./murmur3-wasm.ts";
export {
  MAX_TOKEN,
  MIN_TOKEN,
  TokenError,
  compareHalves,
  formatToken,
  parseToken,
  tokenFromHalves,
  tokenHi,
  tokenLo,
} from "./token.ts";
export { explicitTokens, parseTokens, randomToken, randomTokens } from "./tokens.ts";
export {
  INT64_ORDER,
  type TokenOrder,
  type TokenRange,
  isWrapping,
  rangeContains,
  rangesOf,
  unwrapRange,
} from "./range.ts";
export { TokenIndex } from "./token-index.ts";
export { describeOwnership } from "./ownership.ts";
export {
  type HashPartitioner,
  type NarrowPartitioner,
  type Partitioner,
  PartitionerError,
  type SampledShare,
  sampledOwnership,
} from "./partitioner.ts";
export {
  type AnyPartitioner,
  PARTITIONER_NAMES,
  createPartitioner,
} from "./partitioners/by-name.ts";
export { ByteOrderedPartitioner } from "./partitioners/byte-ordered.ts";
export { CollatingOrderPreservingPartitioner } from "./partitioners/collating.ts";
export { type DynomiteOptions, DynomitePartitioner } from "./partitioners/dynomite.ts";
export { Murmur3Partitioner } from "./partitioners/murmur3.ts";
export { OrderPreservingPartitioner } from "./partitioners/order-preserving.ts";
export { RandomPartitioner } from "./partitioners/random.ts";
export { RedisSlotPartitioner } from "./partitioners/redis.ts";
export {
  DYNOMITE_HASHES,
  type DynomiteHash,
  type Hash32,
  dynomiteHash,
} from "./dynomite-hashes.ts";
export { type TaggedPart, taggedPart } from "./hash-tag.ts";
export {
  type AllocationStrategy,
  allocateTokens,
  tokenCountForWeight,
} from "./allocation/allocate.ts";
export {
  AllocationError,
  type AllocationErrorCode,
  type AllocationRequest,
  type BalancedReplication,
  type JoiningMember,
  type RingMember,
  TOKENS_PER_MEMBER_MAX,
  compareTokens,
} from "./allocation/allocation.ts";
export {
  evenTokens,
  growthTokens,
  tokenGeneratorTokens,
  wikiScriptTokens,
} from "./allocation/even.ts";
export { type OfflineRing, dealOverRacks, generateTokens } from "./allocation/generate-tokens.ts";
export {
  type Rebalance,
  type RebalanceRequest,
  type TokenMove,
  rebalanceTokens,
} from "./allocation/rebalance.ts";
export {
  type Slot,
  closestToken,
  dynomiteManagerOffset,
  dynomiteManagerToken,
  dynomiteScriptTokens,
  nextPriamSlot,
  priamToken,
} from "./allocation/sidecar-tokens.ts";
export { MURMUR3_SPACE, RANDOM_SPACE, type TokenSpace } from "./allocation/token-space.ts";
export { SeededRng, type Uint32Source } from "../util/random.ts";
