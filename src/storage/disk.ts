/**
 * All disk access of the engines. The real one is files in a directory; the simulated one loses and
 * tears what was not synced, flips bits and fills up.
 *
 * Reads and writes are synchronous, as a page cache makes them; `sync` is not, because it waits for
 * the device.
 */
export interface DiskFile {
  /** Reads up to `length` bytes at `position` into `target` at `offset`; returns how many. */
  read(target: Uint8Array, offset: number, length: number, position: number): number;
  /** Writes all of `bytes` at `position`. Throws DiskError, e.g. when the disk is full. */
  write(bytes: Uint8Array, position: number): void;
  /** Calls `done` when everything written before is on stable storage, or with the failure. */
  sync(done: (error: Error | undefined) => void): void;
  sizeBytes(): number;
  truncate(sizeBytes: number): void;
  close(): void;
}

/** A flat directory of files. Names hold no separators. */
export interface Disk {
  /** Opens for reading and writing; creates the file if it is not there. */
  open(name: string): DiskFile;
  list(): readonly string[];
  /** Removing a file that is not there is no error. */
  remove(name: string): void;
  /** Replaces `to` atomically if it exists. */
  rename(from: string, to: string): void;
  /** Calls `done` when creations, removals and renames are on stable storage. */
  syncDirectory(done: (error: Error | undefined) => void): void;
  /** How many syncs of the directory have failed; each may have lost names that others made. */
  readonly failedDirectorySyncs: number;
}

export class DiskError extends Error {
  readonly code: "FULL" | "IO";

  constructor(code: "FULL" | "IO", message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DiskError";
    this.code = code;
  }
}
