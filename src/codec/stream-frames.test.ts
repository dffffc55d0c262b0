import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32 as naiveCrc32 } from "../ring/crc.ts";
import { crc32 } from "./crc32.ts";
import { FRAME_HEADER_BYTES, FrameError, FrameType, encodeOpaque, isSameLayout } from "./frames.ts";
import {
  type StreamRequest,
  StreamChunk,
  StreamChunkWriter,
  type StreamedCell,
  cellNameBytes,
  decodeStreamRequest,
  encodeStreamRequest,
  streamedCellBytes,
} from "./stream-frames.ts";

const hi = fc.integer();
const lo = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = fc.uint8Array({ maxLength: 40 });
const limits = { maxBytes: lo, maxCells: lo };

const request: fc.Arbitrary<StreamRequest> = fc.oneof(
  fc.record({
    kind: fc.constantFrom<"values" | "heads">("values", "heads"),
    span: fc.record({ startHi: hi, startLo: lo, endHi: hi, endLo: lo }),
    ...limits,
  }),
  fc.record({
    kind: fc.constant<"cells">("cells"),
    cells: fc.array(fc.record({ tokenHi: hi, tokenLo: lo, key: bytes }), { maxLength: 5 }),
    ...limits,
  }),
);

const cell: fc.Arbitrary<StreamedCell> = fc
  .record({
    keyspaceId: fc.constant(9),
    tokenHi: hi,
    tokenLo: lo,
    key: bytes,
    timestamp: fc.maxSafeNat(),
    writer: lo,
    expiresAtMs: fc.maxSafeNat(),
    contentHash: lo,
    form: fc.oneof(fc.constantFrom("tombstone" as const, "withheld" as const), bytes),
  })
  .map(({ form, ...rest }) => ({
    ...rest,
    isTombstone: form === "tombstone",
    value: typeof form === "string" ? undefined : form,
  }));

const end = fc.record({ cursorHi: hi, cursorLo: lo, taken: lo, isComplete: fc.boolean() });

const LAYOUT = { counter: 7, hash: 0xdead_beef };

function plain(value: Uint8Array | undefined): number[] | undefined {
  return value === undefined ? undefined : [...value];
}

function cellsOf(chunk: StreamChunk): object[] {
  const cells: object[] = [];
  chunk.visit((each) => {
    cells.push({ ...each, key: plain(each.key), value: plain(each.value) });
  });
  return cells;
}

function chunkOf(cells: readonly StreamedCell[], expectedBytes = 16): Buffer {
  const writer = new StreamChunkWriter(expectedBytes);
  for (const each of cells) writer.add(each, each.value);
  return writer.finish({ cursorHi: -1, cursorLo: 2, taken: 0, isComplete: false });
}

test("the fast checksum is the slow one, wherever the bytes begin and end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(9), fc.nat(9), (all, before, after) => {
      const stop = Math.max(before, all.length - after);
      expect(crc32(all, before, stop)).toBe(naiveCrc32(all.subarray(before, stop)));
    }),
  );
});

test("a request says after the wire what it said before", () => {
  fc.assert(
    fc.property(request, (asked) => {
      const body = encodeStreamRequest(asked, LAYOUT);
      const normal = (one: StreamRequest): object =>
        one.kind === "cells"
          ? { ...one, cells: one.cells.map((name) => ({ ...name, key: plain(name.key) })) }
          : one;
      expect(normal(decodeStreamRequest(body))).toEqual(normal(asked));
      if (asked.kind !== "cells") return;
      const empty = encodeStreamRequest({ ...asked, cells: [] }, LAYOUT);
      const names = asked.cells.reduce((sum, name) => sum + cellNameBytes(name), 0);
      expect(body.length - empty.length).toBe(names);
    }),
  );
});

test("the layout stands where replicas look for it", () => {
  const span = { startHi: 0, startLo: 0, endHi: 0, endLo: 0 };
  const body = encodeStreamRequest({ kind: "heads", span, maxBytes: 1, maxCells: 1 }, LAYOUT);
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + body.length);
  const header = { type: FrameType.stream, flags: 0, keyspaceId: 1, requestId: 1 };
  encodeOpaque({ bytes: frame, offset: 0 }, header, body);
  expect(isSameLayout(frame, 0, LAYOUT)).toBe(true);
  expect(isSameLayout(frame, 0, { ...LAYOUT, hash: 1 })).toBe(false);
});

