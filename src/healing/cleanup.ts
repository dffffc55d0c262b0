/**
 * Drops what this member does not own any more.
 *
 * One span after the other, with a turn of the event loop between, because a drop leaves no tombstones
 * and cannot be taken back: before each the owner is asked again whether it still stands. A span
 * that was begun is dropped whole.
 */
import type { Clock, Logger } from "../model/deps.ts";
import type { StorageEngine, TokenSpan } from "../storage/engine.ts";
import { measureSpan } from "../storage/measure.ts";
import type { TaskHandle } from "./tasks.ts";

/** Spans of one keyspace. */
export interface KeyspaceSpans {
  readonly keyspaceId: number;
  readonly spans: readonly TokenSpan[];
}

/** What was dropped, tombstones included. */
export interface CleanupResult {
  readonly cells: number;
  readonly bytes: number;
}

export interface CleanupDeps {
  readonly engine: Pick<StorageEngine, "drop" | "scan">;
  readonly clock: Pick<Clock, "defer">;
  readonly logger: Logger;
  /** False once the spans may be this member's again, the task is cancelled, or the member stops. */
  readonly isWanted: () => boolean;
}

/**
 * Drops the spans, none of which this member owns in any active layout version, and ends the task;
 * resolves with what was dropped, also when it was called off half-way.
 *
 * @throws Error of the store, with the task failed, when a drop fails
 */
export async function cleanUp(
  deps: CleanupDeps,
  foreign: readonly KeyspaceSpans[],
  task: TaskHandle,
): Promise<CleanupResult> {
  const all = foreign.flatMap(({ keyspaceId, spans }) =>
    spans.map((span) => ({ keyspaceId, span })),
  );
  const dropped = { cells: 0, bytes: 0 };
  try {
    for (const [index, { keyspaceId, span }] of all.entries()) {
      await new Promise<void>((resolve) => deps.clock.defer(resolve));
      const { cells, bytes } = await measureSpan(deps, keyspaceId, span);
      if (!deps.isWanted()) {
        task.cancelled();
        return dropped;
      }
      if (cells > 0) await drop(deps.engine, keyspaceId, span);
      dropped.cells += cells;
      dropped.bytes += bytes;
      task.update({ done: index + 1, total: all.length, bytes: dropped.bytes });
    }
    task.finish();
  } catch (error) {
    task.fail((error as Error).message);
    throw error;
  } finally {
    deps.logger.info("cleanup.ended", dropped);
  }
  return dropped;
}

function drop(engine: CleanupDeps["engine"], keyspaceId: number, span: TokenSpan): Promise<void> {
  return new Promise((resolve, reject) => {
    engine.drop(keyspaceId, span, { stored: resolve, putFailed: reject });
  });
}
