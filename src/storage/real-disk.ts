/**
 * The Disk over one directory of a real file system.
 *
 * `fdatasync` runs on libuv's thread pool and calls back; everything else is a system call on this
 * thread, because a read or a write of a page cache is cheaper than a hop to another thread.
 */
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { type Disk, DiskError, type DiskFile } from "./disk.ts";

export class RealDisk implements Disk {
  readonly #directory: string;
  #failedDirectorySyncs = 0;

  /** Creates the directory, and those above it, if it is not there. */
  constructor(directory: string) {
    guarded(`create directory ${directory}`, () => createDirectories(directory));
    this.#directory = directory;
  }

  get failedDirectorySyncs(): number {
    return this.#failedDirectorySyncs;
  }

  open(name: string): DiskFile {
    const path = join(this.#directory, name);
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT;
    return new RealFile(
      path,
      guarded(`open ${path}`, () => fs.openSync(path, flags, 0o600)),
    );
  }

  list(): readonly string[] {
    return guarded(`list ${this.#directory}`, () => fs.readdirSync(this.#directory)).sort();
  }

  remove(name: string): void {
    const path = join(this.#directory, name);
    guarded(`remove ${path}`, () => fs.rmSync(path, { force: true }));
  }

  rename(from: string, to: string): void {
    guarded(`rename ${from} to ${to} in ${this.#directory}`, () =>
      fs.renameSync(join(this.#directory, from), join(this.#directory, to)),
    );
  }

  syncDirectory(done: (error: Error | undefined) => void): void {
    const end = (action: string, error: Error | null): void => {
      if (error !== null) this.#failedDirectorySyncs++;
      done(error === null ? undefined : diskErrorOf(`${action} ${this.#directory}`, error));
    };
    fs.open(this.#directory, "r", (openError, descriptor) => {
      if (openError !== null) {
        end("open", openError);
        return;
      }
      fs.fsync(descriptor, (syncError) => {
        fs.close(descriptor, () => end("sync", syncError));
      });
    });
  }
}

/**
 * One directory after the other: `recursive` of Node.js 20 never returns where a parent can be
 * neither found nor made, as below /proc.
 */
function createDirectories(directory: string): void {
  if (fs.existsSync(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) createDirectories(parent);
  fs.mkdirSync(directory);
}

class RealFile implements DiskFile {
  readonly #path: string;
  readonly #descriptor: number;

  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    try {
      return fs.readSync(this.#descriptor, target, offset, length, position);
    } catch (error) {
      throw diskErrorOf(`read ${this.#path}`, error);
    }
  }

  write(bytes: Uint8Array, position: number): void {
    try {
      let written = 0;
      while (written < bytes.length) {
        const left = bytes.length - written;
        written += fs.writeSync(this.#descriptor, bytes, written, left, position + written);
      }
    } catch (error) {
      throw diskErrorOf(`write ${this.#path}`, error);
    }
  }

  sync(done: (error: Error | undefined) => void): void {
    fs.fdatasync(this.#descriptor, (error) => {
      done(error === null ? undefined : diskErrorOf(`sync ${this.#path}`, error));
    });
  }

  sizeBytes(): number {
    return guarded(`stat ${this.#path}`, () => fs.fstatSync(this.#descriptor).size);
  }

  truncate(sizeBytes: number): void {
    guarded(`truncate ${this.#path}`, () => fs.ftruncateSync(this.#descriptor, sizeBytes));
  }

  close(): void {
    guarded(`close ${this.#path}`, () => fs.closeSync(this.#descriptor));
  }
}

function guarded<T>(action: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw diskErrorOf(action, error);
  }
}

/** Full disk and full quota are told apart from the rest, because they pass. */
function diskErrorOf(action: string, cause: unknown): DiskError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new DiskError(isFull ? "FULL" : "IO", `cannot ${action}: ${code}`, { cause });
}
