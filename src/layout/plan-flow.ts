/**
 * What a plan moves, from the same duties that members will fulfil, so that what is planned is what
 * moves: one entry per pair of members, and how much of it.
 *
 * A copy comes from its source. Who compares asks several, but the values of what it lacks come from the
 * first of them that answers; the others send heads of cells. Who holds the range already, and only
 * compares to be sure of it, receives next to nothing.
 */
import type { PlannedTransfer } from "../model/topology-api.ts";
import type { PlanContext } from "./plan-context.ts";
import type { SyncDuty } from "./transition.ts";

/** What goes from one member to another, or what is only compared. */
export interface PlanFlow {
  /** Largest first. */
  readonly transfers: readonly PlannedTransfer[];
  readonly movedBytes: number;
  readonly movedKeys: number;
  readonly etaSeconds: number;
  /** Members that fetch ranges. */
  readonly receiverCount: number;
  /** Ranges that members hold and compare with the others that hold them. */
  readonly comparedCount: number;
}

interface Sum {
  readonly from: string;
  readonly to: string;
  rangeCount: number;
  share: number;
  keys: number;
  bytes: number;
}

/** Adds up the duties. */
export function flowOf(context: PlanContext): PlanFlow {
  const sums = new Map<string, Sum>();
  let comparedCount = 0;
  for (const duty of context.duties) {
    const from = valuesFrom(duty, context);
    if (from !== undefined) book(sums, duty, from, context);
    else if (holdsAlready(duty)) comparedCount++;
  }
  const largestFirst = [...sums.values()].toSorted(
    (a, b) => b.bytes - a.bytes || b.keys - a.keys || b.share - a.share,
  );
  const transfers = largestFirst.map(({ from, to, rangeCount, keys, bytes }) => ({
    from,
    to,
    rangeCount,
    keys: Math.round(keys),
    bytes: Math.round(bytes),
  }));
  const received = bytesByReceiver(sums.values());
  const busiest = Math.max(0, ...received.values());
  return {
    transfers,
    movedBytes: transfers.reduce((sum, { bytes }) => sum + bytes, 0),
    movedKeys: transfers.reduce((sum, { keys }) => sum + keys, 0),
    etaSeconds: Math.ceil(busiest / context.facts.streamBytesPerSecond),
    receiverCount: received.size,
    comparedCount,
  };
}

/** Whom the values come from; undefined if next to nothing moves, or nobody has it. */
function valuesFrom(duty: SyncDuty, { facts }: PlanContext): string | undefined {
  if (holdsAlready(duty)) return undefined;
  if (duty.source !== undefined) return duty.source;
  return duty.holders.find((id) => facts.aliveIds.has(id)) ?? duty.holders[0];
}

function holdsAlready({ replicas, receiver }: SyncDuty): boolean {
  return replicas.some(({ id }) => id === receiver);
}

function book(
  sums: Map<string, Sum>,
  { keyspaceId, start, end, receiver }: SyncDuty,
  from: string,
  context: PlanContext,
): void {
  const key = `${from} ${receiver}`;
  const empty = { from, to: receiver, rangeCount: 0, share: 0, keys: 0, bytes: 0 };
  const sum = sums.get(key) ?? empty;
  const share = context.shareBetween(start, end);
  const density = context.facts.densities.get(keyspaceId);
  sum.rangeCount++;
  sum.share += share;
  sum.keys += share * (density?.keys ?? 0);
  sum.bytes += share * (density?.bytes ?? 0);
  sums.set(key, sum);
}

function bytesByReceiver(sums: Iterable<Sum>): ReadonlyMap<string, number> {
  const received = new Map<string, number>();
  for (const { to, bytes } of sums) received.set(to, (received.get(to) ?? 0) + bytes);
  return received;
}
