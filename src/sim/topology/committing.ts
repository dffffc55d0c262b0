/**
 * Stage, plan, commit, as an operator does it, and what has to hold of every single commit:
 *
 *   I22  a commit applies exactly the plan that was named, on the layout that it was made on, or
 *        nothing; whoever loses finds its changes staged again
 */
import { headOf } from "../../layout/history.ts";
import type { AdminApi } from "../../model/admin-api.ts";
import type { KvErrorCode } from "../../model/kv-error.ts";
import type { LayoutVersion } from "../../model/layout-version.ts";
import type { PlanView, StagedChange } from "../../model/topology-api.ts";
import type { EventLog } from "../event-log.ts";
import type { Violation } from "../history.ts";
import type { Process, SimulatedMachine } from "../simulated-machine.ts";
import type { VirtualTime } from "../virtual-clock.ts";
import type { AdminCalls, CallOutcome } from "./admin-calls.ts";
import { type LayoutWatch, show } from "./layout-watch.ts";

export interface CommittingDeps {
  readonly time: VirtualTime;
  readonly log: EventLog;
  readonly calls: AdminCalls;
  readonly watch: LayoutWatch;
  /** Whether nothing acknowledged is lost by it, as far as anybody can know. */
  readonly isSafe: (change: StagedChange) => boolean;
  readonly onViolation: (violation: Violation) => void;
}

/** A commit that was answered with success. */
export interface Committed {
  readonly machine: SimulatedMachine;
  readonly process: Process;
  readonly version: LayoutVersion;
  readonly changes: readonly StagedChange[];
}

/** What may be said of changes and commits that cannot be had. */
const REFUSALS: readonly KvErrorCode[] = [
  "PLAN_STALE",
  "PLAN_LOST",
  "NOTHING_STAGED",
  "CHANGE_REFUSED",
  "NOT_READY",
  "UNKNOWN_TASK",
];

export class Committing {
  readonly committed: Committed[] = [];
  readonly refusals: Map<string, number> = new Map();
  readonly #deps: CommittingDeps;
  /** How often something was asked for that takes away what is staged. */
  readonly #takenAway = new Map<Process, number>();

  constructor(deps: CommittingDeps) {
    this.#deps = deps;
  }

  /** False if not all of it can be staged. */
  async stage(machine: SimulatedMachine, changes: readonly StagedChange[]): Promise<boolean> {
    for (const change of changes) {
      const name = `stage ${change.kind}`;
      const outcome = await this.call(machine, name, (admin) => admin.stage(change));
      if (outcome.kind === "ok") continue;
      // Something staged earlier may be what cannot be had any more.
      if (outcome.kind === "failed") {
        await this.call(machine, "unstage", (admin) => admin.unstage());
      }
      return false;
    }
    return true;
  }

  async plan(machine: SimulatedMachine): Promise<PlanView | undefined> {
    const outcome = await this.call(machine, "plan", (admin) => admin.plan());
    if (outcome.kind === "failed" && outcome.error.code === "CHANGE_REFUSED") {
      await this.call(machine, "unstage", (admin) => admin.unstage());
    }
    return outcome.kind === "ok" ? outcome.value : undefined;
  }

  async commit(machine: SimulatedMachine, plan: PlanView): Promise<boolean> {
    const { process } = machine;
    if (process === undefined) return false;
    if (!plan.changes.every((change) => this.#deps.isSafe(change))) {
      await this.call(machine, "unstage", (admin) => admin.unstage());
      return false;
    }
    const head = this.#headAt(machine);
    const taken = this.#takenAway.get(process) ?? 0;
    const outcome = await this.call(machine, "commit", (admin) => admin.commit(plan.hash));
    if (outcome.kind === "ok") {
      const { version } = outcome.value;
      this.#checkApplied(machine, plan, { version, head });
      this.committed.push({ machine, process, version, changes: plan.changes });
      return true;
    }
    const isLost = outcome.kind === "failed" && outcome.error.code === "PLAN_LOST";
    // Unless somebody else has committed or forgotten them meanwhile, or they cannot be written down.
    const mayFail = machine.hasFaultyDisk || machine.isDiskLimited;
    const isUntouched = this.#takenAway.get(process) === taken + 1 && !mayFail;
    if (isLost && isUntouched) this.#checkStagedAgain(machine, process, plan.changes);
    return false;
  }

  async revert(machine: SimulatedMachine): Promise<boolean> {
    const outcome = await this.call(machine, "revert", (admin) => admin.revert());
    return outcome.kind === "ok";
  }

  async call<T>(
    machine: SimulatedMachine,
    name: string,
    act: (admin: AdminApi) => T | Promise<T>,
  ): Promise<CallOutcome<T>> {
    const { calls, log, time } = this.#deps;
    const { process } = machine;
    if (process !== undefined && (name === "unstage" || name === "commit")) {
      this.#takenAway.set(process, (this.#takenAway.get(process) ?? 0) + 1);
    }
    const outcome = await calls.call(machine, name, act);
    const result = outcome.kind === "failed" ? outcome.error.message : outcome.kind;
    log.record(time.nowMs, "operator", [name, machine.index, result]);
    if (outcome.kind === "failed") this.#note(name, machine, outcome.error.code, result);
    return outcome;
  }

  #note(name: string, machine: SimulatedMachine, code: KvErrorCode, text: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
    if (REFUSALS.includes(code)) return;
    this.#broken(`${name} at machine ${machine.index} fails as ${code}: ${text}`);
  }

  #headAt(machine: SimulatedMachine): LayoutVersion | undefined {
    const history = this.#deps.watch.last(machine.index)?.history;
    return history === undefined ? undefined : headOf(history).version;
  }

  #checkApplied(
    machine: SimulatedMachine,
    { hash, base }: PlanView,
    { version, head }: { version: LayoutVersion; head: LayoutVersion | undefined },
  ): void {
    const where = `machine ${machine.index} committed plan ${hash.slice(0, 8)}`;
    if (version.hash !== hash) this.#broken(`${where} as another layout, ${show(version)}`);
    const isOlder = head !== undefined && head.hash !== base.hash;
    if (isOlder && this.#deps.watch.isMadeFrom(head, base.hash)) {
      this.#broken(`${where} of layout ${show(base)} on layout ${show(head)}`);
    }
    const parent = this.#deps.watch.layout(version.hash)?.parent;
    if (parent !== undefined && parent !== base.hash) {
      this.#broken(`${where} of layout ${show(base)} on top of ${parent.slice(0, 8)}`);
    }
  }

  #checkStagedAgain(
    machine: SimulatedMachine,
    process: Process,
    changes: readonly StagedChange[],
  ): void {
    if (machine.process !== process) return;
    const staged = process.member.admin.topology().staged.map((one) => JSON.stringify(one));
    if (changes.every((change) => staged.includes(JSON.stringify(change)))) return;
    this.#broken(`machine ${machine.index} lost a plan and its changes are not staged any more`);
  }

  #broken(message: string): void {
    this.#deps.onViolation({ invariant: "I22", message });
  }
}
