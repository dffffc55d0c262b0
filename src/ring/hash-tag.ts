/**
 * Hash tags: a part of the key between two marks, on which alone the key is placed, so that keys
 * which belong together land on the same members.
 */

/** The bytes of a key that are hashed, as a range of the key. */
export interface TaggedPart {
  /** Index in the key of the first byte. */
  readonly start: number;
  /** Index after the last byte; equal to the start where the tag is empty. */
  readonly end: number;
}

/**
 * The part between the first `open` and the next `close` after it; undefined if there is none.
 * What to do with an empty part is up to the caller: Redis and Dynomite differ.
 */
export function taggedPart(key: Uint8Array, open: number, close: number): TaggedPart | undefined {
  const opened = key.indexOf(open);
  if (opened === -1) return undefined;
  const closed = key.indexOf(close, opened + 1);
  return closed === -1 ? undefined : { start: opened + 1, end: closed };
}
