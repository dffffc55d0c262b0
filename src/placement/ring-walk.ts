/**
 * One backward walk over the ring that tells a strategy, at every token, whom a forward walk from
 * there would meet, in which order: members, members per datacenter, racks, racks per datacenter.
 *
 * The textbook way starts a forward walk at every token and skips until enough replicas are found.
 * That is quadratic where replicas are rare: a datacenter or a rack with one small member among
 * a thousand makes every walk pass most of the ring. This walk is linear whatever the ring; see
 * RecencyLists for why.
 *
 * Positions are unwrapped: the walk begins one round ahead, at 2n - 1, to meet everybody once, and
 * its second round, n - 1 down to 0, is the one that counts. What lies ahead of position p is at
 * p .. p + n - 1.
 */
import { TokenIndex } from "../ring/token-index.ts";
import { RecencyLists } from "./recency-lists.ts";

/** What placement needs to know of a member. */
export interface PlacementMember {
  readonly dc: string;
  readonly rack: string;
  /** Tokens of the 64-bit ring; a member without tokens is not in the ring and never a replica. */
  readonly tokens: readonly bigint[];
}

/** A datacenter as the ring knows it: only what owns tokens counts. */
export interface RingDatacenter {
  readonly name: string;
  readonly memberCount: number;
  readonly rackCount: number;
}

/** The walk, and what lies ahead of where it stands. See the head of this file. */
export class RingWalk {
  readonly index: TokenIndex;
  readonly datacenters: readonly RingDatacenter[];
  /** Datacenter and rack of each member, as numbers; -1 for members without tokens. */
  readonly datacenterOf: Int32Array;
  readonly rackOf: Int32Array;
  /** All members ahead: list 0. */
  readonly members: RecencyLists;
  /** The members ahead in each datacenter: one list per datacenter. */
  readonly membersByDatacenter: RecencyLists;
  /** The racks ahead in each datacenter: one list per datacenter. */
  readonly racksByDatacenter: RecencyLists;
  /** All datacenters ahead: list 0. */
  readonly datacentersAhead: RecencyLists;
  /** The unwrapped position where each member is met first. */
  readonly positionOf: Int32Array;
  /** The member that is met first in each rack. */
  readonly firstOfRack: Int32Array;
  #position: number;

  constructor(members: readonly PlacementMember[]) {
    this.index = new TokenIndex(members.map((member) => member.tokens));
    const racks = numberRacks(members);
    this.datacenters = racks.datacenters;
    this.datacenterOf = racks.datacenterOf;
    this.rackOf = racks.rackOf;
    this.members = new RecencyLists(members.length, 1);
    this.membersByDatacenter = new RecencyLists(members.length, this.datacenters.length);
    this.racksByDatacenter = new RecencyLists(racks.rackCount, this.datacenters.length);
    this.datacentersAhead = new RecencyLists(this.datacenters.length, 1);
    this.positionOf = new Int32Array(members.length);
    this.firstOfRack = new Int32Array(racks.rackCount);
    this.#position = 2 * this.index.size;
    while (this.#position > this.index.size) this.step();
  }

  /** Steps back by one token. Call it as often as the ring has tokens, from the last to the first. */
  step(): void {
    this.#position--;
    const member = this.index.owners[this.#position % this.index.size] as number;
    const datacenter = this.datacenterOf[member] as number;
    const rack = this.rackOf[member] as number;
    this.members.touch(0, member);
    this.membersByDatacenter.touch(datacenter, member);
    this.racksByDatacenter.touch(datacenter, rack);
    this.datacentersAhead.touch(0, datacenter);
    this.positionOf[member] = this.#position;
    this.firstOfRack[rack] = member;
  }
}

interface NumberedRacks {
  readonly datacenters: readonly RingDatacenter[];
  readonly rackCount: number;
  readonly datacenterOf: Int32Array;
  readonly rackOf: Int32Array;
}

/** Racks of the same name in different datacenters are different racks. */
function numberRacks(members: readonly PlacementMember[]): NumberedRacks {
  const datacenters = new Map<
    string,
    { name: string; number: number; memberCount: number; racks: Map<string, number> }
  >();
  const datacenterOf = new Int32Array(members.length).fill(-1);
  const rackOf = new Int32Array(members.length).fill(-1);
  let rackCount = 0;
  for (const [member, { dc, rack, tokens }] of members.entries()) {
    if (tokens.length === 0) continue;
    const datacenter = datacenters.get(dc) ?? {
      name: dc,
      number: datacenters.size,
      memberCount: 0,
      racks: new Map<string, number>(),
    };
    datacenters.set(dc, datacenter);
    const rackNumber = datacenter.racks.get(rack) ?? rackCount++;
    datacenter.racks.set(rack, rackNumber);
    datacenter.memberCount++;
    datacenterOf[member] = datacenter.number;
    rackOf[member] = rackNumber;
  }
  const counted = Array.from(datacenters.values(), ({ name, memberCount, racks }) => ({
    name,
    memberCount,
    rackCount: racks.size,
  }));
  return { datacenters: counted, rackCount, datacenterOf, rackOf };
}
