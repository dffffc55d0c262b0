import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WHOLE_RING } from "../engine-harness.suite.ts";
import type { TokenSpan } from "../engine.ts";
import { silentLogger } from "../../model/deps.ts";
import { MemoryDisk } from "../memory-disk.ts";
import { VirtualClock } from "../virtual-clock.suite.ts";
import { DROPS_NAME, encodeDrops, readDrops } from "./drop-format.ts";
import { DropMap, isInSpan } from "./drop-map.ts";

const HIGH_HALVES = [-0x8000_0000, -1, 0, 0x7fff_ffff];
const LOW_HALVES = [0, 7, 0xffff_ffff];
const TOKENS = HIGH_HALVES.flatMap((hi) => LOW_HALVES.map((lo) => ({ hi, lo })));

const token = fc.constantFrom(...TOKENS);
const span = fc.tuple(token, token).map(([start, end]): TokenSpan => ({
  startHi: start.hi,
  startLo: start.lo,
  endHi: end.hi,
  endLo: end.lo,
}));
const drops = fc.array(fc.record({ keyspaceId: fc.nat({ max: 1 }), span }), { maxLength: 12 });

function wide(hi: number, lo: number): bigint {
  return BigInt(hi) * 0x1_0000_0000n + BigInt(lo);
}

function holds(each: TokenSpan, { hi, lo }: { hi: number; lo: number }): boolean {
  const [at, start, end] = [
    wide(hi, lo),
    wide(each.startHi, each.startLo),
    wide(each.endHi, each.endLo),
  ];
  return start < end ? at > start && at <= end : at > start || at <= end;
}

const placeOf = (number: number) => ({ segmentId: 1 + (number >> 2), offset: 1024 + number * 10 });

describe("DropMap", () => {
  it("covers what the last drop of a token covers, like a list of all drops", () => {
    fc.assert(
      fc.property(drops, fc.nat({ max: 12 }), (list, pruned) => {
        const map = new DropMap();
        for (const [number, drop] of list.entries()) {
          map.add(drop.keyspaceId, drop.span, placeOf(number + 1));
        }
        map.prune(placeOf(pruned));
        for (const keyspaceId of [0, 1]) {
          for (const { hi, lo } of TOKENS) {
            const last = list.findLastIndex(
              (drop) => drop.keyspaceId === keyspaceId && holds(drop.span, { hi, lo }),
            );
            for (let number = 0; number <= 13; number++) {
              const isNeeded = last + 1 >= pruned;
              const found = map.covers({ keyspaceId, tokenHi: hi, tokenLo: lo }, placeOf(number));
              expect(found).toBe(isNeeded && last >= 0 && number < last + 1);
            }
          }
        }
      }),
    );
  });

  it("tells which tokens are in a span", () => {
    fc.assert(
      fc.property(span, token, (each, { hi, lo }) => {
        expect(isInSpan(each, (hi ^ 0x8000_0000) >>> 0, lo)).toBe(holds(each, { hi, lo }));
      }),
    );
  });

  it("has no more steps than bounds, however often spans are dropped", () => {
    const map = new DropMap();
    for (let number = 1; number < 200; number++) {
      const startHi = number % 5;
      map.add(1, { startHi, startLo: 0, endHi: startHi + 1, endLo: 0 }, placeOf(number));
    }
    expect(map.steps(1).length).toBeLessThanOrEqual(6);
    expect(map.latest).toMatchObject(placeOf(199));
    map.add(1, WHOLE_RING, placeOf(200));
    expect(map.steps(1)).toHaveLength(1);
    map.prune(placeOf(201));
    expect([...map.keyspaces()]).toEqual([]);
  });
});

describe("the file of the drops", () => {
  function read(bytes: Uint8Array): DropMap | undefined {
    const disk = new MemoryDisk({ clock: new VirtualClock() });
    disk.open(DROPS_NAME).write(bytes, 0);
    return readDrops({ disk, logger: silentLogger });
  }

  it("comes back as it was written, also with either copy damaged", () => {
    fc.assert(
      fc.property(drops, fc.nat(), (list, damage) => {
        const map = new DropMap();
        for (const [number, drop] of list.entries()) {
          map.add(drop.keyspaceId, drop.span, placeOf(number + 1));
        }
        const bytes = encodeDrops(map);
        const at = damage % bytes.length;
        bytes[at] = (bytes[at] as number) ^ 16;
        const found = read(bytes);
        for (const keyspaceId of [0, 1]) {
          expect(found?.steps(keyspaceId)).toEqual(map.steps(keyspaceId));
        }
      }),
    );
  });

  it("is unusable with both copies damaged, or cut off", () => {
    const map = new DropMap();
    map.add(1, WHOLE_RING, placeOf(1));
    const bytes = encodeDrops(map);
    const both = bytes.map((byte, index) => (index % (bytes.length / 2) === 20 ? byte ^ 1 : byte));
    expect(read(both)).toBeUndefined();
    for (const length of [1, 9, bytes.length / 2, bytes.length - 1]) {
      expect(read(bytes.subarray(0, length))).toBeUndefined();
    }
  });

  it("of version 1 stays readable, and one of a newer version is refused", () => {
    const stored =
      "44594e44524f505301000000010000000700000000000080050000000300000084030000bc1ed0fd";
    const map = new DropMap();
    map.load(7, [{ hi: 0x8000_0000, lo: 5, segmentId: 3, offset: 900 }]);
    const bytes = encodeDrops(map);
    expect(Buffer.from(bytes).toString("hex")).toBe(stored + stored);
    expect(read(bytes)?.steps(7)).toEqual(map.steps(7));
    for (const at of [0, bytes.length / 2]) {
      const view = new DataView(bytes.buffer, at);
      view.setUint32(8, 2, true);
      view.setUint32(36, crc32(bytes.subarray(at, at + 36)), true);
    }
    expect(() => read(bytes)).toThrow("drops has format version 2; this release reads 1");
  });
});
