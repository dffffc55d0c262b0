/**
 * A disk that does at a crash what real ones do.
 *
 * What was not synced when the power went is lost, kept or torn, each write by itself: a device writes
 * sectors of 512 bytes in an order of its own, so of a long write any subset of sectors may have
 * arrived. Creations, removals and renames that were not followed by a sync of the directory happen or
 * do not. Each crash draws its own style, so that the tidy cases (all lost, all kept, a prefix)
 * occur as often as the wild ones.
 *
 * When a sync fails, the writes it should have saved are saved or gone, by chance, and no later sync
 * tries them again: Linux marks the pages clean all the same ("fsyncgate", PostgreSQL, 2018).
 *
 * Beyond crashes: bits flip on demand, the disk has a size, syncs take time. Everything random comes
 * from the injected generator, so a seed repeats a history.
 */
import type { Clock, Rng } from "../model/deps.ts";
import { type Disk, DiskError, type DiskFile } from "../storage/disk.ts";
import { assert } from "../util/assert.ts";
import { randomBelow, randomFraction } from "../util/random.ts";

const SECTOR_BYTES = 512;

export interface SimulatedDiskDeps {
  readonly clock: Pick<Clock, "defer" | "setTimer">;
  readonly rng: Rng;
}

export interface SimulatedDiskOptions {
  /** All files together; a write beyond it fails, with a part of it done. Default: no limit. */
  readonly capacityBytes?: number | undefined;
  /** How long a sync takes: uniformly between these. Default: it ends with the turn. */
  readonly syncDelayMs?: { readonly min: number; readonly max: number } | undefined;
}

interface Change {
  readonly kind: "write" | "truncate";
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** A file's content apart from its names. */
class Inode {
  /** What the programs see. */
  readonly current: Content;
  /** What a crash cannot take away. */
  readonly durable: Content;
  /** What came after, in order. */
  pending: Change[] = [];
  /** How many changes have left `pending` since the beginning. */
  settledCount = 0;

  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.current = new Content(bytes);
    this.durable = new Content(bytes);
  }
}

type DirectoryChange =
  | { readonly kind: "link"; readonly name: string; readonly inode: Inode }
  | { readonly kind: "unlink"; readonly name: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly inode: Inode };

/** How much of what is pending survives one crash. */
type CrashStyle = "lost" | "kept" | "prefix" | "scattered";

const CRASH_STYLES: readonly CrashStyle[] = ["lost", "kept", "prefix", "scattered"];

export class SimulatedDisk implements Disk {
  readonly #deps: SimulatedDiskDeps;
  readonly #options: SimulatedDiskOptions;
  readonly #current = new Map<string, Inode>();
  readonly #durable = new Map<string, Inode>();
  #pending: DirectoryChange[] = [];
  #capacityBytes: number;
  #syncFailures = 0;
  #failedDirectorySyncs = 0;
  #isAlive = true;

  constructor(deps: SimulatedDiskDeps, options: SimulatedDiskOptions = {}) {
    this.#deps = deps;
    this.#options = options;
    this.#capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  get failedDirectorySyncs(): number {
    return this.#failedDirectorySyncs;
  }

  open(name: string): DiskFile {
    this.#checkAlive();
    let inode = this.#current.get(name);
    if (inode === undefined) {
      inode = new Inode();
      this.#current.set(name, inode);
      this.#pending.push({ kind: "link", name, inode });
    }
    return new SimulatedFile(this, name, inode);
  }

