/**
 * A ring evened out by moving tokens that exist, as the members could do it: every group of members
 * that hold the data among themselves by itself, each with what is left of the budget.
 */
import { unreachable } from "../../util/assert.ts";
import { compareTokens, type RingMember } from "../../ring/allocation/allocation.ts";
import { rebalanceTokens } from "../../ring/allocation/rebalance.ts";
import type { Replication, ReplicationFactor } from "../../placement/strategy.ts";
import { CliError } from "../exit-codes.ts";
import { spaceOf } from "./allocators.ts";
import type { RingFile, RingFileMember } from "./ring-file.ts";

/** What rebalancing one group of members did. */
export interface RebalanceReport {
  /** The datacenter, with the rack where racks are rings of their own; undefined for the whole ring. */
  readonly dc: string | undefined;
  readonly rack: string | undefined;
  /** Tokens that got another place. */
  readonly movedTokens: number;
  /** Data moved, as a share of one copy of all data. */
  readonly moved: number;
  /** What has to move at least until nobody is farther than the tolerance from what is fair (`fair-loads.ts`). */
  readonly minimum: number;
  /** The same where each token stays between its neighbours; undefined if that is certainly not enough. */
  readonly minimumInOrder: number | undefined;
}

/** Nobody is to hold more than this much above or below what is fair, relative to it. */
const TOLERANCE = 0.01;

interface Group {
  readonly dc: string | undefined;
  readonly rack: string | undefined;
  readonly rf: number;
  readonly isRackAware: boolean;
  readonly members: readonly RingFileMember[];
}

/**
 * The members with their tokens afterwards, in the order of the file.
 *
 * @param budget - most data to move, as a share of one copy of all data.
 */
export function rebalancedMembers(
  ring: RingFile,
  replication: Replication,
  budget: number,
): { members: readonly RingFileMember[]; rebalances: readonly RebalanceReport[] } {
  const space = spaceOf(ring.partitioner);
  const moved = new Map<string, readonly bigint[]>();
  const rebalances: RebalanceReport[] = [];
  let left = budget;
  for (const { dc, rack, rf, isRackAware, members } of groupsOf(ring.members, replication)) {
    const named = members.map((member) => ({
      id: member.name,
      dc: member.dc,
      rack: isRackAware ? member.rack : "",
      weight: member.weight,
      // Rings with widths have tokens that are integers.
      tokens: member.tokens as readonly bigint[],
    }));
    const reserved = tokensOutside(ring.members, members, moved);
    const request = { space, members: named, rf, tolerance: TOLERANCE, budget: left, reserved };
    const result = rebalanceTokens(request);
    left = Math.max(0, left - result.moved);
    const { moved: share, minimum, minimumInOrder, moves } = result;
    rebalances.push({ dc, rack, movedTokens: moves.length, moved: share, minimum, minimumInOrder });
    for (const member of result.members) moved.set(member.id, sortedTokens(member));
  }
  const members = ring.members.map((member) => ({
    ...member,
    tokens: moved.get(member.name) ?? member.tokens,
  }));
  return {
    members: rebalances.some(({ moved: share }) => share > 0) ? members : ring.members,
    rebalances,
  };
}

/** Where the members of other groups are by now. */
function tokensOutside(
  all: readonly RingFileMember[],
  inside: readonly RingFileMember[],
  moved: ReadonlyMap<string, readonly bigint[]>,
): readonly bigint[] {
  const others = all.filter((member) => !inside.includes(member));
  return others.flatMap(({ name, tokens }) => moved.get(name) ?? (tokens as readonly bigint[]));
}

function sortedTokens({ tokens }: RingMember): readonly bigint[] {
  return tokens.toSorted(compareTokens);
}

/** The members that share the data among themselves; throws CliError where nothing can be evened out. */
function groupsOf(members: readonly RingFileMember[], replication: Replication): readonly Group[] {
  const owners = members.filter(({ tokens }) => tokens.length > 0);
  switch (replication.kind) {
    case "simple":
      return [whole(owners, replication.factor)];
    case "network-topology":
      return [...replication.factors].map(([dc, { total }]) => ({
        dc,
        rack: undefined,
        rf: total,
        isRackAware: true,
        members: owners.filter((member) => member.dc === dc),
      }));
    case "rack-per-replica":
      return racksOf(owners);
    case "old-network-topology":
    case "everywhere":
    case "local":
      throw new CliError(
        "usage",
        `--rebalance: shares under ${replication.kind} do not follow from places of tokens`,
      );
    default:
      return unreachable(replication);
  }
}

function whole(members: readonly RingFileMember[], { total }: ReplicationFactor): Group {
  return { dc: undefined, rack: undefined, rf: total, isRackAware: false, members };
}

/** Every rack holds the whole ring once. */
function racksOf(members: readonly RingFileMember[]): readonly Group[] {
  const racks = new Map<string, RingFileMember[]>();
  for (const member of members) {
    const key = JSON.stringify([member.dc, member.rack]);
    racks.set(key, [...(racks.get(key) ?? []), member]);
  }
  return [...racks.values()].map((inside) => ({
    dc: inside[0]?.dc,
    rack: inside[0]?.rack,
    rf: 1,
    isRackAware: false,
    members: inside,
  }));
}
