/**
 * The cells of one keyspace: the ordered index plus the older states that open scans still need.
 *
 * An entry is updated in place. If an open scan may still ask for its present state, that is
 * first copied to a slot of its own, which the entry points to through OLDER. So a write costs
 * something extra only for cells that are overwritten while a scan is open, once per scan, and
 * opening a scan costs nothing.
 *
 * A kept state was in force from its BIRTH to the BIRTH of the one that replaced it. It is freed when
 * the oldest open scan was opened after that: such scans find the replacement visible and never
 * follow its OLDER pointer. States are replaced in the order of sequence numbers, so the kept ones
 * form a queue that is freed from its head.
 *
 * Dropping a cell is a change like any other: the entry gets a state that says "nothing here", so
 * scans opened before still find the one that went. Nobody else may take such an entry for a cell.
 * While a drop is pending each of its cells gets that state when it is looked at first; which they are
 * is told by their places, because what was put since lies behind.
 */
import type { CellHead, ScannedCell, StoredCell, TokenSpan } from "../engine.ts";
import { compareCells } from "../merge-order.ts";
import { isInSpan } from "./drop-map.ts";
import { type Place, comparePlaces } from "./place.ts";
import { type Entry, recordBytes } from "./record.ts";
import type { ScanRegister } from "./scan-register.ts";
import * as field from "./slots.ts";
import { type Slots } from "./slots.ts";
import { TokenIndex, type TokenIndexOptions } from "./token-index.ts";

/** A drop that has not reached all its cells yet. */
export interface PendingDrop {
  readonly span: TokenSpan;
  /** Cells whose records lie before this place are dropped. */
  readonly before: Place;
  /** The sequence number of the drop. */
  readonly birth: number;
}

interface KeptState {
  readonly slot: number;
  readonly replacedAt: number;
}

export interface CellsDeps {
  readonly scans: ScanRegister;
  /** Called with the slot of a cell before it is dropped. */
  readonly onDrop: (cells: Cells, slot: number) => void;
}

export class Cells {
  readonly index: TokenIndex;
  readonly #slots: Slots;
  readonly #register: ScanRegister;
  readonly #onDrop: CellsDeps["onDrop"];
  /** The oldest first. */
  #pendingDrops: readonly PendingDrop[] = [];
  #kept: KeptState[] = [];
  #tombstones = 0;
  #liveBytes = 0;
  /** Entries whose cell was dropped. */
  #dropped = 0;

  constructor(deps: CellsDeps, options: TokenIndexOptions) {
    this.index = new TokenIndex(options);
    this.#slots = this.index.slots;
    this.#register = deps.scans;
    this.#onDrop = deps.onDrop;
  }

  /** Cells held, tombstones included. */
  get count(): number {
    return this.index.entryCount - this.#dropped;
  }

  get tombstones(): number {
    return this.#tombstones;
  }

  /** Bytes of keys and values of the newest versions. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  get keptStates(): number {
    return this.#kept.length;
  }

  /** The slot of a cell, or 0. */
  find(tokenHi: number, tokenLo: number, key: Uint8Array): number {
    const slot = this.index.find(tokenHi, tokenLo, key);
    return slot === 0 || this.isDropped(slot) ? 0 : slot;
  }

  /** Whether nothing is there any more; `slot` is one that `index.find` returned. */
  isDropped(slot: number): boolean {
    this.settle(slot);
    return this.#slots.isDropped(slot);
  }

  /**
   * Positive if `entry` wins over what `index.find` returned, 0 if they are the same, negative if it
   * loses.
   */
  compare(entry: Entry, slot: number): number {
    const slots = this.#slots;
    if (slot === 0 || this.isDropped(slot)) return 1;
    // By far the most puts are decided by the timestamp.
    const order = entry.timestamp - slots.double(slot, field.TIMESTAMP);
    return order === 0 ? compareCells(entry, this.head(slot)) : order;
  }

