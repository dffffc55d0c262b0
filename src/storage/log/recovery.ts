/**
 * Opening: rebuilds the index from an index snapshot and the log behind it, or from the whole log.
 *
 * Segments are replayed in the order of writing. The order of versions decides which record of
 * a cell stays, so replaying is idempotent, and a record and its copy by an interrupted merge do no
 * harm: of two equal ones the later place is taken, because the earlier segment is the one that a
 * merge removes.
 *
 * What a crash can leave behind is a torn tail: bytes at the end of the log that were never
 * acknowledged as synced. It is cut off and reported. Damage with intact records behind it is
 * stepped over and reported as corrupt; the intact records are kept, as they may have been
 * acknowledged. A segment with damage is not written to any more and is merged away soon.
 *
 * Records that were dropped are passed over, in the log and in the snapshot alike; what says which
 * they are is read first (drop-map.ts).
 *
 * Before `open` is over, everything found is synced: a record may have survived the death of the
 * process in the page cache only, and a put that loses against it will be acknowledged.
 */
import type { RecoveryReport } from "../engine.ts";
import type { Cells } from "./cells.ts";
import { assert } from "../../util/assert.ts";
import type { LogState } from "./log-state.ts";
import { promised } from "../promised.ts";
import { readDrops } from "./drop-format.ts";
import { leaveMark, rewriteIfMarked } from "./failed-sync.ts";
import { SNAPSHOT_NAME, SNAPSHOT_TEMPORARY_NAME, SnapshotDecoder } from "./snapshot-format.ts";
import { type Place, comparePlaces } from "./place.ts";
import { Entry, readEntry } from "./record.ts";
import { SegmentReader } from "./segment-reader.ts";
import {
  SEGMENT_HEADER_BYTES,
  Segment,
  readSegmentNonce,
  segmentIdOf,
  segmentName,
} from "./segment.ts";

/** Records replayed between two turns of the event loop. */
const RECORDS_PER_TURN = 20_000;

const LOG_BEGIN: Place = { segmentId: 0, offset: SEGMENT_HEADER_BYTES };

/** Fills `state` from the disk. Throws DiskError, and Error for formats of newer releases. */
export function recover(state: LogState): Promise<RecoveryReport> {
  return new Recovery(state).run();
}

class Recovery {
  readonly #state: LogState;
  readonly #entry = new Entry();
  #recordsReplayed = 0;
  #bytesDropped = 0;

  constructor(state: LogState) {
    this.#state = state;
  }

  async run(): Promise<RecoveryReport> {
    const { disk, logger } = this.#state.deps;
    if (await rewriteIfMarked(disk)) logger.warn("storage.rewritten_after_failed_sync");
    this.#findSegments();
    this.#readDrops();
    const covered = await this.#tryWithSnapshot();
    if (covered === undefined) {
      await this.#replayFrom(LOG_BEGIN);
      assert(this.#state.account(), "what was replayed from segments lies in segments");
    }
    this.#chooseActive();
    await this.#syncAll();
    this.#pruneDrops(covered);
    let cells = 0;
    for (const [, keyspace] of this.#state.keyspaces()) cells += keyspace.count;
    return {
      cells,
      recordsReplayed: this.#recordsReplayed,
      bytesDropped: this.#bytesDropped,
      fromSnapshot: covered !== undefined,
    };
  }

  /** The place the snapshot stands for. Undefined if none fits; then nothing of it is left. */
  async #tryWithSnapshot(): Promise<Place | undefined> {
    const { disk, logger } = this.#state.deps;
    const { corruptRecords } = this.#state;
    const bytesDropped = this.#bytesDropped;
    disk.remove(SNAPSHOT_TEMPORARY_NAME);
    if (!disk.list().includes(SNAPSHOT_NAME)) return undefined;
    const covered = await this.#loadSnapshot();
    if (covered !== undefined) {
      await this.#replayFrom(covered);
      if (this.#state.account()) return covered;
    }
    logger.warn("storage.snapshot_unusable", { file: SNAPSHOT_NAME });
    this.#state.forget();
    this.#state.corruptRecords = corruptRecords;
    this.#bytesDropped = bytesDropped;
    this.#recordsReplayed = 0;
    return undefined;
  }

  #readDrops(): void {
    const dropped = readDrops(this.#state.deps);
    if (dropped === undefined) this.#state.corruptRecords++;
    else this.#state.dropped = dropped;
  }

  /** Forgets the drops that concern nothing any more, neither in a segment nor in the snapshot. */
  #pruneDrops(covered: Place | undefined): void {
    const [oldest] = this.#state.segments.all();
    const logBegin = { segmentId: oldest?.id ?? 0, offset: SEGMENT_HEADER_BYTES };
    const isSnapshotOlder = covered !== undefined && comparePlaces(covered, logBegin) < 0;
    this.#state.dropped.prune(isSnapshotOlder ? covered : logBegin);
  }

  #isDropped(entry: Entry, place: Place): boolean {
    return this.#state.dropped.covers(entry, place);
  }

