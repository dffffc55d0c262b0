/** The tokens with which a member joins: those it was told, or the choice of its allocator. */
import type { Layout } from "../layout/layout.ts";
import { RingTokens, noWidths } from "../layout/ring-tokens.ts";
import type { Rng } from "../model/deps.ts";
import type { Stepwise } from "../util/stepwise.ts";
import { allocationSteps, tokenCountForWeight } from "../ring/allocation/allocate.ts";
import type { JoiningMember } from "../ring/allocation/allocation.ts";
import { MURMUR3_SPACE } from "../ring/allocation/token-space.ts";
import type { Allocator } from "./options-table.ts";

/**
 * The replicas per datacenter that allocators balance for. Members join before there are keyspaces,
 * so this is a guess; it is the same as Cassandra's allocate_tokens_for_local_replication_factor.
 */
const ASSUMED_REPLICAS = 3;

export interface TokenChoice {
  readonly numTokens: number;
  /** Explicit tokens as text of the partitioner; empty: the allocator chooses. */
  readonly initialToken: readonly string[];
  readonly allocator: Allocator;
}

/** The ring that a member joins; without members if it founds it. */
export type PresentRing = Pick<Layout, "partitioner" | "members">;

/**
 * Tokens in ring order. Throws TokenError, and AllocationError, e.g. when the Cassandra allocator
 * cannot serve this number of racks, or when an ordered partitioner leaves nothing to balance.
 */
export function* chooseTokens(
  choice: TokenChoice,
  joining: JoiningMember,
  ring: PresentRing,
  rng: Rng,
): Stepwise<readonly string[]> {
  const others = ring.members.filter(({ id }) => id !== joining.id);
  const { initialToken, numTokens, allocator } = choice;
  // Whether others own them is for the layout to say, which also knows what happened meanwhile.
  if (initialToken.length > 0) return namedTokens(ring.partitioner, initialToken);
  const tokens = new RingTokens(
    ring.partitioner,
    others.map((member) => member.tokens),
  );
  const tokenCount = tokenCountForWeight(numTokens, joining.weight);
  if (tokens.isOrdered) {
    if (allocator !== "random") throw noWidths(ring.partitioner);
    return tokens.draw(tokenCount, rng);
  }
  const members = others.map((member) => ({
    ...member,
    tokens: tokens.positionsOf(member.tokens),
  }));
  const datacenters = new Set([joining.dc, ...members.map(({ dc }) => dc)]);
  const rf = Object.fromEntries([...datacenters].map((dc) => [dc, ASSUMED_REPLICAS]));
  const replication = { kind: "network", rf } as const;
  const request = { space: MURMUR3_SPACE, members, joining, tokenCount, replication, rng };
  return tokens.textsOf(yield* allocationSteps({ kind: allocator }, request));
}

function namedTokens(partitioner: string, named: readonly string[]): readonly string[] {
  const tokens = new RingTokens(partitioner, []);
  return tokens.textsOf(tokens.positionsOf(named));
}
