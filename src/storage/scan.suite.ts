/** The part of the contract of StorageEngine that concerns scans. */
import { describe, expect, it } from "vitest";
import {
  type EngineFixture,
  WHOLE_RING,
  bytesOf,
  render,
  scanAll,
  useEngines,
  write,
} from "./engine-harness.suite.ts";
import type { ScannedCell, StorageEngine } from "./engine.ts";

export function describeScans(makeFixture: () => EngineFixture): void {
  describe("scans", () => {
    const { open, stored } = useEngines(makeFixture);
    const tokens = [-0x8000_0000, -7, -1, 0, 3, 0x7fff_ffff];

    async function filled(): Promise<StorageEngine> {
      const engine = await open();
      for (const tokenHi of tokens) {
        for (const tokenLo of [0xffff_ffff, 0, 5]) {
          const value = bytesOf(`${tokenHi}/${tokenLo}`);
          await stored(engine, write({ tokenHi, tokenLo, key: bytesOf("k"), value }));
        }
      }
      return engine;
    }

    const inOrder = tokens.flatMap((hi) => [0, 5, 0xffff_ffff].map((lo) => [hi, lo] as const));
    const lines = (list: readonly (readonly [number, number])[]) =>
      list.map(([hi, lo]) => `${hi},${lo},k=${hi}/${lo}`);

    it("walks (start, end] in the order of tokens, with and without wrapping", async () => {
      const engine = await filled();
      for (let start = 0; start < inOrder.length; start += 2) {
        for (let end = 0; end < inOrder.length; end++) {
          const [startHi, startLo] = inOrder[start]!;
          const [endHi, endLo] = inOrder[end]!;
          const expected =
            start < end
              ? inOrder.slice(start + 1, end + 1)
              : [...inOrder.slice(start + 1), ...inOrder.slice(0, end + 1)];
          const seen = scanAll(
            engine,
            { startHi, startLo, endHi, endLo },
            { limit: 1 + (end % 5) },
          );
          expect(seen).toEqual(lines(expected));
        }
      }
    });

    it("begins and ends between tokens", async () => {
      const engine = await filled();
      const span = { startHi: -1, startLo: 1, endHi: 3, endLo: 4 };
      expect(scanAll(engine, span)).toEqual(
        lines([
          [-1, 5],
          [-1, 0xffff_ffff],
          [0, 0],
          [0, 5],
          [0, 0xffff_ffff],
          [3, 0],
        ]),
      );
    });

    it("leaves out values that were not asked for", async () => {
      const engine = await filled();
      const seen = scanAll(engine, WHOLE_RING, { values: false });
      expect(seen).toHaveLength(18);
      expect(seen.every((line) => line.endsWith("=-"))).toBe(true);
    });

    it("yields tombstones with their versions", async () => {
      const engine = await open();
      await stored(engine, write({ value: undefined, timestamp: 9, writer: 3 }));
      const scan = engine.scan(1, WHOLE_RING, { values: true });
      const seen: ScannedCell[] = [];
      scan.next(10, (cell) => seen.push(cell));
      expect(seen).toMatchObject([{ isTombstone: true, timestamp: 9, writer: 3, valueBytes: 0 }]);
      expect(seen[0]!.value).toBeUndefined();
      scan.close();
    });

    it("shows the state of its opening, whatever is put meanwhile", async () => {
      const engine = await filled();
      const scan = engine.scan(1, WHOLE_RING, { values: true });
      const seen: string[] = [];
      // The whole ring from token (0, 0) on begins behind it and ends with it.
      scan.next(2, (cell) => seen.push(render(cell)));
      for (const [tokenHi, tokenLo] of inOrder) {
        await stored(
          engine,
          write({ tokenHi, tokenLo, key: bytesOf("k"), value: undefined, timestamp: 7 }),
        );
        await stored(engine, write({ tokenHi, tokenLo, key: bytesOf("new"), timestamp: 7 }));
        await stored(
          engine,
          write({ tokenHi, tokenLo, key: bytesOf("k"), value: bytesOf("again"), timestamp: 8 }),
        );
      }
      const second = engine.scan(1, WHOLE_RING, { values: true });
      await stored(
        engine,
        write({
          tokenHi: 3,
          tokenLo: 5,
          key: bytesOf("k"),
          value: bytesOf("third"),
          timestamp: 9,
        }),
      );
      while (scan.next(2, (cell) => seen.push(render(cell))) > 0);
      const start = inOrder.findIndex(([hi, lo]) => hi === 0 && lo === 0) + 1;
      expect(seen).toEqual(lines([...inOrder.slice(start), ...inOrder.slice(0, start)]));
      scan.close();
      const later: string[] = [];
      while (second.next(5, (cell) => later.push(render(cell))) > 0);
      expect(later).toHaveLength(36);
      expect(later.filter((line) => line.endsWith("k=again"))).toHaveLength(18);
      second.close();
      expect(scanAll(engine, WHOLE_RING)).toContain("3,5,k=third");
    });

    it("begins at any key of its first token, and is in byte order of keys", async () => {
      const engine = await open();
      const long = (end: string): string => `${"l".repeat(1950)}${end}`;
      const keys = ["", "a", "ab", "b", "l", long("a"), long("ab"), long("c"), "m"];
      const places = [
        [-0x8000_0000, 0],
        [5, 0xffff_ffff],
        [6, 0],
      ] as const;
      for (const [tokenHi, tokenLo] of places) {
        for (const key of keys.toReversed()) {
          await stored(engine, write({ tokenHi, tokenLo, key: bytesOf(key) }));
        }
      }
      const spans = [
        { startHi: 5, startLo: 0xffff_fffe, endHi: 6, endLo: 0, tokens: 2 },
        { startHi: 5, startLo: 0xffff_ffff, endHi: -0x8000_0000, endLo: 0, tokens: 2 },
        { startHi: 0x7fff_ffff, startLo: 0xffff_ffff, endHi: 5, endLo: 0, tokens: 1 },
      ];
      for (const { tokens, ...span } of spans) {
        for (const startKey of [...keys, "aa", long("b"), "x"].map(bytesOf)) {
          const scan = engine.scan(1, span, { values: false, startKey });
          const seen: string[] = [];
          while (scan.next(2, ({ key }) => seen.push(Buffer.from(key).toString())) > 0);
          scan.close();
          const first = keys.filter((key) => Buffer.compare(bytesOf(key), startKey) >= 0);
          const all = [...first, ...(tokens === 2 ? keys : [])];
          // Long keys that begin alike are in no order.
          expect(seen.toSorted()).toEqual(all.toSorted());
          const short = (key: string): boolean => key.length < 1900;
          expect(seen.filter(short)).toEqual(all.filter(short));
        }
      }
    });

    it("ends when it is closed", async () => {
      const engine = await filled();
      const scan = engine.scan(1, WHOLE_RING, { values: false });
      expect(scan.next(4, () => {})).toBe(4);
      scan.close();
      scan.close();
      expect(scan.next(4, () => {})).toBe(0);
    });
  });
}
