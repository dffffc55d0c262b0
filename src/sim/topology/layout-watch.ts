/**
 * Looks at every state of every member's layouts, at the moment at which it comes into use.
 *
 *   I15  the newest layout and the one that is read from never go back, restarts included, once a
 *        layout has, or had, a place for the member
 *   I16  no token has two owners, and the ranges cover the whole ring
 *   I17  as many distinct replicas as the replication asks for, or as there are members
 *   I18  one version, one layout: equal in every byte
 *   I21  who was removed is in no later layout
 */
import { type LayoutHistory, headOf, isMentioned } from "../../layout/history.ts";
import { replicationFactors } from "../../layout/keyspace-table.ts";
import type { Layout, LayoutKeyspace } from "../../layout/layout.ts";
import { type LayoutVersion, compareLayoutVersions } from "../../model/layout-version.ts";
import type { Instant, Violation } from "../history.ts";
import type { LayoutTables } from "./layout-tables.ts";

/** The layouts that one process lives in from some moment on. */
export interface LayoutState {
  readonly at: Instant;
  readonly memberId: string;
  readonly history: LayoutHistory;
}

export interface LayoutWatchDeps {
  readonly tables: LayoutTables;
  readonly instant: () => Instant;
  readonly onViolation: (violation: Violation) => void;
}

export class LayoutWatch {
  readonly #deps: LayoutWatchDeps;
  readonly #layouts = new Map<string, { readonly layout: Layout; readonly text: string }>();
  /** By index of the machine. */
  readonly #states = new Map<number, LayoutState[]>();
  readonly #generations = new Map<string, number>();
  readonly #ids = new Map<number, string>();

  constructor(deps: LayoutWatchDeps) {
    this.#deps = deps;
  }

  /** Every state that a machine was in, in order. */
  states(machine: number): readonly LayoutState[] {
    return this.#states.get(machine) ?? [];
  }

  /** The last one, also of a machine that is down. */
  last(machine: number): LayoutState | undefined {
    return this.#states.get(machine)?.at(-1);
  }

  /** The last state of the member with this id, whatever became of its machine. */
  lastOf(memberId: string): LayoutState | undefined {
    for (const [machine, id] of this.#ids) if (id === memberId) return this.last(machine);
    return undefined;
  }

  idOf(machine: number): string | undefined {
    return this.#ids.get(machine);
  }

  /** A layout that somebody lived in. */
  layout(hash: string): Layout | undefined {
    return this.#layouts.get(hash)?.layout;
  }

  get layouts(): readonly Layout[] {
    return [...this.#layouts.values()].map(({ layout }) => layout);
  }

  /** True if `version` is the layout with this hash or was made from it, as far as anybody has seen. */
  isMadeFrom(version: LayoutVersion, hash: string): boolean {
    for (let layout = this.layout(version.hash); layout !== undefined;) {
      if (layout.version.hash === hash) return true;
      layout = this.layout(layout.parent);
    }
    return false;
  }

  identified(machine: number, memberId: string, generation: number): void {
    const known = this.#ids.get(machine);
    if (known !== undefined && known !== memberId) {
      this.#broken("I15", `machine ${machine} was ${known} and is ${memberId} now`);
    }
    this.#ids.set(machine, memberId);
    const last = this.#generations.get(memberId) ?? 0;
    if (generation <= last) {
      this.#broken("I15", `member ${memberId} has generation ${generation} after ${last}`);
    }
    this.#generations.set(memberId, generation);
  }

  used(machine: number, memberId: string, history: LayoutHistory): void {
    const states = this.#states.get(machine) ?? [];
    const before = states.at(-1);
    if (before !== undefined && isMentioned(before.history, memberId)) {
      this.#compare(machine, before.history, history);
    }
    for (const layout of history.layouts) this.#look(layout, machine);
    states.push({ at: this.#deps.instant(), memberId, history });
    this.#states.set(machine, states);
  }

  #compare(machine: number, before: LayoutHistory, after: LayoutHistory): void {
    const [old, next] = [headOf(before).version, headOf(after).version];
    if (compareLayoutVersions(next, old) < 0) {
      this.#broken("I15", `machine ${machine} goes back from ${show(old)} to ${show(next)}`);
    }
    if (after.reads < before.reads) {
      const message = `machine ${machine} reads from ${after.reads} after ${before.reads}`;
      this.#broken("I15", message);
    }
  }

  #look(layout: Layout, machine: number): void {
    const { hash } = layout.version;
    const known = this.#layouts.get(hash);
    if (known?.layout === layout) return;
    // How far back a lineage goes depends on what its author knew, and is not part of the hash.
    const text = canonicalText({ ...layout, version: { counter: layout.version.counter, hash } });
    if (known !== undefined) {
      if (known.text === text) return;
      this.#broken("I18", `machine ${machine} has another layout ${show(layout.version)}: ${text}`);
      return;
    }
    this.#layouts.set(hash, { layout, text });
    this.#checkTokens(layout);
    this.#checkReplicas(layout);
    this.#checkRemoved(layout);
  }

  #checkTokens({ version, members }: Layout): void {
    const owners = new Map<string, string>();
    for (const { id, tokens } of members) {
      for (const token of tokens) {
        const other = owners.get(token);
        if (other !== undefined) {
          this.#broken("I16", `layout ${show(version)} gives ${token} to ${other} and ${id}`);
        }
        owners.set(token, id);
      }
    }
  }

  #checkReplicas(layout: Layout): void {
    for (const keyspace of layout.keyspaces) {
      const expected = expectedReplicas(layout, keyspace);
      const table = this.#deps.tables.table(layout, keyspace);
      const ranges = table.ranges();
      for (const { replicas } of ranges) {
        const distinct = new Set(replicas.members);
        if (distinct.size === expected && replicas.members.length === expected) continue;
        const message = `layout ${show(layout.version)} has replicas ${replicas.members.join(", ")} of '${keyspace.name}', expected ${expected}`;
        this.#broken("I17", message);
      }
      const isWhole = ranges.every((range, index) => {
        const previous = ranges.at(index - 1);
        return range.startHi === previous?.endHi && range.startLo === previous.endLo;
      });
      if (!isWhole) this.#broken("I16", `layout ${show(layout.version)} has holes in its ring`);
    }
  }

  #checkRemoved(layout: Layout): void {
    const { members, removedIds, parent, version } = layout;
    const before = this.layout(parent)?.removedIds ?? [];
    const isBack = (id: string): boolean => members.some((member) => member.id === id);
    for (const id of [...removedIds, ...before].filter(isBack)) {
      this.#broken("I21", `${id} was removed and is in layout ${show(version)}`);
    }
    for (const id of before.filter((one) => !removedIds.includes(one))) {
      this.#broken("I21", `layout ${show(version)} does not know that ${id} was removed`);
    }
  }

  #broken(invariant: string, message: string): void {
    this.#deps.onViolation({ invariant, message });
  }
}

/** As many as the replication asks for, or as there are members, in each datacenter if it asks so. */
function expectedReplicas(layout: Layout, keyspace: LayoutKeyspace): number {
  const { members } = layout;
  const { total, perDatacenter } = replicationFactors(layout, keyspace);
  if (perDatacenter === undefined) return Math.min(total, members.length);
  let expected = 0;
  for (const [dc, factor] of perDatacenter) {
    expected += Math.min(factor, members.filter((member) => member.dc === dc).length);
  }
  return expected;
}

export function show({ counter, hash }: LayoutVersion): string {
  return `${counter} (${hash.slice(0, 8)})`;
}

/** JSON with the fields of all objects in one order. */
function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
