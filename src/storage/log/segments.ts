/**
 * The segment files of one engine: creating, finding and removing them.
 *
 * The nonce of a new segment comes from the clock. It need not be secret or random, only different
 * from that of another file in the same place.
 */
import { mixWord } from "../content-hash.ts";
import type { Clock } from "../../model/deps.ts";
import type { Disk } from "../disk.ts";
import { must } from "../../util/assert.ts";
import { syncNames } from "./directory-sync.ts";
import { Segment, encodeSegmentHeader, segmentName } from "./segment.ts";

export interface SegmentsDeps {
  readonly disk: Disk;
  readonly clock: Clock;
}

export class Segments {
  readonly #deps: SegmentsDeps;
  /** In the order of their numbers, which is the order of writing. */
  readonly #byId = new Map<number, Segment>();
  #nextId = 1;
  #active: Segment | undefined;
  /** Failed syncs of the directory when its names began to wait for one; undefined if none waits. */
  #failuresBefore: number | undefined;

  constructor(deps: SegmentsDeps) {
    this.#deps = deps;
  }

  get active(): Segment {
    return must(this.#active, "the log has an active segment once it is open");
  }

  /** The one with the highest number. */
  get last(): Segment | undefined {
    return this.#byId.get(this.#nextId - 1);
  }

  get count(): number {
    return this.#byId.size;
  }

  /** Whether files were created, renamed or removed since the last sync of names began. */
  get hasUnsyncedNames(): boolean {
    return this.#failuresBefore !== undefined;
  }

  noteNames(): void {
    this.#failuresBefore ??= this.#deps.disk.failedDirectorySyncs;
  }

  /** Puts the names made so far on stable storage. One at a time. */
  syncNames(done: (error: Error | undefined) => void): void {
    const { disk } = this.#deps;
    const failuresBefore = this.#failuresBefore ?? disk.failedDirectorySyncs;
    this.#failuresBefore = undefined;
    syncNames(disk, failuresBefore, done);
  }

  all(): IterableIterator<Segment> {
    return this.#byId.values();
  }

  get(id: number): Segment {
    return must(this.#byId.get(id), "the index points into segments that are there");
  }

  find(id: number): Segment | undefined {
    return this.#byId.get(id);
  }

  /** Makes known a segment that was found on the disk, in ascending order of numbers. */
  adopt(segment: Segment): void {
    this.#byId.set(segment.id, segment);
    this.skipTo(segment.id + 1);
  }

  /** Keeps numbers below `id` from being given to new segments. */
  skipTo(id: number): void {
    this.#nextId = Math.max(this.#nextId, id);
  }

  /** Goes on writing at the end of a segment that was adopted. */
  activate(segment: Segment): void {
    this.#active = segment;
  }

  /** Begins a new segment. Throws DiskError; then the active one stays, and it can be tried again. */
  create(): Segment {
    const { disk, clock } = this.#deps;
    const id = this.#nextId;
    const now = clock.wallMs();
    const nonce = mixWord(mixWord(id, now | 0), Math.floor(now / 0x1_0000_0000) | 0) >>> 0;
    const file = disk.open(segmentName(id));
    try {
      file.write(encodeSegmentHeader(id, nonce), 0);
    } catch (error) {
      file.close();
      throw error;
    }
    const segment = new Segment(id, nonce, file);
    segment.isDirty = true;
    this.noteNames();
    this.adopt(segment);
    this.#active = segment;
    return segment;
  }

  remove(segment: Segment): void {
    this.#byId.delete(segment.id);
    segment.file.close();
    this.#deps.disk.remove(segment.name);
    this.noteNames();
  }

  diskBytes(): number {
    let sum = 0;
    for (const segment of this.#byId.values()) sum += segment.writtenBytes;
    return sum;
  }

  closeAll(): void {
    for (const segment of this.#byId.values()) segment.file.close();
    this.#byId.clear();
  }
}
