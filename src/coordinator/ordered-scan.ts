/**
 * Walking keys in the order of an ordered partitioner: a range of them, or the whole ring.
 *
 * The walk goes from key to key, not from token to token as RingScan does, because keys that begin
 * alike share a token and may be many. Each step asks as many replicas of one stretch as the level
 * needs for a page of cells in key order, and believes them as far as the one that knows least far
 * has answered. No state is kept between pages: the last key of one says where the next one begins.
 *
 * SCAN's cursors are numbers, which can name a token but not a key. So its pages end where a token
 * does, however many keys that takes.
 */
import type { PageCell } from "../codec/packed-frames.ts";
import type { LayoutKeyspace } from "../layout/layout.ts";
import type { Consistency } from "../model/consistency.ts";
import type { KeyRange, RangeEntry, RangePage, ScanPage } from "../model/kv-api.ts";
import type { Stretch } from "../placement/ring-positions.ts";
import { must } from "../util/assert.ts";
import type { CoordinatorContext } from "./context.ts";
import type { KeyOrder } from "./key-order.ts";
import { presentPlacement } from "./layout-retry.ts";
import { isLive, newestCells } from "./ring-scan.ts";
import { RING_SIZE, spanAt } from "./scan-span.ts";
import { type SpanAnswers, SpanRequest } from "./span-request.ts";

/** Spans that one page of SCAN may visit, so that a page of an empty ring ends soon. */
const SPANS_PER_PAGE_MAX = 64;
/** Bytes of values after which a page is not filled any further. */
const PAGE_BYTES_MAX = 4 << 20;
const WHOLE_RING: readonly Stretch[] = [{ first: 0n, last: RING_SIZE - 1n }];

export interface OrderedScanOptions {
  readonly keyspace: LayoutKeyspace;
  readonly order: KeyOrder;
  readonly consistency: Consistency;
  readonly range: KeyRange;
  /** The key behind which to go on. */
  readonly cursor?: Uint8Array | undefined;
  readonly values: boolean;
}

/** One page; not to be used for a second one. */
export class OrderedScan {
  readonly #context: CoordinatorContext;
  readonly #options: OrderedScanOptions;
  readonly #stretches: readonly Stretch[];
  readonly #to: Uint8Array | undefined;
  /** The position to go on at; RING_SIZE or more at the end. */
  #next = 0n;
  /** The key to go on at, which lies at `#next`; undefined: all of what lies there. */
  #resume: { readonly key: Uint8Array; readonly isAfter: boolean } | undefined;

  /** Throws TokenError if a bound is no key that the partitioner can take. */
  constructor(context: CoordinatorContext, options: OrderedScanOptions) {
    const { range, order } = options;
    this.#context = context;
    this.#options = options;
    let { from } = range;
    this.#to = range.to;
    this.#stretches = WHOLE_RING;
    if (range.prefix !== undefined && range.prefix.length > 0) {
      this.#stretches = order.prefixStretches(range.prefix) ?? WHOLE_RING;
      if (order.isBytewise) {
        from = laterOf(order, range.from, range.prefix);
        this.#to = earlierOf(order, range.to, successorOf(range.prefix));
      }
    }
    if (options.cursor !== undefined) this.#goTo(options.cursor, true);
    else if (from !== undefined) this.#goTo(from, false);
  }

  /** At most `limit` entries. Throws KvError if a range cannot be read at the level. */
  async page(limit: number): Promise<RangePage> {
    const entries: RangeEntry[] = [];
    let sizeBytes = 0;
    while (!this.#isAtEnd()) {
      for (const cell of await this.#step(limit - entries.length, undefined)) {
        if (entries.length === limit) return pageOf(entries);
        entries.push(entryOf(cell));
        sizeBytes += cell.value?.length ?? 0;
      }
      const isFull = entries.length === limit || sizeBytes >= PAGE_BYTES_MAX;
      if (isFull && entries.length > 0)
        return this.#isAtEnd() ? lastPage(entries) : pageOf(entries);
    }
    return lastPage(entries);
  }

