/**
 * One cell on its way into a replica, from the coordinator's stamp to the engine. Bytes are
 * borrowed: whoever keeps them copies them.
 *
 * A token is given as two 32-bit halves: `tokenHi` signed, `tokenLo` unsigned.
 */
export interface CellWrite {
  /** The number of the keyspace, 0 .. 65535. */
  readonly keyspaceId: number;
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
  /** Undefined for a tombstone. */
  readonly value: Uint8Array | undefined;
  readonly timestamp: number;
  readonly writer: number;
  /** Milliseconds since the Unix epoch, or NEVER_EXPIRES. */
  readonly expiresAtMs: number;
}
