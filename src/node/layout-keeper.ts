/**
 * The layouts that a member lives in: takes over newer ones, commits what is wanted of them, goes on
 * as far as the others allow, and keeps it all on disk.
 *
 * Nothing is used before it is on stable storage. What a member tells the others - this is my head,
 * I have synced, I read from this one - must still hold after a power loss, because they act on it.
 * So there are two histories: the one in use, and the one on its way to the disk.
 *
 * Histories only go forward: one that loses against the present one is ignored, from wherever it
 * comes (a newcomer that nobody counts on yet may start anew). Each one taken over is looked through for this member's own wishes, and what got lost in a
 * fork is committed again on top (layout/intents.ts).
 */
import {
  type CommitGround,
  type Genesis,
  type PlannedContent,
  commit,
  genesis,
} from "../layout/commit.ts";
import { decodeHistory, encodeHistory } from "../layout/history-encoding.ts";
import {
  type DutiesOf,
  DutyMemo,
  type FactsOf,
  type GainersOf,
  type LayoutHistory,
  type MemberFacts,
  type VersionMark,
  adopt,
  advance,
  append,
  headOf,
  historyOf,
  isMentioned,
  mayCommit,
  mayTakeOver,
  newestReadOf,
  readLayoutOf,
  rootOf,
} from "../layout/history.ts";
import { type LayoutIntent, applyIntents, unsatisfied } from "../layout/intents.ts";
import { type Layout, LayoutError, datacentersOf, requireSameCluster } from "../layout/layout.ts";
import type { LayoutRules } from "../layout/rules.ts";
import type { Clock, Logger, Timer } from "../model/deps.ts";
import { parseReplication } from "../placement/strategy.ts";
import type { Disk } from "../storage/disk.ts";
import { InvariantError, must } from "../util/assert.ts";
import { asInteger, asOptional, asRecord, asText } from "../util/untrusted.ts";
import { loadDocument, saveDocument } from "./documents.ts";

const DOCUMENT = "layout.json";
/** Until the history is written again after the disk was full. */
const RETRY_MS = 1000;

export interface LayoutKeeperDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly logger: Logger;
  /** What the others have told about themselves. */
  readonly factsOf: FactsOf;
  readonly isAlive: (memberId: string) => boolean;
  /** The history in use, or what this member has synced, is another one now. */
  readonly onChange: () => void;
}

/**
 * Something that is wanted of the layout, made anew for each layout that it is committed on: a place
 * in the ring is chosen among the members that are there.
 */
export type Wish = (base: Layout) => LayoutIntent;

/** What has to survive the process. */
interface Kept {
  readonly history: LayoutHistory;
  readonly synced: VersionMark | undefined;
}

export class LayoutKeeper {
  readonly #deps: LayoutKeeperDeps;
  readonly #memo = new DutyMemo();
  readonly #wishes: Wish[] = [];
  /** Whose commits these are; a member that is not in the head commits nothing. */
  #memberId: string | undefined;
  /** On disk, and in use. */
  #kept: Kept | undefined;
  /** The newest; on its way to the disk if it is another one. */
  #next: Kept | undefined;
  #obstacles = new Map<Wish, Error>();
  #saving: Promise<void> | undefined;
  #retry: Timer | undefined;
  #isStopped = false;

  constructor(deps: LayoutKeeperDeps) {
    this.#deps = deps;
  }

  get history(): LayoutHistory | undefined {
    return this.#kept?.history;
  }

  /** The newest history, which may still be on its way to the disk: what a commit goes on top of. */
  get newest(): LayoutHistory | undefined {
    return this.#next?.history;
  }

  /** The newest layout in use. */
  get head(): Layout | undefined {
    return this.#kept === undefined ? undefined : headOf(this.#kept.history);
  }

  get duties(): DutiesOf {
    return this.#memo.duties;
  }

  get gainers(): GainersOf {
    return this.#memo.gainers;
  }

