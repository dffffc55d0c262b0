/**
 * A drop that is under way in the LMDB engine.
 *
 * The cells of a span are removed in steps, one commit each, because a transaction over millions of
 * them would hold up everything. Meanwhile the drop hides what it has not reached yet: any entry in its
 * span that was not put since it began. Entries put since then are noted, by their LMDB keys; they
 * have taken the place of the old ones, so the drop passes over them.
 */
import { type StoredEntry, type Stretch, isWithin } from "./lmdb-scan.ts";

/** Cells removed in one step. */
const CELLS_PER_STEP = 2000;

export interface LmdbDropDeps {
  /** The entries in the span when the drop began. */
  readonly entries: {
    nextEntries(limit: number, visit: (entry: StoredEntry) => void): number;
    close(): void;
  };
  readonly remove: (entry: StoredEntry) => void;
  /** Calls `done` when what was removed so far is committed. */
  readonly commit: (done: (error: Error | undefined) => void) => void;
  /** Called once, when it hides nothing any more. Without error everything is removed and committed. */
  readonly onEnd: (error: Error | undefined) => void;
}

export class LmdbDrop {
  readonly #deps: LmdbDropDeps;
  readonly #stretches: readonly Stretch[];
  /** LMDB keys, as latin1 strings, of the entries put since it began. */
  readonly #put = new Set<string>();

  constructor(deps: LmdbDropDeps, stretches: readonly Stretch[]) {
    this.#deps = deps;
    this.#stretches = stretches;
  }

  start(): void {
    this.#step();
  }

  /** Something was put under this LMDB key. */
  notePut(key: Buffer): void {
    if (isWithin(this.#stretches, key)) this.#put.add(key.toString("latin1"));
  }

  /** Whether what stands under this LMDB key counts as dropped. */
  hides(key: Buffer): boolean {
    return isWithin(this.#stretches, key) && !this.#put.has(key.toString("latin1"));
  }

  /** `hides` as it is now. */
  hidesNow(): (key: Buffer) => boolean {
    const put = new Set(this.#put);
    return (key) => isWithin(this.#stretches, key) && !put.has(key.toString("latin1"));
  }

  readonly #step = (): void => {
    const { entries, remove, commit } = this.#deps;
    const count = entries.nextEntries(CELLS_PER_STEP, (entry) => {
      if (this.hides(entry.key)) remove(entry);
    });
    commit((error) => {
      if (error === undefined && count > 0) {
        this.#step();
        return;
      }
      entries.close();
      this.#deps.onEnd(error);
    });
  };
}
