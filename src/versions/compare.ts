/**
 * Which of two cells of one key wins: the total order by which replicas, coordinators and repair
 * settle everything.
 *
 * The order is timestamp, writer, tombstone over value, greater content hash. The last two only
 * matter when one version carries two contents, which a correct writer never produces; a restored
 * backup or a cloned disk may. They make the order total, so that merging is commutative,
 * associative and idempotent, and replicas agree without ever asking each other.
 *
 * A tombstone beats a value of the same version because a delete that was acknowledged must not be
 * undone by a tie. The storage engines apply the same rule to what they hold.
 */
import type { Version } from "../model/version.ts";

/** What decides between cells. An engine's cell heads have this shape. */
export interface OrderedHead extends Version {
  readonly isTombstone: boolean;
  /** 32 bits over value, expiry and tombstone mark; compared as an unsigned number. */
  readonly contentHash: number;
}

/** Negative if `a` is older than `b`, positive if newer, 0 if they are the same version. */
export function compareVersions(a: Version, b: Version): number {
  return a.timestamp === b.timestamp ? a.writer - b.writer : a.timestamp - b.timestamp;
}

/** Negative if `a` loses against `b`, positive if it wins, 0 if they are the same cell. */
export function compareHeads(a: OrderedHead, b: OrderedHead): number {
  if (a.timestamp !== b.timestamp) return a.timestamp - b.timestamp;
  if (a.writer !== b.writer) return a.writer - b.writer;
  if (a.isTombstone !== b.isTombstone) return a.isTombstone ? 1 : -1;
  return (a.contentHash >>> 0) - (b.contentHash >>> 0);
}

/** The winner of two cells; `a` when they are the same cell. */
export function newestHead<Head extends OrderedHead>(a: Head, b: Head): Head {
  return compareHeads(a, b) >= 0 ? a : b;
}
