/**
 * The Disk in memory, for members that keep nothing and for tests. Files live as long as the object.
 *
 * Nothing is ever lost here, so a sync has nothing to do; it completes through the clock
 * nevertheless, because callers may rely on `done` never running inside the call.
 */
import type { Clock } from "../model/deps.ts";
import { ChunkedBytes } from "./chunked-bytes.ts";
import { type Disk, DiskError, type DiskFile } from "./disk.ts";

export interface MemoryDiskDeps {
  readonly clock: Pick<Clock, "defer">;
}

export class MemoryDisk implements Disk {
  readonly #deps: MemoryDiskDeps;
  readonly #files = new Map<string, ChunkedBytes>();
  readonly failedDirectorySyncs = 0;

  constructor(deps: MemoryDiskDeps) {
    this.#deps = deps;
  }

  open(name: string): DiskFile {
    let content = this.#files.get(name);
    if (content === undefined) {
      content = new ChunkedBytes();
      this.#files.set(name, content);
    }
    return new MemoryFile(name, content, this.#deps.clock);
  }

  list(): readonly string[] {
    return [...this.#files.keys()].sort();
  }

  remove(name: string): void {
    this.#files.delete(name);
  }

  rename(from: string, to: string): void {
    const content = this.#files.get(from);
    if (content === undefined) throw new DiskError("IO", `cannot rename ${from}: not there`);
    this.#files.delete(from);
    this.#files.set(to, content);
  }

  syncDirectory(done: (error: Error | undefined) => void): void {
    this.#deps.clock.defer(() => done(undefined));
  }
}

class MemoryFile implements DiskFile {
  readonly #name: string;
  readonly #content: ChunkedBytes;
  readonly #clock: Pick<Clock, "defer">;
  #isOpen = true;

  constructor(name: string, content: ChunkedBytes, clock: Pick<Clock, "defer">) {
    this.#name = name;
    this.#content = content;
    this.#clock = clock;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    this.#checkOpen();
    return this.#content.read(target, offset, length, position);
  }

  write(bytes: Uint8Array, position: number): void {
    this.#checkOpen();
    this.#content.write(bytes, position);
  }

  sync(done: (error: Error | undefined) => void): void {
    this.#checkOpen();
    this.#clock.defer(() => done(undefined));
  }

  sizeBytes(): number {
    this.#checkOpen();
    return this.#content.sizeBytes;
  }

  truncate(sizeBytes: number): void {
    this.#checkOpen();
    this.#content.truncate(sizeBytes);
  }

  close(): void {
    this.#isOpen = false;
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new DiskError("IO", `${this.#name} is closed`);
  }
}
