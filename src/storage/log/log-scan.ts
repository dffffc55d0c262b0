/**
 * A scan of the log engine: walks the index along a span and shows the states of its opening.
 *
 * Between two calls of `next` it holds nothing but the entry it stopped at, and seeks that place
 * anew, so the index may change in the meantime in any way. What was inserted
 * afterwards is passed over, what was overwritten is taken from the kept states (cells.ts).
 */
import type { RangeScan, ScanOptions, ScannedCell, SpanMeasure, TokenSpan } from "../engine.ts";
import type { Cells } from "./cells.ts";
import { TOKEN_HI, TOKEN_LO } from "./slots.ts";

const EMPTY = new Uint8Array();
const TOKEN_HALF_MAX = 0xffff_ffff;

export interface LogScanDeps {
  readonly cells: Cells;
  /** Reads the value that a slot points to. */
  readonly readValue: (cells: Cells, slot: number) => Uint8Array | undefined;
  readonly onClose: () => void;
}

export interface LogScanOptions extends ScanOptions {
  readonly span: TokenSpan;
  /** The sequence number up to which it sees changes. */
  readonly sequence: number;
}

export class LogScan implements RangeScan {
  readonly #deps: LogScanDeps;
  readonly #options: LogScanOptions;
  // Where to go on: at the first entry of this token and key or after it. The high half is biased.
  #hi: number;
  #lo: number;
  #key: Uint8Array;
  /** The entry it stopped at, 0 before the first. Entries stay in their slots. */
  #lastSlot = 0;
  /** Whether the highest token is still to come before the walk goes on at the lowest. */
  #isBeforeWrap: boolean;
  readonly #endHi: number;
  #isAtEnd = false;
  #isOpen = true;

  constructor(deps: LogScanDeps, options: LogScanOptions) {
    this.#deps = deps;
    this.#options = options;
    const { span } = options;
    const startHi = biased(span.startHi);
    const endHi = biased(span.endHi);
    this.#endHi = endHi;
    this.#isBeforeWrap = startHi > endHi || (startHi === endHi && span.startLo >= span.endLo);
    // The span begins behind its start: at the next token.
    this.#key = options.startKey ?? EMPTY;
    this.#hi = startHi;
    this.#lo = span.startLo + 1;
    if (this.#lo > TOKEN_HALF_MAX) {
      this.#hi++;
      this.#lo = 0;
    }
    if (this.#hi > TOKEN_HALF_MAX) this.#goOnAtLowest();
  }

  next(limit: number, visit: (cell: ScannedCell) => void): number {
    const { cells, readValue } = this.#deps;
    return this.nextStates(limit, (slot) => {
      const value = this.#options.values ? readValue(cells, slot) : undefined;
      visit(cells.scannedCell(slot, value));
    });
  }

  measure(limit: number): SpanMeasure {
    const { cells } = this.#deps;
    let bytes = 0;
    const count = this.nextStates(limit, (slot) => (bytes += cells.cellBytes(slot)));
    return { cells: count, bytes };
  }

  /** As `next`, with the slots of the states; `visit` may throw, and the scan goes on behind. */
  nextStates(limit: number, visit: (slot: number) => void): number {
    const { cells } = this.#deps;
    return this.#walk(limit, (slot) => {
      const state = cells.stateAt(slot, this.#options.sequence);
      if (state !== 0) visit(state);
      return state !== 0;
    });
  }

  /** As `nextStates`, with every entry of the index, whether or not there is anything to see. */
  nextSlots(limit: number, visit: (slot: number) => void): number {
    return this.#walk(limit, (slot) => {
      visit(slot);
      return true;
    });
  }

  /** Visits up to `limit` entries that count. */
  #walk(limit: number, visit: (slot: number) => boolean): number {
    const { cells } = this.#deps;
    let count = 0;
    while (this.#isOpen && !this.#isAtEnd && count < limit) {
      this.#seek();
      let slot = cells.index.cursorSlot();
      for (; slot !== 0 && this.#isWithin(slot) && count < limit; slot = cells.index.cursorSlot()) {
        this.#lastSlot = slot;
        cells.index.advance();
        if (visit(slot)) count++;
      }
      if (count === limit) break;
      this.#key = EMPTY;
      if (this.#isBeforeWrap) this.#goOnAtLowest();
      else this.#isAtEnd = true;
    }
    return count;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#deps.onClose();
  }

  #seek(): void {
    const { cells } = this.#deps;
    const last = this.#lastSlot;
    if (last === 0) {
      cells.index.find(this.#hi ^ 0x8000_0000, this.#lo, this.#key);
      return;
    }
    const { slots } = cells.index;
    const hi = slots.word(last, TOKEN_HI) ^ 0x8000_0000;
    cells.index.find(hi, slots.word(last, TOKEN_LO), cells.key(last));
    cells.index.advance();
  }

  #isWithin(slot: number): boolean {
    if (this.#isBeforeWrap) return true;
    const { slots } = this.#deps.cells.index;
    const hi = slots.word(slot, TOKEN_HI);
    if (hi !== this.#endHi) return hi < this.#endHi;
    return slots.word(slot, TOKEN_LO) <= this.#options.span.endLo;
  }

  #goOnAtLowest(): void {
    this.#isAtEnd = !this.#isBeforeWrap;
    this.#isBeforeWrap = false;
    this.#hi = 0;
    this.#lo = 0;
    this.#lastSlot = 0;
  }
}

/** The high half of a token such that unsigned order is token order. */
function biased(tokenHi: number): number {
  return (tokenHi ^ 0x8000_0000) >>> 0;
}
