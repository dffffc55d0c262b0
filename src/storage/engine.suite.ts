/** The contract of StorageEngine: the same cases for every engine, on every disk. */
import { afterEach, describe, expect, it } from "vitest";
import type { Clock } from "../model/deps.ts";
import type { Durability } from "../model/consistency.ts";
import { contentHash } from "./content-hash.ts";
import type { CellWrite, PutSink, ScannedCell, StorageEngine, TokenSpan } from "./engine.ts";

/** A place where an engine lives; `open` after `close` finds what was stored. */
export interface EngineFixture {
  /** Makes a new engine over the same files. */
  make(): StorageEngine;
  /** Lets the engine's time go on until the promise is settled. */
  run<T>(promise: Promise<T>): Promise<T>;
  /** Removes everything. */
  dispose(): void;
}

export const WHOLE_RING: TokenSpan = { startHi: 0, startLo: 0, endHi: 0, endLo: 0 };

/** A clock that is real enough for tests: the event loop itself. */
export const eventLoopClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  defer: (callback) => void setImmediate(callback),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text));
}

export function write(overrides: Partial<CellWrite> = {}): CellWrite {
  return {
    keyspaceId: 1,
    tokenHi: 0,
    tokenLo: 0,
    key: bytesOf("key"),
    value: bytesOf("value"),
    timestamp: 1,
    writer: 1,
    expiresAtMs: 0,
    ...overrides,
  };
}

/** Puts and resolves when it is stored. */
export async function put(
  engine: StorageEngine,
  cell: CellWrite,
  durability: Durability = "memory",
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    engine.put(cell, durability, { stored: resolve, putFailed: reject });
  });
}

export function valueOf(engine: StorageEngine, cell: CellWrite): string | undefined {
  const found = engine.get(cell.keyspaceId, cell.tokenHi, cell.tokenLo, cell.key);
  return found?.value === undefined ? undefined : Buffer.from(found.value).toString();
}

/** All cells of a scan as `hi,lo,key=value`, read in pages of `limit`. */
export function scanAll(
  engine: StorageEngine,
  span: TokenSpan,
  options: { limit?: number; values?: boolean; keyspaceId?: number } = {},
): string[] {
  const { limit = 3, values = true, keyspaceId = 1 } = options;
  const scan = engine.scan(keyspaceId, span, { values });
  const seen: string[] = [];
  while (scan.next(limit, (cell) => seen.push(render(cell))) > 0);
  scan.close();
  return seen;
}

export function render(cell: ScannedCell): string {
  const key = Buffer.from(cell.key).toString();
  const value = cell.value === undefined ? "-" : Buffer.from(cell.value).toString();
  return `${cell.tokenHi},${cell.tokenLo},${key}=${value}`;
}

