/** Reading this member's own copy, and handing a cell to whoever asked. */
import type { ReadAnswer } from "../codec/frames.ts";
import type { Receipt, ReadSink } from "../model/kv-api.ts";
import { isOver } from "../model/version.ts";
import type { StorageEngine } from "../storage/engine.ts";
import { ABSENT } from "./replica-answers.ts";

export interface CellAddress {
  readonly keyspaceId: number;
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
}

/** This member's cell; its value is lent until the next call to the engine. Throws if damaged. */
export function readLocally(engine: StorageEngine, cell: CellAddress): ReadAnswer {
  const stored = engine.get(cell.keyspaceId, cell.tokenHi, cell.tokenLo, cell.key);
  return stored === undefined ? ABSENT : asAnswer(stored, stored.value);
}

/** As `readLocally`, without the value. */
export function readLocalHead(engine: StorageEngine, cell: CellAddress): ReadAnswer {
  const head = engine.head(cell.keyspaceId, cell.tokenHi, cell.tokenLo, cell.key);
  return head === undefined ? ABSENT : asAnswer(head, undefined);
}

function asAnswer(
  head: Omit<ReadAnswer, "isFound" | "value">,
  value: Uint8Array | undefined,
): ReadAnswer {
  return {
    isFound: true,
    isTombstone: head.isTombstone,
    timestamp: head.timestamp,
    writer: head.writer,
    expiresAtMs: head.expiresAtMs,
    contentHash: head.contentHash,
    value,
  };
}

/** A deleted or expired cell is read as absent. */
export function deliver(cell: ReadAnswer, sink: ReadSink, receipt: Receipt, nowMs: number): void {
  const { value, expiresAtMs } = cell;
  if (value === undefined || isOver(expiresAtMs, nowMs)) return sink.read(undefined, receipt);
  sink.read({ value, version: cell, expiresAtMs }, receipt);
}
