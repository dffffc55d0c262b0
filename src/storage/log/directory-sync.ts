/**
 * Syncing the names of files, where several write in one directory: the log and its snapshots, and the
 * documents of the member.
 *
 * A failed sync of a directory may have lost any name that was new at that moment, whoever made it,
 * and no later sync tries them again (failed-sync.ts tells why). So whoever waits for a name has to hear
 * of every failure since the name was made, also of syncs that others asked for; and the mark is left at
 * once, because this process may end before the others hear.
 */
import { type Disk, DiskError } from "../disk.ts";
import { leaveMark } from "./failed-sync.ts";

type Done = (error: Error | undefined) => void;

/**
 * Syncs the directory, for names made when it had had `failuresBefore` failed syncs; it fails, too, if
 * there was another one since.
 */
export function syncNames(disk: Disk, failuresBefore: number, done: Done): void {
  disk.syncDirectory((error) => {
    const isSaved = error === undefined && disk.failedDirectorySyncs === failuresBefore;
    if (isSaved) return done(undefined);
    leaveMark(disk);
    done(
      error ?? new DiskError("IO", "another sync of the directory failed, which may lose names"),
    );
  });
}

/** Replaces `to` by `from`; calls `done` when that is on stable storage. Throws DiskError. */
export function renameSynced(disk: Disk, from: string, to: string, done: Done): void {
  const failuresBefore = disk.failedDirectorySyncs;
  disk.rename(from, to);
  syncNames(disk, failuresBefore, done);
}
