/**
 * RESP requests from bytes: a push machine without I/O.
 *
 * Bytes come in with `push`, in pieces cut anywhere; complete commands go to the sink, whose answer
 * decides how it goes on. The fast path reads a chunk where it lies and creates no object; only what
 * a chunk leaves unfinished is copied, once, into a buffer of the parser, and the next chunk is
 * appended there. The state between two chunks is (arguments still to come, length of the bulk that
 * is being read), so that a value which comes in a thousand pieces is scanned once.
 *
 * The sink may refuse a command, because a queue is full or an earlier command on the same key has
 * not ended. The parser then keeps the command and everything after it, and offers it again at
 * `resume`. So one mechanism gives order, backpressure and a bounded queue.
 *
 * Limits are checked at the first byte that breaks them, before anything is allocated for it. An
 * error ends the parser: after it nothing in the stream can be trusted.
 *
 * Stricter than Redis in one thing: the two bytes after a bulk must be CR LF, where Redis skips
 * whatever stands there.
 */
import { assert } from "../util/assert.ts";
import { RespCommand } from "./resp-command.ts";
import { splitInline } from "./resp-inline.ts";

export interface RespLimits {
  /** Longest inline command, without its line end. */
  readonly maxInlineBytes: number;
  /** Most arguments of one command, its name among them. */
  readonly maxArguments: number;
  /** Longest argument. */
  readonly maxBulkBytes: number;
  /** Longest command on the wire. */
  readonly maxCommandBytes: number;
}

export const DEFAULT_RESP_LIMITS: RespLimits = {
  maxInlineBytes: 64 * 1024,
  maxArguments: 1024 * 1024,
  maxBulkBytes: 32 * 1024 * 1024,
  maxCommandBytes: 64 * 1024 * 1024,
};

export interface RespCommandSink {
  /**
   * Takes one command; its bytes are lent until this returns. False refuses it: the parser stops
   * and offers it again at `resume`.
   */
  command(command: RespCommand): boolean;
  /** The stream is broken; `message` is what Redis would say, without the leading "-". */
  protocolError(message: string): void;
}

const STAR = 0x2a;
const DOLLAR = 0x24;
const MINUS = 0x2d;
const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;

/** Answers of `#readNumber` that are not numbers. */
const INCOMPLETE = -1;
const NEGATIVE = -2;
const INVALID = -3;

/** A buffer for unfinished commands above this size is not kept for the next one. */
const KEPT_PENDING_BYTES = 64 * 1024;
const EMPTY = new Uint8Array(0);

export class RespParser {
  readonly #sink: RespCommandSink;
  readonly #limits: RespLimits;
  readonly #command = new RespCommand();
  /** What is being parsed: a chunk, or `#pending`. */
  #bytes: Uint8Array = EMPTY;
  #length = 0;
  /** Where the current command begins. */
  #start = 0;
  #position = 0;
  /** Arguments of the current command still to come; 0 between commands. */
  #remaining = 0;
  /** Length of the bulk whose header was read, or -1. */
  #bulkBytes = -1;
  #pending: Uint8Array = EMPTY;
  #isRunning = false;
  #isRefused = false;
  #isStopped = false;

  constructor(deps: { readonly sink: RespCommandSink }, limits: RespLimits) {
    this.#sink = deps.sink;
    this.#limits = limits;
  }

