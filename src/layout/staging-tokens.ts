/**
 * The tokens that staged changes give to members: chosen when they join, added to or taken from those
 * that they have.
 *
 * A member that is to have more tokens first gets back what it has in the present layout and gave up
 * among the staged changes, and one that is to have fewer first gives up what it got among them: no
 * data have moved for those yet, and a change that is taken back leaves the ring as it was.
 */
import { allocationSteps, tokenCountForWeight } from "../ring/allocation/allocate.ts";
import {
  AllocationError,
  type AllocationRequest,
  type BalancedReplication,
  type RingMember,
  TOKENS_PER_MEMBER_MAX,
} from "../ring/allocation/allocation.ts";
import { balancedSteps } from "../ring/allocation/balanced.ts";
import { fewerTokens } from "../ring/allocation/fewer-tokens.ts";
import { MURMUR3_SPACE } from "../ring/allocation/token-space.ts";
import { TokenError } from "../ring/token.ts";
import type { Stepwise } from "../util/stepwise.ts";
import { type Replication, parseReplication } from "../placement/strategy.ts";
import type { LayoutError, LayoutKeyspace, LayoutMember } from "./layout.ts";
import { RingTokens, noWidths } from "./ring-tokens.ts";
import { type Draft, type Staging, type WaitingMember, refusal } from "./staging-draft.ts";

/** Replicas per datacenter that tokens are balanced for where no keyspace says how many. */
const ASSUMED_REPLICAS = 3;

type Place = Omit<LayoutMember, "tokens">;

/** The tokens with which a member joins: given ones, those it was told, or its allocator's choice. */
export function* joiningTokens(
  draft: Draft,
  waiting: WaitingMember,
  given: readonly string[] | undefined,
  staging: Staging,
): Stepwise<string[]> {
  const told = given ?? (waiting.initialToken.length > 0 ? waiting.initialToken : undefined);
  if (told !== undefined) return explicitTokens(draft, waiting, told, staging);
  return yield* allocatedInSteps(staging, chosenTokens(draft, waiting, staging));
}

function* chosenTokens(draft: Draft, waiting: WaitingMember, staging: Staging): Stepwise<string[]> {
  const tokenCount = tokenCountForWeight(waiting.numTokens, waiting.weight);
  const tokens = ringTokens(draft, staging);
  if (tokens.isOrdered) return drawnTokens(tokens, tokenCount, waiting, staging);
  const request = requestFor(draft, waiting, { tokenCount, tokens, staging });
  return tokens.textsOf(yield* allocationSteps({ kind: waiting.allocator }, request));
}

/** Tokens that somebody named. Throws LayoutError, TOKEN_TAKEN among others. */
export function explicitTokens(
  draft: Draft,
  member: Place,
  named: readonly string[],
  staging: Staging,
): string[] {
  requireCount(named.length, staging);
  const others = draft.members.filter(({ id }) => id !== member.id);
  const tokens = ringTokens({ members: others }, staging);
  return allocated(staging, () => {
    const owned = new Map(
      others.flatMap(({ id, tokens: own }) =>
        tokens.positionsOf(own).map((position, index) => [position, { id, token: own[index] }]),
      ),
    );
    const seen = new Map<bigint, string>();
    for (const text of named) {
      const position = tokens.positions.positionOf(text);
      const token = tokens.positions.canonical(text);
      const owner = owned.get(position);
      const twin = seen.get(position);
      if (owner !== undefined) {
        const which = owner.token === token ? "is" : `is too close to ${owner.token}, which is`;
        throw taken(`token ${token} ${which} owned by member ${owner.id}`);
      }
      if (twin === token) throw taken(`token ${token} is given twice`);
      if (twin !== undefined) throw taken(`tokens ${twin} and ${token} are too close`);
      seen.set(position, token);
    }
    return tokens.textsOf(tokens.positionsOf(named));
  });
}

/** Another number of tokens, with as many of the present ones as possible. */
export function* resizedTokens(
  draft: Draft,
  member: LayoutMember,
  tokenCount: number,
  staging: Staging,
): Stepwise<readonly string[]> {
  requireCount(tokenCount, staging);
  if (tokenCount === member.tokens.length) return member.tokens;
  const tokens = ringTokens(draft, staging);
  if (tokens.isOrdered) throw orderedRefusal(tokens, staging);
  const own = tokens.positionsOf(member.tokens);
  const request = requestFor(draft, member, { tokenCount, tokens, staging });
  const before = tokensInHead(member, request, { tokens, staging });
  if (tokenCount < own.length) {
    const expendable = own.filter((token) => !before.includes(token));
    return tokens.textsOf(fewerTokens(request, { tokens: own, expendable }));
  }
  const returning = before.filter((token) => !own.includes(token));
  const all = [...own, ...returning];
  if (all.length >= tokenCount) {
    return tokens.textsOf(fewerTokens(request, { tokens: all, expendable: returning }));
  }
  const wanted = { ...request, tokenCount: tokenCount - all.length };
  const added = yield* allocatedInSteps(staging, balancedSteps(wanted, all));
  return tokens.textsOf([...all, ...added]);
}

/** How many tokens a member has per weight: what stays when its weight changes. */
export function tokensPerWeight(member: LayoutMember, { head }: Staging): number {
  const own = member.tokens.length / member.weight;
  const before = head.members.find(({ id }) => id === member.id);
  if (before === undefined) return own;
  // The number of tokens is rounded, so the one before all staged changes says more.
  const present = before.tokens.length / before.weight;
  const isStill = tokenCountForWeight(present, member.weight) === member.tokens.length;
  return isStill ? present : own;
}

