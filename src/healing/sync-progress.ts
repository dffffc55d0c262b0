/**
 * How far this member is with what it must fetch, duty by duty and holder by holder.
 *
 * A *pass* goes through the span of a duty at one holder, in token order. Its position says: whatever
 * this holder had up to here is merged into our store. A duty is met when a pass through its
 * source is through, or when passes through so many holders are that no quorum is without one of
 * them (`covers`), or when there is nobody left to ask.
 *
 * Positions exist twice. The present one says where to go on, the durable one what a sync of the store
 * has covered; only the latter is written down, and only it counts.
 *
 * What was written down may be taken over by a later start, and by the sync for a later layout
 * version, if the duty there is the same one: same keyspace and range, same source, same replicas before
 * and same replicas after. That is safe because a pass only has to bring what was written before
 * our layout version was the one that everybody writes under. While a pass was under way, and since,
 * every write went to a quorum of those same replicas after as well. So what a holder got after our
 * pass went by lies with a quorum of the new replicas already, whether we are in it or not. With
 * other replicas, before or after, there may have been writes that we were neither sent nor can
 * do without: then the duty begins anew.
 */
import { type DutyHolder, type SyncDuty, covers } from "../layout/transition.ts";
import { parseToken } from "../ring/token.ts";
import { must } from "../util/assert.ts";
import {
  type Untrusted,
  UntrustedDataError,
  asInteger,
  asList,
  asRecord,
  asText,
} from "../util/untrusted.ts";

/** Where a pass stands: before everything, at a token, or through. */
export type Position = "start" | "done" | bigint;

/** One holder's copy of a duty's span, as far as we have it. */
export class HolderPass {
  readonly holder: string;
  position: Position = "start";
  durable: Position = "start";
  /** Failures in a row that have to do with this span at this holder. */
  failures = 0;
  /** It is not tried before this moment of the monotonic clock. */
  notBeforeMs = 0;
  /** What was wrong last, as in `<holder> <trouble>`. */
  trouble: string | undefined;

  constructor(holder: string) {
    this.holder = holder;
  }

  get isDone(): boolean {
    return this.position === "done";
  }
}

export class DutyProgress {
  readonly duty: SyncDuty;
  /** One for each holder, in the order in which they are asked. */
  readonly passes: readonly HolderPass[];
  /** Tokens in the span. */
  readonly weight: number;
  /** A chunk of it is under way. */
  isBusy = false;
  /** It is met, and that is durable. */
  isFinished = false;

  /** @param turn - which of the holders comes first, so that not all begin with the same one */
  constructor(duty: SyncDuty, turn: number) {
    this.duty = duty;
    const { holders } = duty;
    this.passes = holders.map((_, index) => {
      const holder = must(holders[(index + turn) % holders.length], "a holder");
      return new HolderPass(holder);
    });
    this.weight = distance(duty.start, duty.end);
  }

  /** The pass through the one replica that is enough. */
  get sourcePass(): HolderPass | undefined {
    const { source } = this.duty;
    return source === undefined ? undefined : this.passes.find(({ holder }) => holder === source);
  }

  /** True if the passes at these positions are enough. */
  isMet(positionOf: (pass: HolderPass) => Position): boolean {
    const through = new Set([this.duty.receiver]);
    for (const pass of this.passes) if (positionOf(pass) === "done") through.add(pass.holder);
    const { source, holders, replicas } = this.duty;
    if (source !== undefined && through.has(source)) return true;
    return holders.every((id) => through.has(id)) || covers(replicas, (id) => through.has(id));
  }

  /** The tokens that a pass has still to go through. */
  rest(pass: HolderPass): { readonly start: bigint; readonly end: bigint } {
    const { start, end } = this.duty;
    return { start: typeof pass.position === "bigint" ? pass.position : start, end };
  }

  /** How far a pass is, 0 .. 1. */
  shareOf({ position }: HolderPass): number {
    if (position === "done") return 1;
    return position === "start" ? 0 : distance(this.duty.start, position) / this.weight;
  }

  /** How far the duty is, 0 .. 1, as far as can be known. */
  share(): number {
    if (this.isMet(({ position }) => position)) return 1;
    let sum = 0;
    for (const pass of this.passes) sum += this.shareOf(pass);
    const { sourcePass } = this;
    const ofSource = sourcePass === undefined ? 0 : this.shareOf(sourcePass);
    return Math.max(ofSource, sum / this.passes.length);
  }
}

/** Clockwise; a span that begins where it ends is the whole ring. */
function distance(start: bigint, end: bigint): number {
  const tokens = BigInt.asUintN(64, end - start);
  return Number(tokens === 0n ? 2n ** 64n : tokens);
}

/**
 * The progress as plain JSON. Duties that differ in their range only stand together, because the
 * replicas of thousands of ranges are a handful of sets. Duties without progress are left out.
 */
export interface SyncRecord {
  readonly groups: readonly RecordedGroup[];
}

