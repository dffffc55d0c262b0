/**
 * What to do when a sync failed and the process starts again on the same machine.
 *
 * After a failed fsync the kernel may call the pages clean that it could not write. A process that is
 * started again then reads its data from the page cache, finds everything intact, syncs without error,
 * and still nothing is on the device. So the engine that met the failure leaves a mark beside the
 * log, and the one that finds the mark first copies every segment and the drops into a new file, which
 * makes new pages and a new directory entry, and thus a sync that means something. After a power
 * failure the page cache is gone; what is found then is on the device, with or without the mark.
 *
 * (PostgreSQL's "fsyncgate" of 2018 is the story of this failure.)
 */
import { type Disk, DiskError } from "../disk.ts";
import { promised } from "../promised.ts";
import { DROPS_NAME } from "./drop-format.ts";
import { segmentIdOf } from "./segment.ts";

const MARK_NAME = "sync-failed";
const COPY_SUFFIX = ".copy";
const COPY_CHUNK_BYTES = 1024 * 1024;

/** As well as it goes: the disk has just failed. */
export function leaveMark(disk: Disk): void {
  try {
    disk.open(MARK_NAME).close();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}

/** True if there was a mark; then all segments and the drops were copied and are on stable storage. */
export async function rewriteIfMarked(disk: Disk): Promise<boolean> {
  const names = disk.list();
  for (const name of names) if (name.endsWith(COPY_SUFFIX)) disk.remove(name);
  if (!names.includes(MARK_NAME)) return false;
  for (const name of names) {
    if (name === DROPS_NAME || segmentIdOf(name) !== undefined) await rewrite(disk, name);
  }
  await promised((done) => disk.syncDirectory(done));
  disk.remove(MARK_NAME);
  await promised((done) => disk.syncDirectory(done));
  return true;
}

async function rewrite(disk: Disk, name: string): Promise<void> {
  const from = disk.open(name);
  const to = disk.open(name + COPY_SUFFIX);
  try {
    const sizeBytes = from.sizeBytes();
    const chunk = new Uint8Array(COPY_CHUNK_BYTES);
    for (let position = 0; position < sizeBytes;) {
      const count = from.read(chunk, 0, Math.min(chunk.length, sizeBytes - position), position);
      if (count === 0) break;
      to.write(chunk.subarray(0, count), position);
      position += count;
    }
    await promised((done) => to.sync(done));
  } finally {
    from.close();
    to.close();
  }
  disk.rename(name + COPY_SUFFIX, name);
}
