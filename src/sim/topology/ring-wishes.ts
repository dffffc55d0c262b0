/** What a sensible operator wants of the ring: changes of every kind, drawn for the ring as it is. */
import { replicationFactors } from "../../layout/keyspace-table.ts";
import type { Layout, LayoutKeyspace, LayoutMember } from "../../layout/layout.ts";
import type { StagedChange } from "../../model/topology-api.ts";
import { tokenFromHalves } from "../../ring/token.ts";
import { type Uint32Source, randomBelow, randomChoice, shuffled } from "../../util/random.ts";
import type { Fleet } from "./fleet.ts";
import type { OperationKind, TopologyOptions } from "./topology-options.ts";

const RF_MAX = 4;

export class RingWishes {
  readonly #deps: { readonly rng: Uint32Source; readonly fleet: Fleet };
  readonly #options: TopologyOptions;

  constructor(
    deps: { readonly rng: Uint32Source; readonly fleet: Fleet },
    options: TopologyOptions,
  ) {
    this.#deps = deps;
    this.#options = options;
  }

  /** One wish of the given kind that a sensible operator could have. */
  wish(kind: OperationKind): readonly StagedChange[] | undefined {
    const { rng, fleet } = this.#deps;
    const head = fleet.newestHead();
    const member = head === undefined ? undefined : randomChoice(rng, head.members);
    if (head === undefined || member === undefined) return undefined;
    const { id } = member;
    switch (kind) {
      case "leave": {
        const others = head.members.filter((one) => one !== member);
        return isEnoughFor(head, others) ? [{ kind, member: id }] : undefined;
      }
      case "remove":
        return this.#removal(head);
      case "assassinate":
        return this.mayGiveUp(id, head) ? [{ kind, member: id }] : undefined;
      case "move":
        return [{ kind, member: id, tokens: this.#tokens(1 + randomBelow(rng, 3)) }];
      case "weight":
        return [{ kind, member: id, weight: randomChoice(rng, [0.5, 1, 2]) ?? 1 }];
      case "num-tokens":
        return [{ kind, member: id, numTokens: 1 + randomBelow(rng, 6) }];
      case "place": {
        const rack = `rack${1 + randomBelow(rng, this.#options.topology.racks)}`;
        return [{ kind, member: id, rack }];
      }
      default:
        return this.#replication(head);
    }
  }

  several(): readonly StagedChange[] {
    const kinds = shuffled(this.#deps.rng, [
      "leave",
      "move",
      "weight",
      "num-tokens",
      "place",
      "replication",
    ] as const);
    return kinds
      .slice(0, 2 + randomBelow(this.#deps.rng, 2))
      .flatMap((kind) => this.wish(kind) ?? []);
  }

  #replication(head: Layout): readonly StagedChange[] | undefined {
    const { rng } = this.#deps;
    const keyspace = randomChoice(rng, head.keyspaces);
    if (keyspace === undefined) return undefined;
    const factor = (members: number): number => 1 + randomBelow(rng, Math.min(RF_MAX, members));
    return [replicationChange(head, keyspace, factor)];
  }

  /** Somebody who is gone for good; now and then somebody who is only down. */
  #removal(head: Layout): readonly StagedChange[] | undefined {
    const { rng, fleet } = this.#deps;
    const down = fleet.machines
      .filter((machine) => machine.process === undefined)
      .map((machine) => fleet.idOf(machine))
      .filter((id) => head.members.some((member) => member.id === id));
    const [dead] = shuffled(rng, fleet.deadIds());
    const id = dead ?? randomChoice(rng, down);
    if (id === undefined || !this.mayGiveUp(id, head)) return undefined;
    return [{ kind: "remove", member: id }];
  }

  mayGiveUp(id: string, head: Layout): boolean {
    const { fleet } = this.#deps;
    if (!fleet.canSpare(id) || head.members.length < 2) return false;
    fleet.giveUp(id);
    return true;
  }

  #tokens(count: number): string[] {
    const { rng } = this.#deps;
    return Array.from({ length: count }, () =>
      String(tokenFromHalves(rng.uint32() | 0, rng.uint32())),
    );
  }
}

/** Whether these members are as many as replicas are wanted, in each datacenter where that counts. */
export function isEnoughFor(layout: Layout, members: readonly LayoutMember[]): boolean {
  return layout.keyspaces.every((keyspace) => {
    const { total, perDatacenter } = replicationFactors(layout, keyspace);
    if (perDatacenter === undefined) return members.length >= Math.max(total, 1);
    return [...perDatacenter].every(
      ([dc, factor]) => members.filter((member) => member.dc === dc).length >= factor,
    );
  });
}

/** Another replication; `factorFor` a number of members, of the ring or of each datacenter. */
export function replicationChange(
  { members }: Layout,
  { name, replication }: LayoutKeyspace,
  factorFor: (members: number) => number,
): StagedChange {
  const counts = new Map<string, number>();
  if (replication.class.includes("NetworkTopology")) {
    for (const { dc } of members) counts.set(dc, (counts.get(dc) ?? 0) + 1);
  } else counts.set("replication_factor", members.length);
  const options = [...counts].map(([option, count]) => [option, String(factorFor(count))]);
  const wanted = { class: replication.class, options: Object.fromEntries(options) };
  return { kind: "replication", keyspace: name, replication: wanted };
}
