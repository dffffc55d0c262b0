/**
 * A scan of the LMDB engine: one read transaction, which is the snapshot, and a range query per call
 * of `next`, which goes on behind the last LMDB key seen. What was not committed at the opening is
 * merged in by key; where both have an entry, the uncommitted one is the newer.
 */
import type { Database } from "lmdb";
import type {
  RangeScan,
  ScanOptions,
  ScannedCell,
  SpanMeasure,
  StoredCell,
  TokenSpan,
} from "../engine.ts";
import {
  asBuffer,
  decodeAddress,
  decodeHead,
  encodeStart,
  encodeToken,
  isLongKey,
} from "./lmdb-format.ts";

/** The entries of one query are in memory together. */
const ENTRIES_READ_AT_ONCE = 1000;

/** One entry of the database. */
export interface StoredEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** An entry that is not in the database yet, or, without value, is going to leave it. */
export interface UncommittedEntry {
  readonly key: Buffer;
  readonly value: Buffer | undefined;
}

/** Bytes of key and value. */
export function cellBytes({ key, value }: StoredEntry): number {
  return decodeAddress(key, value).key.length + decodeHead(value).valueBytes;
}

/** LMDB keys from `start` up to `end`, which is excluded. */
export interface Stretch {
  readonly start: Buffer;
  readonly end: Buffer;
}

export interface LmdbScanDeps {
  readonly cells: Database<Buffer, Buffer>;
  readonly uncommitted: Iterable<UncommittedEntry>;
  /** Whether the entry under an LMDB key is one that was dropped before the scan was opened. */
  readonly isHidden: (key: Buffer) => boolean;
  /** The cell with its value, checked. */
  readonly check: (encoded: Buffer) => StoredCell;
  readonly onClose: () => void;
}

export interface LmdbScanOptions extends ScanOptions {
  readonly keyspaceId: number;
  readonly span: TokenSpan;
}

/** A stretch that is still to be visited. */
interface Remainder {
  start: Buffer;
  isStartIncluded: boolean;
  /** Excluded. */
  readonly end: Buffer;
  /** The uncommitted entries in it that are still to come, the next one last. */
  readonly uncommitted: UncommittedEntry[];
}

export class LmdbScan implements RangeScan {
  readonly #deps: LmdbScanDeps;
  readonly #options: LmdbScanOptions;
  readonly #transaction: ReturnType<Database<Buffer, Buffer>["useReadTransaction"]>;
  /** What is left of the span: two stretches if it wraps. */
  readonly #remainders: Remainder[];
  /** The beginning of the LMDB keys of the token that `startKey` belongs to. */
  readonly #firstToken: Buffer | undefined;
  #isOpen = true;

