/**
 * Cassandra's Murmur3 as a WebAssembly function: WebAssembly has 64-bit integers, where JavaScript
 * has BigInt, which allocates, or pairs of halves, which take two to three times as long
 * (`bench/ring.bench.ts`).
 *
 * The module is assembled here, from the instructions below, rather than kept as a blob: it is
 * small, needs no build step, and can be read. In the text format:
 *
 *     (func (export "hash") (param $at i32) (param $length i32)
 *           (local $end i32) (local $h1 i64) (local $h2 i64) (local $k1 i64) (local $k2 i64)
 *           (local $signs i64)
 *       $end = $at + ($length & ~15)
 *       loop over blocks of 16 bytes while $at < $end:
 *         $h1 = (rotl($h1 ^ rotl(load($at) * C1, 31) * C2, 27) + $h2) * 5 + 0x52dce729
 *         $h2 = (rotl($h2 ^ rotl(load($at + 8) * C2, 33) * C1, 31) + $h1) * 5 + 0x38495ab5
 *         $at += 16
 *       $k1, $k2 = the tail: 16 bytes loaded at $at, those from $length & 15 on cleared by shifts,
 *         and each byte sign-extended over those above it in its word: the quirk, see `extendSigns`
 *       mix $k1 and $k2 in, XOR the length, add, avalanche, add
 *       store $h1 at 0, $h2 at 8)
 *
 * Memory: the result in bytes 0..15, the key from byte 16 with at least 16 more after it, so that
 * the tail can be loaded whole. WebAssembly memory is little-endian and so must be the views on it;
 * on a big-endian host there is no engine and the fall-back is used.
 *
 * For short keys most of the time goes into the copy. `TypedArray.set` costs the same for 30 bytes
 * as for 100, but only of a whole array: making a view of a part of one costs four times as much
 * again. So a whole key is set, and short ones and parts are copied in words of four bytes.
 *
 * Source: Cassandra `utils/MurmurHash.hash3_x64_128`; WebAssembly core specification, binary format.
 */
import type { Murmur3Engine } from "./murmur3.ts";

const PAGE_BYTES = 65_536;
const KEY_AT = 16;
/** The tail is loaded as 16 bytes from wherever it begins. */
const SLACK_BYTES = 16;
/** Above this `TypedArray.set` of a whole key is faster than the loop over its words. */
const WHOLE_LOOP_MAX_BYTES = 28;
/** The same where a view of the key's part has to be made first. */
const PART_LOOP_MAX_BYTES = 128;

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

interface WasmExports {
  readonly memory: WasmMemory;
  readonly hash: (at: number, lengthBytes: number) => void;
}

/** The little of the WebAssembly API that is used; TypeScript declares it only for browsers. */
interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** An engine with its own memory, or undefined where WebAssembly is missing or forbidden. */
export function createWasmMurmur3(): Murmur3Engine | undefined {
  const api = (globalThis as { readonly WebAssembly?: WasmApi }).WebAssembly;
  const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  if (api === undefined || !isLittleEndian) return undefined;
  try {
    const instance = new api.Instance(new api.Module(assembleModule()));
    return new WasmMurmur3(instance.exports as WasmExports);
  } catch {
    // A content security policy may forbid compilation: the fall-back gives the same tokens.
    return undefined;
  }
}

class WasmMurmur3 implements Murmur3Engine {
  words: Int32Array;
  readonly #exports: WasmExports;
  #bytes: Uint8Array;

  constructor(exports: WasmExports) {
    this.#exports = exports;
    this.#bytes = new Uint8Array(exports.memory.buffer);
    this.words = new Int32Array(exports.memory.buffer);
  }

