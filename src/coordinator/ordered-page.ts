/**
 * A page of this member's cells in the order of their keys, from any key on.
 *
 * The store orders cells by position and then by the bytes of their keys. Where keys sort as bytes
 * that is their order, and a page is one walk from its first key. Other orders differ from it, but
 * only among keys of one position: then all of these are looked at and sorted. The same holds for
 * keys that are too long for the store to keep them in order.
 */
import type { PageCell, ScanAnswer, ScanKeys, ScanQuery } from "../codec/packed-frames.ts";
import { ORDERED_KEY_BYTES, type ScannedCell, type StorageEngine } from "../storage/engine.ts";
import type { KeyOrder } from "./key-order.ts";

/** Pages over these are cut, whatever a query asks for. */
const PAGE_CELLS_MAX = 2048;
const PAGE_BYTES_MAX = 1 << 20;
const CELLS_AT_ONCE = 64;
/** So many cells are looked at before a page ends, wanted or not: clients wait meanwhile. */
const CELLS_SEEN_MAX = 4096;

export class OrderedPage {
  readonly #engine: StorageEngine;
  readonly #order: KeyOrder;
  readonly #keyspaceId: number;
  readonly #cells: ScannedCell[] = [];
  /** Cells among which the store's order says nothing. */
  #group: ScannedCell[] = [];
  #sizeBytes = 0;
  #seenCount = 0;
  /** The last key that was looked at and not wanted, if the page ends there. */
  #last: Uint8Array | undefined;

  constructor(engine: StorageEngine, order: KeyOrder, keyspaceId: number) {
    this.#engine = engine;
    this.#order = order;
    this.#keyspaceId = keyspaceId;
  }

  /** Throws CorruptRecordError if a value is damaged. */
  read(query: ScanQuery, keys: ScanKeys): ScanAnswer {
    const limit = Math.max(1, Math.min(query.limit, PAGE_CELLS_MAX));
    const startKey = this.#order.isBytewise ? keys.from : undefined;
    const scan = this.#engine.scan(this.#keyspaceId, query, { values: false, startKey });
    let isCut = false;
    let isPast = false;
    const take = (cell: ScannedCell): void => {
      if (isCut || isPast) return;
      isCut = !this.#isOfGroup(cell) && !this.#endGroup(keys, limit);
      isPast = this.#order.isBytewise && this.#group.length === 0 && this.#isPast(cell.key, keys);
      if (!isCut && !isPast) this.#group.push({ ...cell, key: new Uint8Array(cell.key) });
    };
    try {
      while (!isCut && !isPast && scan.next(CELLS_AT_ONCE, take) > 0);
    } finally {
      scan.close();
    }
    if (!isCut) isCut = !this.#endGroup(keys, limit) && this.#group.length > 0;
    // A scan must be over before the store is asked for anything else.
    const cells = keys.values ? this.#cells.map((cell) => this.#withValue(cell)) : this.#cells;
    return { cells, isComplete: !isCut, last: isCut ? this.#last : undefined };
  }

  #isOfGroup({ tokenHi, tokenLo, key }: ScannedCell): boolean {
    const [first] = this.#group;
    if (first === undefined) return true;
    if (first.tokenHi !== tokenHi || first.tokenLo !== tokenLo) return false;
    if (!this.#order.isBytewise) return true;
    return key.length > ORDERED_KEY_BYTES && beginAlike(first.key, key, ORDERED_KEY_BYTES);
  }

  /** Puts what is wanted of the group into the page, in order. False if the page is full. */
  #endGroup(keys: ScanKeys, limit: number): boolean {
    const { compare } = this.#order;
    const all = this.#group;
    const wanted = all.filter((cell) => this.#isWanted(cell.key, keys));
    if (wanted.length > 1) wanted.sort((a, b) => compare(a.key, b.key));
    this.#group = [];
    for (const [index, cell] of wanted.entries()) {
      if (this.#cells.length >= limit || this.#sizeBytes >= PAGE_BYTES_MAX) {
        this.#group = wanted.slice(index);
        return false;
      }
      this.#cells.push(cell);
      if (keys.values) this.#sizeBytes += cell.key.length + cell.valueBytes;
    }
    this.#seenCount += all.length;
    if (this.#seenCount >= CELLS_SEEN_MAX) this.#last = this.#lastOf(all);
    const hasRoom = this.#cells.length < limit && this.#sizeBytes < PAGE_BYTES_MAX;
    return hasRoom && this.#last === undefined;
  }

  #lastOf(cells: readonly ScannedCell[]): Uint8Array | undefined {
    const { compare } = this.#order;
    let last: Uint8Array | undefined;
    for (const { key } of cells) if (last === undefined || compare(key, last) > 0) last = key;
    return last;
  }

  #withValue(cell: ScannedCell): PageCell {
    const { tokenHi, tokenLo, key } = cell;
    const value = this.#engine.get(this.#keyspaceId, tokenHi, tokenLo, key)?.value;
    return value === undefined ? cell : { ...cell, value: new Uint8Array(value) };
  }

  #isWanted(key: Uint8Array, { from, isAfter, to, prefix }: ScanKeys): boolean {
    const { compare } = this.#order;
    if (prefix !== undefined && !beginAlike(key, prefix, prefix.length)) return false;
    if (from !== undefined && compare(key, from) < (isAfter ? 1 : 0)) return false;
    return to === undefined || compare(key, to) < 0;
  }

  /** True if nothing of the group that begins with this key lies before the end. */
  #isPast(key: Uint8Array, { to }: ScanKeys): boolean {
    return to !== undefined && this.#order.compare(key.subarray(0, ORDERED_KEY_BYTES), to) >= 0;
  }
}

function beginAlike(a: Uint8Array, b: Uint8Array, length: number): boolean {
  if (a.length < length || b.length < length) return false;
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return false;
  return true;
}
