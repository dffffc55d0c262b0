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
import { type AppliedIntents, type LayoutIntent, applyIntents } from "../layout/intents.ts";
import type { Layout, LayoutError } from "../layout/layout.ts";
import type { LayoutRules } from "../layout/rules.ts";
import type { Logger } from "../model/deps.ts";
import { parseReplication } from "../placement/strategy.ts";
import type { Disk } from "../storage/disk.ts";
import { loadDocument, saveDocument } from "./documents.ts";

const DOCUMENT = "layout.json";

export interface LayoutKeeperDeps {
  readonly disk: Disk;
  readonly logger: Logger;
  /** The layout is another one now. */
  readonly onChange: (layout: Layout) => void;
}

export class LayoutKeeper {
  readonly #deps: LayoutKeeperDeps;
  readonly #intents: LayoutIntent[] = [];
  #layout: Layout | undefined;
  #impossible: AppliedIntents["impossible"] = [];
  #saved: Promise<void> = Promise.resolve();

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
    const winner = this.#layout === undefined ? offered : resolve(this.#layout, offered);
    if (winner !== this.#layout) this.#become(winner);
  }

  /** Wants something of the layout from now on. */
  want(intent: LayoutIntent): void {
    this.#intents.push(intent);
    if (this.#layout !== undefined) this.#become(this.#layout);
  }

  /** Wants it no longer; what was committed stays. */
  giveUp(intent: LayoutIntent): void {
    const at = this.#intents.indexOf(intent);
    if (at >= 0) this.#intents.splice(at, 1);
  }

  /** Why an intent cannot be had in the present layout; undefined if it can. */
  obstacle(intent: LayoutIntent): LayoutError | undefined {
    return this.#impossible.find((found) => found.intent === intent)?.error;
  }

  encoded(): unknown {
    return this.#layout === undefined ? undefined : encodeLayout(this.#layout);
  }

  /** Resolves when the present layout is on stable storage. */
  saved(): Promise<void> {
    return this.#saved;
  }

  #become(base: Layout): void {
    const applied = applyIntents(base, this.#intents, this.#rules(base));
    const next = applied.layout ?? base;
    this.#impossible = applied.impossible;
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

  #save(layout: Layout): void {
    this.#saved = this.#saved
      .then(() => (layout === this.#layout ? this.#write(layout) : undefined))
      .catch((error: unknown) => {
        this.#deps.logger.error("layout.not-saved", { error: String(error) });
      });
  }

  #write(layout: Layout): Promise<void> {
    return saveDocument(this.#deps.disk, DOCUMENT, encodeLayout(layout));
  }

  #rules(layout: Layout | undefined = this.#layout): LayoutRules {
    const datacenters = [...new Set(layout?.members.map(({ dc }) => dc))];
    return { checkReplication: (replication) => void parseReplication(replication, datacenters) };
  }
}
