/**
 * The layout that a member lives in: takes over newer ones, commits what this member wants of it,
 * and keeps it on disk.
 *
 * Layouts only go forward: a layout that loses against the present one is ignored, from wherever it
 * comes. Each one taken over is looked through for this member's own intents, and what got lost in a
 * fork is committed again on top (layout/intents.ts).
 */
import { type Genesis, genesis, resolve } from "../layout/commit.ts";
import { decodeLayout, encodeLayout } from "../layout/encoding.ts";
import { type LayoutIntent, applyIntents } from "../layout/intents.ts";
import { type Layout, type LayoutError, datacentersOf } from "../layout/layout.ts";
import type { LayoutRules } from "../layout/rules.ts";
import type { Clock, Logger, Timer } from "../model/deps.ts";
import { parseReplication } from "../placement/strategy.ts";
import type { Disk } from "../storage/disk.ts";
import { loadDocument, saveDocument } from "./documents.ts";

const DOCUMENT = "layout.json";
/** Until the layout is written again after the disk was full. */
const RETRY_MS = 1000;

export interface LayoutKeeperDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly logger: Logger;
  /** The layout is another one now. */
  readonly onChange: (layout: Layout) => void;
}

/**
 * Something that a member wants of the layout, made anew for each layout that it is committed on: a
 * place in the ring is chosen among the members that are there.
 */
export type Wish = (base: Layout) => LayoutIntent;

export class LayoutKeeper {
  readonly #deps: LayoutKeeperDeps;
  readonly #wishes: Wish[] = [];
  #layout: Layout | undefined;
  #obstacles = new Map<Wish, LayoutError>();
  #saved: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;

  constructor(deps: LayoutKeeperDeps) {
    this.#deps = deps;
  }

  get layout(): Layout | undefined {
    return this.#layout;
  }

  /** Takes up the layout of the last run, if there is one. Throws DocumentError. */
  load(): void {
    const document = loadDocument(this.#deps.disk, DOCUMENT);
    if (document !== undefined) this.#become(decodeLayout(document));
  }

  /** Founds the ring. */
  found(start: Genesis): void {
    this.#become(genesis(start, this.#rules()));
  }

  /** Takes over a layout from another member if it wins. Throws if it cannot be one of this ring. */
  offer(payload: unknown): void {
    const offered = decodeLayout(payload);
    const present = this.#layout;
    const winner = present === undefined ? offered : resolve(present, offered);
    if (winner === present) return;
    this.#become(present === undefined ? winner : this.#withMembersOf(present, winner));
  }

  /**
   * The winner of a fork, with the members that only the loser had. They were told that they are in
   * the ring by whoever had that layout, this member among them, so they have to stay; everybody who
   * had it adds the same members and gets the same layout. (Members never leave in this version.)
   */
  #withMembersOf(loser: Layout, winner: Layout): Layout {
    const joins = loser.members.map((member): LayoutIntent => ({ kind: "join", member }));
    return applyIntents(winner, joins, this.#rules(winner)).layout ?? winner;
  }

  /** Wants something of the layout from now on. */
  want(wish: Wish): void {
    this.#wishes.push(wish);
    if (this.#layout !== undefined) this.#become(this.#layout);
  }

  /** Wants it no longer; what was committed stays. */
  giveUp(wish: Wish): void {
    const at = this.#wishes.indexOf(wish);
    if (at >= 0) this.#wishes.splice(at, 1);
  }

  /** Why a wish cannot be had in the present layout; undefined if it can. */
  obstacle(wish: Wish): LayoutError | undefined {
    return this.#obstacles.get(wish);
  }

  encoded(): unknown {
    return this.#layout === undefined ? undefined : encodeLayout(this.#layout);
  }

  /** Resolves when the present layout is on stable storage, or an attempt to get it there failed. */
  saved(): Promise<void> {
    return this.#saved;
  }

  stop(): Promise<void> {
    this.#retry?.cancel();
    return this.#saved;
  }

  #become(base: Layout): void {
    const next = this.#fulfilled(base);
    if (next === this.#layout) return;
    this.#layout = next;
    this.#deps.logger.info("layout.changed", {
      counter: next.version.counter,
      hash: next.version.hash,
      members: next.members.length,
      keyspaces: next.keyspaces.length,
    });
    this.#save(next);
    this.#deps.onChange(next);
  }

  /** The layout with every wish in it that can be had. */
  #fulfilled(base: Layout): Layout {
    this.#obstacles = new Map();
    let layout = base;
    for (const wish of this.#wishes) {
      const { layout: next, impossible } = applyIntents(
        layout,
        [wish(layout)],
        this.#rules(layout),
      );
      const [obstacle] = impossible;
      if (obstacle !== undefined) this.#obstacles.set(wish, obstacle.error);
      layout = next ?? layout;
    }
    return layout;
  }

  #save(layout: Layout): void {
    this.#saved = this.#saved
      .then(() => (layout === this.#layout ? this.#write(layout) : undefined))
      .catch((error: unknown) => {
        this.#deps.logger.error("layout.not-saved", { error: String(error), retryMs: RETRY_MS });
        this.#retry = this.#deps.clock.setTimer(RETRY_MS, () => this.#save(layout));
      });
  }

  #write(layout: Layout): Promise<void> {
    return saveDocument(this.#deps.disk, DOCUMENT, encodeLayout(layout));
  }

  #rules(layout: Layout | undefined = this.#layout): LayoutRules {
    const datacenters = layout === undefined ? [] : datacentersOf(layout);
    return { checkReplication: (replication) => void parseReplication(replication, datacenters) };
  }
}
