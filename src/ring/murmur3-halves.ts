/**
 * Cassandra's Murmur3 (x64, 128 bits, seed 0) in plain 32-bit arithmetic: the fall-back for hosts
 * without WebAssembly, and the second implementation that the first is tested against.
 *
 * A 64-bit word is a pair of int32 halves. JavaScript has no 32 x 32 -> 64 multiplication, but a
 * double holds 53 bits exactly, so the high word of a product is built from two 16 x 32 bit partial
 * products (`highWord`); the low word is `Math.imul`. No BigInt, no allocation.
 *
 * The quirk of Cassandra: the bytes after the last full block of 16 are sign-extended to 64 bits
 * before they are shifted and XORed, because Java's bytes are signed. Full blocks are read unsigned.
 *
 * Source: Cassandra `utils/MurmurHash.hash3_x64_128`.
 */

const C1_HI = 0x87c37b91 | 0;
const C1_LO = 0x114253d5;
const C2_HI = 0x4cf5ad43;
const C2_LO = 0x2745937f;

/** Hashes `bytes[start..end)` into `words`: h1 low, h1 high, h2 low, h2 high. */
export function murmur3Halves(
  bytes: Uint8Array,
  start: number,
  end: number,
  words: Int32Array,
): void {
  words.fill(0);
  const tail = end - ((end - start) & 15);
  for (let at = start; at < tail; at += 16) {
    mixFirst(words, int32At(bytes, at + 4), int32At(bytes, at));
    stir(words, 0, 27, 0x52dce729);
    mixSecond(words, int32At(bytes, at + 12), int32At(bytes, at + 8));
    stir(words, 2, 31, 0x38495ab5);
  }
  const middle = Math.min(tail + 8, end);
  mixSecond(words, signedTailHigh(bytes, middle, end), signedTailLow(bytes, middle, end));
  mixFirst(words, signedTailHigh(bytes, tail, middle), signedTailLow(bytes, tail, middle));
  finish(words, end - start);
}

function int32At(bytes: Uint8Array, at: number): number {
  return byteAt(bytes, at, 0) | byteAt(bytes, at, 1) | byteAt(bytes, at, 2) | byteAt(bytes, at, 3);
}

function byteAt(bytes: Uint8Array, at: number, index: number): number {
  return (bytes[at + index] ?? 0) << (8 * index);
}

/** The low half of up to eight tail bytes: later negative bytes do not reach down to it. */
function signedTailLow(bytes: Uint8Array, start: number, end: number): number {
  let low = 0;
  for (let index = 0; index < 4 && start + index < end; index++) {
    low ^= (((bytes[start + index] ?? 0) << 24) >> 24) << (8 * index);
  }
  return low;
}

/** The high half: each negative byte among the first four flips all of it. */
function signedTailHigh(bytes: Uint8Array, start: number, end: number): number {
  let high = 0;
  for (let index = 0; index < 8 && start + index < end; index++) {
    const signed = ((bytes[start + index] ?? 0) << 24) >> 24;
    high ^= index < 4 ? signed >> 31 : signed << (8 * (index - 4));
  }
  return high;
}

/** h1 ^= rotl(k * c1, 31) * c2 */
function mixFirst(words: Int32Array, kHigh: number, kLow: number): void {
  const high = productHigh(kHigh, kLow, C1_HI, C1_LO);
  const low = Math.imul(kLow, C1_LO);
  const rotatedHigh = (high << 31) | (low >>> 1);
  const rotatedLow = (low << 31) | (high >>> 1);
  words[1] = (words[1] ?? 0) ^ productHigh(rotatedHigh, rotatedLow, C2_HI, C2_LO);
  words[0] = (words[0] ?? 0) ^ Math.imul(rotatedLow, C2_LO);
}

/** h2 ^= rotl(k * c2, 33) * c1; a rotation by 33 swaps the halves and rotates by one. */
function mixSecond(words: Int32Array, kHigh: number, kLow: number): void {
  const high = productHigh(kHigh, kLow, C2_HI, C2_LO);
  const low = Math.imul(kLow, C2_LO);
  const rotatedHigh = (low << 1) | (high >>> 31);
  const rotatedLow = (high << 1) | (low >>> 31);
  words[3] = (words[3] ?? 0) ^ productHigh(rotatedHigh, rotatedLow, C1_HI, C1_LO);
  words[2] = (words[2] ?? 0) ^ Math.imul(rotatedLow, C1_LO);
}

/** h = (rotl(h, bits) + other) * 5 + addend, where h starts at `at` and the other at `2 - at`. */
function stir(words: Int32Array, at: 0 | 2, bits: number, addend: number): void {
  const low = words[at] ?? 0;
  const high = words[at + 1] ?? 0;
  words[at] = (low << bits) | (high >>> (32 - bits));
  words[at + 1] = (high << bits) | (low >>> (32 - bits));
  add(words, at, words[3 - at] ?? 0, words[2 - at] ?? 0);
  const sumLow = words[at] ?? 0;
  words[at + 1] = productHigh(words[at + 1] ?? 0, sumLow, 0, 5);
  words[at] = Math.imul(sumLow, 5);
  add(words, at, 0, addend);
}

function finish(words: Int32Array, length: number): void {
  words[0] = (words[0] ?? 0) ^ length;
  words[2] = (words[2] ?? 0) ^ length;
  addWords(words);
  avalanche(words, 0);
  avalanche(words, 2);
  addWords(words);
}

/** h1 += h2; h2 += h1 */
function addWords(words: Int32Array): void {
  add(words, 0, words[3] ?? 0, words[2] ?? 0);
  add(words, 2, words[1] ?? 0, words[0] ?? 0);
}

function add(words: Int32Array, at: 0 | 2, high: number, low: number): void {
  const sum = ((words[at] ?? 0) >>> 0) + (low >>> 0);
  words[at] = sum;
  words[at + 1] = (words[at + 1] ?? 0) + high + (sum > 0xffff_ffff ? 1 : 0);
}

/** The final mix of one word: every input bit reaches every output bit. */
function avalanche(words: Int32Array, at: 0 | 2): void {
  let low = words[at] ?? 0;
  let high = words[at + 1] ?? 0;
  low ^= high >>> 1;
  high = productHigh(high, low, 0xff51afd7 | 0, 0xed558ccd | 0);
  low = Math.imul(low, 0xed558ccd);
  low ^= high >>> 1;
  high = productHigh(high, low, 0xc4ceb9fe | 0, 0x1a85ec53);
  low = Math.imul(low, 0x1a85ec53);
  words[at] = low ^ (high >>> 1);
  words[at + 1] = high;
}

/** The high half of a 64 x 64 -> 64 bit product. */
function productHigh(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  return (highWord(aLow >>> 0, bLow >>> 0) + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0;
}

/** floor(a * b / 2^32) of two uint32: both partial products stay below 2^49, exact in a double. */
function highWord(a: number, b: number): number {
  const carried = ((a & 0xffff) * b) / 0x1_0000;
  return (((a >>> 16) * b + (carried >>> 0)) / 0x1_0000) >>> 0;
}