  /** About `limit` keys from a position on. */
  async scanPage(first: bigint, limit: number): Promise<ScanPage> {
    if (first > this.#next) {
      this.#next = first;
      this.#resume = undefined;
    }
    const keys: Uint8Array[] = [];
    for (let spans = 0; spans < SPANS_PER_PAGE_MAX && keys.length < limit; spans++) {
      if (this.#isAtEnd()) break;
      for (const { key } of await this.#step(limit - keys.length, undefined)) keys.push(key);
    }
    const grain = this.#next;
    while (this.#resume !== undefined && this.#next === grain && !this.#isAtEnd()) {
      for (const { key } of await this.#step(limit, grain)) keys.push(key);
    }
    return { keys, cursor: (this.#isAtEnd() ? 0n : this.#next).toString() };
  }

  #goTo(key: Uint8Array, isAfter: boolean): void {
    this.#next = this.#options.order.positionOf(key);
    this.#resume = { key, isAfter };
  }

  #isAtEnd(): boolean {
    const stretch = this.#stretches.find(({ last }) => last >= this.#next);
    if (stretch === undefined) return true;
    const next = stretch.first > this.#next ? stretch.first : this.#next;
    return this.#to !== undefined && next > this.#options.order.positionOf(this.#to);
  }

  /** The live cells of the next piece, in order; up to `lastPosition` if one is given. */
  async #step(limit: number, lastPosition: bigint | undefined): Promise<readonly PageCell[]> {
    const stretch = must(
      this.#stretches.find(({ last }) => last >= this.#next),
      "the walk is not at its end",
    );
    if (stretch.first > this.#next) {
      this.#next = stretch.first;
      this.#resume = undefined;
    }
    const { compare, positionOf } = this.#options.order;
    const end = this.#to === undefined ? stretch.last : positionOf(this.#to);
    const last = end < stretch.last ? end : stretch.last;
    const { span, answers } = await this.#ask(limit, lastPosition ?? last);
    let bound: Uint8Array | undefined;
    for (const { isComplete, cells, last: upTo = cells.at(-1)?.key } of answers) {
      if (isComplete || upTo === undefined) continue;
      if (bound === undefined || compare(upTo, bound) < 0) bound = upTo;
    }
    if (bound === undefined) {
      this.#next = span.last + 1n;
      this.#resume = undefined;
    } else this.#goTo(bound, true);
    const nowMs = this.#context.nowMs();
    return newestCells(answers)
      .filter(
        (cell) => (bound === undefined || compare(cell.key, bound) <= 0) && isLive(cell, nowMs),
      )
      .sort((a, b) => compare(a.key, b.key));
  }

  #ask(limit: number, lastPosition: bigint): Promise<SpanAnswers> {
    const { keyspace, consistency, values, range } = this.#options;
    const first = this.#next;
    const { key: from, isAfter = false } = this.#resume ?? {};
    return new Promise((resolve, reject) => {
      new SpanRequest(this.#context, {
        // Under another layout the stretch may be another one.
        spanAt: () => {
          const span = spanAt(presentPlacement(this.#context, keyspace), first);
          return span.last <= lastPosition ? span : { ...span, last: lastPosition };
        },
        limit,
        keys: { from, isAfter, to: this.#to, prefix: range.prefix, values },
        keyspaceId: keyspace.id,
        consistency,
        resolve,
        reject,
      }).start();
    });
  }
}

function pageOf(entries: readonly RangeEntry[]): RangePage {
  return { entries, cursor: entries.at(-1)?.key };
}

function lastPage(entries: readonly RangeEntry[]): RangePage {
  return { entries, cursor: undefined };
}

function entryOf({ key, value, timestamp, writer, expiresAtMs }: PageCell): RangeEntry {
  return { key, value, version: { timestamp, writer }, expiresAtMs };
}

function laterOf(order: KeyOrder, a: Uint8Array | undefined, b: Uint8Array): Uint8Array {
  return a !== undefined && order.compare(a, b) > 0 ? a : b;
}

function earlierOf(
  order: KeyOrder,
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return order.compare(a, b) < 0 ? a : b;
}

/** The first key behind all that begin with this one; undefined if none lies there. */
function successorOf(prefix: Uint8Array): Uint8Array | undefined {
  const end = prefix.findLastIndex((byte) => byte !== 0xff);
  if (end === -1) return undefined;
  const successor = prefix.slice(0, end + 1);
  successor[end] = (successor[end] ?? 0) + 1;
  return successor;
}