  /** Makes `entry` the state of its cell. `slot` is what `index.find` just returned. */
  set(slot: number, entry: Entry, place: Place): void {
    const slots = this.#slots;
    const birth = this.#register.advance();
    let target = slot;
    if (slot === 0) {
      target = slots.allocate();
      slots.setWord(target, field.TOKEN_HI, entry.tokenHi ^ 0x8000_0000);
      slots.setWord(target, field.TOKEN_LO, entry.tokenLo);
      slots.setWord(target, field.KEY_REFERENCE, this.index.keys.add(entry.key));
      slots.setWord(target, field.OLDER, 0);
    } else {
      this.#replace(slot, birth);
    }
    slots.setDouble(target, field.BIRTH, birth);
    slots.setDouble(target, field.TIMESTAMP, entry.timestamp);
    slots.setDouble(target, field.EXPIRES_AT, entry.expiresAtMs);
    slots.setWord(target, field.WRITER, entry.writer);
    slots.setWord(target, field.CONTENT_HASH, entry.contentHash);
    slots.setWord(target, field.VALUE_BYTES, entry.valueBytes);
    slots.setKeyBytes(target, entry.key.length, entry.isTombstone);
    slots.setWord(target, field.SEGMENT, place.segmentId);
    slots.setWord(target, field.OFFSET, place.offset);
    if (slot === 0) this.index.insert(target);
    if (entry.isTombstone) this.#tombstones++;
    this.#liveBytes += entry.key.length + entry.valueBytes;
  }

  /** From now on the cells that it covers are dropped. */
  beginDrop(drop: PendingDrop): void {
    this.#pendingDrops = [...this.#pendingDrops, drop];
  }

  /** All cells that it covers have been settled. */
  endDrop(drop: PendingDrop): void {
    this.#pendingDrops = this.#pendingDrops.filter((other) => other !== drop);
  }