  list(): readonly string[] {
    this.#checkAlive();
    return [...this.#current.keys()].sort();
  }

  remove(name: string): void {
    this.#checkAlive();
    if (this.#current.delete(name)) this.#pending.push({ kind: "unlink", name });
  }

  rename(from: string, to: string): void {
    this.#checkAlive();
    const inode = this.#current.get(from);
    if (inode === undefined) throw new DiskError("IO", `cannot rename ${from}: not there`);
    this.#current.delete(from);
    this.#current.set(to, inode);
    this.#pending.push({ kind: "rename", from, to, inode });
  }

  syncDirectory(done: (error: Error | undefined) => void): void {
    this.#checkAlive();
    const changes = new Set(this.#pending);
    const end = (error: Error | undefined): void => {
      if (error !== undefined) this.#failedDirectorySyncs++;
      done(error);
    };
    this.#completeSync(end, (isSaved) => {
      for (const change of this.#pending) {
        if (changes.has(change) && isSaved) applyToDirectory(this.#durable, change);
      }
      this.#pending = this.#pending.filter((change) => !changes.has(change));
    });
  }

  /**
   * The power goes. Returns the disk as it is found afterwards; this one and its files throw from now
   * on, and syncs that ran never end. `clock` is that of the process that starts then.
   */
  crash(clock: SimulatedDiskDeps["clock"] = this.#deps.clock): SimulatedDisk {
    const after = this.#successor(clock);
    const names = new Map(this.#durable);
    for (const change of this.#survivors(this.#pending)) applyToDirectory(names, change);
    const survived = new Map<Inode, Inode>();
    for (const [name, inode] of names) {
      const found = survived.get(inode) ?? this.#afterCrash(inode);
      survived.set(inode, found);
      after.#current.set(name, found);
      after.#durable.set(name, found);
    }
    return after;
  }

  /** As `crash`, but only the process dies: what it wrote, synced or not, is all there. */
  killProcess(clock: SimulatedDiskDeps["clock"] = this.#deps.clock): SimulatedDisk {
    const after = this.#successor(clock);
    for (const [name, inode] of this.#current) after.#current.set(name, inode);
    for (const [name, inode] of this.#durable) after.#durable.set(name, inode);
    after.#pending = this.#pending;
    return after;
  }

  /** Changes the size of the disk; below what is used, nothing can be written. */
  setCapacity(capacityBytes: number): void {
    this.#capacityBytes = capacityBytes;
  }

  usedBytes(): number {
    let sum = 0;
    for (const inode of this.#current.values()) sum += inode.current.sizeBytes;
    return sum;
  }

  /** The next `count` syncs, of files or of the directory, fail. */
  failSyncs(count: number): void {
    this.#syncFailures = count;
  }

  /** Turns one bit of a file around, durably. */
  flipBit(name: string, bit: number): void {
    const inode = this.#current.get(name);
    assert(inode !== undefined, () => `there is no file ${name} to damage`);
    inode.current.flipBit(bit);
    inode.durable.flipBit(bit);
  }

  /** @internal For the files of this disk. */
  write(inode: Inode, bytes: Uint8Array, position: number): void {
    this.#checkAlive();
    const growth = Math.max(0, position + bytes.length - inode.current.sizeBytes);
    const free = Math.max(0, this.#capacityBytes - this.usedBytes());
    if (growth <= free) {
      this.#apply(inode, { kind: "write", position, bytes: bytes.slice() });
      return;
    }
    const part = bytes.slice(0, randomBelow(this.#deps.rng, bytes.length - growth + free + 1));
    if (part.length > 0) this.#apply(inode, { kind: "write", position, bytes: part });
    throw new DiskError("FULL", `no space left for ${growth} bytes, ${free} are free`);
  }

  /** @internal */
  truncate(inode: Inode, sizeBytes: number): void {
    this.#checkAlive();
    this.#apply(inode, { kind: "truncate", position: sizeBytes, bytes: new Uint8Array() });
  }

  /** @internal */
  sync(inode: Inode, done: (error: Error | undefined) => void): void {
    this.#checkAlive();
    const endCount = inode.settledCount + inode.pending.length;
    this.#completeSync(done, (isSaved) => {
      const count = Math.max(0, endCount - inode.settledCount);
      const changes = inode.pending.slice(0, count);
      if (isSaved) for (const change of changes) inode.durable.apply(change);
      inode.pending = inode.pending.slice(count);
      inode.settledCount += count;
    });
  }

  /** @internal */
  read(inode: Inode, target: Uint8Array, at: { offset: number; position: number }): number {
    this.#checkAlive();
    return inode.current.read(target, at.offset, at.position);
  }

  /** @internal */
  sizeBytes(inode: Inode): number {
    this.#checkAlive();
    return inode.current.sizeBytes;
  }

  #successor(clock: SimulatedDiskDeps["clock"]): SimulatedDisk {
    this.#checkAlive();
    this.#isAlive = false;
    const after = new SimulatedDisk({ ...this.#deps, clock }, this.#options);
    after.#capacityBytes = this.#capacityBytes;
    return after;
  }

  #apply(inode: Inode, change: Change): void {
    inode.current.apply(change);
    inode.pending.push(change);
  }

  #completeSync(
    done: (error: Error | undefined) => void,
    settle: (isSaved: boolean) => void,
  ): void {
    const hasFailed = this.#syncFailures > 0;
    if (hasFailed) this.#syncFailures--;
    const complete = (): void => {
      if (!this.#isAlive) return;
      settle(!hasFailed || randomBelow(this.#deps.rng, 2) === 0);
      done(hasFailed ? new DiskError("IO", "the sync failed") : undefined);
    };
    const delay = this.#options.syncDelayMs;
    if (delay === undefined) {
      this.#deps.clock.defer(complete);
      return;
    }
    const fraction = randomFraction(this.#deps.rng);
    this.#deps.clock.setTimer(delay.min + fraction * (delay.max - delay.min), complete);
  }

  #afterCrash(inode: Inode): Inode {
    const content = new Content(inode.durable.copy());
    for (const change of this.#survivors(inode.pending)) {
      const isTorn = change.kind === "write" && randomBelow(this.#deps.rng, 4) === 0;
      if (isTorn) this.#applyTorn(content, change);
      else content.apply(change);
    }
    return new Inode(content.copy());
  }

  /** Sector by sector, as if each had its own fate. */
  #applyTorn(content: Content, change: Change): void {
    const end = change.position + change.bytes.length;
    for (let start = change.position; start < end;) {
      const sectorEnd = Math.min(end, (Math.floor(start / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      if (randomBelow(this.#deps.rng, 2) === 0) {
        const bytes = change.bytes.subarray(start - change.position, sectorEnd - change.position);
        content.apply({ kind: "write", position: start, bytes });
      }
      start = sectorEnd;
    }
  }

  #survivors<T>(changes: readonly T[]): readonly T[] {
    const { rng } = this.#deps;
    const style = CRASH_STYLES[randomBelow(rng, CRASH_STYLES.length)] ?? "lost";
    switch (style) {
      case "lost":
        return [];
      case "kept":
        return changes;
      case "prefix":
        return changes.slice(0, randomBelow(rng, changes.length + 1));
      case "scattered":
        return changes.filter(() => randomBelow(rng, 2) === 0);
    }
  }

  #checkAlive(): void {
    if (!this.#isAlive) throw new DiskError("IO", "the machine of this disk has crashed");
  }
}

class SimulatedFile implements DiskFile {
  readonly #disk: SimulatedDisk;
  readonly #name: string;
  readonly #inode: Inode;
  #isOpen = true;

  constructor(disk: SimulatedDisk, name: string, inode: Inode) {
    this.#disk = disk;
    this.#name = name;
    this.#inode = inode;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    this.#checkOpen();
    const part = target.subarray(0, offset + length);
    return this.#disk.read(this.#inode, part, { offset, position });
  }

  write(bytes: Uint8Array, position: number): void {
    this.#checkOpen();
    this.#disk.write(this.#inode, bytes, position);
  }

  sync(done: (error: Error | undefined) => void): void {
    this.#checkOpen();
    this.#disk.sync(this.#inode, done);
  }

  sizeBytes(): number {
    this.#checkOpen();
    return this.#disk.sizeBytes(this.#inode);
  }

  truncate(sizeBytes: number): void {
    this.#checkOpen();
    this.#disk.truncate(this.#inode, sizeBytes);
  }

  close(): void {
    this.#isOpen = false;
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new DiskError("IO", `${this.#name} is closed`);
  }
}

/** Bytes that grow by doubling. */
class Content {
  #bytes: Uint8Array;
  sizeBytes: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice();
    this.sizeBytes = bytes.length;
  }

  copy(): Uint8Array {
    return this.#bytes.slice(0, this.sizeBytes);
  }

  /** Fills `target` from `offset` to its end, as far as there is something at `position`. */
  read(target: Uint8Array, offset: number, position: number): number {
    const count = Math.max(0, Math.min(target.length - offset, this.sizeBytes - position));
    target.set(this.#bytes.subarray(position, position + count), offset);
    return count;
  }

  apply(change: Change): void {
    if (change.kind === "truncate") {
      this.#bytes.fill(0, change.position);
      this.#grow(change.position);
      this.sizeBytes = change.position;
      return;
    }
    const end = change.position + change.bytes.length;
    this.#grow(end);
    this.#bytes.set(change.bytes, change.position);
    this.sizeBytes = Math.max(this.sizeBytes, end);
  }

  flipBit(bit: number): void {
    const at = bit >>> 3;
    if (at < this.sizeBytes) this.#bytes[at] = (this.#bytes[at] ?? 0) ^ (1 << (bit & 7));
  }

  #grow(sizeBytes: number): void {
    if (sizeBytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(sizeBytes, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.sizeBytes));
    this.#bytes = grown;
  }
}

function applyToDirectory(names: Map<string, Inode>, change: DirectoryChange): void {
  switch (change.kind) {
    case "link":
      names.set(change.name, change.inode);
      break;
    case "unlink":
      names.delete(change.name);
      break;
    case "rename":
      names.delete(change.from);
      names.set(change.to, change.inode);
      break;
  }
}
