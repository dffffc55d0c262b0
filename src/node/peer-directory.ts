/**
 * The members of all active layouts as peers: one object per member and address, kept over changes.
 *
 * The link to a member that has left stays for a while: requests are under way on it that were begun
 * when the member was a replica, and that may need its answers.
 */
import { Peer, type PeerPlace } from "../coordinator/peer.ts";
import { type LayoutHistory, activeMembers, headOf } from "../layout/history.ts";
import type { LayoutMember } from "../layout/layout.ts";
import type { Link, Transport } from "../transport/transport.ts";
import type { Clock, Timer } from "../model/deps.ts";
import { must } from "../util/assert.ts";

/** Longer than requests wait for answers, as configured by default. */
const FAREWELL_MS = 10_000;

/** Nobody listens to a member that was removed. */
const NO_LINK: Link = { address: "", memberId: undefined, isUp: false, reserve: () => undefined };

export class PeerDirectory {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #farewells = new Set<Timer>();
  /** This member, also while it is not in the layout. */
  readonly self: Peer;
  #peers: ReadonlyMap<string, Peer> = new Map();

  constructor(deps: { readonly transport: Transport; readonly clock: Clock }, self: PeerPlace) {
    this.#transport = deps.transport;
    this.#clock = deps.clock;
    this.self = new Peer(self, undefined);
  }

  get(memberId: string): Peer | undefined {
    return this.#peers.get(memberId);
  }

  /** The peer of a member of any active layout. */
  of(memberId: string): Peer {
    return must(this.#peers.get(memberId), "each member of an active layout has a peer");
  }

  useHistory(history: LayoutHistory): void {
    const before = this.#peers;
    const removed = new Set(headOf(history).removedIds);
    const members = activeMembers(history);
    const addresses = new Set(
      members.filter(({ id }) => !removed.has(id)).map((one) => one.address),
    );
    // Whoever has come to the address of one that is only removed now shares a link with it.
    const forgotten = new Set<Link>();
    for (const peer of before.values()) {
      const { link, memberId } = peer;
      if (link === undefined || link === NO_LINK) continue;
      // Another member may have come to the address of a removed one.
      if (!removed.has(memberId) && addresses.has(link.address)) continue;
      if (peer.isAlive) this.#forgetLater(link.address);
      else {
        this.#transport.forget(link.address);
        forgotten.add(link);
      }
    }
    const peerFor = (member: LayoutMember): Peer => this.#peerFor(member, removed, forgotten);
    this.#peers = new Map(members.map((one) => [one.id, peerFor(one)]));
  }

  stop(): void {
    for (const timer of this.#farewells) timer.cancel();
    this.#farewells.clear();
  }

  #forgetLater(address: string): void {
    const timer = this.#clock.setTimer(FAREWELL_MS, () => {
      this.#farewells.delete(timer);
      const links = [...this.#peers.values()].map(({ link }) => link);
      if (!links.some((link) => link?.address === address)) this.#transport.forget(address);
    });
    this.#farewells.add(timer);
  }

  #peerFor(member: LayoutMember, removed: ReadonlySet<string>, forgotten: ReadonlySet<Link>): Peer {
    if (member.id === this.self.memberId) return this.self;
    const known = this.get(member.id);
    const isRemoved = removed.has(member.id);
    const isKept = known !== undefined && (known.link === NO_LINK) === isRemoved;
    const hasLink = known?.link !== undefined && !forgotten.has(known.link);
    if (isKept && hasLink && isSamePlace(known, member)) return known;
    const place = { ...member, memberId: member.id };
    if (isRemoved) return new Peer(place, NO_LINK);
    return new Peer(place, this.#transport.linkTo(member.address, member.id));
  }
}

function isSamePlace(peer: Peer, member: LayoutMember): boolean {
  return peer.address === member.address && peer.dc === member.dc && peer.rack === member.rack;
}
