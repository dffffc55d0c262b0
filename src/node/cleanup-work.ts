/**
 * Drops what this member holds and does not own: when a change of the ring is over, when a write of
 * somebody who did not know that yet has come late, and on command.
 *
 * It may only be done while this member lives in one single layout, which then everybody reads from: the
 * owners have everything. Writes of a newer layout could bring the very cells that this one does not
 * give us, so before each span is dropped it is looked at whether the layout still is the same.
 */
import { type CleanupResult, cleanUp } from "../healing/cleanup.ts";
import { StorageError } from "../storage/storage-error.ts";
import type { TaskRegister } from "../healing/tasks.ts";
import { headOf } from "../layout/history.ts";
import type { Layout } from "../layout/layout.ts";
import type { Clock, Logger, Timer } from "../model/deps.ts";
import { KvError } from "../model/kv-error.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { isEmptySpan } from "../storage/measure.ts";
import { foreignSpans } from "./held-data.ts";
import type { LayoutKeeper } from "./layout-keeper.ts";

/** Between the end of a change and the cleanup: stragglers of it may still be on their way. */
const DELAY_MS = 1000;

export interface CleanupWorkDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly engine: StorageEngine;
  readonly keeper: LayoutKeeper;
  readonly tasks: TaskRegister;
}

export class CleanupWork {
  readonly #deps: CleanupWorkDeps;
  #memberId = "";
  /** Hash of the layout for which nothing is left to drop, or somebody is at it. */
  #cleanFor = "";
  #work: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(deps: CleanupWorkDeps) {
    this.#deps = deps;
  }

  start(memberId: string): void {
    this.#memberId = memberId;
  }

  /** Drops what the present layout does not give us, once per layout. */
  review(): void {
    const layout = this.#settledLayout();
    if (layout === undefined || layout.version.hash === this.#cleanFor) return;
    this.#cleanFor = layout.version.hash;
    this.#timer?.cancel();
    this.#soon(layout);
  }

  /** Drops it once more, for the same layout. While the ring changes there will be another one. */
  again(): void {
    const layout = this.#settledLayout();
    if (layout !== undefined && this.#timer === undefined) this.#soon(layout);
  }

  #soon(layout: Layout): void {
    this.#timer = this.#deps.clock.setTimer(DELAY_MS, () => {
      this.#timer = undefined;
      this.#work = this.#work.then(() => this.#cleanOrWarn(layout));
    });
  }

  /** Drops it now; throws KvError while the ring is changing, and if the store fails. */
  async run(): Promise<CleanupResult> {
    const layout = this.#settledLayout();
    if (layout === undefined) {
      const reason = "the ring is changing: not everybody reads from the newest layout";
      throw new KvError({ code: "CHANGE_REFUSED", change: "cleanup", reason });
    }
    const result = this.#work.then(() => this.#clean(layout));
    this.#work = result.catch(() => undefined);
    try {
      return await result;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      throw new KvError({ code: "CHANGE_REFUSED", change: "cleanup", reason: error.message });
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#work;
  }

  /** The only layout in use, if this member is in it. */
  #settledLayout(): Layout | undefined {
    const { history } = this.#deps.keeper;
    if (history === undefined || history.layouts.length > 1 || this.#isStopped) return undefined;
    const head = headOf(history);
    return head.members.some(({ id }) => id === this.#memberId) ? head : undefined;
  }

  async #cleanOrWarn(layout: Layout): Promise<void> {
    try {
      await this.#clean(layout);
    } catch (error) {
      this.#deps.logger.warn("cleanup.failed", { error: String(error) });
    }
  }

  async #clean(layout: Layout): Promise<CleanupResult> {
    const { engine, tasks } = this.#deps;
    const foreign = foreignSpans(layout, this.#memberId)
      .map(({ keyspaceId, spans }) => ({
        keyspaceId,
        spans: spans.filter((span) => !isEmptySpan(engine, keyspaceId, span)),
      }))
      .filter(({ spans }) => spans.length > 0);
    const total = foreign.reduce((sum, { spans }) => sum + spans.length, 0);
    if (total === 0) return { cells: 0, bytes: 0 };
    let isCancelled = false;
    const cancel = (): Promise<void> => {
      isCancelled = true;
      return Promise.resolve();
    };
    const { counter, hash } = layout.version;
    const title = `drop ${total} spans that layout ${counter} gives to others`;
    const kind = "cleanup";
    const task = tasks.open({ kind, subject: hash, title, unit: "ranges", total }, { cancel });
    const isWanted = (): boolean =>
      !isCancelled && this.#settledLayout()?.version.hash === layout.version.hash;
    return cleanUp({ ...this.#deps, isWanted }, foreign, task);
  }
}
