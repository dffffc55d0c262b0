/**
 * Syncing the names of files, where several write in one directory: the log and its snapshots, and the
 * documents of the member.
 *
 * A failed sync of a directory may have lost any name that was new at that moment, whoever made it,
 * and no later sync tries them again (log/failed-sync.ts tells why). So whoever waits for a name has to
 * hear of every failure since the name was made, also of syncs that others asked for.
 */
import { type Disk, DiskError } from "./disk.ts";

/**
 * Syncs the directory, for names made when it had had `failuresBefore` failed syncs; it fails, too, if
 * there was another one since.
 */
export function syncNames(
  disk: Disk,
  failuresBefore: number,
  done: (error: Error | undefined) => void,
): void {
  disk.syncDirectory((error) => {
    if (error === undefined && disk.failedDirectorySyncs > failuresBefore) {
      done(new DiskError("IO", "another sync of the directory failed and may have lost names"));
    } else {
      done(error);
    }
  });
}