  /** What this member tells about itself. */
  get facts(): MemberFacts {
    if (this.#kept === undefined) return { ack: undefined, synced: undefined, reads: undefined };
    const { history, synced } = this.#kept;
    return { ack: headOf(history).version, synced, reads: readLayoutOf(history).version };
  }

  /** Everybody's facts, this member's own included. */
  readonly factsOf: FactsOf = (id) => (id === this.#memberId ? this.facts : this.#deps.factsOf(id));

  /**
   * Takes up the history of the last run, if there is one. A newcomer that is in none of its layouts
   * asks the ring anew: who told it of them may have died with a fork that nobody else has, and
   * nobody counts on what the newcomer knew. Throws DocumentError.
   */
  load(memberId: string): void {
    this.#memberId = memberId;
    const document = loadDocument(this.#deps.disk, DOCUMENT);
    if (document === undefined) return;
    const record = asRecord(document, DOCUMENT);
    const synced = asOptional(record["synced"], `${DOCUMENT}.synced`, parseMark);
    const history = decodeHistory(record["history"]);
    if (!isMentioned(history, memberId)) return;
    this.#kept = { history, synced };
    this.#next = this.#kept;
  }

  /** Founds the ring. */
  found(start: Genesis): void {
    this.#become({ history: historyOf(genesis(start, this.#rules())), synced: undefined });
  }

  /** Takes over a history from another member if it wins. Throws if it cannot be one of this ring. */
  offer(payload: unknown, from: string): void {
    const present = this.#next;
    const offered = decodeHistory(payload, { known: present?.history.layouts });
    if (present === undefined) return this.#become({ history: offered, synced: undefined });
    requireSameCluster(headOf(present.history), headOf(offered));
    if (!mayTakeOver(present.history, offered, from)) return;
    this.#become({ ...present, history: adopt(present.history, offered) });
  }

  /** Others have told something new about themselves. */
  learn(): void {
    if (this.#next === undefined) return;
    this.#become(this.#next);
  }

  /** This member holds everything that the layout gives it, on stable storage. */
  markSynced(layout: Layout): void {
    const present = must(this.#next, "a member that syncs has layouts");
    const { counter, hash } = layout.version;
    this.#become({ ...present, synced: { counter, hash } });
  }

  /** Wants something of the layout from now on. */
  want(wish: Wish): void {
    this.#wishes.push(wish);
    this.learn();
  }

  /** Wants it no longer; what was committed stays. */
  giveUp(wish: Wish): void {
    const at = this.#wishes.indexOf(wish);
    if (at >= 0) this.#wishes.splice(at, 1);
  }

  /** Why a wish cannot be had in the present layout; undefined if it can. */
  obstacle(wish: Wish): Error | undefined {
    return this.#obstacles.get(wish);
  }

  /** Commits once what can be had of the wishes; returns the reasons of the others. */
  propose(wishes: readonly Wish[]): ReadonlyMap<Wish, Error> {
    const present = this.#next;
    if (present === undefined) return new Map();
    const { history, obstacles } = this.#fulfilled(present.history, wishes);
    this.#become({ ...present, history });
    return obstacles;
  }

  /** The layout that a plan makes of the newest head, without committing it. Throws LayoutError. */
  preview(content: PlannedContent): Layout {
    const { history } = must(this.#next, "a member that plans has layouts");
    if (!this.#mayCommit(history, this.#deps.isAlive)) {
      const others = headOf(history).members.map(({ address }) => address);
      const reason = `this member is leaving the ring, or has left it; ask one of ${others.join(", ")}`;
      throw new LayoutError("CHANGE_REFUSED", `a commit is not possible: ${reason}`, {
        change: "a commit",
        reason,
      });
    }
    const head = headOf(history);
    return commit(head, { kind: "plan", content }, this.#rules(), this.#ground(history));
  }

  /**
   * Commits a layout made by `preview`, if it could be made now as well. Its base has to be the present
   * one: once this member tells that it reads from a newer layout, others forget the base.
   */
  commit(layout: Layout): boolean {
    const present = must(this.#next, "a member that commits has layouts");
    const { history } = present;
    const isOfNow =
      headOf(history).version.hash === layout.parent && this.#ground(history).base === layout.base;
    if (!isOfNow || !this.#mayCommit(history, this.#deps.isAlive)) return false;
    this.#become({ ...present, history: append(history, layout) });
    return true;
  }

  encoded(): unknown {
    return this.#kept === undefined ? undefined : encodeHistory(this.#kept.history);
  }

  /** Resolves when what is known now is in use, or an attempt to write it has failed. */
  async saved(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#retry?.cancel();
    await this.#saving;
  }

  #become(wanted: Kept): void {
    const advanced = advance(wanted.history, { facts: this.factsOf, gainers: this.gainers });
    const { history, obstacles } = this.#fulfilled(advanced, this.#wishes);
    this.#obstacles = new Map(obstacles);
    const present = this.#next;
    if (present?.history === history && present.synced === wanted.synced) return;
    this.#next = { history, synced: wanted.synced };
    this.#memo.keep(history);
    this.#save();
  }

  /** The history with a layout on top that holds what can be had of the wishes. */
  #fulfilled(
    history: LayoutHistory,
    wishes: readonly Wish[],
  ): { history: LayoutHistory; obstacles: ReadonlyMap<Wish, Error> } {
    const obstacles = new Map<Wish, Error>();
    const head = headOf(history);
    // What nobody has asked for now is left to those who stay.
    if (!this.#mayCommit(history, () => true)) return { history, obstacles };
    let layout = head;
    for (const wish of wishes) {
      try {
        const missing = unsatisfied(layout, [wish(layout)]);
        if (missing.length === 0) continue;
        const applied = applyIntents(layout, missing, this.#rules(), this.#ground(history));
        const [obstacle] = applied.impossible;
        if (obstacle !== undefined) obstacles.set(wish, obstacle.error);
        layout = applied.layout ?? layout;
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        obstacles.set(wish, error as Error);
      }
    }
    return { history: layout === head ? history : append(history, layout), obstacles };
  }

  #mayCommit(history: LayoutHistory, isAlive: (id: string) => boolean): boolean {
    return this.#memberId !== undefined && mayCommit(history, this.#memberId, isAlive);
  }

  #ground(history: LayoutHistory): CommitGround {
    const base = newestReadOf(history, this.factsOf).version.counter;
    return { base, root: rootOf(history, this.factsOf) };
  }

  #save(): void {
    if (this.#isStopped) return;
    this.#saving ??= this.#write().finally(() => {
      this.#saving = undefined;
      if (this.#next !== this.#kept && this.#retry === undefined) this.#save();
    });
  }

  async #write(): Promise<void> {
    const kept = must(this.#next, "there is something to write");
    try {
      const document = { history: encodeHistory(kept.history), synced: kept.synced };
      await saveDocument(this.#deps.disk, DOCUMENT, document);
    } catch (error) {
      if (this.#isStopped) return;
      this.#deps.logger.error("layout.not-saved", { error: String(error), retryMs: RETRY_MS });
      this.#retry?.cancel();
      this.#retry = this.#deps.clock.setTimer(RETRY_MS, () => {
        this.#retry = undefined;
        this.#save();
      });
      return;
    }
    if (this.#isStopped) return;
    this.#use(kept);
  }

  #use(kept: Kept): void {
    this.#kept = kept;
    const head = headOf(kept.history);
    this.#deps.logger.debug("layout.changed", {
      counter: head.version.counter,
      hash: head.version.hash,
      active: kept.history.layouts.length,
      reads: kept.history.reads,
      members: head.members.length,
      keyspaces: head.keyspaces.length,
    });
    this.#deps.onChange();
    // What this member tells now may be what it was waiting for itself.
    this.learn();
  }

  #rules(): LayoutRules {
    const datacenters = this.#next === undefined ? [] : datacentersOf(headOf(this.#next.history));
    return { checkReplication: (replication) => void parseReplication(replication, datacenters) };
  }
}

function parseMark(data: unknown, path: string): VersionMark {
  const record = asRecord(data, path);
  const counter = asInteger(record["counter"], `${path}.counter`, {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  });
  return { counter, hash: asText(record["hash"], `${path}.hash`, 32) };
}
