import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DURABILITIES } from "../model/consistency.ts";
import { FrameSplitter } from "./frame-splitter.ts";
import {
  FRAME_HEADER_BYTES,
  FrameError,
  FrameType,
  type FrameHeader,
  type ReadAnswer,
  type ReadFrame,
  type Writable,
  type WriteFrame,
  bodyOf,
  decodeRead,
  decodeReadAnswer,
  decodeWrite,
  encodeOpaque,
  encodeRead,
  encodeReadAnswer,
  encodeWrite,
  encodeWriteOk,
  isSameLayout,
  readAnswerBytes,
  readFrameBytes,
  readHeader,
  writeFrameBytes,
} from "./frames.ts";
import {
  decodeControl,
  decodeScanAnswer,
  decodeScanQuery,
  encodeControl,
  encodeScanAnswer,
  encodeScanQuery,
} from "./packed-frames.ts";

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const uint16 = fc.integer({ min: 0, max: 65_535 });
const time = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 300 });
const layout = fc.record({ counter: uint32, hash: uint32 });

const write = fc.record({
  keyspaceId: uint16,
  tokenHi: int32,
  tokenLo: uint32,
  key: bytes,
  value: fc.option(bytes, { nil: undefined }),
  timestamp: time,
  writer: uint32,
  expiresAtMs: time,
});

/** Room with rubbish on both sides, as in a shared buffer. */
function room(sizeBytes: number): { space: { bytes: Buffer; offset: number }; end: number } {
  const offset = 5;
  return {
    space: { bytes: Buffer.alloc(sizeBytes + 2 * offset, 0xee), offset },
    end: offset + sizeBytes,
  };
}

function thrownBy(act: () => unknown): unknown {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
}

function plain(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      field instanceof Uint8Array ? Array.from(field) : field,
    ]),
  );
}

describe("frames", () => {
  it("a write comes out as it went in", () => {
    const durability = fc.constantFrom(...DURABILITIES);
    fc.assert(
      fc.property(write, durability, uint32, layout, (sent, level, requestId, stamp) => {
        const { space, end } = room(writeFrameBytes(sent));
        encodeWrite(space, sent, level, { requestId, layout: stamp });
        const header = {} as FrameHeader;
        readHeader(space.bytes, space.offset, header);
        expect(header).toMatchObject({ type: FrameType.write, requestId });
        expect(isSameLayout(space.bytes, space.offset, stamp)).toBe(true);
        expect(
          isSameLayout(space.bytes, space.offset, { ...stamp, hash: (stamp.hash + 1) >>> 0 }),
        ).toBe(false);
        const received = {} as Writable<WriteFrame>;
        decodeWrite(space.bytes, space.offset, end, received);
        expect(plain(received)).toEqual(plain({ ...sent, durability: level }));
        expect(space.bytes.subarray(end)).toEqual(Buffer.alloc(5, 0xee));
      }),
    );
  });

  it("a read and its answer come out as they went in", () => {
    const answer = fc.record({
      isFound: fc.boolean(),
      isTombstone: fc.boolean(),
      timestamp: time,
      writer: uint32,
      expiresAtMs: time,
      contentHash: uint32,
      value: fc.option(bytes, { nil: undefined }),
    });
    const read = fc.record({
      tokenHi: int32,
      tokenLo: uint32,
      key: bytes,
      isDigest: fc.boolean(),
    });
    fc.assert(
      fc.property(read, answer, uint32, layout, (asked, told, requestId, stamp) => {
        const question = room(readFrameBytes(asked.key));
        encodeRead(question.space, asked, 7, { requestId, layout: stamp });
        const askedThere = {} as Writable<ReadFrame>;
        decodeRead(question.space.bytes, question.space.offset, question.end, askedThere);
        expect(plain(askedThere)).toEqual(plain(asked));
        const reply = room(readAnswerBytes(told));
        encodeReadAnswer(reply.space, told, requestId);
        const toldHere = {} as Writable<ReadAnswer>;
        decodeReadAnswer(reply.space.bytes, reply.space.offset, reply.end, toldHere);
        expect(plain(toldHere)).toEqual(plain(told));
      }),
    );
  });

  it("a frame whose lengths do not fit is refused, wherever it is cut or stretched", () => {
    fc.assert(
      fc.property(write, fc.integer({ min: -60, max: 60 }), (sent, by) => {
        fc.pre(by !== 0);
        const size = writeFrameBytes(sent);
        const space = { bytes: Buffer.alloc(size + 100), offset: 0 };
        encodeWrite(space, sent, "fsync", { requestId: 1, layout: { counter: 1, hash: 1 } });
        const decode = (): void =>
          decodeWrite(space.bytes, 0, Math.max(0, size + by), {} as Writable<WriteFrame>);
        expect(decode).toThrow(FrameError);
      }),
    );
  });

  it("scan frames come out as they went in, and rubbish is refused", () => {
    const cell = fc.record({
      tokenHi: int32,
      tokenLo: uint32,
      key: bytes,
      timestamp: time,
      writer: uint32,
      expiresAtMs: time,
      isTombstone: fc.boolean(),
      contentHash: uint32,
      value: fc.option(bytes, { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 20 }), fc.boolean(), (cells, isComplete) => {
        const there = decodeScanAnswer(encodeScanAnswer({ cells, isComplete }));
        expect(there.isComplete).toBe(isComplete);
        expect(there.cells.map(plain)).toEqual(cells.map(plain));
      }),
    );
    const query = { startHi: -5, startLo: 7, endHi: 9, endLo: 2 ** 32 - 1, limit: 10 };
    expect(decodeScanQuery(encodeScanQuery(query, { counter: 1, hash: 2 }))).toEqual(query);
    const from = Uint8Array.of(1, 255);
    const keys = { from, isAfter: true, to: undefined, prefix: from, values: true };
    for (const of of [keys, { ...keys, from: undefined, to: Uint8Array.of(), values: false }]) {
      const packed = encodeScanQuery({ ...query, keys: of }, { counter: 1, hash: 2 });
      expect(plain(decodeScanQuery(packed).keys!)).toEqual(plain(of));
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 60 }), (noise) => {
        for (const decode of [decodeScanQuery, decodeScanAnswer, decodeControl]) {
          expect(thrownBy(() => decode(Buffer.from(noise)))).toSatisfy(
            (thrown) => thrown === undefined || thrown instanceof FrameError,
          );
        }
      }),
    );
    expect(decodeControl(Buffer.from(encodeControl({ a: [1, "x"] })))).toEqual({ a: [1, "x"] });
  });
});

