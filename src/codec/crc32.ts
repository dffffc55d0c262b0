/**
 * CRC-32 (IEEE 802.3, reflected) over long stretches of bytes: chunks of a stream.
 *
 * Eight bytes at a time by eight tables ("slicing by 8", Kounavis and Berry, 2005), because a chunk is
 * a quarter of a megabyte and a bit-by-bit checksum would cost more than everything else that is
 * done with it. zlib's would be faster, but the layers that stream are pure.
 */

const SLICES = 8;
const POLYNOMIAL = 0xedb8_8320;

/** Eight tables of 256 entries, one after the other; never written after this. */
const TABLES: Int32Array = makeTables();

/** The checksum of `bytes[start..end)`, an unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  const tables = TABLES;
  let crc = -1;
  let at = start;
  for (const slicedEnd = end - SLICES; at <= slicedEnd; at += SLICES) {
    const first =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (tables[1792 + (first & 0xff)] as number) ^
      (tables[1536 + ((first >>> 8) & 0xff)] as number) ^
      (tables[1280 + ((first >>> 16) & 0xff)] as number) ^
      (tables[1024 + (first >>> 24)] as number) ^
      (tables[768 + (bytes[at + 4] as number)] as number) ^
      (tables[512 + (bytes[at + 5] as number)] as number) ^
      (tables[256 + (bytes[at + 6] as number)] as number) ^
      (tables[bytes[at + 7] as number] as number);
  }
  for (; at < end; at++) {
    crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[at] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

function makeTables(): Int32Array {
  const tables = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    tables[byte] = crc;
  }
  for (let entry = 256; entry < tables.length; entry++) {
    const before = tables[entry - 256] as number;
    tables[entry] = (before >>> 8) ^ (tables[before & 0xff] as number);
  }
  return tables;
}
