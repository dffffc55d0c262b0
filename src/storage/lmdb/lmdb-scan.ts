/**
 * A scan of the LMDB engine: one read transaction, which is the snapshot, and a range query per call
 * of `next`, which goes on behind the last LMDB key seen. What was not committed at the opening is
 * merged in by key; where both have an entry, the uncommitted one is the newer.
 */
import type { Database } from "lmdb";
import type { RangeScan, ScannedCell, StoredCell, TokenSpan } from "../engine.ts";
import { asBuffer, decodeAddress, decodeHead, encodeToken } from "./lmdb-format.ts";

/** One entry of the database. */
export interface StoredEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface LmdbScanDeps {
  readonly cells: Database<Buffer, Buffer>;
  readonly uncommitted: Iterable<StoredEntry>;
  /** The cell with its value, checked. */
  readonly check: (encoded: Buffer) => StoredCell;
  readonly onClose: () => void;
}

export interface LmdbScanOptions {
  readonly keyspaceId: number;
  readonly span: TokenSpan;
  readonly values: boolean;
}

/** A stretch of LMDB keys that is still to be visited. */
interface Stretch {
  start: Buffer;
  isStartIncluded: boolean;
  /** Excluded. */
  readonly end: Buffer;
  /** The uncommitted entries in it that are still to come, the next one last. */
  readonly uncommitted: StoredEntry[];
}

export class LmdbScan implements RangeScan {
  readonly #deps: LmdbScanDeps;
  readonly #options: LmdbScanOptions;
  readonly #transaction: ReturnType<Database<Buffer, Buffer>["useReadTransaction"]>;
  /** What is left of the span: two stretches if it wraps. */
  readonly #stretches: Stretch[];
  #isOpen = true;

  constructor(deps: LmdbScanDeps, options: LmdbScanOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#transaction = deps.cells.useReadTransaction();
    const uncommitted = [...deps.uncommitted].sort((a, b) => Buffer.compare(b.key, a.key));
    this.#stretches = stretchesOf(options.keyspaceId, options.span).map(([start, end]) => ({
      start,
      isStartIncluded: true,
      end,
      uncommitted: uncommitted.filter(
        ({ key }) => Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0,
      ),
    }));
  }

  next(limit: number, visit: (cell: ScannedCell) => void): number {
    let count = 0;
    while (this.#isOpen && count < limit) {
      const stretch = this.#stretches[0];
      if (stretch === undefined) break;
      const wanted = limit - count;
      const visited = this.#visitStretch(stretch, wanted, visit);
      count += visited;
      if (visited < wanted) this.#stretches.shift();
    }
    return count;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#transaction.done();
    this.#deps.onClose();
  }

  #visitStretch(stretch: Stretch, limit: number, visit: (cell: ScannedCell) => void): number {
    const range = this.#deps.cells.getRange({
      start: stretch.start,
      exclusiveStart: !stretch.isStartIncluded,
      end: stretch.end,
      limit,
      transaction: this.#transaction,
    });
    const stored = [...range].map(({ key, value }) => ({
      key: asBuffer(key),
      value: asBuffer(value),
    }));
    let visited = 0;
    for (let at = 0; visited < limit; visited++) {
      const committed = stored[at];
      const uncommitted = stretch.uncommitted.at(-1);
      const entry = firstOf(committed, uncommitted);
      if (entry === undefined) break;
      const isBoth = committed !== undefined && entry.key.equals(committed.key);
      if (entry === committed || isBoth) at++;
      if (entry === uncommitted) stretch.uncommitted.pop();
      stretch.start = entry.key;
      stretch.isStartIncluded = false;
      this.#visit(entry, visit);
    }
    return visited;
  }

  #visit({ key: encodedKey, value }: StoredEntry, visit: (cell: ScannedCell) => void): void {
    const { tokenHi, tokenLo, key } = decodeAddress(encodedKey, value);
    if (this.#options.values) visit({ ...this.#deps.check(value), tokenHi, tokenLo, key });
    else visit({ ...decodeHead(value), tokenHi, tokenLo, key, value: undefined });
  }
}

/** The one with the lesser key; of equal ones the uncommitted. */
function firstOf(
  committed: StoredEntry | undefined,
  uncommitted: StoredEntry | undefined,
): StoredEntry | undefined {
  if (committed === undefined || uncommitted === undefined) return committed ?? uncommitted;
  return Buffer.compare(committed.key, uncommitted.key) < 0 ? committed : uncommitted;
}

/** First key and key behind the last of the one or two stretches of a span. */
function stretchesOf(keyspaceId: number, span: TokenSpan): [Buffer, Buffer][] {
  const first = encodeToken(keyspaceId, -0x8000_0000, 0);
  // Behind all of the keyspace: its number, the highest token, and more than any key has.
  const behindAll = Buffer.concat([
    encodeToken(keyspaceId, 0x7fff_ffff, 0xffff_ffff),
    Buffer.alloc(1960, 0xff),
  ]);
  const afterStart = behind(keyspaceId, span.startHi, span.startLo) ?? behindAll;
  const afterEnd = behind(keyspaceId, span.endHi, span.endLo) ?? behindAll;
  const isWrapping =
    span.startHi > span.endHi || (span.startHi === span.endHi && span.startLo >= span.endLo);
  if (!isWrapping) return [[afterStart, afterEnd]];
  return [
    [afterStart, behindAll],
    [first, afterEnd],
  ];
}

/** The least key of the token after this one; undefined after the last. */
function behind(keyspaceId: number, tokenHi: number, tokenLo: number): Buffer | undefined {
  if (tokenLo < 0xffff_ffff) return encodeToken(keyspaceId, tokenHi, tokenLo + 1);
  if (tokenHi < 0x7fff_ffff) return encodeToken(keyspaceId, tokenHi + 1, 0);
  return undefined;
}
