import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameError } from "../codec/frames.ts";
import {
  type StreamRequest,
  StreamChunk,
  encodeStreamRequest,
  streamedCellBytes,
} from "../codec/stream-frames.ts";
import type { CellWrite } from "../model/cell-write.ts";
import { CorruptRecordError } from "../storage/engine.ts";
import { fittingNames, readChunk } from "./stream-source.ts";
import { NaiveEngine, describeRow, noSink } from "../storage/naive-engine.suite.ts";

const LAYOUT = { counter: 1, hash: 1 };
const KEYSPACE = 3;

/** Few tokens, so that many cells share one. */
const write: fc.Arbitrary<CellWrite> = fc.record({
  keyspaceId: fc.constantFrom(KEYSPACE, KEYSPACE, KEYSPACE, 4),
  tokenHi: fc.integer({ min: -2, max: 2 }),
  tokenLo: fc.constantFrom(0, 1, 0xffff_ffff),
  key: fc.uint8Array({ minLength: 1, maxLength: 2 }),
  value: fc.option(fc.uint8Array({ maxLength: 60 }), { nil: undefined }),
  timestamp: fc.nat(9),
  writer: fc.nat(2),
  expiresAtMs: fc.constantFrom(0, 5),
});

const half = { startHi: -1, startLo: 0, endHi: 1, endLo: 1 };
const span = fc.constantFrom(
  { startHi: 0, startLo: 0, endHi: 0, endLo: 0 },
  { startHi: 1, startLo: 1, endHi: -1, endLo: 0 },
  half,
);

function engineOf(writes: readonly CellWrite[]): NaiveEngine {
  const engine = new NaiveEngine();
  for (const each of writes) {
    // The token of a key is always the same one.
    const tokenHi = ((each.key[0] ?? 0) % 5) - 2;
    engine.put({ ...each, tokenHi, tokenLo: each.tokenLo && 1 }, "memory", noSink);
  }
  return engine;
}

function ask(engine: NaiveEngine, request: StreamRequest): StreamChunk {
  return new StreamChunk(
    readChunk(engine, KEYSPACE, encodeStreamRequest(request, LAYOUT)),
    KEYSPACE,
  );
}

test("chunk by chunk, a span comes whole, in order, and nothing else", () => {
  fc.assert(
    fc.property(
      fc.array(write, { maxLength: 30 }),
      span,
      fc.record({
        maxBytes: fc.integer({ min: 1, max: 600 }),
        maxCells: fc.integer({ min: 1, max: 9 }),
      }),
      fc.constantFrom<"values" | "heads">("values", "heads"),
      (writes, whole, limits, kind) => {
        const engine = engineOf(writes);
        const came: string[] = [];
        let rest = whole;
        for (let isComplete = false; !isComplete;) {
          const chunk = ask(engine, { kind, span: rest, ...limits });
          chunk.visit((cell) => {
            const { tokenHi, tokenLo, key } = cell;
            const stored = engine.get(KEYSPACE, tokenHi, tokenLo, key)!;
            expect(cell).toMatchObject({ contentHash: stored.contentHash });
            expect(kind === "heads" && cell.value !== undefined).toBe(false);
            came.push(describeRow({ ...cell, value: stored.value }));
          });
          ({ isComplete } = chunk);
          expect(isComplete || chunk.cellCount > 0).toBe(true);
          rest = { ...rest, startHi: chunk.cursorHi, startLo: chunk.cursorLo };
        }
        expect(came).toEqual(engine.rows(KEYSPACE, whole).map(describeRow));
      },
    ),
  );
});

test("a chunk is over its limits only as far as one token, or one cell, goes", () => {
  fc.assert(
    fc.property(
      fc.array(write, { maxLength: 30 }),
      fc.record({
        maxBytes: fc.integer({ min: 1, max: 600 }),
        maxCells: fc.integer({ min: 1, max: 9 }),
      }),
      (writes, limits) => {
        const chunk = ask(engineOf(writes), { kind: "values", span: half, ...limits });
        let [sizeBytes, lastToken, count] = [21, "", 0];
        const excesses: string[] = [];
        chunk.visit(({ tokenHi, tokenLo, key, value }) => {
          const token = `${tokenHi} ${tokenLo}`;
          sizeBytes += streamedCellBytes(key.length, value?.length ?? 0);
          const isOver = sizeBytes > limits.maxBytes;
          // A token begins, and a value is there, only while there is room.
          if (count > 0 && token !== lastToken && (isOver || count >= limits.maxCells)) {
            excesses.push(`token ${token} after ${count} cells`);
          }
          if (count > 0 && value !== undefined && isOver) excesses.push(`${value.length} bytes`);
          lastToken = token;
          count++;
        });
        expect(excesses).toEqual([]);
      },
    ),
  );
});

test("a list is answered from its beginning, as far as the limits go, and absent cells are left out", () => {
  fc.assert(
    fc.property(
      fc.array(write, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 1, max: 9 }),
      (writes, maxBytes, maxCells) => {
        const engine = engineOf(writes);
        const rows = engine.rows(KEYSPACE, { startHi: 0, startLo: 0, endHi: 0, endLo: 0 });
        const absent = { tokenHi: 0, tokenLo: 0, key: Uint8Array.of(1, 2, 3) };
        const names = rows.flatMap(({ tokenHi, tokenLo, key }) => [
          { tokenHi, tokenLo, key },
          absent,
        ]);
        const came: string[] = [];
        for (let next = 0; next < names.length;) {
          const cells = names.slice(next);
          const chunk = ask(engine, { kind: "cells", cells, maxBytes, maxCells });
          expect(chunk.taken).toBeGreaterThan(0);
          expect(chunk.isComplete).toBe(next + chunk.taken === names.length);
          chunk.visit((cell) => came.push(describeRow(cell)));
          next += chunk.taken;
        }
        expect(came).toEqual(rows.map(describeRow));
      },
    ),
  );
});

test("a damaged record fails the chunk with its name, and nothing is sent", () => {
  const engine = engineOf([]);
  engine.scanError = new CorruptRecordError("3.log", 77, "checksum");
  const request = { kind: "values", span: half, maxBytes: 100, maxCells: 1 } as const;
  expect(() => ask(engine, request)).toThrowError(
    expect.objectContaining({ name: "CorruptRecordError", file: "3.log", offset: 77 }),
  );
});

test("a request without room for anything is malformed", () => {
  for (const limits of [
    { maxBytes: 0, maxCells: 1 },
    { maxBytes: 1, maxCells: 0 },
  ]) {
    expect(() => ask(engineOf([]), { kind: "heads", span: half, ...limits })).toThrow(FrameError);
  }
});

test("a list for a request is cut before it is too large, but never to nothing", () => {
  const name = { tokenHi: 0, tokenLo: 0, key: new Uint8Array(88) };
  const names = [name, name, name, name];
  expect(fittingNames(names, { maxBytes: 250, maxCells: 9 })).toBe(2);
  expect(fittingNames(names, { maxBytes: 10, maxCells: 9 })).toBe(1);
  expect(fittingNames(names, { maxBytes: 1000, maxCells: 3 })).toBe(3);
  expect(fittingNames(names, { maxBytes: 1000, maxCells: 9 })).toBe(4);
});