  /** Takes the cell away if a pending drop covers it. Its slot stays, and waits for a put. */
  settle(slot: number): void {
    if (this.#pendingDrops.length === 0 || this.#slots.isDropped(slot)) return;
    const drop = this.#pendingDrops.find((each) => this.#isCovered(slot, each));
    if (drop === undefined) return;
    this.#onDrop(this, slot);
    this.#replace(slot, this.#register.advance());
    this.#slots.setDouble(slot, field.BIRTH, drop.birth);
    this.#slots.markDropped(slot);
    this.#dropped++;
  }

  /** The same record at another place: no change that a scan could see. */
  move(slot: number, place: Place): void {
    this.#slots.setWord(slot, field.SEGMENT, place.segmentId);
    this.#slots.setWord(slot, field.OFFSET, place.offset);
  }

  isAt(slot: number, place: Place): boolean {
    const slots = this.#slots;
    return (
      slots.word(slot, field.SEGMENT) === place.segmentId &&
      slots.word(slot, field.OFFSET) === place.offset
    );
  }

  /** The slot with the state that a scan opened at `sequence` sees, or 0 if it sees none. */
  stateAt(slot: number, sequence: number): number {
    this.settle(slot);
    let state = slot;
    while (state !== 0 && this.#slots.double(state, field.BIRTH) > sequence) {
      state = this.#slots.word(state, field.OLDER);
    }
    return state !== 0 && this.#slots.isDropped(state) ? 0 : state;
  }

  /** Frees the states that no open scan can ask for any more. */
  releaseKept(): void {
    const oldest = this.#register.oldest;
    let count = 0;
    for (const state of this.#kept) {
      if (state.replacedAt > oldest) break;
      this.#slots.free(state.slot);
      count++;
    }
    if (count > 0) this.#kept = this.#kept.slice(count);
  }

  head(slot: number): CellHead {
    const slots = this.#slots;
    return {
      timestamp: slots.double(slot, field.TIMESTAMP),
      writer: slots.word(slot, field.WRITER),
      expiresAtMs: slots.double(slot, field.EXPIRES_AT),
      isTombstone: slots.isTombstone(slot),
      contentHash: slots.word(slot, field.CONTENT_HASH),
      valueBytes: slots.word(slot, field.VALUE_BYTES),
    };
  }

  /** The state in `slot` with its value. Spelled out, because spreading `head` costs more than both. */
  cell(slot: number, value: Uint8Array | undefined): StoredCell {
    const slots = this.#slots;
    return {
      timestamp: slots.double(slot, field.TIMESTAMP),
      writer: slots.word(slot, field.WRITER),
      expiresAtMs: slots.double(slot, field.EXPIRES_AT),
      isTombstone: slots.isTombstone(slot),
      contentHash: slots.word(slot, field.CONTENT_HASH),
      valueBytes: slots.word(slot, field.VALUE_BYTES),
      value,
    };
  }

  /** As `cell`, with its place on the ring. */
  scannedCell(slot: number, value: Uint8Array | undefined): ScannedCell {
    const slots = this.#slots;
    return {
      tokenHi: (slots.word(slot, field.TOKEN_HI) ^ 0x8000_0000) | 0,
      tokenLo: slots.word(slot, field.TOKEN_LO),
      key: this.key(slot),
      timestamp: slots.double(slot, field.TIMESTAMP),
      writer: slots.word(slot, field.WRITER),
      expiresAtMs: slots.double(slot, field.EXPIRES_AT),
      isTombstone: slots.isTombstone(slot),
      contentHash: slots.word(slot, field.CONTENT_HASH),
      valueBytes: slots.word(slot, field.VALUE_BYTES),
      value,
    };
  }

  /** A view of the key. It never changes. */
  key(slot: number): Uint8Array {
    const reference = this.#slots.word(slot, field.KEY_REFERENCE);
    return this.index.keys.view(reference, this.#slots.keyBytes(slot));
  }

  /** Fills `entry` with what the slot holds; its key is a view. The keyspace is left as it is. */
  describe(slot: number, entry: Entry): void {
    const slots = this.#slots;
    entry.tokenHi = (slots.word(slot, field.TOKEN_HI) ^ 0x8000_0000) | 0;
    entry.tokenLo = slots.word(slot, field.TOKEN_LO);
    entry.key = this.key(slot);
    entry.timestamp = slots.double(slot, field.TIMESTAMP);
    entry.writer = slots.word(slot, field.WRITER);
    entry.expiresAtMs = slots.double(slot, field.EXPIRES_AT);
    entry.contentHash = slots.word(slot, field.CONTENT_HASH);
    entry.isTombstone = slots.isTombstone(slot);
    entry.valueBytes = slots.word(slot, field.VALUE_BYTES);
  }

  segmentId(slot: number): number {
    return this.#slots.word(slot, field.SEGMENT);
  }

  offset(slot: number): number {
    return this.#slots.word(slot, field.OFFSET);
  }

  /** Bytes of key and value. */
  cellBytes(slot: number): number {
    return this.#slots.keyBytes(slot) + this.#slots.word(slot, field.VALUE_BYTES);
  }

  /** Length of the record that the slot points to. */
  recordBytes(slot: number): number {
    return recordBytes(this.#slots.keyBytes(slot), this.#slots.word(slot, field.VALUE_BYTES));
  }

  #isCovered(slot: number, { before, span }: PendingDrop): boolean {
    const slots = this.#slots;
    const place = { segmentId: this.segmentId(slot), offset: this.offset(slot) };
    if (comparePlaces(place, before) >= 0) return false;
    return isInSpan(span, slots.word(slot, field.TOKEN_HI), slots.word(slot, field.TOKEN_LO));
  }

  #replace(slot: number, birth: number): void {
    const slots = this.#slots;
    if (slots.isDropped(slot)) {
      this.#dropped--;
    } else {
      if (slots.isTombstone(slot)) this.#tombstones--;
      this.#liveBytes -= this.cellBytes(slot);
    }
    if (slots.double(slot, field.BIRTH) > this.#register.newest) return;
    const kept = slots.allocate();
    slots.copy(slot, kept);
    slots.setWord(slot, field.OLDER, kept);
    this.#kept.push({ slot: kept, replacedAt: birth });
  }
}
