/** The part of the contract of StorageEngine that concerns spans: dropping and measuring them. */
import { describe, expect, it } from "vitest";
import {
  type EngineFixture,
  WHOLE_RING,
  bytesOf,
  put,
  render,
  scanAll,
  useEngines,
  valueOf,
  write,
} from "./engine-harness.suite.ts";
import type { StorageEngine, TokenSpan } from "./engine.ts";
import { measureNow } from "./measure.ts";

const TOKENS = [-0x8000_0000, -7, 0, 3, 0x7fff_ffff].flatMap((hi) =>
  [0, 5, 0xffff_ffff].map((lo) => [hi, lo] as const),
);

function drop(engine: StorageEngine, span: TokenSpan, keyspaceId = 1): Promise<void> {
  return new Promise((resolve, reject) => {
    engine.drop(keyspaceId, span, { stored: resolve, putFailed: reject });
  });
}

/** The positions in TOKENS that a span from one of them to another covers. */
function covered(start: number, end: number): (index: number) => boolean {
  if (start < end) return (index) => index > start && index <= end;
  return (index) => index > start || index <= end;
}

function spanOf(start: number, end: number): TokenSpan {
  const [startHi, startLo] = TOKENS[start]!;
  const [endHi, endLo] = TOKENS[end]!;
  return { startHi, startLo, endHi, endLo };
}