/** What, beside the range, makes two duties the same one. */
interface DutyIdentity {
  readonly keyspaceId: number;
  readonly source: string | null;
  readonly replicas: readonly DutyHolder[];
  readonly target: readonly string[];
}

interface RecordedGroup extends DutyIdentity {
  readonly ranges: readonly RecordedRange[];
}

interface RecordedRange {
  readonly start: string;
  readonly end: string;
  readonly isFinished: boolean;
  /** Holder to token or "done"; empty for finished ones. */
  readonly passes: Readonly<Record<string, string>>;
}

/** What of the progress is durable. */
export function recordProgress(all: Iterable<DutyProgress>): SyncRecord {
  const groups = new Map<string, RecordedGroup & { ranges: RecordedRange[] }>();
  for (const progress of all) {
    const range = recordRange(progress);
    if (range === undefined) continue;
    const { keyspaceId, source = null, replicas, target } = progress.duty;
    const key = JSON.stringify([keyspaceId, source, replicas, target]);
    const group = groups.get(key) ?? { keyspaceId, source, replicas, target, ranges: [] };
    group.ranges.push(range);
    groups.set(key, group);
  }
  return { groups: [...groups.values()] };
}

function recordRange({ duty, passes, isFinished }: DutyProgress): RecordedRange | undefined {
  const begun = isFinished ? [] : passes.filter(({ durable }) => durable !== "start");
  if (!isFinished && begun.length === 0) return undefined;
  return {
    start: duty.start.toString(),
    end: duty.end.toString(),
    isFinished,
    passes: Object.fromEntries(begun.map(({ holder, durable }) => [holder, durable.toString()])),
  };
}

/**
 * Takes over what a record says of these duties.
 *
 * @param record - what `recordProgress` made, after a way through a file
 * @throws UntrustedDataError if it is something else
 */
export function restoreProgress(all: Iterable<DutyProgress>, record: unknown): void {
  const known = readRecord(record);
  for (const progress of all) {
    const range = known.get(dutyIdentity(progress.duty));
    if (range === undefined) continue;
    progress.isFinished = range.isFinished;
    for (const pass of progress.passes) {
      const position = range.passes.get(pass.holder);
      if (position !== undefined) pass.position = pass.durable = position;
    }
  }
}

interface ReadRange {
  readonly isFinished: boolean;
  readonly passes: ReadonlyMap<string, Position>;
}

const GROUPS_MAX = 1_000_000;
const RANGES_MAX = 10_000_000;
const REPLICAS_MAX = 10_000;
const TEXT_MAX = 1000;

function readRecord(record: unknown): Map<string, ReadRange> {
  const ranges = new Map<string, ReadRange>();
  const { groups } = asRecord(record, "sync");
  for (const each of asList(groups, "sync.groups", GROUPS_MAX)) {
    const group = asRecord(each, "sync.groups[]");
    const identity = readIdentity(group);
    const { ranges: list } = group;
    for (const entry of asList(list, "ranges", RANGES_MAX)) {
      const { start, end, isFinished, passes } = asRecord(entry, "ranges[]");
      ranges.set(identityOf(identity, readToken(start), readToken(end)), {
        isFinished: isFinished === true,
        passes: readPasses(passes),
      });
    }
  }
  return ranges;
}

function readIdentity(group: Untrusted): DutyIdentity {
  const { keyspaceId, source, replicas, target } = group;
  return {
    keyspaceId: asInteger(keyspaceId, "keyspaceId", { min: 0, max: 0xffff }),
    source: source === null ? null : asText(source, "source", TEXT_MAX),
    replicas: asList(replicas, "replicas", REPLICAS_MAX).map((entry) => {
      const { id, dc } = asRecord(entry, "replicas[]");
      return { id: asText(id, "replica id", TEXT_MAX), dc: asText(dc, "replica dc", TEXT_MAX) };
    }),
    target: asList(target, "target", REPLICAS_MAX).map((id) => asText(id, "target[]", TEXT_MAX)),
  };
}

function readPasses(value: unknown): Map<string, Position> {
  const passes = Object.entries(asRecord(value, "passes"));
  return new Map(
    passes.map(([holder, at]) => [holder, at === "done" ? "done" : readToken(at)] as const),
  );
}

function readToken(value: unknown): bigint {
  const text = asText(value, "token", TEXT_MAX);
  try {
    return parseToken(text);
  } catch {
    throw new UntrustedDataError("token", "an integer within int64", value);
  }
}

/** Equal for duties of one receiver that ask for the same. */
export function dutyIdentity({ source, start, end, ...duty }: SyncDuty): string {
  return identityOf({ ...duty, source: source ?? null }, start, end);
}

function identityOf(group: DutyIdentity, start: bigint, end: bigint): string {
  const replicas = group.replicas.map(({ id, dc }) => [id, dc]);
  const range = [start.toString(), end.toString()];
  return JSON.stringify([group.keyspaceId, group.source, replicas, group.target, range]);
}
