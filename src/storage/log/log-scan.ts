/**
 * A scan of the log engine: walks the index along a span and shows the states of its opening.
 *
 * Between two calls of `next` it holds nothing but the token and key it stopped at, and seeks that
 * place anew, so the index may change in the meantime in any way. What was inserted
 * afterwards is passed over, what was overwritten is taken from the kept states (cells.ts).
 */
import type { RangeScan, ScannedCell, TokenSpan } from "../engine.ts";
import type { Cells } from "./cells.ts";
import { KEY_REFERENCE, TOKEN_HI, TOKEN_LO } from "./slots.ts";

const EMPTY = new Uint8Array();
const TOKEN_HALF_MAX = 0xffff_ffff;

export interface LogScanDeps {
  readonly cells: Cells;
  /** Reads the value that a slot points to. */
  readonly readValue: (cells: Cells, slot: number) => Uint8Array | undefined;
  readonly onClose: () => void;
}

export interface LogScanOptions {
  readonly span: TokenSpan;
  readonly values: boolean;
  /** The sequence number up to which it sees changes. */
  readonly sequence: number;
}

export class LogScan implements RangeScan {
  readonly #deps: LogScanDeps;
  readonly #options: LogScanOptions;
  // Where to go on: the first entry at or, if #isPast, after this. The high half is biased.
  #hi: number;
  #lo: number;
  #key: Uint8Array = EMPTY;
  #isPast = false;
  /** Whether the highest token is still to come before the walk goes on at the lowest. */
  #isBeforeWrap: boolean;
  #isAtEnd = false;
  #isOpen = true;

  constructor(deps: LogScanDeps, options: LogScanOptions) {
    this.#deps = deps;
    this.#options = options;
    const { span } = options;
    const startHi = biased(span.startHi);
    const endHi = biased(span.endHi);
    this.#isBeforeWrap = startHi > endHi || (startHi === endHi && span.startLo >= span.endLo);
    // The span begins behind its start: at the next token, whatever its keys.
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
      visit({ ...cells.head(slot), ...this.#placeOnRing(slot), value });
    });
  }

  /** As `next`, with the slots of the states; `visit` may throw, and the scan goes on behind. */
  nextStates(limit: number, visit: (slot: number) => void): number {
    const { cells } = this.#deps;
    let count = 0;
    while (this.#isOpen && !this.#isAtEnd && count < limit) {
      this.#seek();
      let slot = cells.index.cursorSlot();
      for (; slot !== 0 && this.#isWithin(slot) && count < limit; slot = cells.index.cursorSlot()) {
        this.#rememberPlace(slot);
        cells.index.advance();
        const state = cells.stateAt(slot, this.#options.sequence);
        if (state === 0) continue;
        count++;
        visit(state);
      }
      if (count === limit) break;
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
    const { index } = this.#deps.cells;
    const found = index.find(this.#hi ^ 0x8000_0000, this.#lo, this.#key);
    if (found !== 0 && this.#isPast) index.advance();
  }

  #isWithin(slot: number): boolean {
    if (this.#isBeforeWrap) return true;
    const { slots } = this.#deps.cells.index;
    const hi = slots.word(slot, TOKEN_HI);
    const endHi = biased(this.#options.span.endHi);
    if (hi !== endHi) return hi < endHi;
    return slots.word(slot, TOKEN_LO) <= this.#options.span.endLo;
  }

  #rememberPlace(slot: number): void {
    const { slots, keys } = this.#deps.cells.index;
    this.#hi = slots.word(slot, TOKEN_HI);
    this.#lo = slots.word(slot, TOKEN_LO);
    this.#key = keys.view(slots.word(slot, KEY_REFERENCE), slots.keyBytes(slot));
    this.#isPast = true;
  }

  #goOnAtLowest(): void {
    this.#isAtEnd = !this.#isBeforeWrap;
    this.#isBeforeWrap = false;
    this.#hi = 0;
    this.#lo = 0;
    this.#key = EMPTY;
    this.#isPast = false;
  }

  #placeOnRing(slot: number): { tokenHi: number; tokenLo: number; key: Uint8Array } {
    const { slots, keys } = this.#deps.cells.index;
    return {
      tokenHi: (slots.word(slot, TOKEN_HI) ^ 0x8000_0000) | 0,
      tokenLo: slots.word(slot, TOKEN_LO),
      key: keys.view(slots.word(slot, KEY_REFERENCE), slots.keyBytes(slot)),
    };
  }
}

/** The high half of a token such that unsigned order is token order. */
function biased(tokenHi: number): number {
  return (tokenHi ^ 0x8000_0000) >>> 0;
}
