/**
 * The merge: gives back the space of records that were overwritten.
 *
 * When too much of the closed segments is garbage it takes the one with the smallest share of current
 * records, because that gives back most space for the least copying, and walks through it in steps.
 * Judging by the sum bounds the space on disk, and lets segments ripen: overwrites go on
 * emptying one that is left alone. A record
 * is current if the index points to it; such a record is appended to the log anew, like a put, tombstones and expired cells included, and the index
 * told the new place. Afterwards nothing points into the segment and it can go:
 *
 *     copy what is current -> sync the log -> wait for older scans -> remove the file
 *
 * The sync protects two kinds of records: the copies, and those that overwrote what was left behind,
 * which may be not durable yet themselves. Drops are waited for likewise: if a crash undid one after
 * its newest records were left behind, older versions of the same cells would come to light. A crash in between leaves records twice, which recovery
 * does not mind. Scans opened before the end may hold places in the segment.
 *
 * A damaged record that is current cannot be copied. Then the segment stays until the cell is
 * written again: reading it keeps reporting the damage instead of an older version or nothing.
 */
import type { Timer } from "../../model/deps.ts";
import { DiskError } from "../disk.ts";
import { StorageError } from "../storage-error.ts";
import type { Cells } from "./cells.ts";
import type { DropWriter } from "./drop-writer.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { LogState } from "./log-state.ts";
import { Entry, readEntry, recordBytes } from "./record.ts";
import { SegmentReader } from "./segment-reader.ts";
import { SEGMENT_HEADER_BYTES, type Segment } from "./segment.ts";

interface RetiredSegment {
  readonly segment: Segment;
  /** Scans opened at this sequence number or later do not need it. */
  readonly retiredAt: number;
}

export class Merger {
  readonly #state: LogState;
  readonly #commit: GroupCommit;
  readonly #drops: DropWriter;
  readonly #entry = new Entry();
  #current: { readonly segment: Segment; readonly reader: SegmentReader } | undefined;
  #pause: Timer | undefined;
  #retired: RetiredSegment[] = [];
  #isStopped = false;
  #mergedBytes = 0;
  #removedSegments = 0;

  constructor(state: LogState, commit: GroupCommit, drops: DropWriter) {
    this.#state = state;
    this.#commit = commit;
    this.#drops = drops;
  }

  /** Bytes of current records copied since the engine was opened. */
  get mergedBytes(): number {
    return this.#mergedBytes;
  }

  get removedSegments(): number {
    return this.#removedSegments;
  }

