/**
 * The hash functions that Dynomite's `hash` setting names, each reduced to the 32 bits that are its
 * token. They come from twemproxy and libmemcached, quirks included:
 *
 * - `crc16` is never truncated to 16 bits, and `crc32` keeps 15 bits of the checksum (as
 *   libmemcached); `crc32a` is the real CRC-32.
 * - The 64-bit FNV hashes are cut to 32 bits. Only the low half of state and prime ever reaches
 *   the low half of a product, so 32-bit arithmetic gives the same.
 * - `one_at_a_time` and the last byte of a three-byte tail in `hsieh` read a C `char`, signed on
 *   x86-64, which is followed here; on an ARM build Dynomite itself gives other tokens for bytes
 *   from 0x80.
 * - `jenkins` and `hsieh` return early on an empty key; the token then stays 0.
 * - `murmur` is MurmurHash2 with a seed that depends on the length.
 * - `murmur3` is only a name: the call is commented out in Dynomite's source, so there is nothing to
 *   be equal to. Here it is the function and seed of that comment, MurmurHash3 x86 128-bit with seed
 *   0xc0a1e5ce, of which the first 32-bit word is the token.
 *
 * Source: Dynomite `src/hashkit/`; vectors of libmemcached `tests/hash_results.h`.
 */
import { crc16Register, crc32 } from "./crc.ts";
import { Md5 } from "./md5.ts";
import { jenkins } from "./jenkins.ts";
import { murmur3x86FirstWord } from "./murmur3-x86.ts";

/** The names that Dynomite accepts for `hash`. */
export const DYNOMITE_HASHES = [
  "one_at_a_time",
  "md5",
  "crc16",
  "crc32",
  "crc32a",
  "fnv1_64",
  "fnv1a_64",
  "fnv1_32",
  "fnv1a_32",
  "hsieh",
  "murmur",
  "jenkins",
  "murmur3",
] as const;

/** One of the names. */
export type DynomiteHash = (typeof DYNOMITE_HASHES)[number];

/** From a key to a token, an unsigned 32-bit integer. */
export type Hash32 = (key: Uint8Array) => number;

const FNV_64_BASIS_LOW = 0x8422_2325;
const FNV_64_PRIME_LOW = 0x1b3;
const FNV_32_BASIS = 0x811c_9dc5;
const FNV_32_PRIME = 0x0100_0193;
const DYNOMITE_MURMUR3_SEED = 0xc0a1_e5ce;

/** The function of this name; each call of this makes one with its own working state. */
export function dynomiteHash(name: DynomiteHash): Hash32 {
  switch (name) {
    case "one_at_a_time":
      return oneAtATime;
    case "md5":
      return md5FirstWord(new Md5());
    case "crc16":
      return crc16Register;
    case "crc32":
      return (key) => (crc32(key) >>> 16) & 0x7fff;
    case "crc32a":
      return crc32;
    case "fnv1_64":
      return (key) => fnv1(key, FNV_64_BASIS_LOW, FNV_64_PRIME_LOW);
    case "fnv1a_64":
      return (key) => fnv1a(key, FNV_64_BASIS_LOW, FNV_64_PRIME_LOW);
    case "fnv1_32":
      return (key) => fnv1(key, FNV_32_BASIS, FNV_32_PRIME);
    case "fnv1a_32":
      return (key) => fnv1a(key, FNV_32_BASIS, FNV_32_PRIME);
    case "hsieh":
      return hsieh;
    case "murmur":
      return murmur2;
    case "jenkins":
      return jenkins;
    case "murmur3":
      return (key) => murmur3x86FirstWord(key, DYNOMITE_MURMUR3_SEED);
  }
}

/** Bob Jenkins' one-at-a-time. */
function oneAtATime(key: Uint8Array): number {
  let hash = 0;
  for (const byte of key) {
    hash = (hash + signed(byte)) | 0;
    hash = (hash + (hash << 10)) | 0;
    hash ^= hash >>> 6;
  }
  hash = (hash + (hash << 3)) | 0;
  hash ^= hash >>> 11;
  return (hash + (hash << 15)) >>> 0;
}

/** The first four bytes of the digest, little-endian. */
function md5FirstWord(md5: Md5): Hash32 {
  return (key) => new DataView(md5.digest(key).buffer).getUint32(0, true);
}

function fnv1(key: Uint8Array, basis: number, prime: number): number {
  let hash = basis;
  for (const byte of key) hash = Math.imul(hash, prime) ^ byte;
  return hash >>> 0;
}

function fnv1a(key: Uint8Array, basis: number, prime: number): number {
  let hash = basis;
  for (const byte of key) hash = Math.imul(hash ^ byte, prime);
  return hash >>> 0;
}

/** Paul Hsieh's SuperFastHash as libmemcached has it, starting at 0. */
function hsieh(key: Uint8Array): number {
  let hash = 0;
  const tail = key.length - (key.length & 3);
  for (let at = 0; at < tail; at += 4) {
    hash = (hash + uint16At(key, at)) | 0;
    hash = (hash << 16) ^ ((uint16At(key, at + 2) << 11) ^ hash);
    hash = (hash + (hash >>> 11)) | 0;
  }
  hash = hsiehTail(hash, key, tail);
  hash ^= hash << 3;
  hash = (hash + (hash >>> 5)) | 0;
  hash ^= hash << 4;
  hash = (hash + (hash >>> 17)) | 0;
  hash ^= hash << 25;
  return (hash + (hash >>> 6)) >>> 0;
}

function hsiehTail(start: number, key: Uint8Array, tail: number): number {
  let hash = start;
  const rest = key.length - tail;
  if (rest === 0) return hash;
  hash = (hash + (rest === 1 ? (key[tail] ?? 0) : uint16At(key, tail))) | 0;
  if (rest === 3) {
    hash ^= hash << 16;
    hash ^= signed(key[tail + 2] ?? 0) << 18;
    return (hash + (hash >>> 11)) | 0;
  }
  hash ^= hash << (rest === 2 ? 11 : 10);
  return (hash + (hash >>> (rest === 2 ? 17 : 1))) | 0;
}

/** MurmurHash2 with the seed 0xdeadbeef times the length. */
function murmur2(key: Uint8Array): number {
  const multiplier = 0x5bd1_e995;
  let hash = Math.imul(0xdead_beef, key.length) ^ key.length;
  const tail = key.length - (key.length & 3);
  for (let at = 0; at < tail; at += 4) {
    let word = Math.imul(uint16At(key, at) | (uint16At(key, at + 2) << 16), multiplier);
    word = Math.imul(word ^ (word >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  if (tail < key.length) {
    for (let at = key.length - 1; at >= tail; at--) hash ^= (key[at] ?? 0) << (8 * (at - tail));
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function uint16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

/** The byte as a C `char` on x86-64. */
function signed(byte: number): number {
  return (byte << 24) >> 24;
}