export function describeDrops(name: string, makeFixture: () => EngineFixture): void {
  describe(`${name}: spans`, () => {
    const { open, reopen, run } = useEngines(makeFixture);

    const cellAt = (index: number, version = 1) =>
      write({
        tokenHi: TOKENS[index]![0],
        tokenLo: TOKENS[index]![1],
        value: bytesOf(`${index}`),
        timestamp: version,
      });

    async function filled(version = 1): Promise<StorageEngine> {
      const engine = await open();
      for (let index = 0; index < TOKENS.length; index++) {
        await run(put(engine, cellAt(index, version), "fsync"));
      }
      return engine;
    }

    function held(engine: StorageEngine): number[] {
      const found = scanAll(engine, WHOLE_RING).map((line) => Number(line.split("=")[1]));
      const read = TOKENS.flatMap((_, index) =>
        valueOf(engine, cellAt(index)) === undefined ? [] : [index],
      );
      expect(found.sort((a, b) => a - b)).toEqual(read);
      return read;
    }

    it("drops (start, end], with and without wrapping, and nothing else", async () => {
      let engine = await filled();
      let version = 10;
      for (const [start, end] of [
        [0, 14],
        [3, 7],
        [7, 3],
        [14, 0],
        [2, 2],
        [14, 14],
        [13, 14],
        [0, 1],
      ] as const) {
        version -= 1;
        for (let index = 0; index < TOKENS.length; index++) {
          await run(put(engine, cellAt(index, version)));
        }
        await run(drop(engine, spanOf(start, end)));
        const isCovered = covered(start, end);
        const expected = TOKENS.flatMap((_, index) => (isCovered(index) ? [] : [index]));
        expect(held(engine)).toEqual(expected);
        expect(engine.stats()).toMatchObject({ cells: expected.length, tombstones: 0 });
        engine = await reopen();
        expect(held(engine)).toEqual(expected);
        expect(engine.stats()).toMatchObject({ cells: expected.length, tombstones: 0 });
      }
    });

    it("drops at once what is there, also before it is stored", async () => {
      const engine = await open();
      const pending = [put(engine, cellAt(1), "fsync"), put(engine, cellAt(9), "interval")];
      const dropped = drop(engine, spanOf(0, 5));
      expect(held(engine)).toEqual([9]);
      await run(Promise.all([...pending, dropped]));
      expect(held(engine)).toEqual([9]);
      expect(held(await reopen())).toEqual([9]);
    });

    it("stores a dropped cell again, even with an older version", async () => {
      let engine = await filled(9);
      const first = drop(engine, spanOf(2, 6));
      const again = put(engine, cellAt(4, 3), "fsync");
      expect(engine.head(1, ...TOKENS[4]!, bytesOf("key"))?.timestamp).toBe(3);
      await run(Promise.all([first, again]));
      await run(put(engine, cellAt(5, 2), "fsync"));
      for (let round = 0; round < 3; round++) {
        expect(held(engine)).toEqual([0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14]);
        expect(engine.head(1, ...TOKENS[4]!, bytesOf("key"))?.timestamp).toBe(3);
        expect(engine.head(1, ...TOKENS[5]!, bytesOf("key"))?.timestamp).toBe(2);
        engine = await reopen();
      }
    });

    it("drops tombstones like values, and leaves other keyspaces alone", async () => {
      let engine = await filled();
      await run(put(engine, write({ keyspaceId: 2, value: bytesOf("other") })));
      await run(put(engine, write({ tokenLo: 1, value: undefined })));
      expect(engine.stats()).toMatchObject({ cells: 17, tombstones: 1 });
      await run(drop(engine, WHOLE_RING));
      for (let round = 0; round < 2; round++) {
        expect(held(engine)).toEqual([]);
        expect(engine.get(1, 0, 1, bytesOf("key"))).toBeUndefined();
        expect(valueOf(engine, write({ keyspaceId: 2 }))).toBe("other");
        expect(engine.stats()).toMatchObject({ cells: 1, tombstones: 0, liveBytes: 8 });
        engine = await reopen();
      }
    });

    it("says that a drop of nothing is stored", async () => {
      const engine = await open();
      await run(drop(engine, WHOLE_RING));
      await run(drop(engine, spanOf(3, 4), 9));
      expect(engine.stats().cells).toBe(0);
    });

    it("leaves open scans what they saw at their opening", async () => {
      const engine = await filled();
      const before = engine.scan(1, WHOLE_RING, { values: true });
      const seen: string[] = [];
      before.next(4, (cell) => seen.push(render(cell)));
      const dropped = drop(engine, WHOLE_RING);
      const between = engine.scan(1, WHOLE_RING, { values: true });
      before.next(4, (cell) => seen.push(render(cell)));
      await run(dropped);
      await run(put(engine, write({ tokenHi: 3, tokenLo: 5, value: bytesOf("new") })));
      const later = engine.scan(1, WHOLE_RING, { values: true });
      while (before.next(2, (cell) => seen.push(render(cell))) > 0);
      expect(seen.map((line) => Number(line.split("=")[1])).sort((a, b) => a - b)).toEqual(
        TOKENS.map((_, index) => index),
      );
      expect(between.next(10, () => {})).toBe(0);
      const rest: string[] = [];
      expect(later.next(10, (cell) => rest.push(render(cell)))).toBe(1);
      expect(rest).toEqual(["3,5,key=new"]);
      for (const scan of [before, between, later]) scan.close();
      expect(scanAll(engine, WHOLE_RING)).toEqual(["3,5,key=new"]);
    });

    it("drops the longest keys, of which many look alike", async () => {
      let engine = await open();
      const keys = [1, 2, 3].map((last) => new Uint8Array(65_536).fill(7).fill(last, 65_535));
      for (const key of keys) await run(put(engine, write({ key, timestamp: 5 })));
      await run(drop(engine, WHOLE_RING));
      await run(put(engine, write({ key: keys[1]!, value: bytesOf("again") })));
      for (let round = 0; round < 2; round++) {
        expect(keys.map((key) => valueOf(engine, write({ key })))).toEqual([
          undefined,
          "again",
          undefined,
        ]);
        engine = await reopen();
      }
    });

    it("drops many cells while others are put, and takes them again", async () => {
      let engine = await open();
      const cell = (number: number, timestamp: number, text: string) =>
        write({
          tokenHi: Math.imul(number, 0x9e37_79b1),
          tokenLo: number,
          key: bytesOf(`key ${number}`),
          value: bytesOf(text),
          timestamp,
        });
      const count = 6000;
      const filling = [];
      for (let number = 0; number < count; number++)
        filling.push(put(engine, cell(number, 9, "o")));
      await run(Promise.all(filling));
      // Half of the ring: (-2^31, 0] of the high halves, give or take.
      const span = { startHi: 0x7fff_ffff, startLo: 0, endHi: 0, endLo: 0 };
      const isDropped = (number: number) => Math.imul(number, 0x9e37_79b1) <= 0;
      const dropped = drop(engine, span);
      const again = [];
      for (let number = 0; number < count; number += 3) {
        again.push(put(engine, cell(number, 4, "n"), "fsync"));
      }
      const expected: string[] = [];
      for (let number = 0; number < count; number++) {
        if (number % 3 === 0 && isDropped(number)) expected.push(`${number}=n`);
        else if (!isDropped(number)) expected.push(`${number}=o`);
      }
      const found = () =>
        scanAll(engine, WHOLE_RING, { limit: 500 }).map((line) => line.replace(/^.*key /, ""));
      expect(found().sort()).toEqual(expected.sort());
      await run(Promise.all([dropped, ...again]));
      for (let round = 0; round < 2; round++) {
        expect(found().sort()).toEqual(expected);
        expect(engine.stats().cells).toBe(expected.length);
        expect(measureNow(engine, 1, WHOLE_RING).cells).toBe(expected.length);
        engine = await reopen();
      }
    });

    it("finishes at close a drop that is under way, and refuses afterwards", async () => {
      const engine = await filled();
      const pending = drop(engine, spanOf(4, 8));
      await run(Promise.all([pending, engine.close()]));
      await expect(run(drop(engine, WHOLE_RING))).rejects.toMatchObject({
        code: "CLOSED",
      });
      expect(held(await open())).toEqual([0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14]);
    });

    it("takes drops and puts from within the acknowledgement of a drop", async () => {
      const engine = await filled();
      await run(
        new Promise<void>((resolve, reject) => {
          engine.drop(1, spanOf(0, 3), {
            stored: () => {
              engine.put(cellAt(2), "fsync", { stored: () => {}, putFailed: reject });
              engine.drop(1, spanOf(9, 12), { stored: resolve, putFailed: reject });
            },
            putFailed: reject,
          });
        }),
      );
      expect(held(await reopen())).toEqual([0, 2, 4, 5, 6, 7, 8, 9, 13, 14]);
    });

    it("measures cells and bytes of a span, tombstones included", async () => {
      let engine = await filled();
      await run(put(engine, write({ tokenLo: 1, value: undefined, key: bytesOf("go") })));
      await run(put(engine, write({ keyspaceId: 2 })));
      await run(put(engine, { ...cellAt(6), value: bytesOf("longer"), timestamp: 2 }));
      for (let round = 0; round < 2; round++) {
        // Keys of three bytes; values of one byte up to number nine, two bytes from ten on.
        expect(measureNow(engine, 1, spanOf(0, 4))).toEqual({ cells: 4, bytes: 16 });
        expect(measureNow(engine, 1, spanOf(5, 7))).toEqual({ cells: 3, bytes: 9 + 4 + 2 });
        expect(measureNow(engine, 1, spanOf(12, 1))).toEqual({ cells: 4, bytes: 5 + 5 + 4 + 4 });
        expect(measureNow(engine, 1, WHOLE_RING)).toEqual({
          cells: 16,
          bytes: engine.stats().liveBytes - 8,
        });
        expect(measureNow(engine, 3, WHOLE_RING)).toEqual({ cells: 0, bytes: 0 });
        engine = await reopen();
      }
      await run(drop(engine, spanOf(5, 7)));
      expect(measureNow(engine, 1, spanOf(5, 7))).toEqual({ cells: 0, bytes: 0 });
    });
  });
}
