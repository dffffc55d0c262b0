/** A page of this member's cells in token order. */
import type { PageCell, ScanAnswer, ScanQuery } from "../codec/packed-frames.ts";
import { FrameError } from "../codec/frames.ts";
import type { CoordinatorContext } from "./context.ts";
import { OrderedPage } from "./ordered-page.ts";

/** Pages over this are cut, whatever a query asks for. */
const PAGE_CELLS_MAX = 2048;

/**
 * Cells of the query's span, `limit` or a few more: cells of one token are never parted, because the
 * next page starts after a token.
 */
export function scanLocally(
  { engine, keyOrder }: Pick<CoordinatorContext, "engine" | "keyOrder">,
  keyspaceId: number,
  query: ScanQuery,
): ScanAnswer {
  if (query.keys !== undefined) {
    if (keyOrder === undefined) throw new FrameError("a range of keys on a ring that hashes them");
    return new OrderedPage(engine, keyOrder, keyspaceId).read(query, query.keys);
  }
  const limit = Math.max(1, Math.min(query.limit, PAGE_CELLS_MAX));
  const cells: PageCell[] = [];
  const scan = engine.scan(keyspaceId, query, { values: false });
  const take = (cell: PageCell): void => {
    cells.push({ ...cell, key: new Uint8Array(cell.key) });
  };
  try {
    while (cells.length < limit) {
      if (scan.next(limit - cells.length, take) === 0) return { cells, isComplete: true };
    }
    for (;;) {
      const last = cells.at(-1) as PageCell;
      let isNextToken = false;
      const takeSameToken = (cell: PageCell): void => {
        isNextToken = cell.tokenHi !== last.tokenHi || cell.tokenLo !== last.tokenLo;
        if (!isNextToken) take(cell);
      };
      if (scan.next(1, takeSameToken) === 0) return { cells, isComplete: true };
      if (isNextToken) return { cells, isComplete: false };
    }
  } finally {
    scan.close();
  }
}