  constructor(deps: LmdbScanDeps, options: LmdbScanOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#transaction = deps.cells.useReadTransaction();
    const uncommitted = [...deps.uncommitted].sort((a, b) => Buffer.compare(b.key, a.key));
    const { keyspaceId, span, startKey } = options;
    if (startKey !== undefined) this.#firstToken = firstTokenOf(keyspaceId, span);
    this.#remainders = stretchesOf(keyspaceId, span, startKey).map((stretch) => ({
      ...stretch,
      isStartIncluded: true,
      uncommitted: uncommitted.filter(({ key }) => isWithin([stretch], key)),
    }));
  }

  next(limit: number, visit: (cell: ScannedCell) => void): number {
    return this.nextEntries(limit, (entry) => {
      const { tokenHi, tokenLo, key } = decodeAddress(entry.key, entry.value);
      if (this.#options.values) visit({ ...this.#deps.check(entry.value), tokenHi, tokenLo, key });
      else visit({ ...decodeHead(entry.value), tokenHi, tokenLo, key, value: undefined });
    });
  }

  measure(limit: number): SpanMeasure {
    let [cells, bytes] = [0, 0];
    const count = (entry: StoredEntry): void => {
      cells++;
      bytes += cellBytes(entry);
    };
    let visited = 1;
    while (cells < limit && visited > 0) {
      visited = this.nextEntries(Math.min(limit - cells, ENTRIES_READ_AT_ONCE), count);
    }
    return { cells, bytes };
  }

  /** As `next`, with the entries as they are stored. */
  nextEntries(limit: number, visit: (entry: StoredEntry) => void): number {
    let count = 0;
    while (this.#isOpen && count < limit) {
      const remainder = this.#remainders[0];
      if (remainder === undefined) break;
      const wanted = limit - count;
      const visited = this.#visitRemainder(remainder, wanted, visit);
      count += visited;
      if (visited < wanted) this.#remainders.shift();
    }
    return count;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#transaction.done();
    this.#deps.onClose();
  }

  /** Fewer than `limit` only at its end. */
  #visitRemainder(
    remainder: Remainder,
    limit: number,
    visit: (entry: StoredEntry) => void,
  ): number {
    let visited = 0;
    while (visited < limit) {
      const wanted = limit - visited;
      const stored = this.#query(remainder, wanted);
      let at = 0;
      for (let taken = 0; taken < wanted; taken++) {
        const committed = stored[at];
        const uncommitted = remainder.uncommitted.at(-1);
        const entry = firstOf(committed, uncommitted);
        if (entry === undefined) return visited;
        const { key, value } = entry;
        const isBoth = committed !== undefined && key.equals(committed.key);
        if (entry === committed || isBoth) at++;
        if (entry === uncommitted) remainder.uncommitted.pop();
        remainder.start = key;
        remainder.isStartIncluded = false;
        if (value === undefined || this.#deps.isHidden(key)) continue;
        if (this.#isBeforeStart(key, value)) continue;
        visited++;
        visit({ key, value });
      }
    }
    return visited;
  }

  /** Long keys that begin alike are not in order. */
  #isBeforeStart(key: Buffer, value: Buffer): boolean {
    const { startKey } = this.#options;
    if (startKey === undefined || !isLongKey(startKey) || this.#firstToken === undefined) {
      return false;
    }
    if (!key.subarray(0, this.#firstToken.length).equals(this.#firstToken)) return false;
    return Buffer.compare(decodeAddress(key, value).key, startKey) < 0;
  }

  #query(remainder: Remainder, limit: number): StoredEntry[] {
    const range = this.#deps.cells.getRange({
      start: remainder.start,
      exclusiveStart: !remainder.isStartIncluded,
      end: remainder.end,
      limit,
      transaction: this.#transaction,
    });
    return [...range].map(({ key, value }) => ({ key: asBuffer(key), value: asBuffer(value) }));
  }
}

/** The one with the lesser key; of equal ones the uncommitted. */
function firstOf(
  committed: StoredEntry | undefined,
  uncommitted: UncommittedEntry | undefined,
): UncommittedEntry | undefined {
  if (committed === undefined || uncommitted === undefined) return committed ?? uncommitted;
  return Buffer.compare(committed.key, uncommitted.key) < 0 ? committed : uncommitted;
}

export function isWithin(stretches: readonly Stretch[], key: Buffer): boolean {
  return stretches.some(
    ({ start, end }) => Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0,
  );
}

/** The one or two stretches of a span, from `startKey` of its first token on. */
export function stretchesOf(keyspaceId: number, span: TokenSpan, startKey?: Uint8Array): Stretch[] {
  const stretches = wholeStretchesOf(keyspaceId, span);
  if (startKey === undefined) return stretches;
  const token = firstTokenOf(keyspaceId, span);
  return stretches.map((stretch) =>
    stretch.start.equals(token) ? { ...stretch, start: encodeStart(token, startKey) } : stretch,
  );
}

function firstTokenOf(keyspaceId: number, { startHi, startLo }: TokenSpan): Buffer {
  return behind(keyspaceId, startHi, startLo) ?? encodeToken(keyspaceId, -0x8000_0000, 0);
}

function wholeStretchesOf(keyspaceId: number, span: TokenSpan): Stretch[] {
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
  if (!isWrapping) return [{ start: afterStart, end: afterEnd }];
  return [
    { start: afterStart, end: behindAll },
    { start: first, end: afterEnd },
  ];
}

/** The least key of the token after this one; undefined after the last. */
function behind(keyspaceId: number, tokenHi: number, tokenLo: number): Buffer | undefined {
  if (tokenLo < 0xffff_ffff) return encodeToken(keyspaceId, tokenHi, tokenLo + 1);
  if (tokenHi < 0x7fff_ffff) return encodeToken(keyspaceId, tokenHi + 1, 0);
  return undefined;
}
