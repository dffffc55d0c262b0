/** Every limit of the log engine, by name. */
export interface LogEngineOptions {
  /** A segment file is closed and the next one begun when it would exceed this. Below 4 GiB. */
  readonly segmentBytes: number;
  /**
   * Records collected before they are written in the middle of a turn of the event loop. Larger
   * records are written by themselves.
   */
  readonly batchBytes: number;
  /** With durability `interval`: the longest time between a write and the sync after it. */
  readonly syncIntervalMs: number;
  /** How often a write is tried again while the disk is full. */
  readonly fullRetryMs: number;
  /** How often is looked whether a merge or a snapshot is due. */
  readonly maintenanceMs: number;
  /** Closed segments are merged while less than this share of all their bytes is current. */
  readonly mergeLiveShare: number;
  /** Bytes of log looked at in one step of the merge, between which requests are served. */
  readonly mergeStepBytes: number;
  /** Pause between steps of the merge. Longer: less disturbance, and garbage stays longer. */
  readonly mergePauseMs: number;
  /** An index snapshot is written when this much log was written since the one before. */
  readonly snapshotLogBytes: number;
  /** Bytes of index snapshot written in one step. */
  readonly snapshotStepBytes: number;
  /** Entries of the index that a drop looks at in one turn of the event loop. */
  readonly dropStepEntries: number;
  /** Bytes of log read at once when it is replayed. */
  readonly replayChunkBytes: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  /** Size of the pieces in which memory for the index is taken: a power of two, 16 KiB at least. */
  readonly arenaChunkBytes: number;
  /** So many top bits of the token choose the bucket of the index: 1 to 20; 4 bytes per bucket. */
  readonly indexBucketBits: number;
}

export const DEFAULT_LOG_OPTIONS: LogEngineOptions = {
  segmentBytes: 64 * 1024 * 1024,
  batchBytes: 1024 * 1024,
  syncIntervalMs: 1000,
  fullRetryMs: 1000,
  maintenanceMs: 1000,
  mergeLiveShare: 0.4,
  mergeStepBytes: 64 * 1024,
  mergePauseMs: 2,
  snapshotLogBytes: 512 * 1024 * 1024,
  snapshotStepBytes: 64 * 1024,
  dropStepEntries: 250,
  replayChunkBytes: 1024 * 1024,
  keyBytesMax: 64 * 1024,
  valueBytesMax: 16 * 1024 * 1024,
  arenaChunkBytes: 1024 * 1024,
  indexBucketBits: 16,
};
