/**
 * Our own allocator, the default: tokens for a joining member that even out what all members hold,
 * relative to their capacity, for any number of racks and any RF, without touching existing tokens.
 *
 * Why not Cassandra's. Its candidates are the midpoints of gaps, taken greedily and never reconsidered; it
 * sees token counts instead of capacities; it refuses 1 < racks < RF and places the first member of a
 * new rack as if there were no racks. Here a token may lie anywhere in a gap, tokens chosen early are
 * reconsidered once the others are known, and what a token does is computed from the placement that
 * really applies (see `ring-loads.ts`).
 *
 * The search for the best places is in `token-search.ts`. With few tokens it is not left at that: there the least
 * spread can be known, and tokens near it are taken (`near-least.ts`).
 *
 * The first members. While there are no more members than replicas everybody holds everything, and any
 * tokens look equally good; but which member comes last in how many ranges decides how even the next
 * ring can be. So a ring of n <= RF members is balanced for n - 1 replicas. And while there are few members
 * it is judged by more than the loads of now (`counted-rings.ts`).
 *
 * Racks. If there are as many racks as replicas, each rack holds the ring once and is a ring of its own:
 * only the member's own rack counts. Otherwise all racks of the datacenter are one problem.
 */
import { finished, type Stepwise } from "../../util/stepwise.ts";
import { compareTokens, type AllocationRequest, type RingMember } from "./allocation.ts";
import { countedRings } from "./counted-rings.ts";
import { nearLeastPositions } from "./near-least.ts";
import { RingLoads, type RingSeat } from "./ring-loads.ts";
import { placedTokens, tokenAt } from "./ring-position.ts";
import { FEW_MEMBERS, TokenSearch } from "./token-search.ts";

/**
 * For up to so many tokens enough of the sets of them can be gone through; with more racks than replicas also for a few
 * more. Elsewhere the search does well with those, and comes with smaller spreads after removals. With eight tokens in
 * four racks it also leaves the members to come more: 0.090 instead of 0.101 at 24 members (48 rings).
 */
const FEW_TOKENS = 5;
const FEW_TOKENS_IN_MANY_RACKS = 7;

/**
 * The tokens of the joining member, ascending.
 *
 * @param kept - tokens that it has and keeps, where it is to have `tokenCount` more; not returned.
 */
export function allocateBalanced(
  request: AllocationRequest,
  kept: readonly bigint[] = [],
): bigint[] {
  return finished(balancedSteps(request, kept));
}

/** The same in steps. */
export function* balancedSteps(
  request: AllocationRequest,
  kept: readonly bigint[] = [],
): Stepwise<bigint[]> {
  const ring = consideredRing(request, kept);
  const rings = countedRings(ring, request.tokenCount);
  const found = yield* new TokenSearch(rings, request.tokenCount, request.rng).place();
  const closer = kept.length > 0 ? undefined : yield* closerPositions(request, ring);
  const positions = closer ?? found;
  const taken = new Set([...request.members.flatMap((member) => member.tokens), ...kept]);
  const tokens: bigint[] = [];
  for (const position of positions) {
    let token = tokenAt(request.space, position);
    while (taken.has(token)) token = request.space.next(token);
    taken.add(token);
    tokens.push(token);
  }
  return tokens.toSorted(compareTokens);
}

/** Where the search left the ring far from what can be reached, positions that come near it. */
function* closerPositions(
  request: AllocationRequest,
  found: RingLoads,
): Stepwise<readonly number[] | undefined> {
  const { tokenCount } = request;
  const { hasManyRacks } = found;
  // In a small ring the search knows more about the members to come (`counted-rings.ts`).
  const small = hasManyRacks ? 2 * FEW_MEMBERS : FEW_MEMBERS;
  const few = hasManyRacks ? FEW_TOKENS_IN_MANY_RACKS : FEW_TOKENS;
  if (tokenCount > few || found.seats.length <= small) return undefined;
  return yield* nearLeastPositions(consideredRing(request, []), tokenCount, found.spread);
}

/**
 * The ring whose balance the joining member changes, with room for its tokens; it sits last.
 *
 * @param kept - tokens that it has already.
 */
export function consideredRing(request: AllocationRequest, kept: readonly bigint[]): RingLoads {
  const { members, rf } = scopeOf(request);
  const { joining, space, tokenCount } = request;
  const seats = seatsOf([...members, joining], request.replication.kind);
  const tokens = placedTokens(space, [...members, { tokens: kept }]);
  const ring = new RingLoads(seats, rf, tokens.length + tokenCount);
  ring.load(tokens);
  return ring;
}

function scopeOf(request: AllocationRequest): { members: readonly RingMember[]; rf: number } {
  const { members, joining, replication } = request;
  const isSimple = replication.kind === "simple";
  const inRing = members.filter(({ tokens }) => tokens.length > 0);
  const inDc = isSimple ? inRing : inRing.filter((member) => member.dc === joining.dc);
  const rf = Math.max(1, (isSimple ? replication.rf : replication.rf[joining.dc]) ?? 1);
  // While there are no more members than replicas, everybody holds everything. What matters then is
  // how even the ring will be with one member more, when each is left out of some ranges.
  if (inDc.length < rf) return { members: inDc, rf: Math.max(1, inDc.length) };
  const racks = new Set([...inDc, joining].map((member) => member.rack));
  if (isSimple || racks.size !== rf) return { members: inDc, rf };
  return { members: inDc.filter((member) => member.rack === joining.rack), rf: 1 };
}

function seatsOf(
  members: readonly Pick<RingMember, "rack" | "weight">[],
  kind: "network" | "simple",
): RingSeat[] {
  const racks = [...new Set(members.map((member) => member.rack))];
  return members.map(({ rack, weight }) => ({
    rack: kind === "simple" ? 0 : racks.indexOf(rack),
    weight,
  }));
}
