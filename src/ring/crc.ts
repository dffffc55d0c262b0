/** Checksums that serve as hashes, bit by bit: they are for compatibility, not for a hot path. */

/**
 * CRC-16/XMODEM (polynomial 0x1021, start 0) in a 32-bit register that nobody truncates: the low 16
 * bits are the checksum, the others are what was shifted out. Redis takes the checksum, Dynomite
 * the whole register.
 */
export function crc16Register(bytes: Uint8Array): number {
  let register = 0;
  for (const byte of bytes) {
    let entry = (((register >>> 8) ^ byte) & 0xff) << 8;
    for (let bit = 0; bit < 8; bit++) {
      entry = ((entry & 0x8000) === 0 ? entry << 1 : (entry << 1) ^ 0x1021) & 0xffff;
    }
    register = (register << 8) ^ entry;
  }
  return register >>> 0;
}

/** CRC-32 (IEEE 802.3, reflected). */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb8_8320;
  }
  return ~crc >>> 0;
}
