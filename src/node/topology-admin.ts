/**
 * Changing the ring from one member: what is staged here, the plan for it, its commit and its fate.
 *
 * A plan is computed from the head, what is staged, and chance that comes from the head's hash; so as
 * long as the ring stays the same, the plan does, and its hash names it. A commit that loses against
 * another one made at the same time puts its changes back into what is staged, whenever that turns
 * out: until everybody has agreed on it, it is remembered on disk.
 */
import type { GossipMember } from "../gossip/gossip-io.ts";
import {
  type LayoutHistory,
  baseOf,
  headOf,
  isSealed,
  missingAcks,
  missingSyncs,
  newestReadOf,
} from "../layout/history.ts";
import { type Layout, LayoutError } from "../layout/layout.ts";
import { type PlanFacts, planOf } from "../layout/plan.ts";
import { revertedContent } from "../layout/revert.ts";
import { type StagedContent, type StagingFacts, applyStaged } from "../layout/staging.ts";
import type { Clock, Logger } from "../model/deps.ts";
import { KvError } from "../model/kv-error.ts";
import {
  type LayoutVersion,
  continues,
  isSameVersion,
  rootCounter,
} from "../model/layout-version.ts";
import type {
  ActiveVersionView,
  CommitView,
  PlanView,
  StagedChange,
  TopologyView,
} from "../model/topology-api.ts";
import type { Disk } from "../storage/disk.ts";
import { must } from "../util/assert.ts";
import { finished } from "../util/stepwise.ts";
import { SeededRng } from "../util/random.ts";
import { unconfirmed } from "./agreement.ts";
import { strangersOf } from "./join-requests.ts";
import type { LayoutKeeper } from "./layout-keeper.ts";
import { inSlices } from "./slices.ts";
import { StagedDocument } from "./staged-document.ts";

const AGREEMENT_TIMEOUT_MS = 10_000;
/** How often tokens are chosen anew because the ring has become another one. */
const ATTEMPTS_MAX = 3;
/** Shorter beginnings of a plan's hash are not taken. */
const HASH_DIGITS_MIN = 6;

/** Whether another layout may still win against one, has won, or cannot any more. */
type Fate = "open" | "lost" | "held";

/** A commit that somebody waits for. */
interface AwaitedCommit {
  readonly version: LayoutVersion;
  fate: Fate;
}

export interface TopologyAdminDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly disk: Disk;
  readonly keeper: LayoutKeeper;
  /** All members that gossip knows. */
  readonly members: () => readonly GossipMember[];
  /** Resolves with the next news of gossip, or soon. */
  readonly news: () => Promise<void>;
  /** How much data there is, by keyspace id. */
  readonly densities: () => Promise<PlanFacts["densities"]>;
}

export class TopologyAdmin {
  readonly #deps: TopologyAdminDeps;
  readonly #streamBytesPerSecond: number;
  readonly #document: StagedDocument;
  /** Commits whose callers wait for everybody to agree. */
  readonly #awaited = new Set<AwaitedCommit>();
  /** Hashes of plans that are being written down, before they are commits. */
  readonly #writing = new Set<string>();
  /** What staged changes made of a layout the last time, and of what it was made. */
  #lastApplied: { readonly of: string; readonly outcome: StagedContent | LayoutError } | undefined;
  /** The head at the last review. */
  #lastHead: LayoutVersion | undefined;

  constructor(deps: TopologyAdminDeps, options: { readonly streamBytesPerSecond: number }) {
    this.#deps = deps;
    this.#streamBytesPerSecond = options.streamBytesPerSecond;
    this.#document = new StagedDocument(deps.disk);
  }

  load(): void {
    this.#document.load();
  }

