/**
 * The file of the drops (drop-map.ts). Format version 1, little-endian:
 *
 *      0  8 bytes  "DYNDROPS"
 *      8  u32      format version
 *     12  u32      number of steps
 *     16           steps, each: u32 keyspace, u32 and u32 token (biased), u32 segment, u32 offset
 *      n  u32      CRC-32 of everything before
 *
 * The file is small, always written as a whole and put in place by a rename. It holds all this twice,
 * because it is not in the log and nothing could replace it: without it dropped cells come back.
 */
import { crc32 } from "node:zlib";
import type { Logger } from "../../model/deps.ts";
import type { Disk } from "../disk.ts";
import { DropMap, type DropStep } from "./drop-map.ts";
import { type ByteBuffer, makeByteBuffer } from "./record.ts";

export const DROPS_NAME = "drops";
export const DROPS_TEMPORARY_NAME = "drops.new";

const MAGIC = Uint8Array.from("DYNDROPS", (letter) => letter.charCodeAt(0));
const FORMAT_VERSION = 1;
const HEAD_BYTES = 16;
const STEP_BYTES = 20;
const CHECKSUM_BYTES = 4;
const COPIES = 2;

export function encodeDrops(dropped: DropMap): Uint8Array {
  const steps = [...dropped.keyspaces()].flatMap((keyspaceId) =>
    dropped.steps(keyspaceId).map((step) => ({ keyspaceId, ...step })),
  );
  const lengthBytes = HEAD_BYTES + steps.length * STEP_BYTES + CHECKSUM_BYTES;
  const { bytes, view } = makeByteBuffer(lengthBytes * COPIES);
  bytes.set(MAGIC, 0);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, steps.length, true);
  let at = HEAD_BYTES;
  for (const { keyspaceId, hi, lo, segmentId, offset } of steps) {
    for (const word of [keyspaceId, hi, lo, segmentId, offset]) {
      view.setUint32(at, word, true);
      at += 4;
    }
  }
  view.setUint32(at, crc32(bytes.subarray(0, at)), true);
  bytes.copyWithin(lengthBytes, 0, lengthBytes);
  return bytes;
}

/**
 * The drops that are noted on the disk. Undefined if both copies are damaged, which is logged. Throws
 * if a newer Dynaring wrote them.
 */
export function readDrops(deps: {
  readonly disk: Disk;
  readonly logger: Logger;
}): DropMap | undefined {
  const { disk, logger } = deps;
  disk.remove(DROPS_TEMPORARY_NAME);
  if (!disk.list().includes(DROPS_NAME)) return new DropMap();
  const file = disk.open(DROPS_NAME);
  const content = makeByteBuffer(file.sizeBytes());
  file.read(content.bytes, 0, content.bytes.length, 0);
  file.close();
  const lengthBytes = content.bytes.length / COPIES;
  for (let at = 0; at < content.bytes.length; at += lengthBytes) {
    const dropped = decode(content, at, at + lengthBytes);
    if (dropped !== undefined) return dropped;
  }
  logger.error("storage.drops_unusable", { file: DROPS_NAME });
  return undefined;
}

function decode({ bytes, view }: ByteBuffer, at: number, end: number): DropMap | undefined {
  const checksumAt = end - CHECKSUM_BYTES;
  if (!Number.isInteger(end) || checksumAt < at + HEAD_BYTES) return undefined;
  if (!MAGIC.every((letter, index) => bytes[at + index] === letter)) return undefined;
  if (crc32(bytes.subarray(at, checksumAt)) !== view.getUint32(checksumAt, true)) return undefined;
  const version = view.getUint32(at + 8, true);
  if (version !== FORMAT_VERSION) {
    throw new Error(
      `${DROPS_NAME} has format version ${version}; this release reads ${FORMAT_VERSION}`,
    );
  }
  const byKeyspace = new Map<number, DropStep[]>();
  for (let position = at + HEAD_BYTES; position < checksumAt; position += STEP_BYTES) {
    const word = (index: number): number => view.getUint32(position + index * 4, true);
    const step = { hi: word(1), lo: word(2), segmentId: word(3), offset: word(4) };
    const steps = byKeyspace.get(word(0)) ?? [];
    steps.push(step);
    byKeyspace.set(word(0), steps);
  }
  const dropped = new DropMap();
  for (const [keyspaceId, steps] of byKeyspace) dropped.load(keyspaceId, steps);
  return dropped;
}
