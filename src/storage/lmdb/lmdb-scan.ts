/**
 * A scan of the LMDB engine: one read transaction, which is the snapshot, and a range query per call
 * of `next`, which goes on behind the last LMDB key seen.
 */
import type { Database } from "lmdb";
import type { RangeScan, ScannedCell, StoredCell, TokenSpan } from "../engine.ts";
import { asBuffer, decodeAddress, decodeHead, encodeToken } from "./lmdb-format.ts";

export interface LmdbScanDeps {
  readonly cells: Database<Buffer, Buffer>;
  /** The cell with its value, checked. */
  readonly check: (encoded: Buffer) => StoredCell;
  readonly onClose: () => void;
}

export interface LmdbScanOptions {
  readonly keyspaceId: number;
  readonly span: TokenSpan;
  readonly values: boolean;
}

/** A stretch of LMDB keys; both ends are excluded from it unless it says so. */
interface Stretch {
  start: Buffer;
  isStartIncluded: boolean;
  /** Excluded. */
  readonly end: Buffer;
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
    this.#stretches = stretchesOf(options.keyspaceId, options.span);
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
    let visited = 0;
    const range = this.#deps.cells.getRange({
      start: stretch.start,
      exclusiveStart: !stretch.isStartIncluded,
      end: stretch.end,
      limit,
      transaction: this.#transaction,
    });
    for (const found of range) {
      const key = asBuffer(found.key);
      const value = asBuffer(found.value);
      visited++;
      stretch.start = key;
      stretch.isStartIncluded = false;
      const { tokenHi, tokenLo, key: cellKey } = decodeAddress(key, value);
      const place = { tokenHi, tokenLo, key: cellKey };
      if (this.#options.values) visit({ ...this.#deps.check(value), ...place });
      else visit({ ...decodeHead(value), ...place, value: undefined });
    }
    return visited;
  }
}

function stretchesOf(keyspaceId: number, span: TokenSpan): Stretch[] {
  const first = encodeToken(keyspaceId, -0x8000_0000, 0);
  // The key behind all of the keyspace: its number, then the highest token, then something.
  const behindAll = Buffer.concat([
    encodeToken(keyspaceId, 0x7fff_ffff, 0xffff_ffff),
    Buffer.alloc(1960, 0xff),
  ]);
  const afterStart = behind(keyspaceId, span.startHi, span.startLo) ?? behindAll;
  const afterEnd = behind(keyspaceId, span.endHi, span.endLo) ?? behindAll;
  const isWrapping =
    span.startHi > span.endHi || (span.startHi === span.endHi && span.startLo >= span.endLo);
  if (!isWrapping) return [{ start: afterStart, isStartIncluded: true, end: afterEnd }];
  return [
    { start: afterStart, isStartIncluded: true, end: behindAll },
    { start: first, isStartIncluded: true, end: afterEnd },
  ];
}

/** The least key of the token after this one; undefined after the last. */
function behind(keyspaceId: number, tokenHi: number, tokenLo: number): Buffer | undefined {
  if (tokenLo < 0xffff_ffff) return encodeToken(keyspaceId, tokenHi, tokenLo + 1);
  if (tokenHi < 0x7fff_ffff) return encodeToken(keyspaceId, tokenHi + 1, 0);
  return undefined;
}