describe("FrameSplitter", () => {
  function stream(bodies: readonly Uint8Array[]): Buffer {
    return Buffer.concat(
      bodies.map((body) => {
        const space = { bytes: Buffer.alloc(FRAME_HEADER_BYTES + body.length), offset: 0 };
        const header = { type: FrameType.control, flags: 1, keyspaceId: 2, requestId: 3 };
        encodeOpaque(space, header, body);
        return space.bytes;
      }),
    );
  }

  it("gives the same frames however the stream is cut", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 10 }), cuts, (bodies, sizes) => {
        const whole = stream(bodies);
        const seen: number[][] = [];
        const splitter = new FrameSplitter(1000, (buffer, start, end) =>
          seen.push(Array.from(bodyOf(buffer, start, end))),
        );
        for (let at = 0, turn = 0; at < whole.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          splitter.push(whole.subarray(at, at + size));
          at += size;
        }
        expect(seen).toEqual(bodies.map((body) => Array.from(body)));
      }),
    );
  });

  it("is indifferent to a cut at every single byte", () => {
    const whole = stream([Buffer.from("one"), Buffer.alloc(0), Buffer.from("three")]);
    for (let cut = 0; cut <= whole.length; cut++) {
      const seen: string[] = [];
      const splitter = new FrameSplitter(100, (buffer, start, end) =>
        seen.push(bodyOf(buffer, start, end).toString()),
      );
      splitter.push(whole.subarray(0, cut));
      splitter.push(whole.subarray(cut));
      expect(seen).toEqual(["one", "", "three"]);
    }
  });

  it("refuses an impossible length before it keeps anything for it", () => {
    for (const length of [0, FRAME_HEADER_BYTES - 5, 97, 2 ** 32 - 1]) {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(length, 0);
      const splitter = new FrameSplitter(100, () => expect.unreachable());
      expect(() => splitter.push(head)).toThrow(/expected 12 to 100/);
      const bytewise = new FrameSplitter(100, () => expect.unreachable());
      const push = (): void => {
        for (const byte of head) bytewise.push(Buffer.from([byte]));
      };
      expect(push).toThrow(FrameError);
    }
  });

  it("acknowledgements are a bare header", () => {
    const { space, end } = room(FRAME_HEADER_BYTES);
    encodeWriteOk(space, 42);
    const header = {} as FrameHeader;
    readHeader(space.bytes, space.offset, header);
    expect(header).toEqual({ type: FrameType.writeOk, flags: 0, keyspaceId: 0, requestId: 42 });
    expect(bodyOf(space.bytes, space.offset, end)).toHaveLength(0);
  });
});