test("a request that is cut off or has something behind it is refused", () => {
  fc.assert(
    fc.property(request, fc.nat(), (asked, cut) => {
      const body = encodeStreamRequest(asked, LAYOUT);
      const short = body.subarray(0, cut % body.length);
      expect(() => decodeStreamRequest(short)).toThrow(FrameError);
      expect(() => decodeStreamRequest(Buffer.concat([body, body]))).toThrow(FrameError);
    }),
  );
});

test("a request of an unknown kind, or for more cells than it names, is refused", () => {
  const limit = { maxBytes: 1, maxCells: 1 };
  const body = encodeStreamRequest({ kind: "cells", cells: [], ...limit }, LAYOUT);
  body.writeUInt32LE(0xffff_ffff, body.length - 4);
  expect(() => decodeStreamRequest(body)).toThrow(FrameError);
  body[8] = 9;
  expect(() => decodeStreamRequest(body)).toThrow(FrameError);
});

test("a chunk holds what was put into it, in order", () => {
  fc.assert(
    fc.property(fc.array(cell, { maxLength: 8 }), end, fc.nat(2000), (cells, stop, expected) => {
      const writer = new StreamChunkWriter(expected);
      let sizeBytes = writer.sizeBytes;
      for (const each of cells) {
        writer.add(each, each.value);
        sizeBytes += streamedCellBytes(each.key.length, each.value?.length ?? 0);
      }
      const chunk = new StreamChunk(writer.finish(stop), 9);
      expect(chunk).toMatchObject({ ...stop, cellCount: cells.length, sizeBytes });
      expect(cellsOf(chunk)).toEqual(
        cells.map((each) => ({ ...each, key: plain(each.key), value: plain(each.value) })),
      );
    }),
  );
});

test("one wrong bit anywhere in a chunk is found", () => {
  const [sample] = fc.sample(fc.array(cell, { minLength: 3, maxLength: 3 }), {
    numRuns: 1,
    seed: 1,
  });
  const intact = chunkOf(sample!);
  for (let bit = 0; bit < intact.length * 8; bit++) {
    const damaged = Buffer.from(intact);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => new StreamChunk(damaged, 9)).toThrow(FrameError);
  }
});

test("a chunk that is cut off is refused, wherever the cut", () => {
  const [sample] = fc.sample(fc.array(cell, { minLength: 3, maxLength: 3 }), {
    numRuns: 1,
    seed: 1,
  });
  const intact = chunkOf(sample!);
  for (let length = 0; length < intact.length; length++) {
    expect(() => new StreamChunk(intact.subarray(0, length), 9)).toThrow(FrameError);
  }
});

test("a chunk with a right checksum and wrong lengths is refused", () => {
  const [sample] = fc.sample(cell, { numRuns: 1, seed: 1 });
  const tampered = (change: (bytes: Buffer) => void): Buffer => {
    const chunk = chunkOf([{ ...sample!, isTombstone: false, value: Uint8Array.of(1, 2, 3) }]);
    change(chunk);
    chunk.writeUInt32LE(crc32(chunk, 4, chunk.length), 0);
    return chunk;
  };
  const cellAt = 21;
  expect(
    () =>
      new StreamChunk(
        tampered(() => {}),
        9,
      ),
  ).not.toThrow();
  for (const change of [
    (chunk: Buffer) => chunk.writeUInt32LE(2, 17),
    (chunk: Buffer) => chunk.writeUInt32LE(0, 17),
    (chunk: Buffer) => chunk.writeUInt32LE(0xffff_ffff, 17),
    (chunk: Buffer) => chunk.writeUInt32LE(0xffff_ffff, cellAt + 33),
    (chunk: Buffer) => chunk.writeUInt32LE(0xffff_ffff, cellAt + 37),
    (chunk: Buffer) => chunk.writeUInt8(3, cellAt),
    (chunk: Buffer) => chunk.writeUInt8(0, cellAt),
  ]) {
    expect(() => new StreamChunk(tampered(change), 9)).toThrow(FrameError);
  }
});