  /** Begins a merge if one is due and none runs. */
  consider(): void {
    if (this.#isStopped || this.#current !== undefined) return;
    if (this.#commit.refusal !== undefined) return;
    const segment = this.#choose();
    if (segment === undefined) return;
    const range = { from: SEGMENT_HEADER_BYTES, to: segment.writtenBytes };
    const reader = new SegmentReader(segment, range, this.#state.options.mergeStepBytes);
    this.#current = { segment, reader };
    this.#step(segment, reader);
  }

  stop(): void {
    this.#isStopped = true;
    this.#pause?.cancel();
  }

  /** Removes the segments that no open scan can ask for any more. */
  removeRetired(): void {
    const { scans, segments, deps } = this.#state;
    // A removal that a crash could undo is harmless; one in a failed log would hide evidence.
    if (this.#commit.isReadOnly) return;
    const isNeeded = ({ retiredAt }: RetiredSegment): boolean => scans.oldest < retiredAt;
    for (const retired of this.#retired) {
      if (isNeeded(retired)) continue;
      try {
        segments.remove(retired.segment);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        // The file stays behind; the next opening finds it without anything current and retries.
        deps.logger.warn("storage.segment_not_removed", { error: error.message });
      }
      this.#removedSegments++;
      deps.logger.debug("storage.segment_removed", { file: retired.segment.name });
    }
    this.#retired = this.#retired.filter(isNeeded);
  }

  /** The closed segment with the least current in it, if there is enough garbage to give back. */
  #choose(): Segment | undefined {
    let chosen: Segment | undefined;
    let chosenShare = 1;
    let allLiveBytes = 0;
    let allBytes = 0;
    for (const segment of this.#state.segments.all()) {
      if (segment === this.#state.segments.active || segment.isRetired) continue;
      const recordsBytes = Math.max(1, segment.writtenBytes - SEGMENT_HEADER_BYTES);
      allLiveBytes += segment.liveBytes;
      allBytes += recordsBytes;
      if (segment.isPinned && segment.liveBytes > 0) continue;
      const share = segment.isDamaged ? 0 : segment.liveBytes / recordsBytes;
      if (share >= chosenShare) continue;
      chosen = segment;
      chosenShare = share;
    }
    const isWorthIt = allLiveBytes < allBytes * this.#state.options.mergeLiveShare;
    return isWorthIt || chosenShare === 0 ? chosen : undefined;
  }

  #step(segment: Segment, reader: SegmentReader): void {
    try {
      this.#copyStep(segment, reader);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#state.deps.logger.error("storage.merge_failed", { error: error.message });
      segment.isPinned = true;
      this.#next();
    }
  }

  #copyStep(segment: Segment, reader: SegmentReader): void {
    const endOffset = reader.offset + this.#state.options.mergeStepBytes;
    while (segment.liveBytes > 0 && reader.offset < endOffset) {
      const finding = reader.next();
      if (finding === "end") break;
      if (finding === "damage") continue;
      if (this.#copyIfCurrent(segment, reader)) continue;
      // No room now; the next merge begins anew, with less left to copy.
      this.#current = undefined;
      return;
    }
    if (segment.liveBytes > 0 && reader.offset < segment.writtenBytes) {
      this.#afterPause(() => this.#step(segment, reader));
    } else {
      this.#finish(segment);
    }
  }

  /** False if the copy could not be written. */
  #copyIfCurrent(segment: Segment, reader: SegmentReader): boolean {
    const entry = this.#entry;
    readEntry(reader.source, reader.position, entry);
    const cells: Cells | undefined = this.#state.cells(entry.keyspaceId);
    const slot = cells?.find(entry.tokenHi, entry.tokenLo, entry.key) ?? 0;
    if (cells === undefined || slot === 0) return true;
    if (!cells.isAt(slot, { segmentId: segment.id, offset: reader.offset })) return true;
    const start = reader.position + recordBytes(entry.key.length, 0);
    const value = reader.source.bytes.subarray(start, start + entry.valueBytes);
    try {
      const offset = this.#commit.append(entry, entry.isTombstone ? undefined : value);
      this.#state.relocate(cells, slot, { segmentId: this.#state.segments.active.id, offset });
      this.#mergedBytes += reader.lengthBytes;
      return true;
    } catch (error) {
      if (error instanceof StorageError) return false;
      throw error;
    }
  }

  #finish(segment: Segment): void {
    if (segment.liveBytes > 0) {
      const fields = { file: segment.name, liveBytes: segment.liveBytes };
      this.#state.deps.logger.error("storage.damaged_segment_kept", fields);
      segment.isPinned = true;
      this.#next();
      return;
    }
    const putFailed = (): void => {
      this.#current = undefined;
    };
    const stored = (): void => {
      segment.isRetired = true;
      this.#retired.push({ segment, retiredAt: this.#state.scans.sequence });
      this.removeRetired();
      this.#next();
    };
    this.#commit.acknowledge("fsync", {
      stored: () => this.#drops.acknowledge({ stored, putFailed }),
      putFailed,
    });
  }

  #next(): void {
    this.#current = undefined;
    this.#afterPause(() => this.consider());
  }

  #afterPause(next: () => void): void {
    if (this.#isStopped) return;
    const { clock } = this.#state.deps;
    this.#pause = clock.setTimer(this.#state.options.mergePauseMs, next);
  }
}
