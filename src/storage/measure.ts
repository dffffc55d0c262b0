/** How much a span of tokens holds. */
import type { Clock } from "../model/deps.ts";
import type { SpanMeasure, StorageEngine, TokenSpan } from "./engine.ts";

/** Cells counted in one turn of the event loop: a fraction of a millisecond. */
const CELLS_PER_TURN = 500;

export interface MeasureDeps {
  readonly engine: Pick<StorageEngine, "scan">;
  readonly clock: Pick<Clock, "defer">;
}

/** Counts what the span holds at the moment of the call, so many cells in a turn of the event loop. */
export async function measureSpan(
  { engine, clock }: MeasureDeps,
  keyspaceId: number,
  span: TokenSpan,
): Promise<SpanMeasure> {
  const scan = engine.scan(keyspaceId, span, { values: false });
  const total = { cells: 0, bytes: 0 };
  try {
    for (;;) {
      const { cells, bytes } = scan.measure(CELLS_PER_TURN);
      total.cells += cells;
      total.bytes += bytes;
      if (cells < CELLS_PER_TURN) return total;
      await new Promise<void>((resolve) => clock.defer(resolve));
    }
  } finally {
    scan.close();
  }
}

/** As measureSpan, in one go: clients wait for as long as it takes. */
export function measureNow(
  engine: Pick<StorageEngine, "scan">,
  keyspaceId: number,
  span: TokenSpan,
): SpanMeasure {
  const scan = engine.scan(keyspaceId, span, { values: false });
  const measure = scan.measure(Number.POSITIVE_INFINITY);
  scan.close();
  return measure;
}

/** Whether there is any cell in the span. */
export function isEmptySpan(
  engine: Pick<StorageEngine, "scan">,
  keyspaceId: number,
  span: TokenSpan,
): boolean {
  const scan = engine.scan(keyspaceId, span, { values: false });
  const { cells } = scan.measure(1);
  scan.close();
  return cells === 0;
}
