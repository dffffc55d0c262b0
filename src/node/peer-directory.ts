/** The members of the present layout as peers: one object per member and address, kept over changes. */
import { Peer, type PeerPlace } from "../coordinator/peer.ts";
import type { Layout, LayoutMember } from "../layout/layout.ts";
import type { Transport } from "../transport/transport.ts";

export class PeerDirectory {
  readonly #transport: Transport;
  /** This member, also while it is not in the layout. */
  readonly self: Peer;
  #peers: readonly Peer[] = [];

  constructor(transport: Transport, self: PeerPlace) {
    this.#transport = transport;
    this.self = new Peer(self, undefined);
  }

  /** In the order of the layout's members. */
  get peers(): readonly Peer[] {
    return this.#peers;
  }

  get(memberId: string): Peer | undefined {
    return this.#peers.find((peer) => peer.memberId === memberId);
  }

  useLayout(layout: Layout): void {
    const before = this.#peers;
    this.#peers = layout.members.map((member) => this.#peerFor(member));
    for (const peer of before) {
      const isGone = !this.#peers.some(({ address }) => address === peer.address);
      if (isGone && !peer.isSelf) this.#transport.forget(peer.address);
    }
  }

  #peerFor(member: LayoutMember): Peer {
    if (member.id === this.self.memberId) return this.self;
    const known = this.get(member.id);
    if (known !== undefined && isSamePlace(known, member)) return known;
    const place = { ...member, memberId: member.id };
    return new Peer(place, this.#transport.linkTo(member.address, member.id));
  }
}

function isSamePlace(peer: Peer, member: LayoutMember): boolean {
  return peer.address === member.address && peer.dc === member.dc && peer.rack === member.rack;
}
