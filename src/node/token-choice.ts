/** The tokens with which a member joins: those it was told, or the choice of its allocator. */
import type { Layout } from "../layout/layout.ts";
import type { Rng } from "../model/deps.ts";
import { allocateTokens, tokenCountForWeight } from "../ring/allocation/allocate.ts";
import type { JoiningMember } from "../ring/allocation/allocation.ts";
import { MURMUR3_SPACE } from "../ring/allocation/token-space.ts";
import { parseToken } from "../ring/token.ts";
import type { Allocator } from "./options-table.ts";

/**
 * The replicas per datacenter that allocators balance for. Members join before there are keyspaces,
 * so this is a guess; it is the same as Cassandra's allocate_tokens_for_local_replication_factor.
 */
const ASSUMED_REPLICAS = 3;

export interface TokenChoice {
  readonly numTokens: number;
  /** Explicit tokens as decimal text; empty: the allocator chooses. */
  readonly initialToken: readonly string[];
  readonly allocator: Allocator;
}

/** Throws AllocationError, e.g. when the Cassandra allocator cannot serve this number of racks. */
export function chooseTokens(
  choice: TokenChoice,
  joining: JoiningMember,
  layout: Layout | undefined,
  rng: Rng,
): readonly bigint[] {
  // Whether others own them is for the layout to say, which also knows what happened meanwhile.
  if (choice.initialToken.length > 0) return choice.initialToken.map(parseToken);
  const members = (layout?.members ?? [])
    .filter(({ id }) => id !== joining.id)
    .map((member) => ({ ...member, tokens: member.tokens.map(parseToken) }));
  const datacenters = new Set([joining.dc, ...members.map(({ dc }) => dc)]);
  const rf = Object.fromEntries([...datacenters].map((dc) => [dc, ASSUMED_REPLICAS]));
  return allocateTokens(
    { kind: choice.allocator },
    {
      space: MURMUR3_SPACE,
      members,
      joining,
      tokenCount: tokenCountForWeight(choice.numTokens, joining.weight),
      replication: { kind: "network", rf },
      rng,
    },
  );
}
