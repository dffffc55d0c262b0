/**
 * A ring that does not exist yet: members dealt over datacenters and racks, and their tokens by an
 * allocator. Members are added one by one, in turn over the datacenters, each seeing the tokens of those before.
 *
 * Even tokens of several datacenters are the same set shifted, because no two members of a cluster
 * may share a token. On Dynomite's ring every rack has the same tokens, as Dynomite-manager gives
 * them, so that members with equal tokens hold the same data.
 */
import type { Uint32Source } from "../../util/random.ts";
import { dealOverRacks } from "../../ring/allocation/generate-tokens.ts";
import type { Partitioner } from "../../ring/partitioner.ts";
import { type Replication, parseReplication } from "../../placement/strategy.ts";
import { CliError } from "../exit-codes.ts";
import {
  type AllocatorName,
  type AnyMember,
  evenRing,
  isDynomite,
  spaceOf,
  tokensForMember,
} from "./allocators.ts";
import type { AnyToken, RingFile } from "./ring-file.ts";

export interface NewRing {
  readonly partitioner: Partitioner<AnyToken>;
  readonly allocator: AllocatorName | "even";
  readonly datacenters: number;
  /** Members of each rack of a datacenter. */
  readonly membersPerRack: readonly number[];
  readonly tokenCount: number;
  /** Replicas in each datacenter. */
  readonly rf: number;
  readonly rng: Uint32Source;
}

/** What guides add to the tokens of each further datacenter. */
const DC_OFFSET = 100n;

/** Throws CliError if there can be no such ring. */
export function makeRing(wanted: NewRing): RingFile {
  const racks = dealOverRacks(wanted.membersPerRack);
  const { rf, partitioner } = wanted;
  if (!isDynomite(partitioner) && racks.length < rf) {
    throw new CliError("usage", `${racks.length} members per datacenter cannot hold RF ${rf}`);
  }
  const places = Array.from({ length: wanted.datacenters }, (_, dc) =>
    racks.map((rack) => ({ dc, rack })),
  ).flat();
  const datacenters = Array.from({ length: wanted.datacenters }, (_, dc) => dcName(dc));
  const options: Record<string, string> = isDynomite(partitioner)
    ? { class: "RackPerReplica" }
    : {
        class: "NetworkTopologyStrategy",
        ...Object.fromEntries(datacenters.map((dc) => [dc, String(rf)])),
      };
  const { class: strategy = "", ...factors } = options;
  const replication = parseReplication({ class: strategy, options: factors }, datacenters);
  const members =
    wanted.allocator === "even"
      ? evenMembers(wanted, places)
      : grownMembers(wanted, wanted.allocator, places, replication);
  const named = members.map(({ id, dc, rack, weight, tokens }) => ({
    name: id,
    dc,
    rack,
    weight,
    tokens,
  }));
  return { partitioner, members: named, keyspaces: [{ name: "default", options, replication }] };
}

interface Place {
  readonly dc: number;
  readonly rack: number;
}

function dcName(dc: number): string {
  return `dc${dc + 1}`;
}

function memberAt({ dc, rack }: Place, index: number) {
  return { id: `n${index + 1}`, dc: dcName(dc), rack: `rack${rack + 1}`, weight: 1 };
}

function grownMembers(
  { partitioner, tokenCount, rng }: NewRing,
  allocator: AllocatorName,
  places: readonly Place[],
  replication: Replication,
): readonly AnyMember[] {
  const members: AnyMember[] = [];
  for (const [index, place] of places.entries()) {
    const joining = memberAt(place, index);
    const request = { partitioner, allocator, members, joining, tokenCount, replication, rng };
    members.push({ ...joining, tokens: tokensForMember(request) });
  }
  return members;
}

/** Slots follow each other round the ring, so that neighbours stand in different racks. */
function evenMembers(wanted: NewRing, places: readonly Place[]): readonly AnyMember[] {
  const { partitioner, tokenCount } = wanted;
  const isByRack = isDynomite(partitioner);
  const rings = new Map<string, Place[]>();
  for (const place of places) {
    const name = isByRack ? `${place.dc} ${place.rack}` : String(place.dc);
    const ring = rings.get(name);
    if (ring === undefined) rings.set(name, [place]);
    else ring.push(place);
  }
  const tokens = new Map<Place, readonly AnyToken[]>();
  for (const ring of rings.values()) {
    const all = evenRing(partitioner, ring.length * tokenCount);
    for (const [slot, place] of ring.entries()) {
      const own = Array.from(
        { length: tokenCount },
        (_, round) => all[round * ring.length + slot] ?? 0n,
      );
      const shift = isByRack ? 0n : BigInt(place.dc) * DC_OFFSET;
      tokens.set(
        place,
        own.map((token) => shifted(partitioner, token, shift)),
      );
    }
  }
  return places.map((place, index) => ({
    ...memberAt(place, index),
    tokens: (tokens.get(place) ?? []).toSorted((a, b) => partitioner.compare(a, b)),
  }));
}

/** The token so much further round the ring. */
function shifted(partitioner: Partitioner<AnyToken>, token: bigint, shift: bigint): bigint {
  const { maximum, width } = spaceOf(partitioner);
  const moved = token + shift;
  return moved > maximum ? moved - width : moved;
}