  /** Bytes kept for commands that are unfinished or were refused. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** Parses `chunk`, which is borrowed until this returns. */
  push(chunk: Uint8Array): void {
    if (this.#isStopped) return;
    assert(!this.#isRunning, "push from within a command");
    if (this.#length === 0) {
      this.#bytes = chunk;
      this.#length = chunk.length;
    } else {
      this.#reserve(this.#length + chunk.length);
      this.#pending.set(chunk, this.#length);
      this.#bytes = this.#pending;
      this.#length += chunk.length;
    }
    if (this.#isRefused) this.#keepTail();
    else this.#run();
  }

  /** Offers a refused command again. */
  resume(): void {
    if (this.#isStopped) return;
    assert(!this.#isRunning, "resume from within a command");
    this.#isRefused = false;
    this.#run();
  }

  /** Ends the parser: it drops what it holds and ignores what comes. */
  stop(): void {
    this.#isStopped = true;
    if (!this.#isRunning) this.#drop();
  }

  #run(): void {
    this.#isRunning = true;
    while (this.#position < this.#length && !this.#isStopped) {
      if (!this.#readCommand()) break;
    }
    this.#isRunning = false;
    if (this.#isStopped) this.#drop();
    else this.#keepTail();
  }

  /** Reads on in the current command; false when it must wait. */
  #readCommand(): boolean {
    if (this.#remaining === 0) {
      if (this.#bytes[this.#start] !== STAR) return this.#readInline();
      this.#position = this.#start + 1;
      const count = this.#readNumber(this.#limits.maxArguments);
      if (count === INCOMPLETE) return false;
      if (count === INVALID) return this.#fail("invalid multibulk length");
      if (count <= 0) {
        this.#start = this.#position;
        return true;
      }
      this.#remaining = count;
      this.#command.reset();
    }
    while (this.#remaining > 0) {
      if (this.#bulkBytes < 0 && !this.#readBulkHeader()) return false;
      const start = this.#position;
      const end = start + this.#bulkBytes;
      if (end + 2 > this.#length) return false;
      if (this.#bytes[end] !== CR || this.#bytes[end + 1] !== LF) {
        return this.#fail("expected CRLF after a bulk string");
      }
      this.#command.add(start, end);
      this.#position = end + 2;
      this.#bulkBytes = -1;
      this.#remaining--;
    }
    return this.#deliver(this.#bytes);
  }

  #readBulkHeader(): boolean {
    if (this.#position >= this.#length) return false;
    const lineStart = this.#position;
    const mark = this.#bytes[lineStart] ?? 0;
    if (mark !== DOLLAR) return this.#fail(`expected '$', got '${String.fromCharCode(mark)}'`);
    this.#position = lineStart + 1;
    const sizeBytes = this.#readNumber(this.#limits.maxBulkBytes);
    if (sizeBytes === INCOMPLETE) {
      this.#position = lineStart;
      return false;
    }
    if (sizeBytes < 0) return this.#fail("invalid bulk length");
    const { maxCommandBytes } = this.#limits;
    if (this.#position - this.#start + sizeBytes + 2 > maxCommandBytes) {
      return this.#fail(`command is longer than ${maxCommandBytes} bytes`);
    }
    this.#bulkBytes = sizeBytes;
    return true;
  }

  /** The number at the position, which moves behind its CR LF; or one of the answers above. */
  #readNumber(max: number): number {
    const bytes = this.#bytes;
    const length = this.#length;
    let position = this.#position;
    let isNegative = false;
    if (position < length && bytes[position] === MINUS) {
      isNegative = true;
      position++;
    }
    const firstDigit = position;
    let value = 0;
    while (position < length) {
      const byte = bytes[position] as number;
      if (byte === CR) break;
      const digit = byte - ZERO;
      if (digit < 0 || digit > 9) return INVALID;
      value = value * 10 + digit;
      if (value > max) return INVALID;
      position++;
      if (position - firstDigit > 19) return INVALID;
    }
    if (position >= length) return INCOMPLETE;
    if (position === firstDigit) return INVALID;
    if (position + 1 >= length) return INCOMPLETE;
    if (bytes[position + 1] !== LF) return INVALID;
    this.#position = position + 2;
    return isNegative ? NEGATIVE : value;
  }

  #readInline(): boolean {
    const { maxInlineBytes } = this.#limits;
    const lineEnd = this.#bytes.indexOf(LF, this.#position);
    const isComplete = lineEnd >= 0 && lineEnd < this.#length;
    const end = isComplete ? lineEnd : this.#length;
    if (end - this.#start > maxInlineBytes) return this.#fail("too big inline request");
    if (!isComplete) {
      // What was searched is not searched again when the next chunk comes.
      this.#position = this.#length;
      return false;
    }
    const hasCr = end > this.#start && this.#bytes[end - 1] === CR;
    const words = splitInline(this.#bytes.subarray(this.#start, hasCr ? end - 1 : end));
    if (words === undefined) return this.#fail("unbalanced quotes in request");
    this.#position = end + 1;
    if (words.length > 0) return this.#deliver(this.#layOut(words));
    this.#start = this.#position;
    return true;
  }

  /** Fills the command with words that do not lie in the stream as they are meant. */
  #layOut(words: readonly Uint8Array[]): Uint8Array {
    const bytes = new Uint8Array(words.reduce((total, word) => total + word.length, 0));
    this.#command.reset();
    let position = 0;
    for (const word of words) {
      bytes.set(word, position);
      this.#command.add(position, position + word.length);
      position += word.length;
    }
    return bytes;
  }

  #deliver(bytes: Uint8Array): boolean {
    this.#command.bytes = bytes;
    if (this.#sink.command(this.#command)) {
      this.#start = this.#position;
      return true;
    }
    this.#position = this.#start;
    this.#isRefused = true;
    return false;
  }

  #fail(message: string): false {
    this.#isStopped = true;
    this.#sink.protocolError(`ERR Protocol error: ${message}`);
    return false;
  }

  /** Keeps what is unfinished at the start of `#pending`. */
  #keepTail(): void {
    const start = this.#start;
    const tail = this.#length - start;
    if (tail === 0) {
      this.#drop();
      return;
    }
    if (this.#bytes !== this.#pending) {
      this.#length = 0;
      this.#reserve(tail);
      this.#pending.set(this.#bytes.subarray(start, start + tail));
    } else if (start > 0) {
      this.#pending.copyWithin(0, start, start + tail);
    }
    this.#bytes = this.#pending;
    this.#length = tail;
    if (start === 0) return;
    this.#start = 0;
    this.#position -= start;
    if (this.#remaining > 0) this.#command.moveBack(start);
  }

  #drop(): void {
    this.#bytes = EMPTY;
    this.#length = 0;
    this.#start = 0;
    this.#position = 0;
    if (this.#pending.length > KEPT_PENDING_BYTES) this.#pending = EMPTY;
  }

  /** Makes room for `sizeBytes`, keeping the first `#length`. */
  #reserve(sizeBytes: number): void {
    if (sizeBytes <= this.#pending.length) return;
    const larger = new Uint8Array(Math.max(sizeBytes, 2 * this.#pending.length, 1024));
    larger.set(this.#pending.subarray(0, this.#length));
    this.#pending = larger;
  }
}
