/** What the parts of an open log engine share: the cells, the segments and the account of both. */
import type { Clock, Logger } from "../../model/deps.ts";
import type { Disk } from "../disk.ts";
import { Cells } from "./cells.ts";
import { DropMap } from "./drop-map.ts";
import type { LogEngineOptions } from "./options.ts";
import type { Place } from "./place.ts";
import { type Entry, recordBytes } from "./record.ts";
import { ScanRegister } from "./scan-register.ts";
import { Segments } from "./segments.ts";

export interface LogDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LogState {
  readonly deps: LogDeps;
  readonly options: LogEngineOptions;
  readonly segments: Segments;
  readonly scans: ScanRegister = new ScanRegister();
  /** Which records of the log count no more; since opening, what must be known at the next one. */
  dropped: DropMap = new DropMap();
  /** By number of the keyspace. */
  #keyspaces: (Cells | undefined)[] = [];
  /** Damaged records found since the engine was opened. */
  corruptRecords = 0;

  constructor(deps: LogDeps, options: LogEngineOptions) {
    this.deps = deps;
    this.options = options;
    this.segments = new Segments(deps);
  }

  cells(keyspaceId: number): Cells | undefined {
    return this.#keyspaces[keyspaceId];
  }

  cellsForWriting(keyspaceId: number): Cells {
    let cells = this.#keyspaces[keyspaceId];
    if (cells === undefined) {
      const { scans } = this;
      cells = new Cells({ scans, onDrop: (from, slot) => this.#bury(from, slot) }, this.options);
      this.#keyspaces[keyspaceId] = cells;
    }
    return cells;
  }

  /** The keyspaces that hold anything, with their numbers, ascending. */
  keyspaces(): readonly (readonly [number, Cells])[] {
    // Numbers are spread over 16 bits: walking the array itself would visit every one of its holes.
    return Object.entries(this.#keyspaces).flatMap(([id, cells]) =>
      cells === undefined ? [] : [[Number(id), cells]],
    );
  }

  /** Drops all cells: recovery starts again without the snapshot. */
  forget(): void {
    this.#keyspaces = [];
  }

  /**
   * Counts the live bytes of all segments anew. False if the index points to a place where no record
   * can be.
   */
  account(): boolean {
    for (const segment of this.segments.all()) segment.liveBytes = 0;
    for (const [, cells] of this.keyspaces()) {
      const { index } = cells;
      index.find(-0x8000_0000, 0, new Uint8Array());
      for (let slot = index.cursorSlot(); slot !== 0; slot = index.cursorSlot()) {
        const segment = this.segments.find(cells.segmentId(slot));
        const lengthBytes = cells.recordBytes(slot);
        if (segment === undefined) return false;
        if (cells.offset(slot) + lengthBytes > segment.writtenBytes) return false;
        segment.liveBytes += lengthBytes;
        index.advance();
      }
    }
    return true;
  }

  /** Enters a record into the index; its place becomes live, the one it replaces dead. */
  enter(cells: Cells, slot: number, entry: Entry, place: Place): void {
    if (slot !== 0 && !cells.isDropped(slot)) this.#bury(cells, slot);
    cells.set(slot, entry, place);
    const lengthBytes = recordBytes(entry.key.length, entry.valueBytes);
    this.segments.get(place.segmentId).liveBytes += lengthBytes;
  }

  /** A copy of the record at `slot` lies at `place` now. */
  relocate(cells: Cells, slot: number, place: Place): void {
    this.#bury(cells, slot);
    cells.move(slot, place);
    this.segments.get(place.segmentId).liveBytes += cells.recordBytes(slot);
  }

  #bury(cells: Cells, slot: number): void {
    this.segments.get(cells.segmentId(slot)).liveBytes -= cells.recordBytes(slot);
  }
}
