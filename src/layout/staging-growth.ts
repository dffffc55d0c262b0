/**
 * A ring that grows by an integer factor: the tokens that are there stay, and new members take the
 * points that cut each range into equal parts, with factor 2 the middles. Every new member follows one
 * present member and takes a part of each of its ranges, so who held much holds much less and everybody
 * gets the same share as before, relative to the others.
 *
 * Which ranges are cut depends on the racks. A range goes from the token before, of whatever rack. If
 * the follower stands in the rack of whom it follows, and replicas avoid racks that they have met, then
 * whoever comes first of the two is a replica of all that lies farther back, and the other one is not:
 * the halves are not equal. Then the ranges of each rack by itself are cut, which is exact where a
 * datacenter has as many racks as replicas. So both are tried, and the more even ring is taken.
 *
 * Where replicas are counted by datacenter, each datacenter grows by itself (and may stay as it is).
 */
import type { BalancedReplication } from "../ring/allocation/allocation.ts";
import { growthTokens } from "../ring/allocation/even.ts";
import { relativeLoads } from "../ring/allocation/growth.ts";
import { MURMUR3_SPACE } from "../ring/allocation/token-space.ts";
import { must } from "../util/assert.ts";
import type { LayoutMember } from "./layout.ts";
import { compareText } from "./rules.ts";
import { type Draft, type Staging, type WaitingMember, refusal } from "./staging-draft.ts";
import type { RingTokens } from "./ring-tokens.ts";
import {
  allocated,
  balancedReplication,
  orderedRefusal,
  placed,
  ringMember,
  ringTokens,
} from "./staging-tokens.ts";

/** Members that share the ring among them, and those that come to them. */
interface Group {
  /** For messages. */
  readonly name: string;
  readonly members: readonly LayoutMember[];
  readonly joining: readonly WaitingMember[];
}

/** The waiting members with the tokens that they get. Throws LayoutError. */
export function growthMembers(
  draft: Draft,
  waiting: readonly WaitingMember[],
  staging: Staging,
): LayoutMember[] {
  const replication = balancedReplication(draft);
  const present = ringTokens(draft, staging);
  if (present.isOrdered) throw orderedRefusal(present, staging);
  return homesOf(draft, waiting, replication).flatMap((home) => {
    const racks = replication.kind === "simple" ? [home] : racksOf(home);
    const factor = factorOf(racks, staging);
    const grown = (scopes: readonly Group[]): LayoutMember[] => {
      const tokens = ringTokens(draft, staging);
      const taken = new Set(draft.members.flatMap((member) => tokens.positionsOf(member.tokens)));
      const growth = { factor, taken, tokens, staging };
      const cuts = new Map(scopes.flatMap(({ members }) => [...cutsOf(members, growth)]));
      return racks.flatMap((rack) => followersOf(rack, cuts, growth));
    };
    const together = grown([home]);
    if (racks.length === 1 || replication.kind === "simple") return together;
    const apart = grown(racks);
    const rf = replication.rf[home.name] ?? 1;
    const load = (members: readonly LayoutMember[]): number =>
      Math.max(
        ...relativeLoads(
          [...home.members, ...members].map((member) => ringMember(member, present)),
          rf,
        ),
      );
    return load(apart) < load(together) ? apart : together;
  });
}

/** The datacenters that grow, or the whole ring. */
function homesOf(
  draft: Draft,
  waiting: readonly WaitingMember[],
  replication: BalancedReplication,
): Group[] {
  if (replication.kind === "simple") {
    return [{ name: "the ring", members: draft.members, joining: waiting }];
  }
  return [...new Set(waiting.map(({ dc }) => dc))].map((name) => ({
    name,
    members: draft.members.filter(({ dc }) => dc === name),
    joining: waiting.filter(({ dc }) => dc === name),
  }));
}

function racksOf({ name, members, joining }: Group): Group[] {
  const racks = new Set([...members, ...joining].map(({ rack }) => rack));
  return [...racks].map((rack) => ({
    name: `${name}/${rack}`,
    members: members.filter((member) => member.rack === rack),
    joining: joining.filter((member) => member.rack === rack),
  }));
}

/** By which all of these grow. */
function factorOf(groups: readonly Group[], staging: Staging): number {
  const factors = groups.map(({ members, joining }) => 1 + joining.length / members.length);
  const [factor = 1] = factors;
  const isWhole = Number.isInteger(factor) && factor >= 2;
  if (isWhole && factors.every((other) => other === factor)) return factor;
  const counts = groups.map(
    ({ name, members, joining }) => `${name} has ${members.length} and gets ${joining.length}`,
  );
  throw refusal(
    staging,
    `a ring is doubled by as many waiting members as it has, in each rack of a datacenter (or ` +
      `twice, three times as many): ${counts.join(", ")}`,
  );
}

interface Growth {
  readonly factor: number;
  /** Positions that somebody owns, or is going to. */
  readonly taken: Set<bigint>;
  readonly tokens: RingTokens;
  readonly staging: Staging;
}

/** For each token of these members the positions that cut the range that it ends. */
function cutsOf(
  members: readonly LayoutMember[],
  { factor, taken, tokens, staging }: Growth,
): ReadonlyMap<bigint, readonly bigint[]> {
  const positions = members.flatMap((member) => tokens.positionsOf(member.tokens));
  const sorted = BigInt64Array.from(positions).sort();
  const rounds = allocated(staging, () => growthTokens(MURMUR3_SPACE, positions, factor));
  const free = (wanted: bigint): bigint => {
    let position = wanted;
    while (taken.has(position)) position = MURMUR3_SPACE.next(position);
    taken.add(position);
    return position;
  };
  return new Map(
    Array.from(sorted, (position, index) => [
      position,
      rounds.map((round) => free(must(round[index], "a cut of each range"))),
    ]),
  );
}

/** Who follows whom: the larger the larger. */
function followersOf(
  { members, joining }: Group,
  cuts: ReadonlyMap<bigint, readonly bigint[]>,
  { factor, tokens, staging }: Growth,
): LayoutMember[] {
  const leaders = members.toSorted(byWeight);
  return joining.toSorted(byWeight).map((follower, index) => {
    const leader = must(leaders[Math.floor(index / (factor - 1))], "as many as the factor says");
    const round = index % (factor - 1);
    const positions = tokens
      .positionsOf(leader.tokens)
      .map((position) => must(cuts.get(position)?.[round], "a cut"));
    return placed(
      follower,
      allocated(staging, () => tokens.textsOf(positions)),
    );
  });
}

function byWeight(
  a: Pick<LayoutMember, "id" | "weight">,
  b: Pick<LayoutMember, "id" | "weight">,
): number {
  return a.weight - b.weight || compareText(a.id, b.id);
}
