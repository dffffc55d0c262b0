/**
 * Tokens for a joining member by any strategy; the one entry point for plans and boots.
 *
 * Order of precedence when several are configured, as in Cassandra: explicit tokens, then an
 * allocator, then chance. Choosing among them is the caller's (the configuration's) business.
 */
import { unreachable } from "../../util/assert.ts";
import { finished, type Stepwise } from "../../util/stepwise.ts";
import { weightedTokenCount } from "../tokens.ts";
import {
  AllocationError,
  TOKENS_PER_MEMBER_MAX,
  compareTokens,
  type AllocationRequest,
} from "./allocation.ts";
import { balancedSteps } from "./balanced.ts";
import { allocateCassandra } from "./cassandra.ts";
import { evenTokens } from "./even.ts";

/** How tokens are chosen. `explicit` brings its own list (`initialToken`). */
export type AllocationStrategy =
  | {
      /** Those that the operator lists. */
      readonly kind: "explicit";
      /** As many as the request asks for, in any order; none of them owned. */
      readonly tokens: readonly bigint[];
    }
  | {
      /** Slot `slot` of `slots` evenly spaced members; see `evenTokens`. */
      readonly kind: "even";
      /** Which of the slots this member takes, from 0. */
      readonly slot: number;
      /** How many members the even ring has when it is complete. */
      readonly slots: number;
      /** Added to each token, so that datacenters do not share tokens; 0 if missing. */
      readonly offset?: bigint | undefined;
    }
  | {
      /** Drawn, and drawn again while somebody owns them. */
      readonly kind: "random";
    }
  | {
      /** Cassandra's ReplicationAwareTokenAllocator, or NoReplication where it takes that one. */
      readonly kind: "cassandra";
    }
  | {
      /** Our own, which balances for weights and for any number of racks. */
      readonly kind: "balanced";
    };

/**
 * @returns `tokenCount` distinct tokens that nobody in the cluster owns, ascending.
 * @throws AllocationError with the value that was wrong and what would be right.
 */
export function allocateTokens(strategy: AllocationStrategy, request: AllocationRequest): bigint[] {
  return finished(allocationSteps(strategy, request));
}

/** The same in steps, where it takes long: our own allocator does. */
export function* allocationSteps(
  strategy: AllocationStrategy,
  request: AllocationRequest,
): Stepwise<bigint[]> {
  checkRequest(request);
  switch (strategy.kind) {
    case "explicit":
      return explicitTokens(strategy.tokens, request);
    case "even":
      return explicitTokens(evenSlot(strategy, request), request);
    case "random":
      return randomTokens(request);
    case "cassandra":
      return allocateCassandra(request);
    case "balanced":
      return yield* balancedSteps(request);
    default:
      return unreachable(strategy);
  }
}

/**
 * How many tokens a member of this capacity should own, if one of weight 1 owns `tokensPerWeight`.
 * Load follows the number of tokens more easily than their size, so a larger member gets more.
 */
export function tokenCountForWeight(tokensPerWeight: number, weight: number): number {
  return Math.min(TOKENS_PER_MEMBER_MAX, weightedTokenCount(tokensPerWeight, weight));
}

/** A list of tokens as Cassandra's `initial_token` validates it: count, range, repeats, owners. */
function explicitTokens(tokens: readonly bigint[], request: AllocationRequest): bigint[] {
  const { members, space, tokenCount } = request;
  if (tokens.length !== tokenCount) {
    throw new AllocationError(
      "TOKEN_COUNT",
      `${tokens.length} tokens are given and the member should own ${tokenCount}`,
    );
  }
  const owners = new Map(
    members.flatMap((member) => member.tokens.map((token) => [token, member.id] as const)),
  );
  const seen = new Set<bigint>();
  for (const token of tokens) {
    if (!space.isValid(token)) {
      throw new AllocationError(
        "TOKEN_INVALID",
        `token ${token} is not on the ${space.name} ring, ${space.minimum} .. ${space.maximum}`,
      );
    }
    const owner = owners.get(token);
    if (owner !== undefined) {
      throw new AllocationError("TOKEN_TAKEN", `token ${token} is owned by member ${owner}`);
    }
    if (seen.has(token)) {
      throw new AllocationError("TOKEN_TAKEN", `token ${token} is given twice`);
    }
    seen.add(token);
  }
  return tokens.toSorted(compareTokens);
}

/** Every `slots`-th token of an even ring of slots x tokenCount, so that all slots interleave. */
function evenSlot(
  strategy: Extract<AllocationStrategy, { kind: "even" }>,
  { space, tokenCount }: AllocationRequest,
): bigint[] {
  const { slot, slots } = strategy;
  if (!Number.isInteger(slot) || slot < 0 || slot >= slots) {
    throw new AllocationError("MEMBER", `slot ${slot} is not one of 0 .. ${slots - 1}`);
  }
  const all = evenTokens(space, slots * tokenCount, strategy.offset ?? 0n);
  return Array.from({ length: tokenCount }, (_, round) => all[round * slots + slot] ?? 0n);
}

/** Random tokens, redrawn while somebody owns them. */
function randomTokens({ members, space, tokenCount, rng }: AllocationRequest): bigint[] {
  const taken = new Set(members.flatMap((member) => member.tokens));
  const tokens: bigint[] = [];
  while (tokens.length < tokenCount) {
    const token = space.random(rng);
    if (taken.has(token)) continue;
    taken.add(token);
    tokens.push(token);
  }
  return tokens.toSorted(compareTokens);
}

function checkRequest({ joining, members, tokenCount }: AllocationRequest): void {
  if (!Number.isInteger(tokenCount) || tokenCount < 1 || tokenCount > TOKENS_PER_MEMBER_MAX) {
    throw new AllocationError(
      "TOKEN_COUNT",
      `a member owns 1 .. ${TOKENS_PER_MEMBER_MAX} tokens, not ${tokenCount}`,
    );
  }
  for (const { id, weight } of [...members, joining]) {
    if (weight > 0 && Number.isFinite(weight)) continue;
    throw new AllocationError(
      "MEMBER",
      `the weight of member ${id} must be above 0, not ${weight}`,
    );
  }
  if (members.some(({ id }) => id === joining.id)) {
    throw new AllocationError("MEMBER", `member ${joining.id} is in the ring already`);
  }
}
