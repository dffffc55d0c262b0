/**
 * Walking the whole ring in token order, a page at a time.
 *
 * A cursor is the next token to look at, counted from the ring's minimum, so "0" starts and the
 * numbers stay unsigned. It names a place on the ring and nothing else: no state is kept between
 * pages, any member can go on, and a key that is there from first to last page cannot be passed by,
 * because its token does not move. Each page asks as many replicas as the level needs and merges
 * what they hold by version, so a key deleted at that level is not returned.
 */
import type { PageCell, ScanAnswer } from "../codec/packed-frames.ts";
import type { LayoutKeyspace } from "../layout/layout.ts";
import type { Consistency } from "../model/consistency.ts";
import type { ScanPage } from "../model/kv-api.ts";
import { isOver } from "../model/version.ts";
import { compareHeads } from "../versions/compare.ts";
import type { CoordinatorContext } from "./context.ts";
import { presentPlacement } from "./layout-retry.ts";
import { RING_SIZE, positionOf, spanAt } from "./scan-span.ts";
import { type SpanAnswers, SpanRequest } from "./span-request.ts";

/** Spans that one page may visit, so that a page of an empty ring ends soon. */
const SPANS_PER_PAGE_MAX = 64;

export class RingScan {
  readonly #context: CoordinatorContext;
  readonly #keyspace: LayoutKeyspace;
  readonly #consistency: Consistency;

  constructor(context: CoordinatorContext, keyspace: LayoutKeyspace, consistency: Consistency) {
    this.#context = context;
    this.#keyspace = keyspace;
    this.#consistency = consistency;
  }

  /** Throws KvError if a range cannot be read at the level. */
  async page(cursor: bigint, limit: number): Promise<ScanPage> {
    const keys: Uint8Array[] = [];
    let next = cursor;
    for (let spans = 0; spans < SPANS_PER_PAGE_MAX && next < RING_SIZE; spans++) {
      const merged = await this.#readSpan(next, limit - keys.length);
      for (const { key } of merged.live) keys.push(key);
      next = merged.next;
      if (keys.length >= limit) break;
    }
    return { keys, cursor: (next >= RING_SIZE ? 0n : next).toString() };
  }

  async #readSpan(first: bigint, limit: number): Promise<{ live: PageCell[]; next: bigint }> {
    const { span, answers } = await this.#ask(first, limit);
    let complete = span.last;
    for (const { isComplete, cells } of answers) {
      const last = cells.at(-1);
      if (isComplete || last === undefined) continue;
      const position = positionOf(last);
      if (position < complete) complete = position;
    }
    const nowMs = this.#context.nowMs();
    const live = mergeCells(answers).filter(
      (cell) => positionOf(cell) <= complete && isLive(cell, nowMs),
    );
    return { live, next: complete + 1n };
  }

  #ask(first: bigint, limit: number): Promise<SpanAnswers> {
    return new Promise((resolve, reject) => {
      new SpanRequest(this.#context, {
        // Under another layout the stretch may be another one.
        spanAt: () => spanAt(presentPlacement(this.#context, this.#keyspace), first),
        limit,
        keyspaceId: this.#keyspace.id,
        consistency: this.#consistency,
        resolve,
        reject,
      }).start();
    });
  }
}

/** The newest cell of each key, in ring order. */
function mergeCells(answers: readonly ScanAnswer[]): PageCell[] {
  if (answers.length === 1) return [...(answers[0]?.cells ?? [])];
  return newestCells(answers).sort(
    (left, right) => left.tokenHi - right.tokenHi || left.tokenLo - right.tokenLo,
  );
}

/** The newest cell of each key, in no order. */
export function newestCells(answers: readonly ScanAnswer[]): PageCell[] {
  const newest = new Map<string, PageCell>();
  for (const { cells } of answers) {
    for (const cell of cells) {
      const id = Buffer.from(cell.key).toString("latin1");
      const known = newest.get(id);
      if (known === undefined || compareHeads(cell, known) > 0) newest.set(id, cell);
    }
  }
  return [...newest.values()];
}

/** True if a reader finds the cell now. */
export function isLive({ isTombstone, expiresAtMs }: PageCell, nowMs: number): boolean {
  return !isTombstone && !isOver(expiresAtMs, nowMs);
}
