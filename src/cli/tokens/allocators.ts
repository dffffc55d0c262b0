/** The allocators of the ring library on any partitioner's ring, for members that a tool makes up. */
import { unreachable } from "../../util/assert.ts";
import type { Uint32Source } from "../../util/random.ts";
import { allocateTokens } from "../../ring/allocation/allocate.ts";
import {
  AllocationError,
  type BalancedReplication,
  type JoiningMember,
  type RingMember,
} from "../../ring/allocation/allocation.ts";
import { dynomiteManagerToken } from "../../ring/allocation/sidecar-tokens.ts";
import { MURMUR3_SPACE, RANDOM_SPACE, type TokenSpace } from "../../ring/allocation/token-space.ts";
import type { HashPartitioner, Partitioner } from "../../ring/partitioner.ts";
import { isHashPartitioner } from "../../placement/ring-embedding.ts";
import type { Replication } from "../../placement/strategy.ts";
import { CliError } from "../exit-codes.ts";
import type { AnyToken } from "./ring-file.ts";

export const ALLOCATORS = ["balanced", "cassandra", "random"] as const;
export type AllocatorName = (typeof ALLOCATORS)[number];

/** A member whose tokens are of some partitioner. */
export interface AnyMember extends JoiningMember {
  readonly tokens: readonly AnyToken[];
}

export interface TokenRequest {
  readonly partitioner: Partitioner<AnyToken>;
  readonly allocator: AllocatorName;
  readonly members: readonly AnyMember[];
  readonly joining: JoiningMember;
  readonly tokenCount: number;
  readonly replication: Replication;
  readonly rng: Uint32Source;
}

/** Tokens for a joining member, ascending; throws CliError if there can be none. */
export function tokensForMember(request: TokenRequest): readonly AnyToken[] {
  const { partitioner, allocator, joining, tokenCount, rng } = request;
  if (!isHashPartitioner(partitioner)) return randomOrdered(request);
  const members = request.members as readonly RingMember[];
  const replication = balancedReplication(request.replication, [...members, joining]);
  try {
    return allocateTokens(
      { kind: allocator },
      { space: spaceOf(partitioner), members, joining, tokenCount, replication, rng },
    );
  } catch (error) {
    if (!(error instanceof AllocationError)) throw error;
    throw new CliError("usage", `no tokens for ${joining.id}: ${error.message}`);
  }
}

/** All tokens of `count` evenly spaced positions, in order of their slots; throws CliError. */
export function evenRing(partitioner: Partitioner<AnyToken>, count: number): readonly bigint[] {
  if (!isHashPartitioner(partitioner)) throw noWidth(partitioner);
  if (isDynomite(partitioner)) {
    return Array.from({ length: count }, (_, slot) => dynomiteManagerToken({ slot, slots: count }));
  }
  try {
    return (partitioner as HashPartitioner).even(count);
  } catch (error) {
    if (!(error instanceof AllocationError)) throw error;
    throw new CliError("usage", error.message);
  }
}

/** Dynomite's rings: every rack holds the whole ring. */
export function isDynomite({ name }: { readonly name: string }): boolean {
  return name.startsWith("DynomitePartitioner");
}

/** The arithmetic of any ring of integers. */
export function spaceOf(partitioner: Partitioner<AnyToken>): TokenSpace {
  if (partitioner.name === "Murmur3Partitioner") return MURMUR3_SPACE;
  if (partitioner.name === "RandomPartitioner") return RANDOM_SPACE;
  if (!isHashPartitioner(partitioner)) throw noWidth(partitioner);
  const hash: HashPartitioner = partitioner as HashPartitioner;
  return {
    name: hash.name,
    minimum: hash.minimum,
    maximum: hash.maximum,
    width: hash.maximum - hash.minimum + 1n,
    sizeBetween: (left, right) => hash.size(left, right),
    midpoint: (left, right) => hash.midpoint(left, right),
    split: (left, right, ratio) => hash.split(left, right, ratio),
    next: (token) => hash.next(token),
    random: (rng) => hash.random(rng),
    isValid: (token) => token >= hash.minimum && token <= hash.maximum,
  };
}

/** The replication that the allocators balance for. */
function balancedReplication(
  replication: Replication,
  members: readonly JoiningMember[],
): BalancedReplication {
  const perDc = (rfOf: (dc: string) => number): BalancedReplication => {
    const datacenters = [...new Set(members.map(({ dc }) => dc))];
    return { kind: "network", rf: Object.fromEntries(datacenters.map((dc) => [dc, rfOf(dc)])) };
  };
  switch (replication.kind) {
    case "simple":
    case "old-network-topology":
      return { kind: "simple", rf: replication.factor.total };
    case "network-topology":
      return perDc((dc) => replication.factors.get(dc)?.total ?? 0);
    case "rack-per-replica":
      return perDc((dc) => new Set(members.flatMap((m) => (m.dc === dc ? [m.rack] : []))).size);
    case "everywhere":
    case "local":
      return perDc(() => 1);
    default:
      return unreachable(replication);
  }
}

/** Ordered rings have no widths: nothing can be balanced, but tokens can be drawn. */
function randomOrdered(request: TokenRequest): readonly AnyToken[] {
  const { partitioner, allocator, members, tokenCount, rng } = request;
  if (allocator !== "random") throw noWidth(partitioner);
  const taken = new Set(
    members.flatMap(({ tokens }) => tokens.map((token) => partitioner.format(token))),
  );
  const tokens: AnyToken[] = [];
  while (tokens.length < tokenCount) {
    const token = partitioner.random(rng);
    if (taken.has(partitioner.format(token))) continue;
    taken.add(partitioner.format(token));
    tokens.push(token);
  }
  return tokens.toSorted((a, b) => partitioner.compare(a, b));
}

function noWidth({ name }: { readonly name: string }): CliError {
  const reason = "its ring has no widths, so tokens can only be drawn: --allocator random";
  return new CliError("usage", `${name}: ${reason}`);
}