export function runEngineSuite(name: string, makeFixture: () => EngineFixture): void {
  describe(`${name} as a StorageEngine`, () => {
    let fixture: EngineFixture | undefined;
    let current: StorageEngine | undefined;

    async function open(): Promise<StorageEngine> {
      fixture ??= makeFixture();
      current = fixture.make();
      await fixture.run(current.open());
      return current;
    }

    async function reopen(): Promise<StorageEngine> {
      if (current !== undefined) await fixture!.run(current.close());
      return open();
    }

    async function stored(
      engine: StorageEngine,
      cell: CellWrite,
      durability: Durability = "memory",
    ): Promise<void> {
      await fixture!.run(put(engine, cell, durability));
    }

    afterEach(async () => {
      if (current !== undefined) await fixture!.run(current.close());
      fixture?.dispose();
      fixture = undefined;
      current = undefined;
    });

    describe("merging", () => {
      it("finds nothing in an empty store", async () => {
        const engine = await open();
        expect(engine.get(1, 0, 0, bytesOf("key"))).toBeUndefined();
        expect(engine.head(1, 0, 0, bytesOf("key"))).toBeUndefined();
        expect(scanAll(engine, WHOLE_RING)).toEqual([]);
      });

      it("returns a cell with everything that was put", async () => {
        const engine = await open();
        const cell = write({
          tokenHi: -5,
          tokenLo: 0xffff_fff0,
          timestamp: 1_700_000_000_123_456,
          writer: 0xffff_ffff,
          expiresAtMs: 1_800_000_000_000,
        });
        await stored(engine, cell);
        const head = {
          timestamp: 1_700_000_000_123_456,
          writer: 0xffff_ffff,
          expiresAtMs: 1_800_000_000_000,
          isTombstone: false,
          contentHash: contentHash(cell.value, cell.expiresAtMs),
          valueBytes: 5,
        };
        expect(engine.head(1, -5, 0xffff_fff0, cell.key)).toEqual(head);
        const found = engine.get(1, -5, 0xffff_fff0, cell.key);
        expect({ ...found, value: undefined }).toEqual({ ...head, value: undefined });
        expect(valueOf(engine, cell)).toBe("value");
      });

      it("shows a put before it is acknowledged", async () => {
        const engine = await open();
        const pending = put(engine, write({ value: bytesOf("now") }), "fsync");
        expect(valueOf(engine, write())).toBe("now");
        await fixture!.run(pending);
      });

      const older = write({ timestamp: 5, writer: 5, value: bytesOf("older") });
      const hashes = ["x", "y"].map((text) => contentHash(bytesOf(text), 0));
      const greater = hashes[0]! > hashes[1]! ? "x" : "y";
      const lesser = greater === "x" ? "y" : "x";
      it.each<[string, CellWrite, CellWrite, string | undefined]>([
        [
          "timestamp",
          write({ ...older, timestamp: 6, writer: 1, value: bytesOf("new") }),
          older,
          "new",
        ],
        ["writer", write({ ...older, writer: 6, value: bytesOf("new") }), older, "new"],
        ["tombstone", write({ ...older, value: undefined }), older, undefined],
        [
          "content hash",
          write({ ...older, value: bytesOf(greater) }),
          write({ ...older, value: bytesOf(lesser) }),
          greater,
        ],
      ])("lets the greater %s win in either order", async (_, winner, loser, expected) => {
        const engine = await open();
        for (const [first, second] of [
          [winner, loser],
          [loser, winner],
        ] as const) {
          const key = bytesOf(first === winner ? "a" : "b");
          await stored(engine, { ...first, key });
          await stored(engine, { ...second, key });
          expect(valueOf(engine, { ...winner, key })).toBe(expected);
          expect(engine.head(1, 0, 0, key)?.isTombstone).toBe(expected === undefined);
        }
        const again = await reopen();
        expect(valueOf(again, { ...winner, key: bytesOf("a") })).toBe(expected);
        expect(valueOf(again, { ...winner, key: bytesOf("b") })).toBe(expected);
      });

      it("tells an empty value from a tombstone", async () => {
        let engine = await open();
        await stored(engine, write({ key: bytesOf("e"), value: new Uint8Array() }));
        await stored(engine, write({ key: bytesOf("t"), value: undefined }));
        for (let round = 0; round < 2; round++) {
          expect(valueOf(engine, write({ key: bytesOf("e") }))).toBe("");
          expect(engine.get(1, 0, 0, bytesOf("t"))).toMatchObject({
            isTombstone: true,
            valueBytes: 0,
          });
          expect(engine.get(1, 0, 0, bytesOf("t"))?.value).toBeUndefined();
          engine = await reopen();
        }
      });

      it("copies what it is given", async () => {
        const engine = await open();
        const cell = write({ key: bytesOf("kkk"), value: bytesOf("vvv") });
        const pending = put(engine, cell, "interval");
        cell.key.fill(0);
        cell.value!.fill(0);
        await fixture!.run(pending);
        expect(valueOf(engine, write({ key: bytesOf("kkk") }))).toBe("vvv");
      });
    });

    describe("keys", () => {
      it("tells keys on one token apart", async () => {
        let engine = await open();
        const keys = ["", "a", "aa", "ab", "b", "\u0000", "b\u0000"];
        for (const key of keys)
          await stored(engine, write({ key: bytesOf(key), value: bytesOf(`<${key}>`) }));
        for (let round = 0; round < 2; round++) {
          for (const key of keys)
            expect(valueOf(engine, write({ key: bytesOf(key) }))).toBe(`<${key}>`);
          const order = scanAll(engine, WHOLE_RING).map(
            (line) => line.split(",")[2]!.split("=")[0],
          );
          expect(order).toEqual([...keys].sort());
          engine = await reopen();
        }
      });

      it("tells keyspaces apart", async () => {
        const engine = await open();
        await stored(engine, write({ keyspaceId: 0, value: bytesOf("zero") }));
        await stored(engine, write({ keyspaceId: 65_535, value: bytesOf("last") }));
        const again = await reopen();
        expect(valueOf(again, write({ keyspaceId: 0 }))).toBe("zero");
        expect(valueOf(again, write({ keyspaceId: 65_535 }))).toBe("last");
        expect(valueOf(again, write({ keyspaceId: 1 }))).toBeUndefined();
        expect(scanAll(again, WHOLE_RING, { keyspaceId: 65_535 })).toEqual(["0,0,key=last"]);
      });

      it("holds keys of 64 KiB that differ in the last byte only", async () => {
        let engine = await open();
        const keys = [1, 2, 3].map((last) => {
          const key = new Uint8Array(65_536).fill(7);
          key[65_535] = last;
          return key;
        });
        for (const key of keys)
          await stored(engine, write({ key, value: bytesOf(`v${key[65_535]}`) }));
        await stored(engine, write({ key: keys[1]!.subarray(0, 65_535), value: bytesOf("short") }));
        for (let round = 0; round < 2; round++) {
          for (const key of keys) expect(valueOf(engine, write({ key }))).toBe(`v${key[65_535]}`);
          expect(valueOf(engine, write({ key: keys[1]!.subarray(0, 65_535) }))).toBe("short");
          const values = scanAll(engine, WHOLE_RING).map((line) => line.split("=")[1]);
          expect(new Set(values)).toEqual(new Set(["short", "v1", "v2", "v3"]));
          expect(values).toHaveLength(4);
          engine = await reopen();
        }
      });

      it("holds values of 16 MiB", async () => {
        let engine = await open();
        const value = new Uint8Array(16 * 1024 * 1024).map(
          (_, index) => index * 31 + (index >>> 9),
        );
        await stored(engine, write({ value }), "fsync");
        for (let round = 0; round < 2; round++) {
          const found = engine.get(1, 0, 0, bytesOf("key"))!.value!;
          expect(Buffer.compare(found, value)).toBe(0);
          engine = await reopen();
        }
      });

      it("refuses keys and values over the limits", async () => {
        const engine = await open();
        const tooLarge = { code: "TOO_LARGE" };
        const key = new Uint8Array(65_537);
        await expect(stored(engine, write({ key }))).rejects.toMatchObject(tooLarge);
        const value = new Uint8Array(16 * 1024 * 1024 + 1);
        await expect(stored(engine, write({ value }))).rejects.toMatchObject(tooLarge);
        expect(engine.stats().cells).toBe(0);
      });
    });

    describe("scans", () => {
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

    describe("durability", () => {
      it.each<Durability>(["memory", "interval", "fsync"])(
        "acknowledges every put at %s once, also those that lose",
        async (durability) => {
          const engine = await open();
          let acknowledged = 0;
          await fixture!.run(
            new Promise<void>((resolve, reject) => {
              const sink: PutSink = {
                stored: () => {
                  if (++acknowledged === 100) resolve();
                },
                putFailed: reject,
              };
              for (let number = 0; number < 100; number++) {
                const value = bytesOf(`v${number}`);
                engine.put(write({ timestamp: number % 10, value }), durability, sink);
              }
            }),
          );
          await fixture!.run(engine.sync());
          expect(acknowledged).toBe(100);
        },
      );

      it("takes a put from within an acknowledgement", async () => {
        const engine = await open();
        await fixture!.run(
          new Promise<void>((resolve, reject) => {
            let left = 20;
            const sink: PutSink = {
              stored: () => {
                if (left-- === 0) resolve();
                else {
                  const durability = left % 2 === 0 ? "fsync" : "interval";
                  engine.put(write({ timestamp: 100 - left }), durability, sink);
                }
              },
              putFailed: reject,
            };
            engine.put(write(), "fsync", sink);
          }),
        );
        expect(engine.head(1, 0, 0, bytesOf("key"))?.timestamp).toBe(100);
      });

      it("stores at close what is pending, and refuses afterwards", async () => {
        const engine = await open();
        const outcomes: string[] = [];
        const puts = (["memory", "interval", "fsync"] as const).map((durability) =>
          put(engine, write({ key: bytesOf(durability) }), durability).then(() =>
            outcomes.push(durability),
          ),
        );
        const closed = engine.close();
        await fixture!.run(Promise.all([...puts, closed]));
        expect(outcomes.sort()).toEqual(["fsync", "interval", "memory"]);
        await expect(fixture!.run(put(engine, write()))).rejects.toMatchObject({ code: "CLOSED" });
        const again = await open();
        expect(scanAll(again, WHOLE_RING)).toHaveLength(3);
      });

      it("refuses puts before it is opened", async () => {
        fixture = makeFixture();
        const engine = fixture.make();
        await expect(put(engine, write())).rejects.toMatchObject({ code: "CLOSED" });
      });
    });

    describe("opening again", () => {
      it("finds everything that was stored, newest versions only", async () => {
        let engine = await open();
        const expected: string[] = [];
        for (let number = 0; number < 300; number++) {
          const tokenHi = Math.imul(number, 0x9e37_79b1);
          const base = { tokenHi, tokenLo: number, key: bytesOf(`key ${number}`) };
          await stored(engine, write({ ...base, value: bytesOf("old") }));
          await stored(engine, write({ ...base, value: bytesOf(`v${number}`), timestamp: 2 }));
          expected.push(`${tokenHi},${number},key ${number}=v${number}`);
        }
        for (let round = 0; round < 3; round++) {
          expect(scanAll(engine, WHOLE_RING, { limit: 64 }).sort()).toEqual(expected.sort());
          expect(engine.stats()).toMatchObject({ cells: 300, tombstones: 0, corruptRecords: 0 });
          engine = await reopen();
        }
      });

      it("reports what it found", async () => {
        const engine = await open();
        await stored(engine, write({ key: bytesOf("a") }));
        await stored(engine, write({ key: bytesOf("b"), value: undefined }));
        await fixture!.run(engine.close());
        current = fixture!.make();
        const report = await fixture!.run(current.open());
        expect(report).toMatchObject({ cells: 2, bytesDropped: 0 });
      });
    });

    it("counts cells, tombstones and live bytes", async () => {
      let engine = await open();
      await stored(engine, write({ key: bytesOf("abc"), value: bytesOf("12345") }));
      await stored(engine, write({ key: bytesOf("x"), value: bytesOf("1") }));
      await stored(engine, write({ key: bytesOf("x"), value: undefined, timestamp: 2 }));
      for (let round = 0; round < 2; round++) {
        const stats = engine.stats();
        expect(stats).toMatchObject({ cells: 2, tombstones: 1, liveBytes: 9, corruptRecords: 0 });
        expect(stats.diskBytes).toBeGreaterThan(0);
        engine = await reopen();
      }
    });
  });
}
