/**
 * Changes of a ring that somebody thinks about: members that leave, come, are replaced, or get another
 * capacity. The result is the ring afterwards, as the members would choose their tokens.
 *
 * A member whose weight grows keeps its tokens and is given more, as if a second member of the missing
 * weight joined in its place; one whose weight falls gives up tokens spread over all sizes of its
 * ranges, so that what it keeps shrinks in proportion. Neither moves data twice. With fewer racks than
 * replicas, data does not quite follow tokens (a member is one replica of a range, however many
 * tokens it has there); the report shows how far it is off.
 */
import { must } from "../../util/assert.ts";
import type { Uint32Source } from "../../util/random.ts";
import { tokenCountForWeight } from "../../ring/allocation/allocate.ts";
import type { Replication } from "../../placement/strategy.ts";
import { CliError } from "../exit-codes.ts";
import { type AllocatorName, tokensForMember } from "./allocators.ts";
import { embeddingOf } from "./placed-ring.ts";
import type { AnyToken, RingFile, RingFileMember } from "./ring-file.ts";

export interface Changes {
  /** Members to add. */
  readonly add: number;
  /** Where they stand; default: the only datacenter, its smallest rack. */
  readonly dc?: string | undefined;
  readonly rack?: string | undefined;
  /** Tokens of a member of weight 1; default: as the others have. */
  readonly tokenCount?: number | undefined;
  readonly remove: readonly string[];
  /** Dead members whose place, with its tokens, a new one takes. */
  readonly replace: readonly string[];
  readonly weights: ReadonlyMap<string, number>;
}

export interface ChangeDeps {
  readonly allocator: AllocatorName;
  readonly replication: Replication;
  readonly rng: Uint32Source;
}

/** Throws CliError if a name is unknown or a change makes no sense. */
export function changedMembers(
  ring: RingFile,
  changes: Changes,
  deps: ChangeDeps,
): readonly RingFileMember[] {
  checkNames(ring, changes);
  let members: readonly RingFileMember[] = ring.members
    .filter(({ name }) => !changes.remove.includes(name))
    .map((member) => (changes.replace.includes(member.name) ? replacement(ring, member) : member));
  if (members.length === 0 && changes.add === 0) {
    throw new CliError("usage", "--remove leaves no member in the ring");
  }
  for (const [name, weight] of changes.weights) {
    members = members.map((member) =>
      member.name === name ? reweighted({ ...ring, members }, member, weight, deps) : member,
    );
  }
  for (let added = 0; added < changes.add; added++) {
    members = [...members, addedMember({ ...ring, members }, changes, deps)];
  }
  return members;
}

function checkNames(ring: RingFile, { remove, replace, weights }: Changes): void {
  const seen = new Set<string>();
  for (const name of [...remove, ...replace, ...weights.keys()]) {
    if (!ring.members.some((member) => member.name === name)) {
      const known = ring.members.map((member) => member.name).slice(0, 20);
      throw new CliError("usage", `the ring has no member '${name}'; it has ${known.join(", ")}`);
    }
    if (seen.has(name)) throw new CliError("usage", `member '${name}' is changed twice`);
    seen.add(name);
  }
}

function replacement(ring: RingFile, member: RingFileMember): RingFileMember {
  return { ...member, address: undefined, name: freeName(ring, `${member.name}-new`) };
}

function addedMember(ring: RingFile, changes: Changes, deps: ChangeDeps): RingFileMember {
  const dc = changes.dc ?? onlyDatacenter(ring);
  const rack = changes.rack ?? smallestRack(ring, dc);
  const member = { id: freeName(ring, "new"), dc, rack, weight: 1 };
  const tokenCount = changes.tokenCount ?? usualTokenCount(ring);
  const tokens = allocated(ring, member, tokenCount, deps);
  return { name: member.id, dc, rack, weight: 1, tokens };
}

function reweighted(
  ring: RingFile,
  member: RingFileMember,
  weight: number,
  deps: ChangeDeps,
): RingFileMember {
  const count = member.tokens.length;
  const target = tokenCountForWeight(count / member.weight, weight);
  if (count === 0 || target === count) return { ...member, weight };
  if (target < count) return { ...member, weight, tokens: thinned(ring, member.tokens, target) };
  const { dc, rack } = member;
  const share = { id: freeName(ring, member.name), dc, rack, weight: weight - member.weight };
  const more = allocated(ring, share, target - count, deps);
  const tokens = [...member.tokens, ...more].toSorted((a, b) => ring.partitioner.compare(a, b));
  return { ...member, weight, tokens };
}

function allocated(
  { partitioner, members }: RingFile,
  joining: { id: string; dc: string; rack: string; weight: number },
  tokenCount: number,
  deps: ChangeDeps,
): readonly AnyToken[] {
  const named = members.map((member) => ({ ...member, id: member.name }));
  return tokensForMember({ partitioner, members: named, joining, tokenCount, ...deps });
}

/** So many of the tokens, evenly over the order of the sizes of their ranges. */
function thinned(ring: RingFile, tokens: readonly AnyToken[], count: number): readonly AnyToken[] {
  const embedding = embeddingOf(ring);
  const positions = BigInt64Array.from(
    new Set(
      ring.members.flatMap((member) => member.tokens.map((token) => embedding.positionOf(token))),
    ),
  ).sort();
  const widths = new Map<bigint, bigint>();
  for (const [index, position] of positions.entries()) {
    widths.set(position, BigInt.asUintN(64, position - must(positions.at(index - 1), "a token")));
  }
  const widthOf = (token: AnyToken): bigint => widths.get(embedding.positionOf(token)) ?? 0n;
  const bySize = tokens.toSorted((a, b) => (widthOf(a) < widthOf(b) ? -1 : 1));
  const kept = new Set(
    Array.from(
      { length: count },
      (_, index) => bySize[Math.floor(((index + 0.5) * tokens.length) / count)],
    ),
  );
  return tokens.filter((token) => kept.has(token));
}

function onlyDatacenter({ members }: RingFile): string {
  const [first, ...others] = new Set(members.map(({ dc }) => dc));
  if (first !== undefined && others.length === 0) return first;
  const names = [first, ...others].join(", ");
  throw new CliError("usage", `say in which datacenter with --dc: ${names}`);
}

/** The rack with the least capacity; of equal ones the first by name. */
function smallestRack({ members }: RingFile, dc: string): string {
  const weights = new Map<string, number>();
  for (const member of members) {
    if (member.dc !== dc) continue;
    weights.set(member.rack, (weights.get(member.rack) ?? 0) + member.weight);
  }
  const sorted = [...weights].toSorted(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
  const rack = sorted[0]?.[0];
  if (rack === undefined) {
    throw new CliError("usage", `datacenter ${dc} has no racks yet; name one with --rack`);
  }
  return rack;
}

/** The median of the tokens per weight. */
function usualTokenCount({ members }: RingFile): number {
  const counts = members
    .filter(({ tokens }) => tokens.length > 0)
    .map(({ tokens, weight }) => tokens.length / weight)
    .toSorted((a, b) => a - b);
  return tokenCountForWeight(counts[Math.floor(counts.length / 2)] ?? 16, 1);
}

/** The name, or the name with the first number that makes it new. */
function freeName({ members }: Pick<RingFile, "members">, wanted: string): string {
  const taken = new Set(members.map(({ name }) => name));
  if (!taken.has(wanted) && wanted !== "new") return wanted;
  let number = 1;
  while (taken.has(`${wanted}${number}`)) number++;
  return `${wanted}${number}`;
}
