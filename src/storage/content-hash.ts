/**
 * The content hash of a cell: 32 bits over value, expiry and tombstone mark.
 *
 * It does three jobs: it decides between two cells with the same version (the greater wins), it
 * stands for the content in digests and trees, and the log engine uses it as the checksum of the
 * value. It is built from the rounds of MurmurHash3 for 32 bits (Austin Appleby, public domain); the
 * last 1 to 3 bytes go through a full round, so the results are not those of MurmurHash3.
 *
 * Why not CRC-32: crossing into zlib and making a view costs more than the whole hash in JavaScript
 * for values of the usual 100 bytes, and the layers that compare digests may not import node:zlib.
 * As a checksum it misses 1 damage in 2^32; damage within one aligned 4-byte word, as any
 * single flipped bit is, it never misses, because each of its steps is a bijection of the word and of
 * the state.
 */

const SEED_VALUE = 0x5eed_0001;
const SEED_TOMBSTONE = 0x5eed_0002;

/** The content hash of a cell; `value` is undefined for a tombstone. An unsigned 32-bit number. */
export function contentHash(value: Uint8Array | undefined, expiresAtMs: number): number {
  const seed = contentSeed(value === undefined, expiresAtMs);
  return value === undefined ? finish(seed, 0) : hashRange(value, 0, value.length, seed);
}

/** Where the hash of a value starts; for values that lie within other bytes, with `hashRange`. */
export function contentSeed(isTombstone: boolean, expiresAtMs: number): number {
  const seed = isTombstone ? SEED_TOMBSTONE : SEED_VALUE;
  return mixWord(mixWord(seed, expiresAtMs | 0), Math.floor(expiresAtMs / 0x1_0000_0000) | 0);
}

/** The finished hash of `bytes[start..end)`. */
export function hashRange(bytes: Uint8Array, start: number, end: number, seed: number): number {
  return finish(hashBytes(bytes, start, end, seed), end - start);
}

/** One round of MurmurHash3: takes a 32-bit word into the state. */
export function mixWord(state: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e_2d51);
  mixed = (mixed << 15) | (mixed >>> 17);
  const next = state ^ Math.imul(mixed, 0x1b87_3593);
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe654_6b64) | 0;
}

/** Takes `bytes[start..end)` into the state, the last 1 to 3 bytes as one shorter word. */
function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let state = seed;
  const wholeEnd = start + ((end - start) & ~3);
  let at = start;
  // The rounds are written out, with the same arithmetic as mixWord: this loop is the hot one.
  for (; at < wholeEnd; at += 4) {
    let word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    word = Math.imul(word, 0xcc9e_2d51);
    word = (word << 15) | (word >>> 17);
    state ^= Math.imul(word, 0x1b87_3593);
    state = (Math.imul((state << 13) | (state >>> 19), 5) + 0xe654_6b64) | 0;
  }
  let tail = 0;
  for (let shift = 0; at < end; at++, shift += 8) tail |= (bytes[at] as number) << shift;
  return end === wholeEnd ? state : mixWord(state, tail);
}

/** The avalanche at the end; `length` tells apart inputs that differ in trailing zeros only. */
function finish(state: number, length: number): number {
  let hash = state ^ length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