  topology(): TopologyView {
    const history = this.#history();
    const members = this.#deps.members();
    return {
      versions: history.layouts.map((layout) => this.#versionView(history, layout)),
      readsFrom: history.reads,
      staged: this.#document.staged,
      waiting: strangersOf(headOf(history), members).map(({ id, address, dc, rack }) => ({
        id,
        address,
        dc,
        rack,
      })),
    };
  }

  /** Throws KvError if the change can never be had. */
  async stage(change: StagedChange): Promise<readonly StagedChange[]> {
    await this.#prepare(() => [...this.#document.staged, change]);
    const staged = [...this.#document.staged, change];
    this.#preview(staged);
    await this.#document.save(staged);
    return staged;
  }

  unstage(): Promise<void> {
    return this.#document.save([]);
  }

  async plan(): Promise<PlanView> {
    if (this.#document.staged.length === 0) throw new KvError({ code: "NOTHING_STAGED" });
    const densities = await this.#deps.densities();
    await this.#prepare(() => this.#document.staged);
    // What was staged, or the ring, may be another one by now: the rest is of one moment.
    const { staged } = this.#document;
    if (staged.length === 0) throw new KvError({ code: "NOTHING_STAGED" });
    return this.#view(this.#preview(staged), staged, densities);
  }

  async commit(planHash: string): Promise<CommitView> {
    await this.#prepare(() => this.#document.staged);
    const { staged } = this.#document;
    if (staged.length === 0) throw new KvError({ code: "NOTHING_STAGED" });
    const layout = this.#preview(staged);
    const { hash } = layout.version;
    const isNamed = planHash.length >= HASH_DIGITS_MIN && hash.startsWith(planHash.toLowerCase());
    if (!isNamed) throw new KvError({ code: "PLAN_STALE", hash: planHash, present: hash });
    if (!(await this.#make(layout, staged))) {
      const never = this.#document.commits.filter(({ version }) => version.hash === hash);
      await this.#document.restore(never);
      throw this.#overtaken(layout);
    }
    return this.#agreed(layout);
  }

  /** Why a layout could not be committed any more once it was written down. */
  #overtaken(layout: Layout): KvError {
    const head = headOf(this.#newest()).version;
    if (head.hash !== layout.parent) return this.#lost(layout.version);
    const present = this.#preview(this.#document.staged).version.hash;
    return new KvError({ code: "PLAN_STALE", hash: layout.version.hash, present });
  }

  /** False if the ring went on while this one was written down: it never was a commit. */
  async #make(layout: Layout, staged: readonly StagedChange[]): Promise<boolean> {
    const { hash } = layout.version;
    this.#writing.add(hash);
    try {
      await this.#document.commit(layout.version, staged);
      return this.#deps.keeper.commit(layout);
    } finally {
      this.#writing.delete(hash);
    }
  }

  async revert(): Promise<CommitView> {
    const history = this.#newest();
    const alive = this.#aliveIds();
    const layout = this.#orKvError("revert", () =>
      this.#deps.keeper.preview(
        revertedContent(headOf(history), this.#baseOf(history), (id) => alive.has(id)),
      ),
    );
    if (!this.#deps.keeper.commit(layout)) throw this.#lost(layout.version);
    return this.#agreed(layout);
  }

  /** Looks what became of the last commits; called with all news. */
  review(): void {
    const { history } = this.#deps.keeper;
    if (history === undefined) return;
    const { commits } = this.#document;
    const fates = commits.map((plan) => ({ plan, fate: this.#fateOf(plan.version, history) }));
    for (const awaited of this.#awaited) {
      // What holds does so for ever, also where it is too long ago to tell.
      if (awaited.fate === "open") awaited.fate = this.#fateOf(awaited.version, history);
    }
    this.#lastHead = headOf(history).version;
    const lost = fates.filter(({ fate }) => fate === "lost").map(({ plan }) => plan);
    const held = fates.filter(({ fate }) => fate === "held").map(({ plan }) => plan);
    for (const { version } of lost) {
      const winner = headOf(history).version.hash;
      this.#deps.logger.warn("plan.lost", { hash: version.hash, winner });
    }
    if (lost.length > 0) this.#save(this.#document.restore(lost));
    if (held.length > 0) this.#save(this.#document.forget(held));
  }

  #fateOf(version: LayoutVersion, history: LayoutHistory): Fate {
    const head = headOf(history).version;
    const last = this.#lastHead ?? head;
    const goesOn = isSameVersion(head, last) || continues(head, last);
    if (!continues(head, version)) {
      if (goesOn && head.counter < version.counter) {
        return this.#isOnItsWay(version) ? "open" : "lost";
      }
      // What is older than the root everybody has agreed on, unless this member was left behind.
      const isAgreed = version.counter < rootCounter(head);
      return isAgreed && (goesOn || rootCounter(head) <= last.counter) ? "held" : "lost";
    }
    const layout = history.layouts.find((one) => isSameVersion(one.version, version));
    if (layout === undefined) return "held";
    return isSealed(history, layout, this.#deps.keeper.factsOf) ? "held" : "open";
  }

  /** To the disk: it is in use only afterwards. */
  #isOnItsWay(version: LayoutVersion): boolean {
    const newest = headOf(this.#newest()).version;
    return this.#writing.has(version.hash) || continues(newest, version);
  }

  /** It is in use already; a disk that is full must not end the process. */
  #save(saving: Promise<void>): void {
    saving.catch((error: unknown) => {
      this.#deps.logger.warn("plan.not-saved", { error: String(error) });
    });
  }

  /** Resolves when all live members live in a layout that was committed. */
  async #agreed(layout: Layout): Promise<CommitView> {
    const awaited: AwaitedCommit = { version: layout.version, fate: "open" };
    this.#awaited.add(awaited);
    try {
      return await this.#agreement(layout, awaited);
    } finally {
      this.#awaited.delete(awaited);
    }
  }

  async #agreement(layout: Layout, awaited: AwaitedCommit): Promise<CommitView> {
    const { keeper, clock } = this.#deps;
    await keeper.saved();
    const deadlineMs = clock.monotonicMs() + AGREEMENT_TIMEOUT_MS;
    for (;;) {
      this.review();
      if (awaited.fate === "lost") throw this.#lost(layout.version);
      const history = this.#history();
      const missing = unconfirmed(history, layout.version, this.#deps.members());
      const isOver = clock.monotonicMs() >= deadlineMs;
      if (!missing.some(({ isAlive }) => isAlive) || isOver) {
        const waitingFor = this.#addresses(
          history,
          missing.map(({ id }) => id),
        );
        return { version: layout.version, waitingFor };
      }
      await this.#deps.news();
    }
  }

  #lost({ hash }: LayoutVersion): KvError {
    const winner = headOf(this.#history()).version.hash;
    return new KvError({ code: "PLAN_LOST", hash, winner });
  }

  #preview(staged: readonly StagedChange[]): Layout {
    const history = this.#newest();
    return this.#orKvError("the change", () =>
      this.#deps.keeper.preview(this.#applied(history, staged)),
    );
  }

  /**
   * Choosing tokens takes long enough for clients to notice: it is done beforehand, between their requests, and
   * once for stage, plan and commit. It begins again when the ring or what is staged changes meanwhile; if that goes on, the
   * rest is done at once.
   */
  async #prepare(staged: () => readonly StagedChange[]): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const changes = staged();
      const history = this.#newest();
      const facts = this.#stagingFacts(history);
      const of = inputsOf(headOf(history), changes, facts);
      if (this.#lastApplied?.of === of) return;
      const work = applyStaged(headOf(history), changes, facts);
      const outcome = await inSlices(work, this.#deps.clock).catch((error: unknown) => {
        if (error instanceof LayoutError) return error;
        throw error;
      });
      this.#lastApplied = { of, outcome };
    }
  }

  #applied(history: LayoutHistory, staged: readonly StagedChange[]): StagedContent {
    const head = headOf(history);
    const facts = this.#stagingFacts(history);
    const of = inputsOf(head, staged, facts);
    if (this.#lastApplied?.of !== of) {
      this.#lastApplied = { of, outcome: finished(applyStaged(head, staged, facts)) };
    }
    const { outcome } = this.#lastApplied;
    if (outcome instanceof LayoutError) throw outcome;
    return outcome;
  }

  #stagingFacts(history: LayoutHistory): StagingFacts {
    const head = headOf(history);
    return {
      waiting: strangersOf(head, this.#deps.members()),
      aliveIds: this.#aliveIds(),
      base: this.#baseOf(history),
      rng: new SeededRng(Number.parseInt(head.version.hash.slice(0, 8), 16)),
    };
  }

  /** The layout that changes are made from. */
  #baseOf(history: LayoutHistory): Layout {
    return newestReadOf(history, this.#deps.keeper.factsOf);
  }

  #aliveIds(): ReadonlySet<string> {
    const alive = this.#deps.members().filter(({ isAlive, isSelf }) => isAlive || isSelf);
    return new Set(alive.map(({ id }) => id));
  }

  #view(
    target: Layout,
    changes: readonly StagedChange[],
    densities: PlanFacts["densities"],
  ): PlanView {
    const history = this.#newest();
    return planOf({
      head: headOf(history),
      base: this.#baseOf(history),
      target,
      changes,
      facts: {
        aliveIds: this.#aliveIds(),
        densities,
        streamBytesPerSecond: this.#streamBytesPerSecond,
      },
    });
  }

  #versionView(history: LayoutHistory, layout: Layout): ActiveVersionView {
    const { keeper } = this.#deps;
    const { version } = layout;
    const head = headOf(history);
    // What is read from has been confirmed by everybody who was in the ring then.
    const isReadFrom = version.counter <= history.reads;
    const acks = isReadFrom ? [] : missingAcks(history, layout, keeper.factsOf);
    const syncs =
      !isReadFrom && layout === head
        ? missingSyncs(history, layout, { facts: keeper.factsOf, gainers: keeper.gainers })
        : [];
    const isBase = baseOf(history, layout) === layout;
    const isCurrent = version.counter === history.reads && history.layouts.length === 1;
    const phase = isCurrent
      ? "current"
      : acks.length > 0
        ? "spreading"
        : syncs.length > 0 && !isBase
          ? "syncing"
          : "synced";
    return {
      ...version,
      phase,
      waitingFor: this.#addresses(history, acks.length > 0 ? acks : syncs),
    };
  }

  #addresses({ layouts }: LayoutHistory, ids: readonly string[]): string[] {
    const known = new Map(
      layouts.flatMap(({ members }) => members.map(({ id, address }) => [id, address] as const)),
    );
    return ids.map((id) => known.get(id) ?? id);
  }

  /**
   * What plans are made of: the history that a commit goes on top of. One made of the history in use
   * would undo what a layout that is still on its way to the disk brings.
   */
  #newest(): LayoutHistory {
    this.#history();
    return must(this.#deps.keeper.newest, "a member with layouts in use has newest ones");
  }

  #history(): LayoutHistory {
    const { history } = this.#deps.keeper;
    if (history !== undefined) return history;
    throw new KvError({ code: "NOT_READY", reason: "it is not in a ring yet" });
  }

  #orKvError<T>(change: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      // Most of them name the change themselves.
      const { change: named = change, reason = error.message } = error.fields;
      throw new KvError({ code: "CHANGE_REFUSED", change: String(named), reason: String(reason) });
    }
  }
}

/** All that decides what staged changes make of a layout, as text. */
function inputsOf(
  head: Layout,
  staged: readonly StagedChange[],
  { base, waiting, aliveIds }: StagingFacts,
): string {
  return JSON.stringify([head.version, base?.version, staged, waiting, [...aliveIds].toSorted()]);
}