  /** Undefined if it is damaged. */
  async #loadSnapshot(): Promise<Place | undefined> {
    const file = this.#state.deps.disk.open(SNAPSHOT_NAME);
    try {
      const decoder = new SnapshotDecoder(file);
      const covered = decoder.begin();
      if (covered === undefined) return undefined;
      for (;;) {
        const found = decoder.next(this.#takeEntry);
        if (found === "end") return covered;
        if (found === "damaged") return undefined;
        await this.#turn();
      }
    } finally {
      file.close();
    }
  }

  readonly #takeEntry = (entry: Entry, place: Place): void => {
    if (this.#isDropped(entry, place)) return;
    const cells = this.#state.cellsForWriting(entry.keyspaceId);
    const slot = cells.index.find(entry.tokenHi, entry.tokenLo, entry.key);
    cells.set(slot, entry, place);
  };

  #findSegments(): void {
    const { segments } = this.#state;
    const ids = this.#state.deps.disk.list().map(segmentIdOf);
    for (const id of ids.filter((each) => each !== undefined).sort((a, b) => a - b)) {
      segments.skipTo(id + 1);
      this.#openSegment(id);
    }
  }

  #openSegment(id: number): void {
    const { disk, logger } = this.#state.deps;
    const name = segmentName(id);
    const file = disk.open(name);
    const nonce = readSegmentNonce(file, id);
    const sizeBytes = file.sizeBytes();
    if (nonce !== undefined) {
      const segment = new Segment(id, nonce, file);
      segment.writtenBytes = Math.max(sizeBytes, SEGMENT_HEADER_BYTES);
      this.#state.segments.adopt(segment);
      return;
    }
    file.close();
    this.#bytesDropped += sizeBytes;
    if (sizeBytes <= SEGMENT_HEADER_BYTES) {
      logger.warn("storage.empty_segment_removed", { file: name, sizeBytes });
      disk.remove(name);
    } else {
      // Kept for whoever wants to look into it; its records cannot be told from garbage.
      logger.error("storage.segment_set_aside", { file: name, sizeBytes });
      disk.rename(name, `${name}.damaged`);
      this.#state.corruptRecords++;
    }
    this.#state.segments.noteNames();
  }

  async #replayFrom(start: Place): Promise<void> {
    for (const segment of this.#state.segments.all()) {
      if (segment.id < start.segmentId) continue;
      const isFirst = segment.id === start.segmentId;
      await this.#replaySegment(segment, isFirst ? start.offset : SEGMENT_HEADER_BYTES);
    }
  }

  async #replaySegment(segment: Segment, from: number): Promise<void> {
    const range = { from, to: segment.writtenBytes };
    const reader = new SegmentReader(segment, range, this.#state.options.replayChunkBytes);
    for (let finding = reader.next(); finding !== "end"; finding = reader.next()) {
      if (finding === "record") this.#replayRecord(segment, reader);
      else this.#reportDamage(segment, reader);
      if (this.#recordsReplayed % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await this.#turn();
    }
  }

  #replayRecord(segment: Segment, reader: SegmentReader): void {
    this.#recordsReplayed++;
    const entry = this.#entry;
    readEntry(reader.source, reader.position, entry);
    const place = { segmentId: segment.id, offset: reader.offset };
    if (this.#isDropped(entry, place)) return;
    const cells: Cells = this.#state.cellsForWriting(entry.keyspaceId);
    const slot = cells.index.find(entry.tokenHi, entry.tokenLo, entry.key);
    if (slot !== 0 && cells.compare(entry, slot) < 0) return;
    cells.set(slot, entry, place);
  }

  #reportDamage(segment: Segment, reader: SegmentReader): void {
    const { offset, lengthBytes } = reader;
    const { logger } = this.#state.deps;
    this.#bytesDropped += lengthBytes;
    const fields = { file: segment.name, offset, lengthBytes };
    const isTail = offset + lengthBytes === segment.writtenBytes;
    if (!isTail || segment !== this.#state.segments.last) {
      segment.isDamaged = true;
      this.#state.corruptRecords++;
      logger.error("storage.corrupt_record", fields);
      return;
    }
    logger.warn("storage.torn_tail_dropped", fields);
    segment.file.truncate(offset);
    segment.writtenBytes = offset;
    segment.isDirty = true;
  }

  /**
   * Writing goes on in the last segment, unless it is damaged or full, or a drop reaches beyond its
   * end, because the log was longer before the crash: what is written there would count as dropped.
   */
  #chooseActive(): void {
    const { segments, options, dropped } = this.#state;
    const { last } = segments;
    const end = { segmentId: last?.id ?? 0, offset: last?.writtenBytes ?? 0 };
    if (comparePlaces(dropped.latest, end) > 0) {
      segments.skipTo(dropped.latest.segmentId + 1);
      segments.create();
      return;
    }
    if (last === undefined || last.isDamaged || last.writtenBytes >= options.segmentBytes) {
      segments.create();
    } else {
      segments.activate(last);
    }
  }

  async #syncAll(): Promise<void> {
    const { segments, deps } = this.#state;
    try {
      for (const segment of segments.all()) {
        await promised((done) => segment.file.sync(done));
        segment.isDirty = false;
      }
      await promised((done) => segments.syncNames(done));
    } catch (error) {
      leaveMark(deps.disk);
      throw error;
    }
  }

  async #turn(): Promise<void> {
    await promised((done) => this.#state.deps.clock.defer(() => done(undefined)));
  }
}
