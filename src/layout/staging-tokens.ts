/**
 * The tokens that staged changes give to members: chosen when they join, added to or taken from those
 * that they have.
 *
 * A member that is to have more tokens first gets back what it has in the present layout and gave up
 * among the staged changes, and one that is to have fewer first gives up what it got among them: no
 * data have moved for those yet, and a change that is taken back leaves the ring as it was.
 */
import { allocateTokens, tokenCountForWeight } from "../ring/allocation/allocate.ts";
import {
  AllocationError,
  type AllocationRequest,
  type BalancedReplication,
  type RingMember,
  TOKENS_PER_MEMBER_MAX,
  compareTokens,
} from "../ring/allocation/allocation.ts";
import { allocateBalanced } from "../ring/allocation/balanced.ts";
import { fewerTokens } from "../ring/allocation/fewer-tokens.ts";
import { MURMUR3_SPACE } from "../ring/allocation/token-space.ts";
import { TokenError, parseToken } from "../ring/token.ts";
import { type Replication, parseReplication } from "../placement/strategy.ts";
import type { LayoutKeyspace, LayoutMember } from "./layout.ts";
import { type Draft, type Staging, type WaitingMember, refusal } from "./staging-draft.ts";

/** Replicas per datacenter that tokens are balanced for where no keyspace says how many. */
const ASSUMED_REPLICAS = 3;

type Place = Omit<LayoutMember, "tokens">;

/** The tokens with which a member joins: given ones, those it was told, or its allocator's choice. */
export function joiningTokens(
  draft: Draft,
  waiting: WaitingMember,
  given: readonly string[] | undefined,
  staging: Staging,
): string[] {
  const told = given ?? (waiting.initialToken.length > 0 ? waiting.initialToken : undefined);
  if (told !== undefined) return explicitTokens(draft, waiting, told, staging);
  const tokenCount = tokenCountForWeight(waiting.numTokens, waiting.weight);
  const request = requestFor(draft, waiting, tokenCount, staging);
  return allocated(staging, () => allocateTokens({ kind: waiting.allocator }, request));
}

/** Tokens that somebody named. Throws LayoutError, TOKEN_TAKEN among others. */
export function explicitTokens(
  draft: Draft,
  member: Place,
  texts: readonly string[],
  staging: Staging,
): string[] {
  const request = requestFor(draft, member, texts.length, staging);
  return allocated(staging, () =>
    allocateTokens({ kind: "explicit", tokens: texts.map(parseToken) }, request),
  );
}

/** Another number of tokens, with as many of the present ones as possible. */
export function resizedTokens(
  draft: Draft,
  member: LayoutMember,
  tokenCount: number,
  staging: Staging,
): string[] {
  if (!Number.isInteger(tokenCount) || tokenCount < 1 || tokenCount > TOKENS_PER_MEMBER_MAX) {
    const reason = `a member owns 1 to ${TOKENS_PER_MEMBER_MAX} tokens, not ${tokenCount}`;
    throw refusal(staging, reason);
  }
  const own = member.tokens.map(parseToken);
  const request = requestFor(draft, member, tokenCount, staging);
  const before = tokensInHead(member, request, staging);
  if (tokenCount <= own.length) {
    const expendable = own.filter((token) => !before.includes(token));
    return texts(fewerTokens(request, { tokens: own, expendable }));
  }
  const returning = before.filter((token) => !own.includes(token));
  const tokens = [...own, ...returning];
  if (tokens.length >= tokenCount) {
    return texts(fewerTokens(request, { tokens, expendable: returning }));
  }
  const added = allocateBalanced({ ...request, tokenCount: tokenCount - tokens.length }, tokens);
  return texts([...tokens, ...added]);
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

/** Decimal texts in ring order. */
export function texts(tokens: readonly bigint[]): string[] {
  return tokens.toSorted(compareTokens).map(String);
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

function requestFor(
  draft: Draft,
  joining: Place,
  tokenCount: number,
  { facts }: Staging,
): AllocationRequest {
  const { id, dc, rack, weight } = joining;
  const others = draft.members.filter((member) => member.id !== id);
  return {
    space: MURMUR3_SPACE,
    members: others.map(ringMember),
    joining: { id, dc, rack, weight },
    tokenCount,
    replication: balancedReplication(draft, dc),
    rng: facts.rng,
  };
}

/** A member as allocators see it. */
export function ringMember({ id, dc, rack, weight, tokens }: LayoutMember): RingMember {
  return { id, dc, rack, weight, tokens: tokens.map(parseToken) };
}

/** What the member owns in the present layout and nobody else has taken since. */
function tokensInHead(
  { id }: LayoutMember,
  { members }: AllocationRequest,
  { head }: Staging,
): bigint[] {
  const taken = new Set(members.flatMap(({ tokens }) => tokens));
  const before = head.members.find((member) => member.id === id);
  return (before?.tokens ?? []).map(parseToken).filter((token) => !taken.has(token));
}

/** What an allocation gives, its errors as those of the staged change. */
function allocated(staging: Staging, allocate: () => readonly bigint[]): string[] {
  try {
    return texts(allocate());
  } catch (error) {
    if (error instanceof TokenError) throw refusal(staging, error.message);
    if (!(error instanceof AllocationError)) throw error;
    const code = error.code === "TOKEN_TAKEN" ? "TOKEN_TAKEN" : "CHANGE_REFUSED";
    throw refusal(staging, error.message, { code });
  }
}
