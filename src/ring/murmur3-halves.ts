/**
 * Cassandra's Murmur3 (x64, 128 bits, seed 0) in plain 32-bit arithmetic: the fall-back for hosts
 * without WebAssembly, and the second implementation that the first is tested against.
 *
 * A 64-bit word is a pair of int32 halves. JavaScript has no 32 x 32 -> 64 multiplication, but a
 * double holds 53 bits exactly, so the high word of a product is built from two 16 x 32 bit partial
 * products (`highWord`); the low word is `Math.imul`. No BigInt, no allocation. The loop over the
 * blocks keeps everything in local variables, which is worth half of its time.
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
const UINT32_MAX = 0xffff_ffff;
const WORD = 0x1_0000_0000;

/** Hashes `bytes[start..end)` into `words`: h1 low, h1 high, h2 low, h2 high. */
export function murmur3Halves(
  bytes: Uint8Array,
  start: number,
  end: number,
  words: Int32Array,
): void {
  const tail = end - ((end - start) & 15);
  mixBlocks(bytes, start, tail, words);
  mixTail(bytes, tail, end, words);
  finish(words, end - start);
}

function mixBlocks(bytes: Uint8Array, start: number, tail: number, words: Int32Array): void {
  let [h1Hi, h1Lo, h2Hi, h2Lo] = [0, 0, 0, 0];
  for (let at = start; at < tail; at += 16) {
    // k1 *= C1; k1 = rotl(k1, 31); h1 ^= k1 * C2
    let low = int32At(bytes, at);
    let high = productHigh(int32At(bytes, at + 4), low, C1_HI, C1_LO);
    low = Math.imul(low, C1_LO);
    let turned = (low << 31) | (high >>> 1);
    h1Hi ^= productHigh((high << 31) | (low >>> 1), turned, C2_HI, C2_LO);
    h1Lo ^= Math.imul(turned, C2_LO);
    // h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729
    let sum = (((h1Lo << 27) | (h1Hi >>> 5)) >>> 0) + (h2Lo >>> 0);
    high = ((h1Hi << 27) | (h1Lo >>> 5)) + h2Hi + (sum > UINT32_MAX ? 1 : 0);
    sum = (sum >>> 0) * 5 + 0x52dc_e729;
    h1Hi = (Math.imul(high, 5) + ((sum / WORD) >>> 0)) | 0;
    h1Lo = sum | 0;
    // k2 *= C2; k2 = rotl(k2, 33); h2 ^= k2 * C1
    low = int32At(bytes, at + 8);
    high = productHigh(int32At(bytes, at + 12), low, C2_HI, C2_LO);
    low = Math.imul(low, C2_LO);
    turned = (high << 1) | (low >>> 31);
    h2Hi ^= productHigh((low << 1) | (high >>> 31), turned, C1_HI, C1_LO);
    h2Lo ^= Math.imul(turned, C1_LO);
    // h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5
    sum = (((h2Lo << 31) | (h2Hi >>> 1)) >>> 0) + (h1Lo >>> 0);
    high = ((h2Hi << 31) | (h2Lo >>> 1)) + h1Hi + (sum > UINT32_MAX ? 1 : 0);
    sum = (sum >>> 0) * 5 + 0x3849_5ab5;
    h2Hi = (Math.imul(high, 5) + ((sum / WORD) >>> 0)) | 0;
    h2Lo = sum | 0;
  }
  words[0] = h1Lo;
  words[1] = h1Hi;
  words[2] = h2Lo;
  words[3] = h2Hi;
}

/** What is left after the blocks, mixed in as k2 and k1; where there is nothing, nothing changes. */
function mixTail(bytes: Uint8Array, tail: number, end: number, words: Int32Array): void {
  const middle = Math.min(tail + 8, end);
  if (middle < end) {
    let low = signedTailLow(bytes, middle, end);
    const high = productHigh(signedTailHigh(bytes, middle, end), low, C2_HI, C2_LO);
    low = Math.imul(low, C2_LO);
    const turned = (high << 1) | (low >>> 31);
    const product = productHigh((low << 1) | (high >>> 31), turned, C1_HI, C1_LO);
    words[3] = (words[3] as number) ^ product;
    words[2] = (words[2] as number) ^ Math.imul(turned, C1_LO);
  }
  if (tail < middle) {
    let low = signedTailLow(bytes, tail, middle);
    const high = productHigh(signedTailHigh(bytes, tail, middle), low, C1_HI, C1_LO);
    low = Math.imul(low, C1_LO);
    const turned = (low << 31) | (high >>> 1);
    const product = productHigh((high << 31) | (low >>> 1), turned, C2_HI, C2_LO);
    words[1] = (words[1] as number) ^ product;
    words[0] = (words[0] as number) ^ Math.imul(turned, C2_LO);
  }
}

function int32At(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** The low half of up to eight tail bytes: later negative bytes do not reach down to it. */
function signedTailLow(bytes: Uint8Array, start: number, end: number): number {
  let low = 0;
  for (let index = 0; index < 4 && start + index < end; index++) {
    low ^= (((bytes[start + index] as number) << 24) >> 24) << (8 * index);
  }
  return low;
}

/** The high half: each negative byte among the first four flips all of it. */
function signedTailHigh(bytes: Uint8Array, start: number, end: number): number {
  let high = 0;
  for (let index = 0; index < 8 && start + index < end; index++) {
    const signed = ((bytes[start + index] as number) << 24) >> 24;
    high ^= index < 4 ? signed >> 31 : signed << (8 * (index - 4));
  }
  return high;
}

/** XORs the length in, adds the words to one another, avalanches both, adds again. */
function finish(words: Int32Array, length: number): void {
  words[0] = (words[0] as number) ^ length;
  words[2] = (words[2] as number) ^ length;
  addWords(words);
  avalanche(words, 0);
  avalanche(words, 2);
  addWords(words);
}

/** h1 += h2; h2 += h1 */
function addWords(words: Int32Array): void {
  let sum = ((words[0] as number) >>> 0) + ((words[2] as number) >>> 0);
  words[0] = sum;
  words[1] = (words[1] as number) + (words[3] as number) + (sum > UINT32_MAX ? 1 : 0);
  sum = ((words[2] as number) >>> 0) + (sum >>> 0);
  words[2] = sum;
  words[3] = (words[3] as number) + (words[1] as number) + (sum > UINT32_MAX ? 1 : 0);
}

/** The final mix of one word: every input bit reaches every output bit. */
function avalanche(words: Int32Array, at: 0 | 2): void {
  let low = words[at] as number;
  let high = words[at + 1] as number;
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
