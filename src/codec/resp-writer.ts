/**
 * RESP replies into one growing buffer, in the dialect of the connection.
 *
 * The types that only RESP3 has fall back to what a RESP2 client of Redis gets: a map is a flat
 * array, a set an array, a double and a verbatim string a bulk string, a push message an array, null
 * the bulk string of length -1. Aggregates are written as a head with their size, then their items.
 */

export type RespProtocol = 2 | 3;

const CR = 0x0d;
const LF = 0x0a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const COLON = 0x3a;
const DOLLAR = 0x24;
const ARRAY = 0x2a;
const MAP = 0x25;
const SET = 0x7e;
const PUSH = 0x3e;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const ZERO = 0x30;

const INITIAL_BYTES = 16 * 1024;
/** Below this, a loop is cheaper than a call of TypedArray.set. */
const LOOP_BYTES = 24;
/** Mark, sign, 16 digits, CR LF. */
const HEAD_BYTES = 24;

const NIL2 = ascii("$-1\r\n");
const NIL3 = ascii("_\r\n");
const OK = ascii("+OK\r\n");

export class RespWriter {
  /** The dialect of what is written next. */
  protocol: RespProtocol = 2;
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = 0;

  /** Bytes written and not taken. */
  get sizeBytes(): number {
    return this.#length;
  }

  /** Hands over what was written; the writer starts afresh. */
  take(): Uint8Array {
    const length = this.#length;
    this.#length = 0;
    if (length * 2 <= this.#bytes.length && length <= INITIAL_BYTES) {
      const taken = Buffer.allocUnsafe(length);
      this.#bytes.copy(taken, 0, 0, length);
      return taken;
    }
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    return taken;
  }

  ok(): void {
    this.encoded(OK);
  }

  /** A status. `text` is ASCII without line ends. */
  simple(text: string): void {
    this.#line(PLUS, text);
  }

  /** An error; its first word is the code. Line ends, which would break the frame, become spaces. */
  error(text: string): void {
    this.#line(MINUS, text.replaceAll(/[\r\n]/g, " "));
  }

  /** A safe integer. */
  integer(value: number): void {
    this.#head(COLON, value);
  }

  /** A binary string. */
  bulk(bytes: Uint8Array): void {
    this.#blob(DOLLAR, bytes);
  }

  /** A text as a binary string. */
  text(text: string): void {
    this.bulk(Buffer.from(text));
  }

  nil(): void {
    this.encoded(this.protocol === 3 ? NIL3 : NIL2);
  }

  array(count: number): void {
    this.#head(ARRAY, count);
  }

  /** The head of a map; `count` keys and values follow in turn. */
  map(count: number): void {
    if (this.protocol === 3) this.#head(MAP, count);
    else this.#head(ARRAY, count * 2);
  }

  set(count: number): void {
    this.#head(this.protocol === 3 ? SET : ARRAY, count);
  }

  push(count: number): void {
    this.#head(this.protocol === 3 ? PUSH : ARRAY, count);
  }

  double(value: number): void {
    const text = doubleText(value);
    if (this.protocol === 3) this.#line(COMMA, text);
    else this.text(text);
  }

  /** Text for people to read. */
  verbatim(text: string): void {
    if (this.protocol === 3) this.#blob(EQUALS, Buffer.from(`txt:${text}`));
    else this.text(text);
  }

  /** A reply that was encoded before. */
  encoded(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #blob(mark: number, bytes: Uint8Array): void {
    const size = bytes.length;
    this.#reserve(size + HEAD_BYTES + 2);
    this.#head(mark, size);
    const target = this.#bytes;
    let position = this.#length;
    if (size < LOOP_BYTES) {
      for (let index = 0; index < size; index++) target[position + index] = bytes[index] as number;
    } else {
      target.set(bytes, position);
    }
    position += size;
    target[position] = CR;
    target[position + 1] = LF;
    this.#length = position + 2;
  }

  #line(mark: number, text: string): void {
    this.#reserve(text.length * 3 + 3);
    this.#bytes[this.#length] = mark;
    const end = this.#length + 1 + this.#bytes.write(text, this.#length + 1);
    this.#bytes[end] = CR;
    this.#bytes[end + 1] = LF;
    this.#length = end + 2;
  }

  /** A mark and a decimal number, digit by digit: no string is made. */
  #head(mark: number, value: number): void {
    this.#reserve(HEAD_BYTES);
    const target = this.#bytes;
    let position = this.#length;
    target[position++] = mark;
    let rest = value;
    if (rest < 0) {
      target[position++] = MINUS;
      rest = -rest;
    }
    let end = position + 1;
    for (let power = 10; power <= rest; power *= 10) end++;
    for (let index = end - 1; index >= position; index--) {
      const tenth = rest < 0x8000_0000 ? ((rest | 0) / 10) | 0 : Math.floor(rest / 10);
      target[index] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    target[end] = CR;
    target[end + 1] = LF;
    this.#length = end + 2;
  }

  #reserve(sizeBytes: number): void {
    const needed = this.#length + sizeBytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return String(value);
}

function ascii(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
