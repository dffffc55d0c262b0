/**
 * Two processes with one identity: one of them was started from a copy of the other's data directory,
 * or is what a restart left behind.
 *
 * Who is only starting gives way to who is in the ring already. Of two that are both in it, because they
 * started on two sides of a partition, the later one stays; with equal generations both go, as nobody
 * can tell which one is right.
 */
import type { GossipInstant } from "./gossip-io.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import type { GossipMessage } from "./messages.ts";
import type { Outbox } from "./outbox.ts";

export interface TwinsDeps {
  readonly table: EndpointTable;
  readonly outbox: Outbox;
}

export class Twins {
  readonly #deps: TwinsDeps;

  constructor(deps: TwinsDeps) {
    this.#deps = deps;
  }

  /**
   * Settles who goes; true if the message of the twin is to be answered, so that it learns of us.
   *
   * @param isStarting - this member only asks around yet
   */
  isHeard(message: GossipMessage, isStarting: boolean, now: GossipInstant): boolean {
    const { address, generation } = message.from;
    const { self } = this.#deps.table;
    const isTwinStarting = message.kind !== "ack2" && message.isShadow;
    const givesWay = isTwinStarting === isStarting ? generation >= self.generation : isStarting;
    if (givesWay) {
      this.conflict(address, generation);
      return false;
    }
    const details = { fields: { memberId: self.id, address }, now };
    this.#deps.outbox.complain("gossip.identity-in-use", address, details);
    return message.kind === "syn";
  }

  /** This member has to go. */
  conflict(otherAddress: string, otherGeneration: number): void {
    const { id, address } = this.#deps.table.self;
    const kind = "identity-conflict";
    this.#deps.outbox.emit({ kind, memberId: id, address, otherAddress, otherGeneration });
  }
}
