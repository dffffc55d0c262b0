/**
 * A segment: one append-only file of records behind a header.
 *
 * The header stands there twice, in two sectors, because without the nonce in it no record of
 * the file can be checked. Format version 1, little-endian:
 *
 *      0  8 bytes  "DYNARING"
 *      8  u32      format version
 *     12  u32      segment number, as in the file's name
 *     16  u32      nonce
 *     20  u32      checksum of the 20 bytes before
 *
 * at byte 0 and again at byte 512; records begin at byte 1024.
 */
import { hashRange } from "../content-hash.ts";
import type { DiskFile } from "../disk.ts";
import { type ByteBuffer, makeByteBuffer } from "./record.ts";

export const SEGMENT_HEADER_BYTES = 1024;
const SECTOR_BYTES = 512;
const HEADER_FIELDS_BYTES = 20;
const MAGIC = Uint8Array.from("DYNARING", (letter) => letter.charCodeAt(0));
const FORMAT_VERSION = 1;
const CHECKSUM_SEED = 0x5e9_3e27;
const NAME_PATTERN = /^segment-(\d{10})\.log$/;

export class Segment {
  readonly id: number;
  readonly nonce: number;
  readonly file: DiskFile;
  /** Bytes handed to the disk: everything below is in the file. */
  writtenBytes: number;
  /** Bytes of records that the index points to. */
  liveBytes = 0;
  /** Whether something was written since the last sync began. */
  isDirty = false;
  /** Whether something in it is unreadable; it is merged away as soon as possible. */
  isDamaged = false;
  /** Whether a merge left something: damaged records that are current. Kept until overwritten. */
  isPinned = false;
  /** Whether everything current was copied elsewhere; it waits to be removed. */
  isRetired = false;

  constructor(id: number, nonce: number, file: DiskFile) {
    this.id = id;
    this.nonce = nonce;
    this.file = file;
    this.writtenBytes = SEGMENT_HEADER_BYTES;
  }

  get name(): string {
    return segmentName(this.id);
  }
}

export function segmentName(id: number): string {
  return `segment-${String(id).padStart(10, "0")}.log`;
}

/** The number of a segment file, or undefined for other names. */
export function segmentIdOf(name: string): number | undefined {
  const digits = NAME_PATTERN.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function encodeSegmentHeader(id: number, nonce: number): Uint8Array {
  const header = makeByteBuffer(SEGMENT_HEADER_BYTES);
  for (const at of [0, SECTOR_BYTES]) {
    header.bytes.set(MAGIC, at);
    header.view.setUint32(at + 8, FORMAT_VERSION, true);
    header.view.setUint32(at + 12, id, true);
    header.view.setUint32(at + 16, nonce, true);
    header.view.setUint32(at + 20, headerChecksum(header, at), true);
  }
  return header.bytes;
}

/**
 * The nonce, or undefined if both copies of the header are damaged. Throws if the file was written
 * by a newer Dynaring, because then nothing is wrong with it and it must not be touched.
 */
export function readSegmentNonce(file: DiskFile, id: number): number | undefined {
  const header = makeByteBuffer(SEGMENT_HEADER_BYTES);
  const length = file.read(header.bytes, 0, SEGMENT_HEADER_BYTES, 0);
  for (const at of [0, SECTOR_BYTES]) {
    if (length < at + HEADER_FIELDS_BYTES + 4) continue;
    if (!MAGIC.every((letter, index) => header.bytes[at + index] === letter)) continue;
    if (headerChecksum(header, at) !== header.view.getUint32(at + 20, true)) continue;
    const version = header.view.getUint32(at + 8, true);
    if (version !== FORMAT_VERSION) {
      throw new Error(
        `${segmentName(id)} has format version ${version}; this release reads ${FORMAT_VERSION}`,
      );
    }
    if (header.view.getUint32(at + 12, true) !== id) continue;
    return header.view.getUint32(at + 16, true);
  }
  return undefined;
}

function headerChecksum(header: ByteBuffer, at: number): number {
  return hashRange(header.bytes, at, at + HEADER_FIELDS_BYTES, CHECKSUM_SEED);
}
