/**
 * One parsed RESP command: where its arguments lie in a buffer, without an object per argument.
 *
 * There is one RespCommand per parser, refilled for every command. Arguments are offsets until
 * somebody asks for one; a view costs an object, so the command's name and options are compared in
 * place. Everything that it hands out except `copy` and `text` points into a buffer that the next
 * read overwrites: it is valid until the handler of the command returns.
 */
import { assert } from "../util/assert.ts";

const INITIAL_ARGUMENTS = 16;
/** Above this many, the offset arrays are not kept for the next command. */
const KEPT_ARGUMENTS = 4096;

const utf8 = new TextDecoder();

export class RespCommand {
  /** The buffer in which the arguments lie. */
  bytes: Uint8Array = new Uint8Array(0);
  #starts = new Int32Array(INITIAL_ARGUMENTS);
  #ends = new Int32Array(INITIAL_ARGUMENTS);
  #added = 0;
  /** Arguments skipped by `shift`. */
  #first = 0;

  /** The number of arguments, the name of the command among them. */
  get count(): number {
    return this.#added - this.#first;
  }

  start(index: number): number {
    return this.#starts[this.#first + index] ?? 0;
  }

  end(index: number): number {
    return this.#ends[this.#first + index] ?? 0;
  }

  sizeBytes(index: number): number {
    return this.end(index) - this.start(index);
  }

  /** The argument's bytes, lent until the handler returns. */
  view(index: number): Uint8Array {
    const { bytes } = this;
    const start = this.start(index);
    return new Uint8Array(bytes.buffer, bytes.byteOffset + start, this.end(index) - start);
  }

  /** The argument's bytes, for keeping. */
  copy(index: number): Uint8Array {
    return this.bytes.slice(this.start(index), this.end(index));
  }

  /** The argument as UTF-8 text; malformed parts become U+FFFD. */
  text(index: number): string {
    return utf8.decode(this.view(index));
  }

  /** Whether the argument is `word`, a word of ASCII in lower case, in any case. */
  is(index: number, word: string): boolean {
    const start = this.start(index);
    if (this.end(index) - start !== word.length) return false;
    for (let offset = 0; offset < word.length; offset++) {
      if (lowerCase(this.bytes[start + offset] ?? 0) !== word.charCodeAt(offset)) return false;
    }
    return true;
  }

  /** Forgets the first `count` arguments: what follows them becomes the command. */
  shift(count: number): void {
    assert(count <= this.count, "cannot shift more arguments than there are");
    this.#first += count;
  }

  /** For the parser: begins a new command. */
  reset(): void {
    this.#added = 0;
    this.#first = 0;
    if (this.#starts.length <= KEPT_ARGUMENTS) return;
    this.#starts = new Int32Array(INITIAL_ARGUMENTS);
    this.#ends = new Int32Array(INITIAL_ARGUMENTS);
  }

  /** For the parser: the next argument lies in [start, end). */
  add(start: number, end: number): void {
    if (this.#added === this.#starts.length) this.#grow();
    this.#starts[this.#added] = start;
    this.#ends[this.#added] = end;
    this.#added++;
  }

  /** For the parser: the bytes were moved `distance` towards the start of a buffer. */
  moveBack(distance: number): void {
    for (let index = 0; index < this.#added; index++) {
      this.#starts[index] = (this.#starts[index] ?? 0) - distance;
      this.#ends[index] = (this.#ends[index] ?? 0) - distance;
    }
  }

  #grow(): void {
    this.#starts = grown(this.#starts);
    this.#ends = grown(this.#ends);
  }
}

function grown(offsets: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(offsets.length * 2);
  larger.set(offsets);
  return larger;
}

/** The byte with ASCII letters in lower case. */
export function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