  hash(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (KEY_AT + length + SLACK_BYTES > this.#bytes.length) this.#grow(length);
    if (length === bytes.length) {
      if (length > WHOLE_LOOP_MAX_BYTES) this.#bytes.set(bytes, KEY_AT);
      else copyWords(this.words, bytes, start, end);
    } else if (length > PART_LOOP_MAX_BYTES) {
      this.#bytes.set(bytes.subarray(start, end), KEY_AT);
    } else {
      copyWords(this.words, bytes, start, end);
    }
    this.#exports.hash(KEY_AT, length);
  }

  /** Growing detaches the old buffer, so the views are made anew. */
  #grow(keyBytes: number): void {
    const missing = KEY_AT + keyBytes + SLACK_BYTES - this.#bytes.length;
    this.#exports.memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.#bytes = new Uint8Array(this.#exports.memory.buffer);
    this.words = new Int32Array(this.#exports.memory.buffer);
  }
}

/** Copies to the place of the key: four loads and one store for each word. */
function copyWords(words: Int32Array, bytes: Uint8Array, start: number, end: number): void {
  let at = start;
  let word = KEY_AT / 4;
  for (; at + 4 <= end; at += 4) {
    words[word++] =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
  }
  if (at === end) return;
  let last = bytes[at] as number;
  if (at + 1 < end) last |= (bytes[at + 1] as number) << 8;
  if (at + 2 < end) last |= (bytes[at + 2] as number) << 16;
  words[word] = last;
}

/** Instructions, nested as convenient; flattened into bytes at the end. */
type Code = readonly (number | Code)[];

const MAGIC_AND_VERSION: Code = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const I32 = 0x7f;
const I64 = 0x7e;
const BLOCK: Code = [0x02, 0x40];
const LOOP: Code = [0x03, 0x40];
const IF: Code = [0x04, 0x40];
const ELSE = 0x05;
const END = 0x0b;
const I32_GE_U = 0x4f;
const I32_ADD = 0x6a;
const I32_AND = 0x71;
const I32_SHL = 0x74;
const I64_ADD = 0x7c;
const I64_SUB = 0x7d;
const I64_MUL = 0x7e;
const I64_AND = 0x83;
const I64_XOR = 0x85;
const I64_SHL = 0x86;
const I64_SHR_U = 0x88;
const I64_ROTL = 0x89;
const I64_EXTEND_I32_U = 0xad;

const AT = 0;
const LENGTH = 1;
const COUNT = 2;
const H1 = 3;
const H2 = 4;
const K1 = 5;
const K2 = 6;
const SIGNS = 7;

const C1 = 0x87c3_7b91_1142_53d5n;
const C2 = 0x4cf5_ad43_2745_937fn;

const get = (local: number): Code => [0x20, local];
const set = (local: number, ...value: Code): Code => [value, 0x21, local];
const leaveIf = (depth: number): Code => [0x0d, depth];
const again = (depth: number): Code => [0x0c, depth];
const i32 = (value: number): Code => [0x41, signedLeb(BigInt(value))];
const i64 = (value: bigint): Code => [0x42, signedLeb(BigInt.asIntN(64, value))];
const load64 = (address: Code, offset: number): Code => [address, 0x29, 0, offset];
const store64 = (address: number, value: Code): Code => [i32(address), value, 0x37, 0, 0];

function assembleModule(): Uint8Array {
  const body: Code = [2, 1, I32, 5, I64, hashBody(), END];
  const flatBody = flatten(body);
  const module: Code = [
    MAGIC_AND_VERSION,
    section(1, [1, 0x60, 2, I32, I32, 0]),
    section(3, [1, 0]),
    section(5, [1, 0, 1]),
    section(7, [2, name("memory"), 2, 0, name("hash"), 0, 0]),
    section(10, [1, unsignedLeb(flatBody.length), flatBody]),
  ];
  return Uint8Array.from(flatten(module));
}

function hashBody(): Code {
  return [
    set(COUNT, get(AT), get(LENGTH), i32(-16), I32_AND, I32_ADD),
    BLOCK,
    LOOP,
    [get(AT), get(COUNT), I32_GE_U, leaveIf(1)],
    set(K1, load64(get(AT), 0)),
    set(K2, load64(get(AT), 8)),
    mixFirst(),
    stir(H1, H2, 27n, 0x52dc_e729n),
    mixSecond(),
    stir(H2, H1, 31n, 0x3849_5ab5n),
    set(AT, get(AT), i32(16), I32_ADD),
    again(0),
    END,
    END,
    gatherTail(),
    mixSecond(),
    mixFirst(),
    set(H1, get(H1), get(LENGTH), I64_EXTEND_I32_U, I64_XOR),
    set(H2, get(H2), get(LENGTH), I64_EXTEND_I32_U, I64_XOR),
    addWords(),
    avalanche(H1),
    avalanche(H2),
    addWords(),
    store64(0, get(H1)),
    store64(8, get(H2)),
  ];
}

/**
 * K1 and K2 = the bytes after the last full block, each sign-extended. AT stands at the first of
 * them. Where there is none, K1 and K2 are 0 and mixing them in changes nothing.
 */
function gatherTail(): Code {
  return [
    set(K1, i64(0n)),
    set(K2, i64(0n)),
    set(COUNT, get(LENGTH), i32(15), I32_AND),
    [get(COUNT), IF],
    set(K1, load64(get(AT), 0)),
    [get(COUNT), i32(9), I32_GE_U, IF],
    set(K2, load64(get(AT), 8)),
    keepCount(K2),
    extendSigns(K2),
    ELSE,
    keepCount(K1),
    END,
    extendSigns(K1),
    END,
  ];
}

/** Clears what lies above COUNT bytes; WebAssembly shifts by the count modulo 64, so 16 is 8. */
function keepCount(word: number): Code {
  const shift: Code = [i64(0n), get(COUNT), i32(3), I32_SHL, I64_EXTEND_I32_U, I64_SUB];
  return set(word, get(word), shift, I64_SHL, shift, I64_SHR_U);
}

/**
 * XORs into each byte what sign-extending the bytes below it adds: all ones for each negative one.
 * Three shifts give every byte the parity of the sign bits below it, times 255 makes that a mask.
 */
function extendSigns(word: number): Code {
  const fold = (bits: bigint): Code =>
    set(SIGNS, get(SIGNS), get(SIGNS), i64(bits), I64_SHL, I64_XOR);
  return [
    set(SIGNS, get(word), i64(0x8080_8080_8080_8080n), I64_AND, i64(1n), I64_SHL),
    [fold(8n), fold(16n), fold(32n)],
    set(word, get(word), get(SIGNS), i64(255n), I64_MUL, I64_XOR),
  ];
}

function mixFirst(): Code {
  const mixed: Code = [get(K1), i64(C1), I64_MUL, i64(31n), I64_ROTL, i64(C2), I64_MUL];
  return set(H1, get(H1), mixed, I64_XOR);
}

function mixSecond(): Code {
  const mixed: Code = [get(K2), i64(C2), I64_MUL, i64(33n), I64_ROTL, i64(C1), I64_MUL];
  return set(H2, get(H2), mixed, I64_XOR);
}

/** h = (rotl(h, bits) + other) * 5 + addend */
function stir(h: number, other: number, bits: bigint, addend: bigint): Code {
  const rotated: Code = [get(h), i64(bits), I64_ROTL];
  return set(h, rotated, get(other), I64_ADD, i64(5n), I64_MUL, i64(addend), I64_ADD);
}

function addWords(): Code {
  return [set(H1, get(H1), get(H2), I64_ADD), set(H2, get(H2), get(H1), I64_ADD)];
}

function avalanche(h: number): Code {
  const fold: Code = set(h, get(h), get(h), i64(33n), I64_SHR_U, I64_XOR);
  const times = (factor: bigint): Code => set(h, get(h), i64(factor), I64_MUL);
  return [fold, times(0xff51_afd7_ed55_8ccdn), fold, times(0xc4ce_b9fe_1a85_ec53n), fold];
}

function section(id: number, content: Code): Code {
  const bytes = flatten(content);
  return [id, unsignedLeb(bytes.length), bytes];
}

function name(text: string): Code {
  return [text.length, Array.from(text, (letter) => letter.charCodeAt(0))];
}

function flatten(code: Code): number[] {
  return code.flatMap((part) => (typeof part === "number" ? [part] : flatten(part)));
}

function unsignedLeb(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsignedLeb(value >>> 7)];
}

function signedLeb(value: bigint): Code {
  const low = Number(value & 127n);
  const rest = value >> 7n;
  const isLast = rest === ((low & 64) === 0 ? 0n : -1n);
  return isLast ? [low] : [low | 128, ...signedLeb(rest)];
}
