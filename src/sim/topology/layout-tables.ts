/** Who holds a key in a layout, remembered per layout and keyspace. */
import { keyspaceTable } from "../../layout/keyspace-table.ts";
import type { Layout, LayoutKeyspace, LayoutMember } from "../../layout/layout.ts";
import { type DutyHolder, covers } from "../../layout/transition.ts";
import { replicationFactors } from "../../layout/keyspace-table.ts";
import type { ReplicaTable } from "../../placement/replica-table.ts";
import { Murmur3, createHalvesMurmur3 } from "../../ring/murmur3.ts";
import { bytesOf } from "../wishes.ts";

export interface Token {
  readonly hi: number;
  readonly lo: number;
}

export class LayoutTables {
  readonly #tables = new Map<string, ReplicaTable>();
  readonly #hasher = new Murmur3(createHalvesMurmur3());

  tokenOf(key: string): Token {
    const bytes = bytesOf(key);
    this.#hasher.hash(bytes, 0, bytes.length);
    return { hi: this.#hasher.hi, lo: this.#hasher.lo };
  }

  table(layout: Layout, keyspace: LayoutKeyspace): ReplicaTable {
    const name = `${layout.version.hash} ${keyspace.id}`;
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = keyspaceTable(layout, keyspace);
      this.#tables.set(name, table);
    }
    return table;
  }

  holders(layout: Layout, keyspace: LayoutKeyspace, { hi, lo }: Token): readonly LayoutMember[] {
    const { members } = this.table(layout, keyspace).lookup(hi, lo);
    return members.map((index) => layout.members[index] as LayoutMember);
  }

  /** True if everything acknowledged in the layout is held by somebody who is not lost. */
  isCovered(layout: Layout, isLost: (id: string) => boolean): boolean {
    return layout.keyspaces.every((keyspace) => {
      const isGrouped = replicationFactors(layout, keyspace).perDatacenter !== undefined;
      return this.table(layout, keyspace).sets.every(({ members }) => {
        const replicas = members.map((index): DutyHolder => {
          const { id, dc } = layout.members[index] as LayoutMember;
          return { id, dc: isGrouped ? dc : "" };
        });
        return covers(replicas, (id) => !isLost(id));
      });
    });
  }
}
