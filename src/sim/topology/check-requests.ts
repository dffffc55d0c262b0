/**
 * Clients' requests against the layouts that their coordinators lived in:
 *
 *   I20  an acknowledged write is at its level in every layout that was active for its coordinator
 *   I21  who knows that it was removed serves nobody
 */
import { headOf } from "../../layout/history.ts";
import { replicationFactors } from "../../layout/keyspace-table.ts";
import type { Layout } from "../../layout/layout.ts";
import {
  type Operation,
  type Violation,
  type WriteRecord,
  isWrite,
  showOperation,
} from "../history.ts";
import { isEnough } from "../quorums.ts";
import { splitKey } from "../wishes.ts";
import type { LayoutTables } from "./layout-tables.ts";
import { type LayoutState, type LayoutWatch, show } from "./layout-watch.ts";

export interface RequestChecks {
  readonly operations: readonly Operation[];
  readonly watch: LayoutWatch;
  readonly tables: LayoutTables;
  /** Of any machine that ever was. */
  readonly addressOf: (machine: number) => string | undefined;
  /** By index of the machine. */
  readonly datacenters: readonly string[];
}

export function checkRequests(checks: RequestChecks): Violation[] {
  const violations: Violation[] = [];
  for (const operation of checks.operations) {
    if (operation.outcome !== "ok" || operation.completed === undefined) continue;
    const states = statesDuring(operation, checks.watch);
    const [first] = states;
    const id = first?.memberId ?? "";
    if (first !== undefined && headOf(first.history).removedIds.includes(id)) {
      const message = `${showOperation(operation)} through ${id}, which knew that it was removed`;
      violations.push({ invariant: "I21", message });
    }
    if (!isWrite(operation) || states.length === 0) continue;
    const problem = states.map((state) => missedBy(operation, state, checks));
    if (problem.includes(undefined)) continue;
    violations.push({
      invariant: "I20",
      message: `${showOperation(operation)}: ${problem[0] ?? ""}`,
    });
  }
  return violations;
}

/** The one in which the request came, and those that followed until its answer. */
function statesDuring(
  { member, invoked, completed }: Operation,
  watch: LayoutWatch,
): LayoutState[] {
  const states = watch.states(member).filter(({ at }) => at.step < (completed?.step ?? 0));
  const first = states.findLastIndex(({ at }) => at.step < invoked.step);
  return states.slice(Math.max(first, 0));
}

function missedBy(
  write: WriteRecord,
  { history }: LayoutState,
  checks: RequestChecks,
): string | undefined {
  for (const layout of history.layouts) {
    const problem = missedIn(layout, write, checks);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function missedIn(
  layout: Layout,
  { key, level, member, answeredBy }: WriteRecord,
  { tables, addressOf, datacenters }: RequestChecks,
): string | undefined {
  const [name, bareKey] = splitKey(key);
  const keyspace = layout.keyspaces.find((one) => one.name === name);
  if (keyspace === undefined) return undefined;
  const addresses = new Set(answeredBy.map((machine) => addressOf(machine)));
  const holders = tables.holders(layout, keyspace, tables.tokenOf(bareKey));
  const stored = holders.filter(({ address }) => addresses.has(address)).map(({ dc }) => dc);
  const { total, perDatacenter } = replicationFactors(layout, keyspace);
  const count = perDatacenter === undefined ? total : Object.fromEntries(perDatacenter);
  if (isEnough(stored, { level, datacenter: datacenters[member] ?? "" }, count)) return undefined;
  return (
    `only ${stored.length} replicas of layout ${show(layout.version)} have stored it ` +
    `(in ${stored.join(", ")}, of ${JSON.stringify(count)})`
  );
}
