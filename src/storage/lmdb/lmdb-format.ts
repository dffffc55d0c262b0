/**
 * How cells lie in LMDB. Format version 1; integers big-endian in keys, so that LMDB's bytewise order is
 * the order of the engine, little-endian in values.
 *
 * Key: u16 keyspace, u32 high half of the token with its sign bit flipped, u32 low half, key.
 *
 * LMDB's keys end at 1978 bytes and ours at 64 KiB. A key longer than 1900 bytes is stored under its first
 * 1900 bytes, a 64-bit hash of the whole and a counter; the whole key stands in the value. If
 * two such keys collide, the second gets the next counter: looking one up goes through the counters
 * until the whole key fits or nothing is there. That works because cells are removed only together
 * with all others of their token. Keys up to 1900 bytes cannot be mixed up with it, because what follows the token is longer.
 *
 * Value: f64 timestamp, f64 expiry, u32 writer, u32 content hash, u32 length of the whole key or 0,
 * u8 1 for a tombstone, then the whole key if it is long, then the value.
 */
import { hashRange } from "../content-hash.ts";
import { type CellHead, type CellWrite, ORDERED_KEY_BYTES } from "../engine.ts";

const TOKEN_PREFIX_BYTES = 10;
const LONG_KEY_SUFFIX_BYTES = 9;
const VALUE_HEAD_BYTES = 29;
const HASH_SEEDS = [0x10_4637, 0x7ea_51de] as const;

/** How many long keys with one beginning and one 64-bit hash can be told apart. */
export const COLLISIONS_MAX = 256;

export interface CellAddress {
  readonly keyspaceId: number;
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
}

export function isLongKey(key: Uint8Array): boolean {
  return key.length > ORDERED_KEY_BYTES;
}

/** The LMDB key; `attempt` counts collisions of long keys. */
export function encodeKey(address: CellAddress, attempt: number): Buffer {
  const { key } = address;
  const isLong = isLongKey(key);
  const inlineBytes = isLong ? ORDERED_KEY_BYTES : key.length;
  const suffixBytes = isLong ? LONG_KEY_SUFFIX_BYTES : 0;
  const encoded = Buffer.allocUnsafe(TOKEN_PREFIX_BYTES + inlineBytes + suffixBytes);
  writeTokenPrefix(encoded, address);
  encoded.set(isLong ? key.subarray(0, inlineBytes) : key, TOKEN_PREFIX_BYTES);
  if (isLong) {
    const at = TOKEN_PREFIX_BYTES + inlineBytes;
    encoded.writeUInt32BE(hashRange(key, 0, key.length, HASH_SEEDS[0]), at);
    encoded.writeUInt32BE(hashRange(key, 0, key.length, HASH_SEEDS[1]), at + 4);
    encoded[at + 8] = attempt;
  }
  return encoded;
}

/**
 * A Buffer over the same bytes. What lmdb lends is a plain Uint8Array if it is large, and says a
 * shorter length than it has if it is small; neither may go further as it is.
 */
export function asBuffer(lent: Uint8Array): Buffer {
  return Buffer.from(lent.buffer, lent.byteOffset, lent.length);
}

/** The least LMDB key of a token. */
export function encodeToken(keyspaceId: number, tokenHi: number, tokenLo: number): Buffer {
  const encoded = Buffer.alloc(TOKEN_PREFIX_BYTES);
  writeTokenPrefix(encoded, { keyspaceId, tokenHi, tokenLo });
  return encoded;
}

/** The least LMDB key of a token for keys that do not sort before this one. */
export function encodeStart(token: Buffer, key: Uint8Array): Buffer {
  return Buffer.concat([token, key.subarray(0, ORDERED_KEY_BYTES)]);
}

function writeTokenPrefix(target: Buffer, address: Omit<CellAddress, "key">): void {
  target.writeUInt16BE(address.keyspaceId, 0);
  target.writeUInt32BE((address.tokenHi ^ 0x8000_0000) >>> 0, 2);
  target.writeUInt32BE(address.tokenLo, 6);
}

export function encodeValue(write: CellWrite, hash: number): Buffer {
  const { key, value } = write;
  const wholeKeyBytes = isLongKey(key) ? key.length : 0;
  const valueBytes = value?.length ?? 0;
  const encoded = Buffer.allocUnsafe(VALUE_HEAD_BYTES + wholeKeyBytes + valueBytes);
  encoded.writeDoubleLE(write.timestamp, 0);
  encoded.writeDoubleLE(write.expiresAtMs, 8);
  encoded.writeUInt32LE(write.writer, 16);
  encoded.writeUInt32LE(hash, 20);
  encoded.writeUInt32LE(wholeKeyBytes, 24);
  encoded[28] = value === undefined ? 1 : 0;
  if (wholeKeyBytes > 0) encoded.set(key, VALUE_HEAD_BYTES);
  if (value !== undefined) encoded.set(value, VALUE_HEAD_BYTES + wholeKeyBytes);
  return encoded;
}

export function decodeHead(encoded: Buffer): CellHead {
  const valueStart = VALUE_HEAD_BYTES + encoded.readUInt32LE(24);
  return {
    timestamp: encoded.readDoubleLE(0),
    expiresAtMs: encoded.readDoubleLE(8),
    writer: encoded.readUInt32LE(16),
    contentHash: encoded.readUInt32LE(20),
    isTombstone: encoded[28] === 1,
    valueBytes: encoded.length - valueStart,
  };
}

/** A view of the value; undefined for a tombstone. */
export function decodeValue(encoded: Buffer): Uint8Array | undefined {
  if (encoded[28] === 1) return undefined;
  return encoded.subarray(VALUE_HEAD_BYTES + encoded.readUInt32LE(24));
}

/** Whether a value found under the LMDB key of `key` belongs to it. */
export function isValueOf(encoded: Buffer, key: Uint8Array): boolean {
  const wholeKeyBytes = encoded.readUInt32LE(24);
  if (wholeKeyBytes === 0) return !isLongKey(key);
  const whole = encoded.subarray(VALUE_HEAD_BYTES, VALUE_HEAD_BYTES + wholeKeyBytes);
  return Buffer.compare(whole, key) === 0;
}

/** The cell's address from both halves of an LMDB entry. */
export function decodeAddress(encodedKey: Buffer, encodedValue: Buffer): CellAddress {
  const wholeKeyBytes = encodedValue.readUInt32LE(24);
  return {
    keyspaceId: encodedKey.readUInt16BE(0),
    tokenHi: (encodedKey.readUInt32BE(2) ^ 0x8000_0000) | 0,
    tokenLo: encodedKey.readUInt32BE(6),
    key:
      wholeKeyBytes === 0
        ? encodedKey.subarray(TOKEN_PREFIX_BYTES)
        : encodedValue.subarray(VALUE_HEAD_BYTES, VALUE_HEAD_BYTES + wholeKeyBytes),
  };
}
