/**
 * Books who gives what to whom while a ring changes, segment by segment.
 *
 * The source of a receiver is, in this order: the replica that it displaces in its datacenter, another
 * old replica in the same rack, in the same datacenter, anywhere; among equals the one that has given
 * least so far.
 */
import type { PlacementMember } from "./replica-table.ts";

/** What one member sends to another. */
export interface Transfer {
  readonly from: string;
  readonly to: string;
  /** Share of the ring. */
  readonly share: number;
  readonly rangeCount: number;
}

/** A member by its name. */
interface NamedMember extends PlacementMember {
  readonly id: string;
}

/** The bookkeeping of one kind of data. */
export class MovementLedger {
  /** Share of the ring, once per member that receives it. */
  moved = 0;
  /** Share that somebody should receive and nobody can send. */
  withoutSource = 0;

  readonly #unavailable: ReadonlySet<string>;
  readonly #received: Map<string, number> = new Map();
  readonly #given: Map<string, number> = new Map();
  readonly #transfers: Map<string, Map<string, { share: number; rangeCount: number }>> = new Map();

  /** @param unavailable - ids of members that cannot give data. */
  constructor(unavailable: ReadonlySet<string>) {
    this.#unavailable = unavailable;
  }

  /**
   * Books a piece of the ring.
   *
   * @param old - who held it and can give it; who is here receives nothing.
   * @param next - who holds it afterwards; the others of `old` are displaced.
   * @param receivers - those of `next` that need it, where not all do.
   */
  settle(
    share: number,
    old: readonly NamedMember[],
    next: readonly NamedMember[],
    receivers: readonly NamedMember[] = next,
  ): void {
    const oldIds = new Set(old.map(({ id }) => id));
    const nextIds = new Set(next.map(({ id }) => id));
    const sources = old.filter(({ id }) => !this.#unavailable.has(id));
    const displaced = sources.filter(({ id }) => !nextIds.has(id));
    for (const receiver of receivers) {
      if (oldIds.has(receiver.id)) continue;
      this.moved += share;
      add(this.#received, receiver.id, share);
      const source =
        takeNearest(displaced, receiver) ?? this.#leastBusy(nearestOf(sources, receiver));
      if (source === undefined) this.withoutSource += share;
      else this.#book(source.id, receiver.id, share);
    }
  }

  receivedBy(id: string): number {
    return this.#received.get(id) ?? 0;
  }

  givenBy(id: string): number {
    return this.#given.get(id) ?? 0;
  }

  transfers(): Transfer[] {
    const all = [...this.#transfers].flatMap(([from, receivers]) =>
      [...receivers].map(([to, { share, rangeCount }]) => ({ from, to, share, rangeCount })),
    );
    return all.toSorted((a, b) => b.share - a.share);
  }

  #leastBusy(sources: readonly NamedMember[]): NamedMember | undefined {
    return sources.reduce<NamedMember | undefined>(
      (best, source) =>
        best === undefined || this.givenBy(source.id) < this.givenBy(best.id) ? source : best,
      undefined,
    );
  }

  #book(from: string, to: string, share: number): void {
    add(this.#given, from, share);
    const receivers = this.#transfers.get(from) ?? new Map();
    this.#transfers.set(from, receivers);
    const known = receivers.get(to) ?? { share: 0, rangeCount: 0 };
    receivers.set(to, { share: known.share + share, rangeCount: known.rangeCount + 1 });
  }
}

function add(sums: Map<string, number>, id: string, share: number): void {
  sums.set(id, (sums.get(id) ?? 0) + share);
}

/** 0 in the same rack, 1 in the same datacenter, 2 elsewhere. */
function distance(a: PlacementMember, b: PlacementMember): number {
  if (a.dc !== b.dc) return 2;
  return a.rack === b.rack ? 0 : 1;
}

function nearestOf(sources: readonly NamedMember[], receiver: NamedMember): readonly NamedMember[] {
  const nearest = Math.min(...sources.map((source) => distance(source, receiver)));
  return sources.filter((source) => distance(source, receiver) === nearest);
}

/** Takes out of the list the displaced replica of the receiver's datacenter that is nearest. */
function takeNearest(displaced: NamedMember[], receiver: NamedMember): NamedMember | undefined {
  const source = nearestOf(displaced, receiver)[0];
  if (source === undefined || source.dc !== receiver.dc) return undefined;
  displaced.splice(displaced.indexOf(source), 1);
  return source;
}