/** The entry of a waiting member in the layout. */
export function placed(waiting: WaitingMember, tokens: readonly string[]): LayoutMember {
  const { id, address, respAddress, httpAddress, dc, rack, weight } = waiting;
  return { id, address, respAddress, httpAddress, dc, rack, weight, tokens };
}

/** The tokens of the ring as it is after the changes before. */
export function ringTokens({ members }: Pick<Draft, "members">, { head }: Staging): RingTokens {
  return new RingTokens(
    head.partitioner,
    members.map(({ tokens }) => tokens),
  );
}

/** What was asked for can only be computed where the ring has widths. */
export function orderedRefusal({ positions }: RingTokens, staging: Staging): LayoutError {
  const { partitionerName } = positions;
  return refusal(
    staging,
    `the ring of ${partitionerName} has no widths by which tokens could be chosen; name the tokens: ` +
      "join or move a member with --tokens",
  );
}

/**
 * What tokens are balanced for: the largest factor that a keyspace has in each datacenter. Where all
 * keyspaces are blind to datacenters, so is this.
 *
 * @param joining - datacenters to which members come.
 */
export function balancedReplication(
  { members, keyspaces }: Draft,
  ...joining: readonly string[]
): BalancedReplication {
  const datacenters = new Set([...members.map(({ dc }) => dc), ...joining]);
  const replications = keyspaces.map((keyspace) => replicationOf(keyspace, datacenters));
  const blind = replications.flatMap((one) =>
    one.kind === "simple" || one.kind === "old-network-topology" ? [one.factor.total] : [],
  );
  if (blind.length > 0 && blind.length === replications.length) {
    return { kind: "simple", rf: Math.max(...blind) };
  }
  const rf: Record<string, number> = {};
  for (const replication of replications) {
    if (replication.kind !== "network-topology") continue;
    for (const [dc, { total }] of replication.factors) rf[dc] = Math.max(rf[dc] ?? 0, total);
  }
  for (const dc of datacenters) rf[dc] ??= ASSUMED_REPLICAS;
  return { kind: "network", rf };
}

/** A keyspace may name a datacenter that is empty for the moment: what counts is how staging ends. */
function replicationOf({ replication }: LayoutKeyspace, present: Iterable<string>): Replication {
  const { replication_factor: _, ...named } = replication.options;
  return parseReplication(replication, [...new Set([...present, ...Object.keys(named)])]);
}

interface TokenWish {
  readonly tokenCount: number;
  readonly tokens: RingTokens;
  readonly staging: Staging;
}

function requestFor(
  draft: Draft,
  joining: Place,
  { tokenCount, tokens, staging }: TokenWish,
): AllocationRequest {
  const { id, dc, rack, weight } = joining;
  const others = draft.members.filter((member) => member.id !== id);
  return {
    space: MURMUR3_SPACE,
    members: others.map((member) => ringMember(member, tokens)),
    joining: { id, dc, rack, weight },
    tokenCount,
    replication: balancedReplication(draft, dc),
    rng: staging.facts.rng,
  };
}

/** A member as allocators see it. */
export function ringMember(
  { id, dc, rack, weight, tokens: own }: LayoutMember,
  tokens: RingTokens,
): RingMember {
  return { id, dc, rack, weight, tokens: tokens.positionsOf(own) };
}

/** What the member owns in the present layout and nobody else has taken since. */
function tokensInHead(
  { id }: LayoutMember,
  { members }: AllocationRequest,
  { tokens, staging }: Omit<TokenWish, "tokenCount">,
): bigint[] {
  const owned = new Set(members.flatMap((member) => member.tokens));
  const before = staging.head.members.find((member) => member.id === id);
  return tokens.positionsOf(before?.tokens ?? []).filter((token) => !owned.has(token));
}

function drawnTokens(
  tokens: RingTokens,
  tokenCount: number,
  { allocator }: WaitingMember,
  staging: Staging,
): string[] {
  if (allocator !== "random") throw noWidths(tokens.positions.partitionerName);
  return tokens.draw(tokenCount, staging.facts.rng);
}

function requireCount(tokenCount: number, staging: Staging): void {
  if (Number.isInteger(tokenCount) && tokenCount >= 1 && tokenCount <= TOKENS_PER_MEMBER_MAX)
    return;
  const reason = `a member owns 1 to ${TOKENS_PER_MEMBER_MAX} tokens, not ${tokenCount}`;
  throw refusal(staging, reason);
}

function taken(message: string): AllocationError {
  return new AllocationError("TOKEN_TAKEN", message);
}

/** What an allocation gives, its errors as those of the staged change. */
export function allocated<T>(staging: Staging, allocate: () => T): T {
  try {
    return allocate();
  } catch (error) {
    throw ofChange(staging, error);
  }
}

/** The same with one that takes longer. */
function* allocatedInSteps<T>(staging: Staging, allocation: Stepwise<T>): Stepwise<T> {
  try {
    return yield* allocation;
  } catch (error) {
    throw ofChange(staging, error);
  }
}

function ofChange(staging: Staging, error: unknown): unknown {
  if (error instanceof TokenError) return refusal(staging, error.message);
  if (!(error instanceof AllocationError)) return error;
  const code = error.code === "TOKEN_TAKEN" ? "TOKEN_TAKEN" : "CHANGE_REFUSED";
  return refusal(staging, error.message, { code });
}
